//! A node's own last look before it acts, at its own tip and its own clock.

use holdfast_chains::{ExpectedEffects, UnsignedTransaction, check_effects};
use holdfast_policy::{Decision, DurationMs, HoldRequirement, TimestampMs, WhitelistEntryId};

use super::{Sender, State};
use crate::ceremony::{CeremonyKind, CeremonyPhase, ImportProposal};
use crate::ids::{CeremonyId, WithdrawalId};
use crate::order::{ApprovedKeygen, AuthorizedWithdrawal, HandsOn, OrderRefusal, Waited};
use crate::wallet::Wallet;
use crate::withdrawal::{Authorization, BoundTransaction, Withdrawal, WithdrawalState};

impl State {
    /// Whether this node may sign digest `digest_index` of the withdrawal at its clock's `now`.
    ///
    /// INVARIANT (G1): evaluates the policy again at this replica's tip and this clock, decodes the transaction's bytes
    /// again and computes the digest from them; nothing is taken from whoever sent the order.
    ///
    /// # Errors
    /// [`OrderRefusal`]: anything absent, stale or contradictory refuses (G9).
    pub fn authorized_withdrawal(
        &self,
        id: &WithdrawalId,
        digest_index: u32,
        now: TimestampMs,
    ) -> Result<AuthorizedWithdrawal, OrderRefusal> {
        self.check_agreement()?;
        let withdrawal = self.withdrawal(id).ok_or_else(|| OrderRefusal::Unknown(id.to_string()))?;
        let (authorization, bound) = authorized(withdrawal)?;
        self.check_clock(withdrawal, authorization, now)?;
        let wallet = self
            .wallet(&withdrawal.request.wallet)
            .ok_or_else(|| OrderRefusal::Unknown(withdrawal.request.wallet.to_string()))?;
        if wallet.is_paused() {
            return Err(OrderRefusal::WalletPaused(wallet.id.clone()));
        }
        self.check_transaction(withdrawal, authorization, bound)?;
        let sender = self.sender(withdrawal).ok_or_else(|| {
            OrderRefusal::TransactionMismatch("it is sent from no known address".to_owned())
        })?;
        check_own_addresses(withdrawal, wallet, &sender)?;
        if self.is_of_former_chain_code(withdrawal) {
            let detail = "its deposit address ended with the wallet's former chain code";
            return Err(OrderRefusal::NotPermitted(detail.to_owned()));
        }
        // A tip newer than this clock, within the skew, has newer facts: they are not from the future.
        let at = now.max(self.last_time);
        let decision = self.decide_again(withdrawal, at);
        if !decision.is_allowed() {
            return Err(OrderRefusal::PolicyRefuses(reasons(&decision)));
        }
        let position = usize::try_from(digest_index).ok();
        let digest = position.and_then(|position| authorization.digests.get(position)).ok_or_else(|| {
            OrderRefusal::NotPermitted(format!("the authorization has no digest {digest_index}"))
        })?;
        Ok(AuthorizedWithdrawal {
            withdrawal: withdrawal.id,
            wallet: wallet.id.clone(),
            epoch: wallet.epoch,
            public_key: sender.public_key,
            derivation_path: sender.path,
            nodes: wallet.nodes.clone(),
            threshold: wallet.t,
            digests: authorization.digests.clone(),
            digest: *digest,
            authorization_index: authorization.index,
            waited: self.waited(withdrawal, &decision),
        })
    }

    // INVARIANT (G2): what time alone released names the entry since which it ran, so that a node can ask when it held it itself.
    fn waited(&self, withdrawal: &Withdrawal, decision: &Decision) -> Option<Waited> {
        let released_at = decision.satisfied_hold.as_ref()?.requirement.release_at?;
        let first = self.first_place(withdrawal.kind).unwrap_or(withdrawal);
        let at_least = DurationMs(released_at.0.saturating_sub(first.received_at.0));
        Some(Waited { since: first.positions.request, at_least })
    }

    /// Log indices of the requests of open withdrawals since which the policy wants time to pass: see
    /// [`AuthorizedWithdrawal::waited`].
    pub fn waits_since(&self) -> impl Iterator<Item = u64> {
        self.open_withdrawals()
            .filter(|withdrawal| rests_on_time(withdrawal))
            .map(|withdrawal| self.first_place(withdrawal.kind).unwrap_or(withdrawal).positions.request)
    }

    /// Whether it may come to matter when the withdrawal was asked for.
    pub fn rests_on_time(&self, id: &WithdrawalId) -> bool {
        self.withdrawal(id).is_some_and(rests_on_time)
    }

    /// Whether a withdrawal pays the address of a whitelist entry, or calls something with it: a node with a latch on that entry
    /// refuses it.
    pub fn relies_on(&self, id: &WithdrawalId, entry: &WhitelistEntryId) -> bool {
        let (Some(withdrawal), Some(entry)) = (self.withdrawal(id), self.whitelist.entry(entry)) else {
            // INVARIANT (G9): what is not known here cannot clear a withdrawal.
            return true;
        };
        let request = &withdrawal.request;
        entry.chain_id == request.chain_id && request.may_reach(&entry.address)
    }

    /// Whether this node may take part in making the shares that the ceremony is for.
    ///
    /// # Errors
    /// [`OrderRefusal`] unless officers approved it and it is not done.
    pub fn approved_keygen(&self, id: &CeremonyId) -> Result<ApprovedKeygen, OrderRefusal> {
        let ceremony = self.ceremony(id).ok_or_else(|| OrderRefusal::Unknown(id.to_string()))?;
        let makes_no_key = || OrderRefusal::NotPermitted("the ceremony makes no key".to_owned());
        let work = ceremony.kind.key_work().ok_or_else(makes_no_key)?;
        match ceremony.phase_at(self.last_time) {
            CeremonyPhase::Approved => {}
            CeremonyPhase::Proposed
            | CeremonyPhase::Confirmed
            | CeremonyPhase::Activated
            | CeremonyPhase::Expired
            | CeremonyPhase::Failed
            | CeremonyPhase::Superseded => {
                return Err(OrderRefusal::NotPermitted(
                    format!("the ceremony is {:?}", ceremony.phase).to_lowercase(),
                ));
            }
        }
        // INVARIANT (G3): no shares of a key are made that can never become active.
        if !self.comes_after(&work) {
            let detail = format!("wallet `{}` has other shares by now", work.wallet);
            return Err(OrderRefusal::NotPermitted(detail));
        }
        let hands_on = self.handed_on(&ceremony.kind)?;
        Ok(ApprovedKeygen {
            ceremony: ceremony.id,
            wallet: work.wallet.clone(),
            engine: work.engine.to_owned(),
            epoch: work.epoch,
            threshold: hands_on.as_ref().map_or(self.genesis.document.threshold.t, |key| key.wallet.t),
            nodes: work.nodes.to_vec(),
            hands_on,
            imports: imported(&ceremony.kind),
        })
    }

    fn handed_on(&self, kind: &CeremonyKind) -> Result<Option<HandsOn>, OrderRefusal> {
        let CeremonyKind::MigrateWallet(proposal) = kind else { return Ok(None) };
        let wallet = self.wallet(&proposal.wallet).cloned();
        let wallet = wallet.ok_or_else(|| OrderRefusal::Unknown(proposal.wallet.to_string()))?;
        Ok(Some(HandsOn { wallet, chain_code: proposal.chain_code, givers: proposal.givers.clone() }))
    }

    fn check_clock(
        &self,
        withdrawal: &Withdrawal,
        authorization: &Authorization,
        now: TimestampMs,
    ) -> Result<(), OrderRefusal> {
        let ahead_ms = authorization.time.0.saturating_sub(now.0);
        if ahead_ms > self.genesis.document.max_clock_skew_ms {
            return Err(OrderRefusal::AheadOfClock { ahead_ms });
        }
        // A clock behind the log does not make anything younger than the log says.
        let now = now.max(self.last_time);
        let age_ms = now.0.saturating_sub(authorization.time.0);
        if age_ms > self.policy().authorization_max_age().0 {
            return Err(OrderRefusal::AuthorizationTooOld { age_ms });
        }
        if now >= withdrawal.request.expires_at_ms {
            return Err(OrderRefusal::IntentExpired);
        }
        let client = &withdrawal.request.client;
        if self.client_revocation(client).is_some() {
            return Err(OrderRefusal::ClientRevoked(client.clone()));
        }
        if self.check_scope_of(withdrawal, now).is_err() {
            return Err(OrderRefusal::ClientExpired);
        }
        Ok(())
    }

    fn check_transaction(
        &self,
        withdrawal: &Withdrawal,
        authorization: &Authorization,
        bound: &BoundTransaction,
    ) -> Result<(), OrderRefusal> {
        let mismatch = |detail: String| OrderRefusal::TransactionMismatch(detail);
        let transaction = UnsignedTransaction::decode(bound.transaction.as_bytes())
            .map_err(|error| mismatch(error.to_string()))?;
        let request = &withdrawal.request;
        let expected = ExpectedEffects {
            chain_id: request.chain_id,
            asset: self.asset(request).map_err(|rejection| mismatch(rejection.to_string()))?,
            destination: request.destination,
            amount: request.amount,
            calldata: request.calldata.as_ref(),
            fee_cap: request.fee_cap,
        };
        check_effects(&transaction.effects(), &expected).map_err(|error| mismatch(error.to_string()))?;
        if authorization.digests != [transaction.signing_hash()] {
            return Err(mismatch("its signing hash is not the authorized digest".to_owned()));
        }
        Ok(())
    }
}

fn imported(kind: &CeremonyKind) -> Option<ImportProposal> {
    let CeremonyKind::ImportWallet(proposal) = kind else { return None };
    Some(proposal.as_ref().clone())
}

fn rests_on_time(withdrawal: &Withdrawal) -> bool {
    let satisfied = withdrawal.decision.satisfied_hold.as_ref().map(|hold| &hold.requirement);
    withdrawal.decision.hold().or(satisfied).is_some_and(HoldRequirement::rests_on_time)
}

/// INVARIANT (G1): what policy lets through because the wallet pays itself does pay the wallet itself: the sending address, or
/// the wallet's own.
fn check_own_addresses(
    withdrawal: &Withdrawal,
    wallet: &Wallet,
    sender: &Sender,
) -> Result<(), OrderRefusal> {
    let to = withdrawal.request.destination;
    if !withdrawal.to_oneself || to == sender.address || to == wallet.address {
        return Ok(());
    }
    Err(OrderRefusal::TransactionMismatch("it pays an address that is not the wallet's".to_owned()))
}

fn reasons(decision: &Decision) -> String {
    decision.reasons().iter().map(|reason| reason.to_string()).collect::<Vec<_>>().join(", ")
}

fn authorized(withdrawal: &Withdrawal) -> Result<(&Authorization, &BoundTransaction), OrderRefusal> {
    let state = withdrawal.logged_state();
    match (state, &withdrawal.authorization, &withdrawal.transaction) {
        (WithdrawalState::Authorized, Some(authorization), Some(bound)) => Ok((authorization, bound)),
        (_, _, _) => Err(OrderRefusal::NotPermitted(format!("the withdrawal is {state:?}").to_lowercase())),
    }
}
