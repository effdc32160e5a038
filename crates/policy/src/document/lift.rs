//! Owns what a document may say about the end of holds: who lifts them, and what time does. Time allows nothing unless a rule
//! says so.

use crate::{document::RequiredApprovals, ids::RoleName, time::DurationMs};

/// What ends a hold of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lift {
    /// People, and nothing else.
    Approvals {
        /// Whose approvals it needs.
        approvals: RequiredApprovals,
        /// Counted from the request: then it is denied, where that is sooner than the document's own deadline.
        reject_after: Option<DurationMs>,
    },
    /// Time, as long as no other rule wants people.
    Release {
        /// Counted from the first request: then the rule holds no more. Shorter than the document's deadline.
        after: DurationMs,
        /// Who may end it sooner; `None` is nobody.
        approvals: Option<RequiredApprovals>,
    },
}

/// The `[hold]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldTerms {
    /// How long a hold may wait, counted from the request; then it is denied.
    pub deadline: DurationMs,
    /// The role that looks after holds.
    pub owner: RoleName,
    /// Who is called when nobody acted.
    pub escalation: Option<Escalation>,
}

/// Who is called when a hold waits too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// Counted from the request; shorter than the deadline.
    pub after: DurationMs,
    /// The role that looks after the hold from then on, too.
    pub to: RoleName,
}

impl Lift {
    /// Who can lift it, if anybody can.
    pub fn approvals(&self) -> Option<&RequiredApprovals> {
        match self {
            Self::Approvals { approvals, .. } => Some(approvals),
            Self::Release { approvals, .. } => approvals.as_ref(),
        }
    }
}
