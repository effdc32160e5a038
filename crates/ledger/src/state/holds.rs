//! Officers' answers to held withdrawals.

use std::collections::BTreeSet;

use holdfast_policy::{HoldRequirement, OfficerId, RequiredApprovals, RoleName, TimestampMs, still_missing};

use super::{Change, State};
use crate::ids::WithdrawalId;
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::Statement;
use crate::withdrawal::{Approval, Withdrawal, WithdrawalState};

impl State {
    /// INVARIANT (G1): an approval counts for this withdrawal, this intent and these reasons only; the statement's text
    /// carries all three and was compared byte for byte.
    pub(super) fn admit_hold_approval(
        &self,
        statement: &Statement,
        id: &WithdrawalId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let mut withdrawal = self.held(id, time)?.clone();
        let wanted = withdrawal.decision.hold().filter(|hold| !hold.approvals.is_empty());
        let hold = wanted.map(HoldRequirement::digest).ok_or_else(|| {
            let detail = "it waits for time or for the customer's step-up alone: no approval can lift that";
            Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("withdrawal")
        })?;
        let repeated = |approval: &Approval| approval.officer == statement.officer && approval.hold == hold;
        if withdrawal.approvals.iter().any(repeated) {
            let detail = format!("`{}` has approved this hold already", statement.officer);
            return Err(Rejection::new(RejectionCode::AlreadyApproved, detail).with_field("officer"));
        }
        withdrawal.approvals.push(Approval {
            officer: statement.officer.clone(),
            roles: self.roles_of(&statement.officer),
            hold,
            time,
            expires_at: statement.expires_at.unwrap_or(time),
            index,
        });
        self.redecide(&mut withdrawal, time);
        withdrawal.settle(index);
        Ok(Change::withdrawal(withdrawal))
    }

    pub(super) fn admit_hold_rejection(
        &self,
        statement: &Statement,
        id: &WithdrawalId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let mut withdrawal = self.held(id, time)?.clone();
        withdrawal.rejected_by = Some(statement.officer.clone());
        withdrawal.state = WithdrawalState::Denied;
        withdrawal.positions.decision = index;
        Ok(Change::withdrawal(withdrawal))
    }

    /// What an officer approved is approved no more, whatever hold it was about; the officer may approve anew.
    // INVARIANT (G4): from this entry on the approval counts in no decision; a withdrawal that was allowed by it is held again.
    pub(super) fn admit_approval_withdrawal(
        &self,
        statement: &Statement,
        id: &WithdrawalId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let mut withdrawal = self.known_withdrawal(id)?.clone();
        match withdrawal.state_at(time) {
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound => {}
            WithdrawalState::Authorized
            | WithdrawalState::Signed
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => {
                let detail = "it was authorized: pause the wallet if it must not be signed";
                return Err(Rejection::new(RejectionCode::ApprovalFinal, detail).with_field("withdrawal"));
            }
            WithdrawalState::Denied | WithdrawalState::Cancelled | WithdrawalState::Expired => {
                let detail = "the withdrawal is closed: no approval counts for it any more";
                return Err(Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("withdrawal"));
            }
        }
        let before = withdrawal.approvals.len();
        withdrawal.approvals.retain(|approval| approval.officer != statement.officer);
        if withdrawal.approvals.len() == before {
            let detail = format!("`{}` has approved nothing of this withdrawal", statement.officer);
            return Err(Rejection::new(RejectionCode::NotApproved, detail).with_field("officer"));
        }
        self.redecide(&mut withdrawal, time);
        withdrawal.settle(index);
        Ok(Change::withdrawal(withdrawal))
    }

    /// The approvals that a held withdrawal lacks at this time, by the roles that officers have now; empty if nobody's approval is
    /// missing. For people to look at: what counts is the decision.
    pub fn missing_approvals(&self, withdrawal: &Withdrawal, at: TimestampMs) -> RequiredApprovals {
        let Some(hold) = withdrawal.decision.hold() else { return RequiredApprovals::new() };
        let digest = hold.digest();
        let counts = |approval: &&Approval| {
            approval.hold == digest
                && at < approval.expires_at
                && approval.officer.as_str() != withdrawal.request.client.as_str()
        };
        let standing = |approval: &Approval| {
            (approval.officer.clone(), self.standing_roles(&approval.officer, approval.index))
        };
        let approved: Vec<(OfficerId, BTreeSet<RoleName>)> =
            withdrawal.approvals.iter().filter(counts).map(standing).collect();
        still_missing(&hold.approvals, &approved)
    }

    fn held(&self, id: &WithdrawalId, time: TimestampMs) -> Result<&Withdrawal, Rejection> {
        let withdrawal = self.known_withdrawal(id)?;
        if withdrawal.state_at(time) != WithdrawalState::Held {
            let detail = "the withdrawal waits for nobody's approval";
            return Err(Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("withdrawal"));
        }
        Ok(withdrawal)
    }
}
