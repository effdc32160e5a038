//! One attempt: one session id, one set of signers, fresh nonces on every node. An attempt that fails in any way is over;
//! it is never resumed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use holdfast_chains::Signature;
use holdfast_log::SignedCheckpoint;
use holdfast_policy::NodeId;
use tokio::task::JoinSet;

use super::authorize::Order;
use super::failure::{Failure, forbids};
use crate::coordinator::Coordinator;
use crate::log_book::Chunk;
use crate::nodes::{CallError, NodeLink, SignOrder, SignReply};
use crate::session::{Opening, Received, Rounds, Sent, SessionId, route};

/// An attempt in progress.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    parts: &'a Coordinator,
    order: Order,
    session: SessionId,
    signers: Vec<NodeId>,
    cosigned_checkpoint: Vec<u8>,
    // By party. Fewer than the signers only if a signer is no node of this coordinator, which `prepare` refuses.
    seats: BTreeMap<u8, Seat>,
    finished: AtomicBool,
}

#[derive(Clone, Debug)]
struct Seat {
    link: Arc<NodeLink>,
}

/// r and s as a node gave them.
pub(super) type Scalars = ([u8; 32], [u8; 32]);

impl<'a> Attempt<'a> {
    /// A new attempt by these signers, who are in party order, resting on the checkpoint that the genesis document demands,
    /// if it demands one.
    pub(super) fn open(
        parts: &'a Coordinator,
        order: Order,
        signers: Vec<NodeId>,
        checkpoint: Option<Arc<SignedCheckpoint>>,
    ) -> Self {
        let seat = |node: &NodeId| {
            let position = order.committee.iter().position(|member| member == node)?;
            let party = u8::try_from(position.checked_add(1)?).ok()?;
            Some((party, Seat { link: Arc::clone(parts.nodes.link(node)?) }))
        };
        let seats = signers.iter().filter_map(seat).collect();
        let session = SessionId::random();
        tracing::debug!(%session, ?signers, "attempt begins");
        let cosigned_checkpoint = checkpoint.map(|signed| signed.to_bytes()).unwrap_or_default();
        Self { parts, order, session, signers, cosigned_checkpoint, seats, finished: false.into() }
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    pub(super) fn signers(&self) -> &[NodeId] {
        &self.signers
    }

    /// Sends the order to every signer, with the entries it lacks; returns what they open the session with, in party order.
    pub(super) async fn prepare(&self) -> Result<Vec<Opening>, Failure> {
        let order = SignOrder {
            session: self.session,
            withdrawal: self.order.withdrawal,
            digest_index: self.order.digest_index,
            signers: self.signers.clone(),
            cosigned_checkpoint: self.cosigned_checkpoint.clone(),
        };
        // One size for all signers, so that they cosign the same tree.
        let size = self.parts.book.read().await?.size();
        let preparing = self.seats.values().map(|seat| self.prepare_one(seat, size, &order));
        let opened = all_of(join_all(preparing).await);
        // The other nodes are to cosign it as well; the signers have it by now.
        self.parts.nodes.announce(size);
        let opened = opened?;
        if opened.len() == self.order.threshold { Ok(opened) } else { Err(Failure::Ended) }
    }

    async fn prepare_one(&self, seat: &Seat, size: u64, order: &SignOrder) -> Result<Opening, Failure> {
        let link = &seat.link;
        let chunk: Chunk = self.parts.book.chunk(link.health().tip_size.min(size), size).await?;
        if chunk.end() < size {
            return Err(Failure::Protocol {
                node: link.node().clone(),
                problem: "is too far behind the log",
            });
        }
        let (opening, tip) =
            link.client().sign_prepare(chunk, order).await.map_err(|error| blame(link, error))?;
        match self.parts.cosigned.add(link.node(), &tip).await {
            Ok(cosigned_at_s) => link.stands_at(&tip, cosigned_at_s),
            // The replicator raises the alarm; here it is enough not to go on with this node.
            Err(error) => {
                tracing::warn!(node = %link.node(), error = %error, "a signer's tip is not believed");
                return Err(Failure::Protocol { node: link.node().clone(), problem: "is not on this log" });
            }
        }
        Ok(opening)
    }

    /// Runs the rounds: carries sealed messages between the signers until one of them yields the signature.
    pub(super) async fn rounds(&self, opened: Vec<Opening>) -> Result<Scalars, Failure> {
        let rounds =
            Rounds::agreed(opened.iter().map(|opening| opening.rounds)).ok_or(Failure::RoundsDiffer)?;
        let offers: Vec<Vec<u8>> = opened.into_iter().map(|opening| opening.offer).collect();
        let mut inboxes: Received = self.seats.keys().map(|party| (*party, offers.clone())).collect();
        for round in rounds.before_last() {
            let sent = self.round(round, rounds, &inboxes).await?;
            inboxes = route(&sent)
                .map_err(|misrouted| self.faulty(misrouted.party, "did not send to all others"))?;
        }
        self.last_round(rounds, inboxes).await
    }

    async fn round(&self, round: u32, of: Rounds, inboxes: &Received) -> Result<Sent, Failure> {
        let calls = self.seats.iter().map(|(party, seat)| async move {
            let messages = inboxes.get(party).cloned().unwrap_or_default();
            let reply = seat.link.client().sign_round(self.session, round, of, messages).await;
            match reply.map_err(|error| blame(&seat.link, error))? {
                SignReply::Messages(messages) => Ok((*party, messages)),
                SignReply::Signature(..) => Err(self.faulty(*party, "answered before the last round")),
            }
        });
        Ok(all_of(join_all(calls).await)?.into_iter().collect())
    }

    /// Takes the first signature that any signer yields; the others may finish in peace.
    async fn last_round(&self, rounds: Rounds, mut inboxes: Received) -> Result<Scalars, Failure> {
        let mut calls = JoinSet::new();
        for (party, seat) in &self.seats {
            let (seat, session) = (seat.clone(), self.session);
            let messages = inboxes.remove(party).unwrap_or_default();
            calls.spawn(async move {
                let reply = seat.link.client().sign_round(session, rounds.last(), rounds, messages).await;
                (seat, reply)
            });
        }
        let mut failures = Vec::new();
        while let Some(joined) = calls.join_next().await {
            let Ok((seat, reply)) = joined else { continue };
            match reply {
                Ok(SignReply::Signature(r, s)) if self.is_valid(&(r, s)) => {
                    self.finished.store(true, Ordering::SeqCst);
                    calls.detach_all();
                    return Ok((r, s));
                }
                Ok(SignReply::Signature(..)) => failures.push(Failure::Signature),
                Ok(SignReply::Messages(_)) => {
                    let node = seat.link.node().clone();
                    failures.push(Failure::Protocol { node, problem: "did not answer with a signature" });
                }
                Err(error) => failures.push(blame(&seat.link, error)),
            }
        }
        Err(worst(failures.into_iter()).unwrap_or(Failure::Signature))
    }

    /// The signature, verified with plain k256 against the wallet's key and the authorized digest.
    pub(super) fn verified(&self, scalars: Scalars) -> Result<Signature, Failure> {
        self.signature(&scalars).ok_or(Failure::Signature)
    }

    fn is_valid(&self, scalars: &Scalars) -> bool {
        self.signature(scalars).is_some()
    }

    fn signature(&self, (r, s): &Scalars) -> Option<Signature> {
        let position = usize::try_from(self.order.digest_index).ok()?;
        let digest = self.order.digests.get(position)?;
        Signature::from_scalars(*r, *s, digest, &self.order.public_key).ok()
    }

    fn faulty(&self, party: u8, problem: &'static str) -> Failure {
        match self.seats.get(&party) {
            Some(seat) => Failure::Protocol { node: seat.link.node().clone(), problem },
            None => Failure::Signature,
        }
    }
}

impl Drop for Attempt<'_> {
    /// Tells the signers of an attempt that failed, so that they forget its secrets now and not at their own time limit.
    fn drop(&mut self) {
        if *self.finished.get_mut() {
            return;
        }
        // None when the whole program ends: then the nodes notice by themselves.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for seat in self.seats.values().cloned() {
            let session = self.session;
            runtime.spawn(async move {
                // Best effort: a node that does not hear it forgets the session by itself.
                let _ = seat.link.client().abort(session, "the attempt failed").await;
            });
        }
    }
}

fn blame(link: &NodeLink, error: CallError) -> Failure {
    if error.is_silence() {
        link.is_silent(&error.to_string());
    }
    Failure::Node { node: link.node().clone(), error }
}

/// All answers, or the failure that explains best why there is no signature. All are heard first, so that no node is left
/// with a session that was opened after it was aborted.
fn all_of<T>(answers: Vec<Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let (mut good, mut failures) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(value) => good.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    match worst(failures.into_iter()) {
        Some(failure) => Err(failure),
        None => Ok(good),
    }
}

/// What an officer or the policy forbids weighs more than a node that is silent, and that more than its consequences.
fn worst(failures: impl Iterator<Item = Failure>) -> Option<Failure> {
    let weight = |failure: &Failure| match failure {
        Failure::Node { error, .. } if forbids(&error.code()) => 3,
        Failure::Node { error, .. } if error.is_silence() => 2,
        Failure::Ended
        | Failure::NotAuthorized { .. }
        | Failure::Busy
        | Failure::TooFewNodes { .. }
        | Failure::Node { .. }
        | Failure::Protocol { .. }
        | Failure::RoundsDiffer
        | Failure::Signature
        | Failure::Insufficient(_)
        | Failure::Log(_)
        | Failure::Read(_)
        | Failure::Speak(_) => 1,
    };
    failures.max_by_key(weight)
}
