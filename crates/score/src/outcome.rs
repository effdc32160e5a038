//! Owns what a decision means to the person who asked.

use holdfast_policy::{Decision, Outcome};
use holdfast_traffic::AttackKind;

/// What became of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Paid at once.
    Paid,
    /// Waits for the customer alone: an identity provider must attest who it is.
    SteppedUp,
    /// Held for people.
    Held,
    /// Refused.
    Denied,
}

impl Verdict {
    pub(crate) fn of(decision: &Decision) -> Self {
        match &decision.outcome {
            Outcome::Allow => Self::Paid,
            // What only time lifts is a hold.
            Outcome::Hold(hold)
                if hold.step_up
                    && hold.approvals.is_empty()
                    && hold.release_at.is_none()
                    && hold.not_before.is_none() =>
            {
                Self::SteppedUp
            }
            Outcome::Hold(_) => Self::Held,
            Outcome::Deny => Self::Denied,
        }
    }

    /// Whether people had to look, or nothing could be done.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Held | Self::Denied)
    }
}

/// Whether somebody else than the customer acts, and cannot pass for the customer before an identity provider. Who deceives or
/// bribes the customer, or passed for the customer before, passes a step-up.
pub(crate) fn fails_a_step_up(kind: AttackKind) -> bool {
    match kind {
        AttackKind::TakeoverAfterReset
        | AttackKind::DrainedDormant
        | AttackKind::StolenClientKey
        | AttackKind::InsiderSlowDrip
        | AttackKind::SimSwapApiKey
        | AttackKind::SessionHijack => true,
        AttackKind::PoisonedAddress
        | AttackKind::MuleFanIn
        | AttackKind::Structuring
        | AttackKind::SanctionedOneHop
        | AttackKind::AddressSwapMalware
        | AttackKind::DeepfakeSupportReset => false,
    }
}
