//! Officers' answers to held withdrawals.

use holdfast_policy::{HoldRequirement, TimestampMs};

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
        let hold = withdrawal.decision.hold().map(HoldRequirement::digest).ok_or_else(|| {
            Rejection::new(RejectionCode::WithdrawalNotHeld, "nothing holds this withdrawal")
        })?;
        if withdrawal.decision.hold().is_some_and(|hold| hold.approvals.is_empty()) {
            let detail = "it waits for the customer's step-up alone: no approval can lift that";
            return Err(Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("withdrawal"));
        }
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

    fn held(&self, id: &WithdrawalId, time: TimestampMs) -> Result<&Withdrawal, Rejection> {
        let withdrawal = self.withdrawal(id).ok_or_else(|| {
            Rejection::new(RejectionCode::UnknownWithdrawal, format!("no withdrawal `{id}`"))
                .with_field("withdrawal")
        })?;
        if withdrawal.state_at(time) != WithdrawalState::Held {
            let detail = "the withdrawal waits for nobody's approval";
            return Err(Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("withdrawal"));
        }
        Ok(withdrawal)
    }
}
