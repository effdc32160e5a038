//! This node's replica of the log: verified, applied, durable, then cosigned.
//!
//! Owns the log as this node knows it. It must never let its tip go back, keep an entry that it did not verify, cosign a
//! root that it did not compute, or show anybody a state that is not on disk.

use std::fmt;
use std::sync::Arc;

use holdfast_log::{Checkpoint, Entry, Hash};
use holdfast_store::{Batch, CommitError, MAX_BATCH_OPERATIONS, StoreError, StoreHandle};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};

use crate::clock::Clock;
use crate::identity::Witness;
use crate::tables::{self, ENTRIES, HALT, NODE};

mod fork;
mod held;
mod load;
mod refusal;
mod tip;

pub(crate) use fork::ForkEvidence;
pub(crate) use held::Held;
pub(crate) use load::{LoadError, install, load, start};
pub(crate) use refusal::ExtendRefusal;
pub(crate) use tip::TipRecord;

use held::Finding;

/// What the tip takes of a batch, and what one entry takes: an expectation and a put each.
const TIP_OPERATIONS: usize = 2;
const ENTRY_OPERATIONS: usize = 2;
/// Entries in one extension: what one durable batch can hold beside the tip.
pub(crate) const MAX_ENTRIES: usize = (MAX_BATCH_OPERATIONS - TIP_OPERATIONS) / ENTRY_OPERATIONS;
/// Their bytes, together.
pub(crate) const MAX_EXTENSION_BYTES: usize = 6 << 20;

/// A run of entries with the checkpoint of the tree that ends with them, as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extension {
    /// Index of the first entry.
    pub(crate) from_index: u64,
    /// The entries, exactly as they are hashed.
    pub(crate) entries: Vec<Vec<u8>>,
    /// A checkpoint note.
    pub(crate) checkpoint: Vec<u8>,
}

/// The replica, durable.
pub(crate) struct DurableReplica {
    store: StoreHandle,
    witness: Witness,
    pinned: [u8; 32],
    clock: Arc<dyn Clock>,
    held: Arc<RwLock<Held>>,
}

impl DurableReplica {
    /// A replica over what was loaded from the store.
    pub(crate) fn new(
        store: StoreHandle,
        held: Held,
        witness: Witness,
        pinned: [u8; 32],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, witness, pinned, clock, held: Arc::new(RwLock::new(held)) }
    }

    /// The replica at its tip.
    pub(crate) async fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().await
    }

    #[cfg(test)]
    pub(crate) async fn apply_in_memory_for_tests(&self, entries: &[Entry]) {
        let mut held = self.held.write().await;
        assert!(held.apply(entries).is_ok());
    }

    /// Takes over what is new in the extension and returns the tip, newly cosigned if the checkpoint is of the tip.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    // INVARIANT (G7): nothing is applied before the checkpoint is the log's and its root is the one computed here;
    // nothing is shown or cosigned before it is durable; a refused extension leaves the replica as it was.
    pub(crate) async fn extend(&self, extension: Extension) -> Result<TipRecord, ExtendRefusal> {
        check_size(&extension)?;
        let checkpoint = self.checkpoint_of(&extension)?;
        let held = Arc::clone(&self.held).write_owned().await;
        let now = self.clock.now();
        let (mut held, examined) = on_blocking_thread(held, move |held| {
            let examined = held.examine(&extension, &checkpoint, now).map(|new| (new, checkpoint));
            examined.map_err(|finding| (finding, extension.checkpoint))
        })
        .await?;
        match examined {
            Ok((new, checkpoint)) if new.is_empty() => self.cosign_again(&mut held, &checkpoint).await,
            Ok((new, checkpoint)) => self.take_over(held, new, checkpoint).await,
            Err((Finding::Refused(refusal), _)) => Err(refusal),
            Err((Finding::Forked { size, index }, note)) => {
                self.halt(&mut held, ForkEvidence::new(size, index, &note, now)).await
            }
        }
    }

    fn checkpoint_of(&self, extension: &Extension) -> Result<Checkpoint, ExtendRefusal> {
        let checkpoint = self.witness.checkpoint(&extension.checkpoint)?;
        let count = u64::try_from(extension.entries.len()).unwrap_or(u64::MAX);
        let end = extension.from_index.saturating_add(count);
        if checkpoint.size != end {
            return Err(ExtendRefusal::CheckpointSize { stated: checkpoint.size, end });
        }
        Ok(checkpoint)
    }

    /// Applies entries whose root was checked, and makes them durable together with the tip and its cosignature.
    async fn take_over(
        &self,
        held: OwnedRwLockWriteGuard<Held>,
        new: Vec<Entry>,
        checkpoint: Checkpoint,
    ) -> Result<TipRecord, ExtendRefusal> {
        // Whatever can fail without a change comes before the change.
        let old = held.tip().clone();
        let tip = self.cosigned(&old, &checkpoint)?;
        let mut batch = tip.replacing(Batch::new(), &old)?;
        for (index, entry) in (old.size..).zip(&new) {
            batch = batch.expect_absent(ENTRIES, index.to_be_bytes());
            batch = batch.put(ENTRIES, index.to_be_bytes(), entry.bytes());
        }
        let (mut held, applied) = on_blocking_thread(held, move |held| held.apply(&new)).await?;
        if let Err(refused) = applied {
            return self.give_back(held, ExtendRefusal::EntryRefused(refused)).await;
        }
        match self.store.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Store(error)) if never_reached_the_disk(&error) => {
                return self.give_back(held, error.into()).await;
            }
            // Memory is ahead of the disk, and what the disk holds is unknown.
            Err(error) => {
                held.lose();
                return Err(tables::unconditional(error).into());
            }
        }
        held.set_tip(tip.clone());
        Ok(tip)
    }

    /// What was applied is refused and not on disk: it is forgotten, and the store has the truth.
    async fn give_back(
        &self,
        mut held: OwnedRwLockWriteGuard<Held>,
        refused: ExtendRefusal,
    ) -> Result<TipRecord, ExtendRefusal> {
        held.lose();
        let (store, pinned) = (self.store.clone(), self.pinned);
        let (_, reloaded) =
            on_blocking_thread(held, move |held| load(&store, &pinned).map(|loaded| *held = loaded)).await?;
        match reloaded {
            Ok(()) => Err(refused),
            Err(error) => {
                tracing::error!(?error, "the replica cannot be loaded again");
                Err(ExtendRefusal::Lost)
            }
        }
    }

    /// Nothing is new. The tip is cosigned again if the checkpoint is of it, so that others see this node alive.
    async fn cosign_again(
        &self,
        held: &mut Held,
        checkpoint: &Checkpoint,
    ) -> Result<TipRecord, ExtendRefusal> {
        let old = held.tip().clone();
        if checkpoint.size != old.size {
            return Ok(old);
        }
        let tip = self.cosigned(&old, checkpoint)?;
        if tip == old {
            return Ok(old);
        }
        let batch = tip.replacing(Batch::new(), &old)?;
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        held.set_tip(tip.clone());
        Ok(tip)
    }

    // INVARIANT (G4, G7): one size is cosigned with one root, because the root is computed from entries that are never
    // replaced; a cosignature's time never goes back, whatever the clock does.
    fn cosigned(&self, old: &TipRecord, checkpoint: &Checkpoint) -> Result<TipRecord, ExtendRefusal> {
        let now_s = self.clock.now().0.checked_div(1_000).unwrap_or_default();
        let time_s = now_s.max(old.cosigned_at_s);
        let cosignature = self.witness.cosigner.cosign(checkpoint, time_s)?;
        Ok(TipRecord::new(checkpoint.size, checkpoint.root, cosignature.to_line(), time_s))
    }

    /// The log's key signed two histories: nothing is signed from here on, also after a restart, until an operator of
    /// this node has looked at the evidence.
    async fn halt(&self, held: &mut Held, evidence: ForkEvidence) -> Result<TipRecord, ExtendRefusal> {
        tracing::error!(size = evidence.size, "the log has forked: this node stops signing");
        held.halt(evidence.clone());
        let record = evidence.to_bytes().map_err(|_| ExtendRefusal::Lost)?;
        self.store.commit(Batch::new().put(NODE, HALT, record)).await.map_err(tables::unconditional)?;
        Err(ExtendRefusal::Forked { size: evidence.size })
    }
}

fn check_size(extension: &Extension) -> Result<(), ExtendRefusal> {
    let entries = extension.entries.len();
    let bytes = extension.entries.iter().fold(0usize, |sum, entry| sum.saturating_add(entry.len()));
    if entries > MAX_ENTRIES || bytes > MAX_EXTENSION_BYTES {
        return Err(ExtendRefusal::TooLarge { entries, bytes });
    }
    Ok(())
}

/// Whether a batch was refused for its shape, before anything was done with it.
fn never_reached_the_disk(error: &StoreError) -> bool {
    match error {
        StoreError::UnknownTable { .. }
        | StoreError::KeyLength { .. }
        | StoreError::ValueTooLong { .. }
        | StoreError::TooManyOperations { .. }
        | StoreError::BatchTooLarge { .. }
        | StoreError::KeyRepeated { .. } => true,
        StoreError::Locked { .. }
        | StoreError::DirectoryOpenToOthers { .. }
        | StoreError::BackendMismatch { .. }
        | StoreError::UnknownFormat { .. }
        | StoreError::InvalidTable { .. }
        | StoreError::ScanLimit { .. }
        | StoreError::Io { .. }
        | StoreError::ReadFailed { .. }
        | StoreError::WriteFailed { .. }
        | StoreError::Poisoned
        | StoreError::Closed => false,
    }
}

/// Runs work that takes long for many entries where it does not hold up other calls, and gives the lock back.
async fn on_blocking_thread<T: Send + 'static>(
    mut held: OwnedRwLockWriteGuard<Held>,
    work: impl FnOnce(&mut Held) -> T + Send + 'static,
) -> Result<(OwnedRwLockWriteGuard<Held>, T), ExtendRefusal> {
    let job = tokio::task::spawn_blocking(move || {
        let done = work(&mut held);
        (held, done)
    });
    // A panic in the work would leave the state half changed; it is marked before anything is changed in it.
    job.await.map_err(|_| ExtendRefusal::Lost)
}

impl fmt::Debug for DurableReplica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableReplica").field("witness", &self.witness).finish_non_exhaustive()
    }
}

/// A root as one word of a message.
pub(crate) fn short(root: &Hash) -> String {
    root.to_hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests;
