//! The steps of the withdrawal path that touch the log: what is to be signed, its authorization, its signature.

use std::sync::Arc;
use std::time::Duration;

use holdfast_chains::{Address, ChainId, Digest, PublicKey, Signature};
use holdfast_ledger::{State, Withdrawal, WithdrawalId, WithdrawalState};
use holdfast_log::SignedCheckpoint;
use holdfast_policy::{NodeId, TimestampMs};

use super::Driver;
use super::failure::Failure;
use super::unanswered::goes_on;

/// How long an attempt waits for the cosignatures that it has to rest on.
const COSIGNATURES_WITHIN: Duration = Duration::from_secs(5);

/// A withdrawal as an attempt needs it. Everything in it comes from the state machine.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) withdrawal: WithdrawalId,
    /// What may be signed, once it is authorized.
    pub(super) digests: Vec<Digest>,
    /// Which of them is signed.
    pub(super) digest_index: u32,
    pub(super) public_key: PublicKey,
    /// The wallet's committee, in party order.
    pub(super) committee: Vec<NodeId>,
    pub(super) threshold: usize,
    /// Index of the newest authorization.
    pub(super) authorized_at: Option<u64>,
    received_at: TimestampMs,
    /// Whom it pays, unless that is the wallet itself.
    pays: Option<(ChainId, Address)>,
}

impl Driver {
    /// What is to be signed, if there still is anything.
    pub(super) async fn open_order(&self) -> Result<Order, Failure> {
        if self.parts.given_up.contains(&self.id) {
            return Err(Failure::Ended);
        }
        let reader = self.parts.book.read().await?;
        order_of(reader.state(), &self.id, self.parts.clock.now()).ok_or(Failure::Ended)
    }

    /// Appends the authorization, unless there is one and it is young enough. Whether it is given, the state decides.
    pub(super) async fn authorized(&self, order: Order, renew: bool) -> Result<Order, Failure> {
        if order.authorized_at.is_some() && !renew {
            return Ok(order);
        }
        if let Some((chain_id, destination)) = order.pays {
            self.parts.ask_about(chain_id, destination).await;
        }
        let envelope = self.parts.voice().await?.authorize(order.withdrawal, order.digests)?;
        self.parts.sequencer.propose(envelope).await?;
        let order = self.open_order().await?;
        // The state machine evaluated again and may have come to another result.
        if order.authorized_at.is_some() { Ok(order) } else { Err(Failure::Ended) }
    }

    /// The checkpoint that nodes demand before they sign, waiting for its cosignatures; `None` if the genesis document
    /// demands none.
    pub(super) async fn sufficient_checkpoint(
        &self,
        order: &Order,
    ) -> Result<Option<Arc<SignedCheckpoint>>, Failure> {
        let Some(index) = order.authorized_at else { return Err(Failure::Ended) };
        self.parts.nodes.announce(index.saturating_add(1));
        Ok(self.parts.cosigned.sufficient(index, COSIGNATURES_WITHIN).await?)
    }

    /// Logs a signature that was verified. The first one logged is canonical; another valid one is as good as done.
    pub(super) async fn log_signature(
        &self,
        order: &Order,
        signature: Signature,
        signers: &[NodeId],
    ) -> Result<(), Failure> {
        let voice = self.parts.voice().await?;
        let envelope = voice.signature(order.withdrawal, order.digest_index, signature, signers.to_vec())?;
        self.parts.sequencer.propose(envelope).await?;
        let took_ms = self.parts.clock.now().0.saturating_sub(order.received_at.0);
        metrics::counter!("holdfast_sign_attempts_total", "result" => "signed").increment(1);
        metrics::histogram!("holdfast_withdrawal_seconds").record(Duration::from_millis(took_ms));
        tracing::info!(took_ms, "withdrawal signed");
        Ok(())
    }
}

fn order_of(state: &State, id: &WithdrawalId, now: TimestampMs) -> Option<Order> {
    let withdrawal = state.withdrawal(id)?;
    let digests = digests_of(state, withdrawal, now)?;
    let wallet = state.wallet(&withdrawal.request.wallet)?;
    Some(Order {
        withdrawal: *id,
        digests,
        // A transaction has one digest today; a list is signed in order.
        digest_index: 0,
        public_key: state.sender(withdrawal)?.public_key,
        committee: wallet.nodes.clone(),
        threshold: wallet.t.into(),
        authorized_at: withdrawal.authorization.as_ref().map(|authorization| authorization.index),
        received_at: withdrawal.received_at,
        pays: (!withdrawal.to_oneself)
            .then_some((withdrawal.request.chain_id, withdrawal.request.destination)),
    })
}

fn digests_of(state: &State, withdrawal: &Withdrawal, now: TimestampMs) -> Option<Vec<Digest>> {
    match withdrawal.state_at(now) {
        WithdrawalState::Bound => withdrawal.transaction.as_ref().map(|bound| vec![bound.signing_hash]),
        WithdrawalState::Held if goes_on(state, &withdrawal.id, now) => {
            withdrawal.transaction.as_ref().map(|bound| vec![bound.signing_hash])
        }
        WithdrawalState::Authorized if now < withdrawal.request.expires_at_ms => {
            withdrawal.authorization.as_ref().map(|authorization| authorization.digests.clone())
        }
        WithdrawalState::Received
        | WithdrawalState::Held
        | WithdrawalState::Allowed
        | WithdrawalState::Authorized
        | WithdrawalState::Signed
        | WithdrawalState::Denied
        | WithdrawalState::Cancelled
        | WithdrawalState::Expired
        | WithdrawalState::Replaced
        | WithdrawalState::Tombstoned => None,
    }
}
