//! One key generation or migration: opens it on all nodes and carries their sealed messages, round by round, until every node has
//! confirmed. A node that does not answer blocks it and is named; nothing is lost while it is away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use holdfast_ledger::CeremonyId;
use holdfast_log::Envelope;
use holdfast_policy::NodeId;
use holdfast_proto::convert::CeremonyLive;

use super::transcript::Transcript;
use super::{StepError, ends_attempt, is_generating};
use crate::coordinator::Coordinator;
use crate::log_book::{LogFailed, ReadError};
use crate::nodes::{CallError, KeygenReply, NodeLink, jittered};
use crate::session::{Opening, Received, Rounds, Sent, SessionId, route};

/// Pauses before a node is asked again, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// A key generation in progress.
#[derive(Debug)]
pub(super) struct Keygen<'a> {
    parts: &'a Coordinator,
    ceremony: CeremonyId,
    transcript: Transcript,
    // By party, the whole committee.
    links: BTreeMap<u8, Arc<NodeLink>>,
    live: Mutex<CeremonyLive>,
}

/// How a generation ended.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) rounds: Rounds,
    pub(super) confirmations: Vec<(NodeId, Envelope)>,
}

impl<'a> Keygen<'a> {
    pub(super) fn new(
        parts: &'a Coordinator,
        ceremony: CeremonyId,
        nodes: &[NodeId],
        transcript: Transcript,
    ) -> Result<Self, StepError> {
        let seat = |(party, node): (u8, &NodeId)| {
            let link = parts.nodes.link(node).ok_or_else(|| StepError::UnknownNode(node.clone()))?;
            Ok((party, Arc::clone(link)))
        };
        let links = (1..).zip(nodes).map(seat).collect::<Result<_, StepError>>()?;
        let live =
            Mutex::new(CeremonyLive { round: 0, of: Rounds::KEYGEN_UNSAID.last(), blocked_by: Vec::new() });
        let keygen = Self { parts, ceremony, transcript, links, live };
        keygen.show(|_| {});
        Ok(keygen)
    }

    /// Runs all rounds; returns every node's confirmation.
    pub(super) async fn run(&self) -> Result<Confirmed, StepError> {
        let session = SessionId::of_ceremony(&self.ceremony, self.transcript.attempt());
        tracing::info!(%session, attempt = self.transcript.attempt(), "key generation goes on");
        let (offers, rounds) = self.opened(session).await?;
        self.show(|live| live.of = rounds.last());
        let mut inboxes: Received = self.links.keys().map(|party| (*party, offers.clone())).collect();
        for round in rounds.before_last() {
            inboxes = self.messages(session, round, inboxes).await?;
            self.show(|live| live.round = round);
        }
        let confirmations = self.confirmations(session, rounds, inboxes).await?;
        self.show(|live| live.round = rounds.last());
        Ok(Confirmed { rounds, confirmations })
    }

    /// Gives the attempt up: the next run is another one.
    pub(super) async fn begin_again(&mut self) -> Result<(), StepError> {
        Ok(self.transcript.begin_again().await?)
    }

    /// Opens the session on every node; the same session gets the same offers every time. All must agree how many rounds it
    /// has; what they said is kept, so that a restart goes on with the same.
    async fn opened(&self, session: SessionId) -> Result<(Vec<Vec<u8>>, Rounds), StepError> {
        let opening = self.links.iter().map(|(party, link)| async move {
            if let Some(kept) = self.transcript.opening(*party)? {
                return Ok(kept);
            }
            let opening = self.patiently(link, || self.open_on(link, session)).await?;
            self.transcript.keep_opening(*party, &opening).await?;
            Ok(opening)
        });
        let opened = join_all(opening).await.into_iter().collect::<Result<Vec<_>, StepError>>()?;
        let rounds = Rounds::agreed(opened.iter().map(|opening| opening.rounds));
        let rounds = rounds.ok_or_else(|| self.over("ROUNDS_DIFFER"))?;
        Ok((opened.into_iter().map(|opening| opening.offer).collect(), rounds))
    }

    async fn open_on(&self, link: &NodeLink, session: SessionId) -> Result<Opening, AskError> {
        let size = self.parts.book.read().await?.size();
        self.parts.nodes.announce(size);
        let chunk = self.parts.book.chunk(link.health().tip_size.min(size), size).await?;
        let (opening, tip) = link.client().keygen_prepare(chunk, self.ceremony, session).await?;
        match self.parts.cosigned.add(link.node(), &tip).await {
            Ok(cosigned_at_s) => link.stands_at(&tip, cosigned_at_s),
            // The replicator raises the alarm.
            Err(error) => tracing::warn!(node = %link.node(), error = %error, "a node's tip is not believed"),
        }
        Ok(opening)
    }

    async fn messages(
        &self,
        session: SessionId,
        round: u32,
        inboxes: Received,
    ) -> Result<Received, StepError> {
        let mut sent = Sent::new();
        for (party, reply) in self.round(session, round, inboxes).await? {
            match reply {
                KeygenReply::Messages(messages) => sent.insert(party, messages),
                // A node that confirmed earlier in this session answers with its confirmation to the last round only.
                KeygenReply::Confirmation(_) => return Err(self.over("CONFIRMED_TOO_EARLY")),
            };
        }
        route(&sent).map_err(|misrouted| {
            tracing::warn!(party = misrouted.party, "a node did not send to all others");
            self.over("NODE_ANSWER_MALFORMED")
        })
    }

    async fn confirmations(
        &self,
        session: SessionId,
        rounds: Rounds,
        inboxes: Received,
    ) -> Result<Vec<(NodeId, Envelope)>, StepError> {
        let replies = self.round(session, rounds.last(), inboxes).await?;
        let confirmation = |(party, reply)| match (self.links.get(&party), reply) {
            (Some(link), KeygenReply::Confirmation(envelope)) => Ok((link.node().clone(), envelope)),
            (_, _) => Err(self.over("CONFIRMATION_MISSING")),
        };
        replies.into_iter().map(confirmation).collect()
    }

    /// Every party's answer to a round: what is kept is not asked for again.
    async fn round(
        &self,
        session: SessionId,
        round: u32,
        inboxes: Received,
    ) -> Result<BTreeMap<u8, KeygenReply>, StepError> {
        let inboxes = &inboxes;
        let asking = self.links.iter().map(|(party, link)| async move {
            if let Some(kept) = self.transcript.reply(round, *party)? {
                return Ok((*party, kept));
            }
            let ask = || async {
                let messages = inboxes.get(party).cloned().unwrap_or_default();
                Ok(link.client().keygen_round(session, round, messages).await?)
            };
            let reply = self.patiently(link, ask).await?;
            self.transcript.keep(round, *party, &reply).await?;
            Ok((*party, reply))
        });
        join_all(asking).await.into_iter().collect()
    }

    /// Asks a node until it answers, naming it meanwhile as the one that blocks the ceremony.
    async fn patiently<T, F>(&self, link: &NodeLink, mut ask: impl FnMut() -> F) -> Result<T, StepError>
    where
        F: Future<Output = Result<T, AskError>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match ask().await {
                Ok(answer) => {
                    self.show(|live| live.blocked_by.retain(|node| node != link.node()));
                    return Ok(answer);
                }
                Err(AskError::Own(error)) => return Err(error),
                Err(AskError::Node(error)) => error,
            };
            if error.is_silence() {
                link.is_silent(&error.to_string());
            }
            tracing::warn!(node = %link.node(), code = error.code(), error = %error, "a node keeps the ceremony from going on");
            self.show(|live| {
                if !live.blocked_by.contains(link.node()) {
                    live.blocked_by.push(link.node().clone());
                    live.blocked_by.sort();
                }
            });
            if !self.is_wanted().await? {
                return Err(StepError::CeremonyOver);
            }
            if ends_attempt(&error) {
                return Err(self.over(&error.code()));
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
    }

    async fn is_wanted(&self) -> Result<bool, StepError> {
        let reader = self.parts.book.read().await?;
        Ok(reader.state().ceremony(&self.ceremony).is_some_and(is_generating))
    }

    fn over(&self, code: &str) -> StepError {
        StepError::AttemptOver { attempt: self.transcript.attempt(), code: code.to_owned() }
    }

    fn show(&self, change: impl FnOnce(&mut CeremonyLive)) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut live);
        self.parts.progress.set_ceremony(self.ceremony, Some(live.clone()));
    }
}

/// Whose failure it is that there is no answer.
enum AskError {
    Node(CallError),
    Own(StepError),
}

impl From<CallError> for AskError {
    fn from(error: CallError) -> Self {
        Self::Node(error)
    }
}

impl From<LogFailed> for AskError {
    fn from(error: LogFailed) -> Self {
        Self::Own(error.into())
    }
}

impl From<ReadError> for AskError {
    fn from(error: ReadError) -> Self {
        Self::Own(error.into())
    }
}
