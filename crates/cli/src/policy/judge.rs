//! Before a change of the policy is approved: what the proposal claims about diff and backtest, derived again on this machine.
//!
//! INVARIANT (G1): an officer approves what the proposal says only after this machine's own replay says the same: the diff by the
//! policy in force here, the backtest by this log up to the position that the proposal names.

use holdfast_audit::Backtest;
use holdfast_ledger::{BacktestClaim, Ceremony, CeremonyKind, PolicyProposal, State};

use super::backtest;
use crate::failure::{Exit, Failure};
use crate::session::Session;

/// Whether an officer may approve this ceremony, if it changes the policy.
pub(crate) async fn check(session: &Session, state: &State, ceremony: &Ceremony) -> Result<(), Failure> {
    let CeremonyKind::ChangePolicy(proposal) = &ceremony.kind else { return Ok(()) };
    diff(state, proposal)?;
    let upload = state.uploaded_policies().iter().find(|upload| upload.document.hash() == proposal.policy);
    let Some(upload) = upload else { return Ok(()) };
    let size = proposal.backtest.size;
    let backtest = backtest::live(session, &upload.document, size).await?;
    session.output.line(&backtest::text(&backtest));
    judge(&proposal.backtest, &backtest)
}

/// A document that waits no more cannot be put in force; the log says so when the approval is sent.
fn diff(state: &State, proposal: &PolicyProposal) -> Result<(), Failure> {
    let derived = state.policy_diff(&proposal.policy)?.digest();
    if derived == proposal.diff {
        return Ok(());
    }
    let message = format!("the proposal claims the diff {}, here it is {derived}", proposal.diff);
    Err(Failure::new(Exit::Refused, "DIFF_MISMATCH", message).next(
        "do not approve it: the policy in force may have changed since, ask its proposer for a new proposal",
    ))
}

fn judge(claim: &BacktestClaim, derived: &Backtest) -> Result<(), Failure> {
    let derived = derived.claim();
    if derived == *claim {
        return Ok(());
    }
    let message = format!(
        "the proposal claims the backtest {} ({} of {} flip), this machine's replay gives {} ({} of {})",
        claim.digest, claim.flips, claim.decided, derived.digest, derived.flips, derived.decided
    );
    Err(Failure::new(Exit::Refused, "BACKTEST_MISMATCH", message)
        .next("do not approve it: ask its proposer which log and which program it was made with"))
}

#[cfg(test)]
mod tests;
