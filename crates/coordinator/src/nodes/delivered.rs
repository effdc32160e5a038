//! What nodes have for the log: officers' statements that were delivered to them directly, so that the log's rules take over
//! from the latches, their attestations of the state, and their word that old shares are erased. The coordinator logs them as soon as a node shows them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_ledger::RejectionCode;
use holdfast_log::Envelope;
use holdfast_policy::NodeId;
use holdfast_server::telemetry::cause;
use sha2::{Digest as _, Sha256};

use crate::sequencer::{ProposeError, Proposed, Sequencer};

/// Statements that are remembered as settled, so that they are not proposed again with every status.
const REMEMBERED: usize = 4_096;
/// What the log may take later is proposed again after this: soon enough for a pause, too seldom to be a burden.
const AGAIN: Duration = Duration::from_secs(3);

/// Proposes delivered statements, each until the log has it or never will.
#[derive(Debug)]
pub(crate) struct DeliveredStatements {
    sequencer: Sequencer,
    // With the moment from which on it is worth another attempt; none if it is over for good.
    settled: Mutex<BTreeMap<[u8; 32], Option<Instant>>>,
}

impl DeliveredStatements {
    pub(crate) fn new(sequencer: Sequencer) -> Self {
        Self { sequencer, settled: Mutex::default() }
    }

    /// Logs what is new among the statements that a node shows.
    pub(crate) async fn log(&self, node: &NodeId, statements: Vec<Vec<u8>>) {
        for statement in statements {
            let digest: [u8; 32] = Sha256::digest(&statement).into();
            if self.is_settled(&digest) {
                continue;
            }
            let Ok(envelope) = Envelope::parse(&statement) else {
                tracing::warn!(%node, "node shows something for the log that is no envelope");
                self.settle(digest);
                continue;
            };
            match self.sequencer.propose(envelope).await {
                Ok(Proposed::Logged(logged)) => {
                    tracing::info!(%node, index = logged.index, "what a node had for the log is logged");
                    self.settle(digest);
                }
                Ok(Proposed::Repeated) => self.settle(digest),
                Err(
                    ProposeError::QueueFull
                    | ProposeError::Clock(_)
                    | ProposeError::NoLogKey
                    | ProposeError::Failed(_)
                    | ProposeError::Stopping,
                ) => return,
                Err(
                    error @ (ProposeError::Act(_)
                    | ProposeError::Entry(_)
                    | ProposeError::LogKeyNotConfigured
                    | ProposeError::Rejected { .. }),
                ) => {
                    tracing::info!(%node, error = cause(&error), "what a node had for the log has no effect");
                    match for_good(&error) {
                        true => self.settle(digest),
                        false => self.remember(digest, Instant::now().checked_add(AGAIN)),
                    }
                }
            }
        }
    }

    fn is_settled(&self, digest: &[u8; 32]) -> bool {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.get(digest).is_some_and(|again| again.is_none_or(|again| Instant::now() < again))
    }

    fn settle(&self, digest: [u8; 32]) {
        self.remember(digest, None);
    }

    fn remember(&self, digest: [u8; 32], again: Option<Instant>) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.len() >= REMEMBERED {
            settled.clear();
        }
        settled.insert(digest, again);
    }
}

/// Whether the log will never take it. What it stops may come, an officer's earlier pauses may be lifted, a clock that is ahead
/// is caught up with.
fn for_good(error: &ProposeError) -> bool {
    let ProposeError::Rejected { rejection, .. } = error else { return true };
    !matches!(
        rejection.code(),
        RejectionCode::UnknownWallet
            | RejectionCode::UnknownWhitelistEntry
            | RejectionCode::UnknownParty
            | RejectionCode::WalletPauseState
            | RejectionCode::StatementMismatch
            | RejectionCode::StatementFromTheFuture
    )
}
