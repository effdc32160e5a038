//! Taking over entries that nodes hold and this log does not: see `seeding.rs`, which has verified all of them before.

use holdfast_ledger::Replica;
use holdfast_log::{Entry, Hash, SignedCheckpoint};
use holdfast_server::telemetry::cause;
use holdfast_store::Batch;

use super::schema::{CHECKPOINTS, LOG_CHECKPOINT, SEEDING, index_key};
use super::{LogBook, LogBookError, LogFailed, Writer};

/// Entries in one commit: far fewer than the store takes, each with up to five derived records.
const TOGETHER: usize = 256;
/// Their bytes, but never less than one entry.
const TOGETHER_BYTES: usize = 1 << 20;

/// A run of entries is not the log that was verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// The log cannot be written.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// An entry does not apply.
    #[error(transparent)]
    Log(#[from] LogBookError),
    /// The entries lead to another root than the checkpoint states.
    #[error("the entries taken over do not lead to the checkpoint of size {size}")]
    OtherRoot {
        /// Size of the checkpoint.
        size: u64,
    },
}

impl LogBook {
    /// Appends a run of verified entries towards this checkpoint. Until the run reaches it, the log is marked as unfinished:
    /// nothing is announced, and the next start has to go on.
    // INVARIANT (G7): nothing is signed and nobody sees anything before the log is as long as the one that nodes hold.
    pub(crate) async fn adopt(
        &self,
        entries: Vec<Entry>,
        target: &SignedCheckpoint,
    ) -> Result<(), AdoptError> {
        for run in runs(entries) {
            let mut writer = self.write().await?;
            for entry in run {
                writer.append(entry)?;
            }
            writer.commit_towards(target).await?;
        }
        Ok(())
    }

    /// A replica that holds the genesis entry only, and that entry's leaf hash.
    pub(crate) async fn begun(&self) -> Result<(Replica, Hash), LogBookError> {
        let pinned = self.read().await?.state().genesis().hash;
        let damaged = |_| LogBookError::from(LogFailed);
        let genesis = Entry::parse(&self.entry(0).map_err(damaged)?).map_err(|_| LogFailed)?;
        Ok((Replica::from_genesis(&genesis, &pinned)?, genesis.leaf_hash()))
    }

    /// Whether a seeding was begun and not finished.
    pub(crate) fn is_unfinished(&self) -> Result<bool, LogFailed> {
        let read = self.store().read(CHECKPOINTS, SEEDING);
        read.map(|found| found.is_some()).map_err(|error| {
            tracing::error!(error = cause(&error), "the log cannot be read");
            LogFailed
        })
    }
}

/// Entries as many as go into one commit with what is derived from them: a node serves more small ones at a time.
fn runs(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let (mut runs, mut bytes) = (vec![Vec::new()], 0_usize);
    for entry in entries {
        bytes = bytes.saturating_add(entry.bytes().len());
        if let Some(run) = runs.last_mut().filter(|run| run.len() < TOGETHER && bytes <= TOGETHER_BYTES) {
            run.push(entry);
        } else {
            bytes = entry.bytes().len();
            runs.push(vec![entry]);
        }
    }
    runs
}

impl Writer<'_> {
    async fn commit_towards(mut self, target: &SignedCheckpoint) -> Result<(), AdoptError> {
        let stated = target.claimed();
        let found = self.inner.checkpoint(self.book.origin());
        if found.size < stated.size {
            let batch = self.take_batch().put(CHECKPOINTS, SEEDING, index_key(stated.size));
            return Ok(self.save(batch).await?);
        }
        if found != *stated {
            return Err(AdoptError::OtherRoot { size: stated.size });
        }
        let own = self.book.keys.sign(&found, &self.inner.keys).map_err(LogBookError::from)?;
        let signed = own.unwrap_or_else(|| target.clone());
        let batch = self.take_batch().put(CHECKPOINTS, LOG_CHECKPOINT, signed.to_bytes());
        let batch: Batch = batch.delete(CHECKPOINTS, SEEDING);
        self.save(batch).await?;
        self.publish(Some(signed));
        Ok(())
    }
}
