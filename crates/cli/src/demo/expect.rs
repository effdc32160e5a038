//! What the demo claims: each claim is checked, and one that does not hold ends it with an error.

use holdfast_proto::v1;

use crate::failure::Failure;
use crate::wire;

/// Fails unless the withdrawal is in this state.
pub(super) fn state(withdrawal: &v1::Withdrawal, expected: v1::WithdrawalState) -> Result<(), Failure> {
    if withdrawal.state() == expected {
        return Ok(());
    }
    let reason = withdrawal.reason.as_ref().map(|reason| format!(" ({}: {})", reason.code, reason.sentence));
    Err(unmet(format!(
        "withdrawal {} is {}{} instead of {}",
        withdrawal.id,
        wire::state_name(withdrawal),
        reason.unwrap_or_default(),
        expected.as_str_name()
    )))
}

/// Fails unless this holds.
pub(super) fn that(condition: bool, otherwise: impl Into<String>) -> Result<(), Failure> {
    if condition { Ok(()) } else { Err(unmet(otherwise)) }
}

fn unmet(message: impl Into<String>) -> Failure {
    Failure::other("EXPECTATION_NOT_MET", message)
}
