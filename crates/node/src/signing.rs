//! Signing: from an order to this node's part of a signature.
//!
//! Owns the withdrawal path of a node, step by step in [`Signing::prepare`] and [`Signing::round`]. It must never take
//! anything from an order but names, let a message leave before the binding is on disk, or keep a signing state anywhere
//! but in memory.

use std::fmt;
use std::sync::Arc;

use holdfast_ledger::{AuthorizedWithdrawal, State, Wallet, WithdrawalId};
use holdfast_policy::NodeId;
use holdfast_threshold::{Outbound, Round, SessionId, SignReply, Signature};
use tracing::Instrument as _;

use crate::bans::Bans;
use crate::clock::Clock;
use crate::cosigned;
use crate::crash::{CrashPoint, CrashPoints};
use crate::guard::Guard;
use crate::identity::{Committee, Identity};
use crate::latches::{Latches, ReleaseGate};
use crate::replica::{DurableReplica, Extension, Held, TipRecord};
use crate::vault::{UnsealedShare, Vault, VaultError};

mod refusal;
mod session;
mod sessions;

pub(crate) use refusal::SignRefusal;
pub(crate) use session::SignSession;
pub(crate) use sessions::{MAX_SESSIONS, SESSION_TTL_MS, Sessions, Taken};

/// What the coordinator asks for: names only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignOrder {
    /// This attempt.
    pub(crate) session: SessionId,
    /// What to sign for.
    pub(crate) withdrawal: WithdrawalId,
    /// Which digest of its authorization, from 0.
    pub(crate) digest_index: u32,
    /// Who takes part.
    pub(crate) signers: Vec<NodeId>,
    /// A note that shows who else holds this history, where genesis demands it; empty otherwise.
    pub(crate) cosigned_checkpoint: Vec<u8>,
}

/// An attempt that was opened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// This node's signed offer.
    pub(crate) offer: Vec<u8>,
    /// The round that yields the signature.
    pub(crate) last_round: Round,
    /// Where the replica ends now.
    pub(crate) tip: TipRecord,
}

/// What a round answers.
#[derive(Debug)]
pub(crate) enum SignAnswer {
    /// Messages for the other signers.
    Messages(Vec<Outbound>),
    /// The signature, verified by this node.
    Signed(Signature),
}

/// What signing works with.
pub(crate) struct Signing {
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) crash: Arc<dyn CrashPoints<CrashPoint>>,
    pub(crate) replica: Arc<DurableReplica>,
    pub(crate) latches: Arc<Latches>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) guard: Guard,
    pub(crate) bans: Bans,
    pub(crate) sessions: Sessions,
}

impl Signing {
    /// Opens an attempt: replay, check, bind, unseal, offer.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    // INVARIANT (G1): the digest comes out of this node's own replica and evaluation; the order only names it.
    // INVARIANT (G5): the binding is durable before a session exists, because `SignSession::open` takes the proof of it.
    pub(crate) async fn prepare(
        &self,
        extension: Extension,
        order: SignOrder,
    ) -> Result<Opening, SignRefusal> {
        let tip = self.replica.extend(extension).await?;
        self.latches.lift(&self.replica).await?;
        let place = self.sessions.reserve(order.session, self.clock.now())?;
        let gate = self.latches.gate().await;
        let permit = self.permitted(&gate, &order).await?;
        let seats = session::Seats::of(&permit, &order.signers, self.identity.node())?;
        let share = self.share_of(&permit).await?;
        let bound = self.guard.bind(permit, order.session).await?;
        let message_keys = {
            let held = self.replica.read().await;
            Committee::new(bound.permit().nodes()).message_keys(held.sound_state()?.roster())?
        };
        let opened =
            SignSession::open(bound, order, seats, &share, message_keys, self.bans.all(), &self.identity)?;
        let opening = Opening { offer: opened.offer().to_vec(), last_round: opened.last_round(), tip };
        place.fill(Box::new(opened));
        drop(gate);
        Ok(opening)
    }

    /// Runs one round of an attempt, if everything still permits it. An attempt that fails for good is forgotten.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn round(
        &self,
        session: SessionId,
        round: Round,
        messages: Vec<Vec<u8>>,
    ) -> Result<SignAnswer, SignRefusal> {
        let taken = self.sessions.take(session, self.clock.now())?;
        let withdrawal = taken.session().order().withdrawal;
        let span = tracing::info_span!("sign-round", trace_id = %withdrawal, round = round.0);
        self.round_of(taken, round, messages).instrument(span).await
    }

    // INVARIANT (G4): latches, pauses, policy and clock are asked again before every message, the last one included; the
    // gate keeps any latch from being set, and the replica any pause from being cosigned, between the asking and the
    // answer.
    // INVARIANT (G3): no round begins after a ban that another session of the same key led to: a key's rounds take turns.
    async fn round_of(
        &self,
        taken: Taken,
        round: Round,
        messages: Vec<Vec<u8>>,
    ) -> Result<SignAnswer, SignRefusal> {
        // Before gate and replica, so that waiting for a turn holds up no officer.
        let _turn = self.bans.turn_of(taken.session().key()).await;
        let gate = self.latches.gate().await;
        let held = self.replica.read().await;
        let permit = self.still_permitted(&held, &gate, taken.session().order(), taken.session().permit())?;
        taken.session().check_bans(&self.bans.all())?;
        if round == taken.session().final_message() {
            self.guard.release(taken.session().order().withdrawal)?;
        }
        if round == taken.session().last_round() {
            // The coordinator has passed this node's last message on: it holds the others' last messages.
            self.crash.reached(CrashPoint::AfterLastMessage);
        }
        let (taken, reply) = tokio::task::spawn_blocking(move || {
            let mut taken = taken;
            let reply = taken.session_mut().round(round, &messages);
            (taken, reply)
        })
        .await
        .map_err(|_| SignRefusal::Interrupted)?;
        match reply {
            Ok(SignReply::Messages(messages)) => {
                self.crash_point(round);
                taken.put_back();
                Ok(SignAnswer::Messages(messages))
            }
            Ok(SignReply::Signed(signature)) => {
                metrics::counter!("holdfast_node_signatures_total").increment(1);
                tracing::info!("signature computed");
                Ok(SignAnswer::Signed(signature))
            }
            Err(error) => {
                if let Some(pair) = error.ban() {
                    let added = self.bans.add(pair, permit.epoch(), error.code()).await;
                    self.sessions.forget(|session| session.is_forbidden_by(&pair));
                    added?;
                }
                let culprit =
                    error.culprit().and_then(|party| Committee::new(permit.nodes()).node(party)).cloned();
                if !error.is_final() {
                    taken.put_back();
                }
                Err(SignRefusal::Engine { error, culprit })
            }
        }
    }

    /// What must hold before anything is bound: also that enough others hold this history.
    pub(crate) async fn permitted(
        &self,
        gate: &ReleaseGate<'_>,
        order: &SignOrder,
    ) -> Result<AuthorizedWithdrawal, SignRefusal> {
        let held = self.replica.read().await;
        let permit = self.permit(&held, gate, order)?;
        let (note, own) = (&order.cosigned_checkpoint, self.identity.node());
        cosigned::check(held.state(), held.tree(), note, permit.authorization_index(), own)?;
        Ok(permit)
    }

    /// What must hold before each message of an attempt: also that nothing else is permitted than was bound.
    pub(crate) fn still_permitted(
        &self,
        held: &Held,
        gate: &ReleaseGate<'_>,
        order: &SignOrder,
        bound: &AuthorizedWithdrawal,
    ) -> Result<AuthorizedWithdrawal, SignRefusal> {
        let permit = self.permit(held, gate, order)?;
        session::check_unchanged(bound, &permit)?;
        Ok(permit)
    }

    /// Everything that must hold now: no latch, and the log's permission at this node's tip and clock.
    fn permit(
        &self,
        held: &Held,
        gate: &ReleaseGate<'_>,
        order: &SignOrder,
    ) -> Result<AuthorizedWithdrawal, SignRefusal> {
        let (state, now) = (held.acting_state(self.replica.own())?, self.clock.now());
        held.check_clock(now)?;
        let permit = state.authorized_withdrawal(&order.withdrawal, order.digest_index, now)?;
        held.witnessed().check_withdrawal(state, &order.withdrawal, self.identity.node(), now)?;
        held.witnessed().check_waited(state, permit.waited(), now)?;
        // A restored node keeps what it swore before: the log remembers it.
        if has_sworn(state, &order.withdrawal, self.identity.node()) {
            return Err(SignRefusal::SwornOff { withdrawal: order.withdrawal });
        }
        gate.check(state, permit.wallet(), &order.withdrawal)?;
        Ok(permit)
    }

    /// Forgets attempts with shares that the log has replaced: they could not go on.
    pub(crate) fn forget_replaced(&self, wallet: &Wallet) {
        self.sessions.forget(|session| {
            let permit = session.permit();
            *permit.wallet() == wallet.id && permit.epoch() < wallet.epoch
        });
    }

    async fn share_of(&self, permit: &AuthorizedWithdrawal) -> Result<UnsealedShare, SignRefusal> {
        let missing = || VaultError::Missing { wallet: permit.wallet().clone(), epoch: permit.epoch() };
        let wallet = {
            let held = self.replica.read().await;
            held.sound_state()?.wallet(permit.wallet()).cloned().ok_or_else(missing)?
        };
        let vault = Arc::clone(&self.vault);
        let loading = tokio::task::spawn_blocking(move || vault.share_of(&wallet));
        Ok(loading.await.map_err(|_| SignRefusal::Interrupted)??)
    }

    fn crash_point(&self, round: Round) {
        match round.0 {
            1 => self.crash.reached(CrashPoint::SignRound1),
            2 => self.crash.reached(CrashPoint::SignRound2),
            _ => self.crash.reached(CrashPoint::SignRound3),
        }
    }
}

fn has_sworn(state: &State, withdrawal: &WithdrawalId, node: &NodeId) -> bool {
    let known = state.withdrawal(withdrawal);
    known.is_some_and(|known| known.tombstones.iter().any(|tombstone| tombstone.node == *node))
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
