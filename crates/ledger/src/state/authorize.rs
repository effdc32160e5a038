//! Authorization and the canonical signature.

use holdfast_policy::TimestampMs;

use super::{Change, State};
use crate::payload::{Authorize, SignatureLogged, WithdrawalRequest};
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{Authorization, BoundTransaction, Withdrawal, WithdrawalState};

impl State {
    /// The coordinator asks; the state machine evaluates again at the entry's time, and its result is what counts.
    pub(super) fn admit_authorize(
        &self,
        authorize: &Authorize,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&authorize.cluster)?;
        let withdrawal = self.withdrawal(&authorize.withdrawal).ok_or_else(|| {
            let detail = format!("no withdrawal `{}`", authorize.withdrawal);
            Rejection::new(RejectionCode::UnknownWithdrawal, detail).with_field("withdrawal")
        })?;
        let bound = self.authorizable(withdrawal, time)?;
        self.check_scope_of(withdrawal, time)?;
        // INVARIANT (G5): one withdrawal has one list of digests, computed here from the bound transaction.
        if authorize.digests != [bound.signing_hash] {
            let detail = "the digests are not those of the bound transaction";
            return Err(Rejection::new(RejectionCode::DigestMismatch, detail).with_field("digests"));
        }
        let nonce = self.account_nonce(withdrawal, bound)?;
        self.check_account_nonce(withdrawal, &nonce)?;
        let replaced = self.replaced_by_authorizing(withdrawal)?;
        let mut withdrawal = withdrawal.clone();
        self.redecide(&mut withdrawal, time);
        if !withdrawal.decision.is_allowed() && withdrawal.authorization.is_some() {
            // What was authorized still counts; a node will refuse by the same evaluation.
            let detail = "the policy no longer allows it: the authorization is not renewed";
            return Err(Rejection::new(RejectionCode::WithdrawalNotAuthorizable, detail));
        }
        withdrawal.settle(index);
        if !withdrawal.decision.is_allowed() {
            return Ok(Change::withdrawal(withdrawal));
        }
        let renewals =
            withdrawal.authorization.as_ref().map_or(0, |earlier| earlier.renewals.saturating_add(1));
        let first_index = withdrawal.authorization.as_ref().map_or(index, |earlier| earlier.first_index);
        withdrawal.authorization =
            Some(Authorization { digests: authorize.digests.clone(), time, index, first_index, renewals });
        withdrawal.state = WithdrawalState::Authorized;
        withdrawal.positions.authorized = Some(index);
        let legal_orders = self.order_paid_by(&withdrawal);
        Ok(Change { account_nonce: Some(nonce), replaced, legal_orders, ..Change::withdrawal(withdrawal) })
    }

    /// The first valid signature is canonical.
    pub(super) fn admit_signature(
        &self,
        logged: &SignatureLogged,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&logged.cluster)?;
        let withdrawal = self.withdrawal(&logged.withdrawal).ok_or_else(|| {
            let detail = format!("no withdrawal `{}`", logged.withdrawal);
            Rejection::new(RejectionCode::UnknownWithdrawal, detail).with_field("withdrawal")
        })?;
        if withdrawal.signature.is_some() {
            return Err(Rejection::new(
                RejectionCode::AlreadyRecorded,
                "the canonical signature is logged already",
            ));
        }
        let invalid = |detail: &str| {
            Rejection::new(RejectionCode::WalletSignatureInvalid, detail).with_field("signature")
        };
        let digest_index = usize::try_from(logged.digest_index).map_err(|_| invalid("no such digest"))?;
        let digests = withdrawal.authorization.as_ref().map(|authorization| authorization.digests.as_slice());
        let digest =
            digests.and_then(|digests| digests.get(digest_index)).ok_or_else(|| invalid("no such digest"))?;
        let sender = self.sender(withdrawal).ok_or_else(|| invalid("the wallet has no key"))?;
        if logged.signature.verify(digest, &sender.public_key).is_err() {
            return Err(invalid("the signature does not verify under the sending key"));
        }
        if withdrawal.logged_state() == WithdrawalState::Tombstoned {
            let detail = "more nodes swore never to sign it than may lie: a node broke its oath";
            return Err(Rejection::new(RejectionCode::WithdrawalTombstoned, detail).with_field("withdrawal"));
        }
        let mut withdrawal = withdrawal.clone();
        withdrawal.signature = Some(logged.signature);
        // What was replaced stays so: its signature is history, and its account nonce is another's.
        if withdrawal.logged_state() == WithdrawalState::Authorized {
            withdrawal.state = WithdrawalState::Signed;
        }
        withdrawal.positions.signed = Some(index);
        let used = self.used_entries(&withdrawal, time);
        Ok(Change { used, ..Change::withdrawal(withdrawal) })
    }

    /// Nodes refuse at the intent's expiry by their own clocks: what is authorized must leave them the skew.
    fn has_time_to_sign(&self, request: &WithdrawalRequest, time: TimestampMs) -> bool {
        time.0.saturating_add(self.genesis.document.max_clock_skew_ms) < request.expires_at_ms.0
    }

    fn authorizable<'a>(
        &self,
        withdrawal: &'a Withdrawal,
        time: TimestampMs,
    ) -> Result<&'a BoundTransaction, Rejection> {
        let refuse = |detail: &str| {
            Rejection::new(RejectionCode::WithdrawalNotAuthorizable, detail).with_field("withdrawal")
        };
        match withdrawal.state_at(time) {
            WithdrawalState::Bound | WithdrawalState::Authorized => {}
            // What time released is decided anew, like everything that is authorized.
            WithdrawalState::Held if withdrawal.released_at().is_some_and(|at| time >= at) => {}
            // Nor does a provider's silence last longer than it is silent.
            WithdrawalState::Held if self.is_answered(withdrawal, time) => {}
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Signed
            | WithdrawalState::Denied
            | WithdrawalState::Cancelled
            | WithdrawalState::Expired
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => {
                return Err(refuse("only a bound, unexpired withdrawal can be authorized"));
            }
        }
        if !self.has_time_to_sign(&withdrawal.request, time) {
            return Err(refuse("too little time is left before the intent expires"));
        }
        if self.is_of_former_chain_code(withdrawal) {
            return Err(refuse("its deposit address ended with the wallet's former chain code"));
        }
        withdrawal.transaction.as_ref().ok_or_else(|| refuse("no transaction is bound"))
    }
}
