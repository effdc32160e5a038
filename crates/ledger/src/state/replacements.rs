//! Replacing an authorized or signed withdrawal by another one on the same account nonce.

use holdfast_chains::{Amount, Asset};
use holdfast_policy::TimestampMs;

use super::requests::Asked;
use super::{Change, State};
use crate::ids::WithdrawalId;
use crate::payload::{ChainOutcome, ReplacementAction, ReplacementRequest, WithdrawalRequest};
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{BoundTransaction, Withdrawal, WithdrawalKind, WithdrawalState};

/// Most withdrawals on one account nonce under one key of the client: whoever needs more has another problem, or is filling the
/// log.
const MAX_GROUP: usize = 17;

impl State {
    pub(super) fn admit_replacement(
        &self,
        asked: &ReplacementRequest,
        digest: [u8; 32],
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&asked.cluster)?;
        let id = asked.withdrawal_id();
        self.check_not_repeated(id, &digest)?;
        let original =
            self.own_withdrawal(&asked.of, &asked.client).map_err(|rejection| rejection.with_field("of"))?;
        self.check_client(&asked.client, &original.request.wallet, index, time)?;
        self.check_replaceable(original, id)?;
        let (kind, request) = match asked.action {
            ReplacementAction::BumpFee => (WithdrawalKind::FeeBump(original.id), bumped(asked, original)),
            ReplacementAction::CancelOnChain => {
                (WithdrawalKind::CancelOnChain(original.id), self.cancelling(asked, original)?)
            }
        };
        self.check_intent_times(&request, time)?;
        let asked = Asked {
            request,
            request_digest: digest,
            to_oneself: original.to_oneself || matches!(kind, WithdrawalKind::CancelOnChain(_)),
            kind,
            deposit_index: original.deposit_index,
            travel: self.travel_about(original),
        };
        let mut withdrawal = self.receive(asked, index, time)?;
        self.carry_approvals_over(&mut withdrawal, original, time);
        withdrawal.settle(index);
        Ok(Change::withdrawal(withdrawal))
    }

    /// Whether `by` may take the place of this withdrawal: it must be authorized, and be the newest on its account nonce that
    /// is not tombstoned.
    pub(super) fn check_replaceable(&self, original: &Withdrawal, by: WithdrawalId) -> Result<(), Rejection> {
        let refuse = |detail: String| {
            Err(Rejection::new(RejectionCode::ReplacementNotPermitted, detail).with_field("of"))
        };
        if original.replaced_by == Some(by) {
            return Ok(());
        }
        match original.logged_state() {
            WithdrawalState::Authorized | WithdrawalState::Signed | WithdrawalState::Replaced => {}
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound
            | WithdrawalState::Denied
            | WithdrawalState::Cancelled
            | WithdrawalState::Expired
            | WithdrawalState::Tombstoned => {
                return refuse("only what is authorized or signed has a transaction to replace".to_owned());
            }
        }
        if self.is_of_former_chain_code(original) {
            return refuse("its deposit address ended with the wallet's former chain code".to_owned());
        }
        if let Some(other) = original.replaced_by.filter(|other| !self.is_tombstoned(other)) {
            return refuse(format!("`{other}` replaced it already: replace that one"));
        }
        // Only what was said with the client's present key forbids anything: a thief's key is revoked, and the quorum's new one
        // must be able to use the account nonce up.
        let since = self.present_key_since(&original.request.client);
        let mut seen = original.outcomes.iter().filter(|seen| since < seen.index);
        if seen.next_back().is_some_and(|last| last.outcome == ChainOutcome::Confirmed) {
            return refuse("its transaction is confirmed".to_owned());
        }
        let asked_since =
            |id: &WithdrawalId| self.withdrawal(id).is_some_and(|member| since < member.positions.request);
        if self.lineage(original.id).filter(asked_since).count() >= MAX_GROUP {
            return refuse(format!("{MAX_GROUP} withdrawals share its account nonce already"));
        }
        Ok(())
    }

    /// INVARIANT (G5): only one of a replacement and what it replaces can be mined, and networks prefer the replacement: same
    /// account nonce, and a higher price for gas in both its parts. A larger gas limit alone would replace nothing.
    pub(super) fn check_supersedes(
        &self,
        replaced: WithdrawalId,
        new: &BoundTransaction,
    ) -> Result<(), Rejection> {
        let refuse = |code, detail: String| Err(Rejection::new(code, detail).with_field("transaction"));
        let Some(old) = self.withdrawal(&replaced).and_then(|original| original.transaction.as_ref()) else {
            return refuse(
                RejectionCode::ReplacementNotPermitted,
                format!("`{replaced}` has no transaction"),
            );
        };
        // The chain is the same: both do what their intents say.
        if new.effects.nonce != old.effects.nonce {
            let detail = format!("a replacement uses account nonce {}", old.effects.nonce);
            return refuse(RejectionCode::AccountNonceChanged, detail);
        }
        let price = |bound: &BoundTransaction| {
            (bound.transaction.max_fee_per_gas(), bound.transaction.max_priority_fee_per_gas())
        };
        let ((old_max, old_priority), (new_max, new_priority)) = (price(old), price(new));
        if new_max <= old_max || new_priority <= old_priority {
            let detail = format!(
                "`max_fee_per_gas` must be above {old_max} and `max_priority_fee_per_gas` above {old_priority}"
            );
            return refuse(RejectionCode::ReplacementFeeTooLow, detail);
        }
        Ok(())
    }

    /// For the entry that authorizes a replacement: the original as it is from then on, if this withdrawal replaces one.
    ///
    /// INVARIANT (G5): from this entry on no node signs the original. A signature that exists already may still be logged.
    pub(super) fn replaced_by_authorizing(
        &self,
        withdrawal: &Withdrawal,
    ) -> Result<Option<Withdrawal>, Rejection> {
        let Some(of) = withdrawal.replaces() else { return Ok(None) };
        let original = self.own_withdrawal(&of, &withdrawal.request.client)?;
        // That it supersedes the original was checked when it was bound, and the original's transaction was final then.
        self.check_replaceable(original, withdrawal.id)?;
        if original.replaced_by == Some(withdrawal.id) {
            return Ok(None);
        }
        let mut original = original.clone();
        original.state = WithdrawalState::Replaced;
        original.replaced_by = Some(withdrawal.id);
        Ok(Some(original))
    }

    /// INVARIANT (G1): officers approved the payment at a fee cap; at no higher one their approval still says the same.
    /// Anything else, new reasons included, needs new approvals.
    fn carry_approvals_over(&self, withdrawal: &mut Withdrawal, original: &Withdrawal, time: TimestampMs) {
        if withdrawal.to_oneself || withdrawal.request.fee_cap > original.request.fee_cap {
            return;
        }
        let mut carried = withdrawal.clone();
        carried.approvals.clone_from(&original.approvals);
        self.redecide(&mut carried, time);
        if carried.decision.is_allowed() {
            *withdrawal = carried;
        }
    }

    fn cancelling(
        &self,
        asked: &ReplacementRequest,
        original: &Withdrawal,
    ) -> Result<WithdrawalRequest, Rejection> {
        let chain_id = original.request.chain_id;
        let native = |asset: &&Asset| asset.chain_id == chain_id && asset.contract.is_none();
        let asset = self.genesis.document.assets.iter().find(native).ok_or_else(|| {
            let detail = format!("the own coin of chain {chain_id} is not registered");
            Rejection::new(RejectionCode::UnknownAsset, detail).with_field("action")
        })?;
        let sender = self.sender(original).ok_or_else(|| {
            Rejection::new(RejectionCode::WalletNotActive, "the wallet has no key").with_field("of")
        })?;
        Ok(WithdrawalRequest {
            asset: asset.symbol.clone(),
            amount: Amount::ZERO,
            destination: sender.address,
            calldata: None,
            order: None,
            ..bumped(asked, original)
        })
    }
}

/// The original's intent with a fee cap, key and dates of its own.
fn bumped(asked: &ReplacementRequest, original: &Withdrawal) -> WithdrawalRequest {
    WithdrawalRequest {
        fee_cap: asked.fee_cap,
        idempotency_key: asked.idempotency_key.clone(),
        created_at_ms: asked.created_at_ms,
        expires_at_ms: asked.expires_at_ms,
        transaction: asked.transaction.clone(),
        ..original.request.clone()
    }
}
