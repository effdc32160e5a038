//! How well a policy tells thieves from customers: a labelled stream of `holdfast_traffic` goes through the real
//! [`evaluate`](holdfast_policy::evaluate), and what became of honest customers and of attacks is counted.
//!
//! Pure: the same seed and policy give the same report. It must never let a label reach the policy: labels are read after the
//! decision, by [`Tally`] alone. Floats appear in reports only.

mod exchange;
mod interval;
mod outcome;
mod run;
mod tally;
mod view;

pub use interval::Share;
pub use outcome::Verdict;
pub use run::{Progress, Run, ScoreError};
pub use tally::{KindTally, Tally};
