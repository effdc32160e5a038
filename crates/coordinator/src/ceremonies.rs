//! Ceremonies that make shares of a key: one driver for each that the officers approved.
//!
//! [`Driver::step`] is the ceremony path: generate or hand on, confirm, activate. The nodes run the protocol among themselves, in
//! messages that are sealed for each other; what they sent is kept until the wallet is active, so that a restart of the
//! coordinator or of any node goes on where it stopped. `EpochActivated` is the only commit point.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_ledger::{Ceremony, CeremonyId, CeremonyPhase};
use holdfast_policy::NodeId;
use holdfast_proto::convert::CeremonyLive;
use holdfast_server::telemetry::cause;
use tokio::sync::watch;
use tracing::Instrument;

use crate::coordinator::Coordinator;
use crate::log_book::{LogFailed, ReadError, Subject};
use crate::nodes::{CallError, jittered};
use crate::sequencer::ProposeError;
use crate::speaker::SpeakError;

mod keygen;
mod transcript;

use keygen::{Confirmed, Keygen};
use transcript::{Transcript, TranscriptError};

/// Pause after a failure of our own.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts a driver for every ceremony that needs one. Shared.
#[derive(Debug)]
pub(crate) struct Ceremonies {
    parts: Coordinator,
    driven: Mutex<BTreeSet<CeremonyId>>,
}

/// Drives one ceremony.
#[derive(Debug)]
pub(super) struct Driver {
    id: CeremonyId,
    parts: Coordinator,
}

/// What is left to do.
#[derive(Clone, Debug)]
enum Work {
    /// The nodes have to make the shares.
    Generate(Vec<NodeId>),
    /// All nodes confirmed: the key has to be activated.
    Activate { wallet: holdfast_policy::WalletId, epoch: u32 },
    /// Nothing.
    Nothing,
}

/// Why a step did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was kept cannot be read or written.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// An entry was not taken.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// Our own entry cannot be made.
    #[error(transparent)]
    Speak(#[from] SpeakError),
    /// The attempt is over and another one has to begin.
    #[error("attempt {attempt} is over: {code}")]
    AttemptOver { attempt: u32, code: String },
    /// The log wants no key from this ceremony any more.
    #[error("the ceremony is over")]
    CeremonyOver,
    /// A node of the committee is none of this coordinator's.
    #[error("`{0}` is not configured")]
    UnknownNode(NodeId),
}

impl Ceremonies {
    pub(crate) fn new(parts: Coordinator) -> Arc<Self> {
        Arc::new(Self { parts, driven: Mutex::default() })
    }

    /// Follows the log and drives what was approved, beginning with what was open before, until `stop` turns true.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tip = self.parts.book.tip();
        let mut seen = 0;
        loop {
            match self.start_changed(seen).await {
                Ok(size) => seen = size,
                Err(LogFailed) => return,
            }
            tokio::select! {
                changed = tip.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn start_changed(self: &Arc<Self>, seen: u64) -> Result<u64, LogFailed> {
        let reader = self.parts.book.read().await?;
        let size = reader.size();
        let changed: BTreeSet<CeremonyId> = (seen..size)
            .filter_map(|index| match reader.index().subject(index)? {
                Subject::Ceremony(id) => Some(id),
                Subject::Withdrawal(_) | Subject::Other => None,
            })
            .filter(|id| {
                reader.state().ceremony(id).is_some_and(|ceremony| needs_driver(ceremony, seen == 0))
            })
            .collect();
        drop(reader);
        changed.into_iter().for_each(|id| self.start(id));
        Ok(size)
    }

    fn start(self: &Arc<Self>, id: CeremonyId) {
        if !self.driven.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            return;
        }
        let driver = Driver { id, parts: self.parts.clone() };
        let ceremonies = Arc::clone(self);
        let span = tracing::info_span!("ceremony", trace_id = %id);
        tokio::spawn(
            async move {
                driver.drive().await;
                ceremonies.driven.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
            .instrument(span),
        );
    }
}

impl Driver {
    /// Steps until nothing is left to do. A ceremony that needs a driver has work left in every phase until it ends, so
    /// that no change of the log can be missed by ending here.
    async fn drive(&self) {
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(StepError::Failed(_)) => return,
                Err(StepError::CeremonyOver) => {}
                Err(error) => {
                    tracing::warn!(error = cause(&error), "the ceremony does not go on yet");
                    tokio::time::sleep(jittered(PAUSE)).await;
                }
            }
        }
        self.parts.progress.set_ceremony(self.id, None);
        if let Err(error) = self.forget().await {
            tracing::warn!(
                error = cause(&error),
                "the rounds of a ceremony that is over cannot be erased yet"
            );
        }
    }

    /// The ceremony path. True if there may be more to do.
    async fn step(&self) -> Result<bool, StepError> {
        match self.work_left().await? {
            Work::Generate(nodes) => {
                let transcript = Transcript::open(self.parts.book.store(), self.id)?;
                let keygen = Keygen::new(&self.parts, self.id, &nodes, transcript)?;
                let confirmed = self.generated(keygen).await?;
                self.log_confirmations(confirmed).await?;
                Ok(true)
            }
            Work::Activate { wallet, epoch } => {
                let activation = self.parts.voice().await?.activate(self.id, wallet, epoch)?;
                self.parts.sequencer.propose(activation).await?;
                tracing::info!(epoch, "shares are active");
                Ok(true)
            }
            Work::Nothing => Ok(false),
        }
    }

    /// All nodes' confirmations of one attempt. An attempt that nodes gave up is followed by another.
    async fn generated(&self, mut keygen: Keygen<'_>) -> Result<Confirmed, StepError> {
        let generated = keygen.run().await;
        if let Err(StepError::AttemptOver { .. }) = &generated {
            keygen.begin_again().await?;
        }
        generated
    }

    /// Logs the confirmations together; those that are in the log already are repeats.
    async fn log_confirmations(&self, confirmed: Confirmed) -> Result<(), StepError> {
        let rounds = confirmed.rounds.last();
        for (node, confirmation) in confirmed.confirmations {
            if let Err(error) = self.parts.sequencer.propose(confirmation).await {
                let live = CeremonyLive { round: rounds, of: rounds, blocked_by: vec![node] };
                self.parts.progress.set_ceremony(self.id, Some(live));
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Erases what was kept: the ceremony is over, however it ended.
    async fn forget(&self) -> Result<(), TranscriptError> {
        Transcript::open(self.parts.book.store(), self.id)?.erase().await
    }

    async fn work_left(&self) -> Result<Work, LogFailed> {
        let reader = self.parts.book.read().await?;
        Ok(reader.state().ceremony(&self.id).map_or(Work::Nothing, work))
    }
}

/// At the start also one that is over: its driver may have been stopped before it erased what was kept.
fn needs_driver(ceremony: &Ceremony, at_start: bool) -> bool {
    let is_over = matches!(
        ceremony.phase_at(holdfast_policy::TimestampMs(0)),
        CeremonyPhase::Activated | CeremonyPhase::Failed | CeremonyPhase::Superseded
    );
    let makes_key = ceremony.kind.key_work().is_some();
    !matches!(work(ceremony), Work::Nothing) || (at_start && makes_key && is_over)
}

/// Whether the log still wants the nodes to make this ceremony's shares.
pub(super) fn is_generating(ceremony: &Ceremony) -> bool {
    matches!(work(ceremony), Work::Generate(_))
}

fn work(ceremony: &Ceremony) -> Work {
    let Some(key) = ceremony.kind.key_work() else { return Work::Nothing };
    // Only proposals expire, and they are nothing to do yet: any time will do.
    match ceremony.phase_at(holdfast_policy::TimestampMs(0)) {
        CeremonyPhase::Approved => Work::Generate(key.nodes.to_vec()),
        CeremonyPhase::Confirmed => Work::Activate { wallet: key.wallet.clone(), epoch: key.epoch },
        CeremonyPhase::Proposed
        | CeremonyPhase::Activated
        | CeremonyPhase::Expired
        | CeremonyPhase::Failed
        | CeremonyPhase::Superseded => Work::Nothing,
    }
}

/// Whether a node's reason code says that this attempt can never end well.
pub(super) fn ends_attempt(error: &CallError) -> bool {
    const FINAL: [&str; 9] = [
        "SESSION_UNKNOWN",
        "SESSION_OVER",
        "SESSION_REUSED",
        "ROUND_NOT_DUE",
        "PEER_MESSAGE_INVALID",
        "KEYGEN_UNCONFIRMED",
        "KEYGEN_ABORTED",
        "KEYGEN_UNREADABLE",
        "NODE_ANSWER_MALFORMED",
    ];
    FINAL.contains(&error.code().as_str())
}

#[cfg(test)]
mod tests;
