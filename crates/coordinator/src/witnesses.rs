//! Outside witnesses (c2sp.org/tlog-witness): each is shown every checkpoint that enough nodes cosigned, with a proof that the
//! log only grew since the one before, and gives its cosignature.
//!
//! A witness sees checkpoints only, never an entry. What its server answers is believed no further than its own signature
//! reaches: a wrong, old or foreign answer counts as none, and is told to people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_log::{Cosignature, SignedCheckpoint, TreeError};
use holdfast_proto::v1;
use holdfast_server::telemetry::cause;
use holdfast_transport::https::{OutsideServer, RequestError};
use tokio::sync::watch;

use crate::coordinator::Coordinator;
use crate::cosigned::TipRefusal;
use crate::log_book::{LogBookError, LogFailed};
use crate::nodes::jittered;

mod protocol;

use protocol::{Verdict, judge, request_body};

/// How long a witness may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read: a few signature lines.
const ANSWER_BYTES: usize = 16 << 10;
/// Pauses after failures, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// A witness that is configured.
#[derive(Clone, Debug)]
pub(crate) struct OutsideWitness {
    /// Its name in the genesis document.
    pub(crate) name: String,
    /// Where it is reached, for people.
    pub(crate) url: String,
    /// Where it is reached.
    pub(crate) server: OutsideServer,
}

/// How the witnesses stand. Shown to people; nothing is decided from it.
#[derive(Debug, Default)]
pub(crate) struct WitnessBoard(Mutex<BTreeMap<String, v1::ClusterWitness>>);

/// Asks one witness.
#[derive(Debug)]
pub(crate) struct Asking {
    witness: OutsideWitness,
    parts: Coordinator,
    // Size of the newest tree that it cosigned, as far as it is known here: it remembers by itself.
    cosigned: u64,
}

/// Why a checkpoint has no cosignature of the witness.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WitnessError {
    /// There is no answer.
    #[error("{}", cause_of(.0))]
    Request(#[from] RequestError),
    /// The witness refuses.
    #[error("the witness refuses with HTTP status {status}: {meaning}")]
    Refused {
        /// The status.
        status: u16,
        /// What it means.
        meaning: &'static str,
    },
    /// The witness says that it has cosigned a larger tree than there is.
    #[error(
        "ALARM: the witness has cosigned a log of {theirs} entries, this one has {ours}: one of them has forked"
    )]
    Ahead {
        /// Its size.
        theirs: u64,
        /// The log's.
        ours: u64,
    },
    /// The witness says that the log has forked.
    #[error("ALARM: the witness holds another root of the log at size {size}")]
    OtherRoot {
        /// The size.
        size: u64,
    },
    /// The answer is not what the protocol says.
    #[error("the witness's answer is malformed: {0}")]
    Malformed(&'static str),
    /// No line of the answer is this witness's cosignature of this checkpoint.
    #[error("the witness's answer carries no valid cosignature of its own")]
    NoCosignature(#[source] Option<Box<TipRefusal>>),
    /// No proof can be made.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The log has failed.
    #[error(transparent)]
    Log(#[from] LogBookError),
}

impl From<LogFailed> for WitnessError {
    fn from(error: LogFailed) -> Self {
        Self::Log(error.into())
    }
}

fn cause_of(error: &RequestError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl WitnessBoard {
    /// How a witness stands.
    pub(crate) fn stands(&self, name: &str) -> v1::ClusterWitness {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.get(name).cloned().unwrap_or_else(|| v1::ClusterWitness {
            name: name.to_owned(),
            last_error: "not configured".to_owned(),
            ..v1::ClusterWitness::default()
        })
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut v1::ClusterWitness)) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(board.entry(name.to_owned()).or_default());
    }
}

impl Asking {
    pub(crate) fn new(witness: OutsideWitness, parts: Coordinator) -> Self {
        let (name, url) = (witness.name.clone(), witness.url.clone());
        parts.witnesses.note(&witness.name, |stands| {
            (stands.name, stands.url) = (name, url);
        });
        Self { witness, parts, cosigned: 0 }
    }

    /// Shows it every newest checkpoint, until `stop` turns true.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut best = self.parts.cosigned.follow_best();
        let mut pause = FIRST_PAUSE;
        loop {
            let newest = best.borrow_and_update().clone();
            let asked = match newest {
                Some(newest) if newest.claimed().size > self.cosigned => self.ask(&newest).await,
                Some(_) | None => Ok(()),
            };
            self.note(asked.as_ref().err());
            let failed = asked.is_err();
            pause = if failed { pause.saturating_mul(2).min(LAST_PAUSE) } else { FIRST_PAUSE };
            tokio::select! {
                changed = best.changed(), if !failed => if changed.is_err() { return },
                () = tokio::time::sleep(jittered(pause)), if failed => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// One checkpoint: with what is known of the witness's memory, and once more with what it says itself.
    async fn ask(&mut self, checkpoint: &Arc<SignedCheckpoint>) -> Result<(), WitnessError> {
        let size = checkpoint.claimed().size;
        match self.submit(checkpoint, self.cosigned).await? {
            Verdict::Cosigned(lines) => self.believe(size, &lines).await,
            Verdict::HasSize(theirs) => {
                let ours = self.parts.book.read().await?.size();
                if theirs > ours {
                    return Err(WitnessError::Ahead { theirs, ours });
                }
                if theirs == self.cosigned {
                    return Err(WitnessError::OtherRoot { size: theirs });
                }
                self.cosigned = theirs;
                if theirs >= size {
                    // Newer than what it was shown: the next checkpoint is shown on top of it.
                    return Ok(());
                }
                match self.submit(checkpoint, theirs).await? {
                    Verdict::Cosigned(lines) => self.believe(size, &lines).await,
                    Verdict::HasSize(_) => Err(WitnessError::Malformed("it does not know what it cosigned")),
                }
            }
        }
    }

    async fn submit(&self, checkpoint: &SignedCheckpoint, old: u64) -> Result<Verdict, WitnessError> {
        let size = checkpoint.claimed().size;
        let proof = match old {
            0 => Vec::new(),
            _ if old == size => Vec::new(),
            _ => self.parts.book.read().await?.consistency_proof(old, size)?,
        };
        let body = request_body(old, &proof, checkpoint);
        let answer = self.witness.server.post("/add-checkpoint", body, ANSWER_BYTES, ANSWER_WITHIN).await?;
        judge(&answer)
    }

    /// Keeps the witness's own cosignature, whatever else the answer holds.
    async fn believe(&mut self, size: u64, lines: &[Cosignature]) -> Result<(), WitnessError> {
        let mut refusal = None;
        for line in lines {
            match self.parts.cosigned.add_witness(&self.witness.name, size, line).await {
                Ok(verified) => {
                    self.cosigned = size;
                    self.parts.witnesses.note(&self.witness.name, |stands| {
                        stands.cosigned_size = size;
                        stands.cosignature_time_ms = verified.time_s.saturating_mul(1_000);
                    });
                    return Ok(());
                }
                Err(error) => refusal = Some(Box::new(error)),
            }
        }
        Err(WitnessError::NoCosignature(refusal))
    }

    fn note(&self, error: Option<&WitnessError>) {
        let text = error.map(ToString::to_string).unwrap_or_default();
        if let Some(error) = error {
            metrics::counter!("holdfast_witness_failures_total", "witness" => self.witness.name.clone())
                .increment(1);
            tracing::warn!(
                witness = self.witness.name,
                error = cause(error),
                "no cosignature of an outside witness"
            );
        }
        let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let text: String = text.chars().take(256).map(printable).collect();
        self.parts.witnesses.note(&self.witness.name, |stands| stands.last_error = text);
    }
}

#[cfg(test)]
mod tests;
