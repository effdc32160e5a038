//! The single writer of the log: it gives entries their order and their time, and answers only once they are durable.
//!
//! It orders, and cannot invent: whoever proposes brings an envelope signed by the party it speaks for, and the state
//! machine says what it does. It must never answer, or let a node see, what is not on disk (G8).

use std::sync::Arc;
use std::time::Duration;

use holdfast_ledger::{ActError, Admission, Outcome, PayloadKind, Rejection, RejectionCode};
use holdfast_log::{Entry, EntryError, Envelope};
use holdfast_policy::TimestampMs;
use holdfast_server::telemetry::cause;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::log_book::{LogBook, LogBookError, LogFailed, Writer};
use crate::time_guard::{ClockRefusal, TimeGuard};

/// Proposals that may wait; further ones are refused.
const QUEUE: usize = 512;
/// Most proposals of one commit.
const BATCH: usize = 64;
/// Most bytes of one commit's proposals, but never less than one proposal.
const BATCH_BYTES: usize = 1 << 20;
/// When those who found the queue full should come back.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Proposes entries. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer {
    queue: mpsc::Sender<Proposal>,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proposed {
    /// It is in the log and took effect.
    Logged(Logged),
    /// The log contains the same already; nothing was added.
    Repeated,
}

/// An entry that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Its index.
    pub index: u64,
    /// Its time.
    pub time: TimestampMs,
    /// What it changed.
    pub admission: Admission,
}

/// Why a proposal had no effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    /// It is not authentic.
    #[error(transparent)]
    Act(#[from] ActError),
    /// It makes no entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It is authentic and not admissible.
    #[error("{rejection}")]
    Rejected {
        /// Why.
        rejection: Rejection,
        /// The index of the entry that keeps the attempt, if it is evidence or uses up a provider's number.
        logged: Option<u64>,
    },
    /// Too many proposals wait.
    #[error("too many proposals wait")]
    QueueFull,
    /// The log could not be written: whether the proposal is in it is open.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// The machine's clock cannot be relied on.
    #[error(transparent)]
    Clock(#[from] ClockRefusal),
    /// Until officers put a key in force that is configured, only their statements are taken.
    #[error("the log key in force is not configured: only officers' statements are taken")]
    NoLogKey,
    /// It would put a log key in force that this coordinator does not have.
    #[error("this would put a log key in force that this coordinator is not configured with")]
    LogKeyNotConfigured,
    /// The coordinator stops.
    #[error("the coordinator is stopping")]
    Stopping,
}

type Answer = Result<Proposed, ProposeError>;

#[derive(Debug)]
struct Proposal {
    envelope: Envelope,
    reply: oneshot::Sender<Answer>,
}

impl Sequencer {
    /// Starts the writer. It ends, with its queue answered, once `stop` turns true.
    pub(crate) fn start(
        book: Arc<LogBook>,
        clock: Clock,
        guard: Option<TimeGuard>,
        stop: watch::Receiver<bool>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, proposals) = mpsc::channel(QUEUE);
        let run = Run { book, clock, guard, proposals };
        (Self { queue }, tokio::spawn(run.until(stop)))
    }

    /// Proposes an entry and waits until it is durable or refused.
    ///
    /// Dropping the future does not take the proposal back.
    ///
    /// # Errors
    /// [`ProposeError`]; only [`ProposeError::Failed`] leaves open whether it is in the log.
    pub(crate) async fn propose(&self, envelope: Envelope) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Proposal { envelope, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ProposeError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopping,
        })?;
        // The writer answers everything that it took; if it is gone, its log has failed.
        answer.await.unwrap_or(Err(ProposeError::Failed(LogFailed)))
    }
}

struct Run {
    book: Arc<LogBook>,
    clock: Clock,
    // `None` in tests only, whose clock they move.
    guard: Option<TimeGuard>,
    proposals: mpsc::Receiver<Proposal>,
}

impl Run {
    async fn until(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let first = tokio::select! {
                proposal = self.proposals.recv() => proposal,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Some(first) = first else { return };
            self.take(first).await;
        }
        self.proposals.close();
        while let Some(proposal) = self.proposals.recv().await {
            self.take(proposal).await;
        }
    }

    /// Decides about a batch, makes it durable, and only then answers.
    async fn take(&mut self, first: Proposal) {
        let (envelopes, replies) = self.batch(first);
        let answers = match self.append(&envelopes).await {
            Ok(answers) => answers,
            Err(LogFailed) => envelopes.iter().map(|_| Err(ProposeError::Failed(LogFailed))).collect(),
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Nobody is harmed if the one who asked no longer listens: the log has it.
            let _ = reply.send(answer);
        }
    }

    fn batch(&mut self, first: Proposal) -> (Vec<Envelope>, Vec<oneshot::Sender<Answer>>) {
        let mut bytes = size_of(&first.envelope);
        let (mut envelopes, mut replies) = (vec![first.envelope], vec![first.reply]);
        while envelopes.len() < BATCH && bytes < BATCH_BYTES {
            let Ok(next) = self.proposals.try_recv() else { break };
            bytes = bytes.saturating_add(size_of(&next.envelope));
            envelopes.push(next.envelope);
            replies.push(next.reply);
        }
        (envelopes, replies)
    }

    async fn append(&self, envelopes: &[Envelope]) -> Result<Vec<Answer>, LogFailed> {
        let mut writer = self.book.write().await?;
        let mut answers = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let now = self.clock.now();
            if let Some(Err(refusal)) = self.guard.as_ref().map(|guard| guard.check(now)) {
                tracing::error!(%refusal, "nothing is logged: the time is uncertain");
                answers.push(Err(refusal.into()));
                continue;
            }
            // Not before the previous entry's, whatever the clock does.
            let time = now.max(writer.state().last_time());
            answers.push(consider(&mut writer, envelope, time)?);
        }
        writer.commit().await?;
        Ok(answers)
    }
}

fn size_of(envelope: &Envelope) -> usize {
    let signatures = envelope.signatures.iter().map(|signature| signature.signature.len());
    signatures.fold(envelope.payload.len(), usize::saturating_add)
}

/// What the state machine says about one proposal, logging it if it takes effect, is evidence, or uses up a provider's number.
fn consider(writer: &mut Writer<'_>, envelope: &Envelope, time: TimestampMs) -> Result<Answer, LogFailed> {
    let is_statement = envelope.payload_type == PayloadKind::Statement.payload_type();
    if !is_statement && !writer.can_sign() {
        return Ok(Err(ProposeError::NoLogKey));
    }
    let rejection = match writer.state().check(envelope, time) {
        Err(error) => return Ok(Err(error.into())),
        Ok(checked) => checked.err(),
    };
    match rejection {
        Some(rejection) if rejection.code() == RejectionCode::AlreadyRecorded => {
            return Ok(Ok(Proposed::Repeated));
        }
        Some(rejection) if !rejection.is_logged() => {
            return Ok(Err(ProposeError::Rejected { rejection, logged: None }));
        }
        // The same attempt again is no further evidence, and must not fill the log.
        Some(rejection) => {
            if let Some(logged) = writer.position_of(envelope)? {
                return Ok(Err(ProposeError::Rejected { rejection, logged: Some(logged) }));
            }
        }
        None => {}
    }
    let entry = match Entry::stamp(time.0, envelope) {
        Ok(entry) => entry,
        Err(error) => return Ok(Err(error.into())),
    };
    // Only statements change keys.
    if is_statement && writer.can_sign() && !writer.could_sign_after(&entry) {
        return Ok(Err(ProposeError::LogKeyNotConfigured));
    }
    let applied = writer.append(entry).map_err(|error| unappendable(&error))?;
    Ok(match applied.outcome {
        Outcome::Admitted(admission) => {
            Ok(Proposed::Logged(Logged { index: applied.index, time: applied.time, admission }))
        }
        Outcome::Rejected(rejection) => {
            tracing::warn!(index = applied.index, code = %rejection.code(), "refused attempt logged");
            Err(ProposeError::Rejected { rejection, logged: Some(applied.index) })
        }
    })
}

/// The state machine refused to apply what it had found acceptable: nothing that it says can be relied on any more.
fn unappendable(error: &LogBookError) -> LogFailed {
    tracing::error!(error = cause(error), "a checked entry does not apply: the log stops");
    LogFailed
}

#[cfg(test)]
mod tests;
