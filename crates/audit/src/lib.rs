//! What an auditor does with a log: export it, verify it from the genesis hash alone, and explain a withdrawal from it.
//!
//! Pure: files come in through a function, times are those in the log. Every decision is derived again by the same
//! state machine that coordinator and nodes run; nothing that anybody claims about the log is taken as input. The crate
//! must never report a log as verified that it has not replayed to its end, and never needs a network.
//!
//! Start at [`verify`]; [`History`] is the replay that remembers who touched what, and [`explain`] reads it.

mod explain;
mod export;
mod finding;
mod fork;
mod history;
mod keys;
mod report;
mod verify;

pub use explain::{Explanation, explain};
pub use export::export;
pub use finding::Finding;
pub use fork::first_difference;
pub use history::{History, Step, StepResult};
pub use keys::LogKeys;
pub use report::{Cosigned, NoOp, Report};
pub use verify::{Verified, verify};
