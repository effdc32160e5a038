//! Owns what a decision means to the person who asked.

use holdfast_policy::{Decision, Outcome};

/// What became of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Paid at once.
    Paid,
    /// Held for people.
    Held,
    /// Refused.
    Denied,
}

impl Verdict {
    pub(crate) fn of(decision: &Decision) -> Self {
        match decision.outcome {
            Outcome::Allow => Self::Paid,
            Outcome::Hold(_) => Self::Held,
            Outcome::Deny => Self::Denied,
        }
    }

    /// Whether people had to look, or nothing could be done.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Held | Self::Denied)
    }
}
