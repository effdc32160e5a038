//! What an auditor does with a log: export it, verify it from the genesis hash alone, explain a withdrawal from it, search it,
//! draw a sample, report on a period, and watch it live.
//!
//! Pure: files come in through a function, times are those in the log. Every decision is derived again by the same
//! state machine that coordinator and nodes run; nothing that anybody claims about the log is taken as input. The crate
//! must never report a log as verified that it has not replayed to its end, and never needs a network.
//!
//! Start at [`verify`]; [`History`] is the replay that remembers who touched what, [`Event`] is what it shows to those who
//! watch it, and everything else reads one of the two.

mod backtest;
mod decisions;
mod explain;
mod export;
mod finding;
mod fork;
mod heads;
mod history;
mod keys;
mod monitor;
mod period;
mod report;
mod sample;
mod search;
mod shown;
mod text;
mod verify;

pub use backtest::{Backtest, Backtester, Counts, Flip, Outcomes, Said, Trips, Turn};
pub use explain::{Aftermath, Explanation, Kind, Relative, Reported, Sworn, explain};
pub use export::{Exporter, export};
pub use finding::Finding;
pub use fork::first_difference;
pub use heads::Heads;
pub use history::{History, Interest, Step, StepResult};
pub use holdfast_ledger::Event;
pub use keys::{DatedKey, LogKeys};
pub use monitor::{Alarm, Monitor, Patience, Severity};
pub use period::{Period, PeriodReport, Row};
pub use report::{Cosigned, NoOp, Report};
pub use sample::{Drawn, METHOD, Sample, Sampler};
pub use search::{Decided, Effect, Hit, Query};
pub use text::{csv_row, one_line, screen};
pub use verify::{Audit, Verified, verify, verify_with};
