//! This node's replica of the log: verified, applied, durable, then cosigned.
//!
//! Owns the log as this node knows it. It must never let its tip go back, keep an entry that it did not verify, cosign a
//! root that it did not compute, or show anybody a state that is not on disk.

use std::fmt;
use std::sync::Arc;

use holdfast_ledger::State;
use holdfast_log::{Checkpoint, Hash, SignedCheckpoint};
use holdfast_policy::{KeptPages, TimestampMs};
use holdfast_store::{Batch, CommitError, MAX_BATCH_OPERATIONS, StoreError, StoreHandle};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};

use crate::clock::Clock;
use crate::enrolled::OwnKeys;
use crate::identity::Witness;
use crate::tables::{self, ENTRIES, HALT, NODE, NOTE, WITNESSED};

mod fork;
mod held;
mod load;
mod refusal;
mod snapshot;
mod tip;

pub(crate) use fork::ForkEvidence;
pub(crate) use held::Held;
pub(crate) use load::{LoadError, install, load, start};
pub(crate) use refusal::ExtendRefusal;
pub(crate) use snapshot::Snapshots;
pub(crate) use tip::TipRecord;

use held::{Finding, Staged};

/// What tip, note and moment take of a batch, and what one entry takes: an expectation and a put.
const TIP_OPERATIONS: usize = 4;
const ENTRY_OPERATIONS: usize = 2;
/// Entries in one extension: what one durable batch can hold beside the tip.
pub(crate) const MAX_ENTRIES: usize = (MAX_BATCH_OPERATIONS - TIP_OPERATIONS) / ENTRY_OPERATIONS;
/// Their bytes, together.
pub(crate) const MAX_EXTENSION_BYTES: usize = 6 << 20;

/// Notes of evidence in one extension.
const MAX_EVIDENCE: usize = 64;
const ENTRIES_PAGE: usize = 256;

/// A run of entries with the checkpoint of the tree that ends with them, as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extension {
    /// Index of the first entry.
    pub(crate) from_index: u64,
    /// The entries, exactly as they are hashed.
    pub(crate) entries: Vec<Vec<u8>>,
    /// A checkpoint note.
    pub(crate) checkpoint: Vec<u8>,
    /// Older notes with cosignatures: when others held the log.
    pub(crate) evidence: Vec<Vec<u8>>,
}

/// The replica, durable.
pub(crate) struct DurableReplica {
    store: StoreHandle,
    witness: Arc<Witness>,
    clock: Arc<dyn Clock>,
    held: Arc<RwLock<Held>>,
}

impl DurableReplica {
    /// A replica over what was loaded from the store.
    pub(crate) fn new(store: StoreHandle, held: Held, witness: Witness, clock: Arc<dyn Clock>) -> Self {
        Self { store, witness: Arc::new(witness), clock, held: Arc::new(RwLock::new(held)) }
    }

    /// The replica at its tip.
    pub(crate) async fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().await
    }

    /// Whether this node can still write, and knows what it has written: if not, it refuses everything until it is started again.
    pub(crate) async fn is_able(&self) -> bool {
        let held = self.read().await;
        self.store.is_healthy() && held.is_durable() && held.state().page_fault().is_none()
    }

    #[cfg(test)]
    pub(crate) async fn apply_in_memory_for_tests(&self, entries: &[holdfast_log::Entry]) {
        self.held.write().await.apply_in_memory_for_tests(entries);
    }

    /// The same memory over another store of the same content.
    #[cfg(test)]
    pub(crate) async fn copied(&self, store: StoreHandle) -> Self {
        let held = Arc::new(RwLock::new(self.read().await.copied()));
        Self { store, witness: Arc::clone(&self.witness), clock: Arc::clone(&self.clock), held }
    }

    /// Takes over what is new in the extension and returns the tip, newly cosigned if the checkpoint is of the tip.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    // INVARIANT (G7): nothing is taken over before the checkpoint is the log's and its root is the one computed here;
    // nothing is shown or cosigned before it is durable; a refused extension leaves the replica as it was.
    pub(crate) async fn extend(&self, extension: Extension) -> Result<TipRecord, ExtendRefusal> {
        check_size(&extension)?;
        let signed = checkpoint_of(&extension)?;
        let held = Arc::clone(&self.held).write_owned().await;
        let (now, witness) = (self.clock.now(), Arc::clone(&self.witness));
        let (mut held, (examined, extension)) = on_blocking_thread(held, move |held| {
            (held.examine(&extension, &signed, &witness, now), extension)
        })
        .await?;
        match examined {
            Ok(staged) => {
                let tip = if staged.entries.is_empty() {
                    self.cosign_again(&mut held, &staged.checkpoint).await?
                } else {
                    self.take_over(&mut held, staged, &extension.checkpoint, now).await?
                };
                self.believe(&mut held, &extension.evidence).await?;
                Ok(tip)
            }
            Err(Finding::Refused(refusal)) => Err(refusal),
            Err(Finding::Forked { size, index }) => {
                self.halt(&mut held, ForkEvidence::new(size, index, &extension.checkpoint, now)).await
            }
        }
    }

    /// Makes staged entries durable together with the tip, its cosignature, their note and the moment at which they came.
    async fn take_over(
        &self,
        held: &mut Held,
        staged: Staged,
        note: &[u8],
        now: TimestampMs,
    ) -> Result<TipRecord, ExtendRefusal> {
        let old = held.tip().clone();
        let tip = self.next_tip(held, staged.replica.state(), &old, &staged.checkpoint)?;
        let cosigned_at = TimestampMs(old.cosigned_at_s.saturating_mul(1_000));
        let moment = staged.asked_about.then(|| held.witnessed().coming(tip.size, now, cosigned_at));
        let mut batch = tip.replacing(Batch::new(), &old)?.put(NODE, NOTE, note);
        for (index, entry) in (old.size..).zip(&staged.entries) {
            batch = batch.expect_absent(ENTRIES, index.to_be_bytes());
            batch = batch.put(ENTRIES, index.to_be_bytes(), entry.bytes());
        }
        batch = moment.into_iter().fold(batch, |batch, moment| moment.put(batch));
        match self.store.commit(batch).await {
            Ok(()) => held.replace(staged, tip.clone(), moment),
            Err(CommitError::Store(error)) if never_reached_the_disk(&error) => return Err(error.into()),
            // What the disk holds is unknown.
            Err(error) => {
                held.lose();
                return Err(tables::unconditional(error).into());
            }
        }
        Ok(tip)
    }

    /// Takes note of who cosigned this log, and records what that vouches for. What does not fit is ignored: evidence only ever
    /// helps.
    async fn believe(&self, held: &mut Held, evidence: &[Vec<u8>]) -> Result<(), ExtendRefusal> {
        let shown = held.shown(evidence.get(..MAX_EVIDENCE).unwrap_or(evidence));
        held.hear(&shown);
        let moments = held.vouched(&shown);
        if moments.is_empty() {
            return Ok(());
        }
        let batch = moments.iter().fold(Batch::new(), |batch, moment| moment.put(batch));
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        held.add_moments(moments);
        Ok(())
    }

    /// These pages of a copy of the replica are durable: their bytes need not stay in memory.
    pub(crate) async fn settle_pages(&self, kept: &KeptPages) {
        self.held.write().await.settle_pages(kept);
    }

    /// Forgets the moments for which no rule can ask any more, if there are many.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn forget_moments(&self) -> Result<(), ExtendRefusal> {
        if self.read().await.condensed_moments().is_none() {
            return Ok(());
        }
        let mut held = self.held.write().await;
        let Some(left) = held.condensed_moments() else { return Ok(()) };
        let store = self.store.clone();
        let searching = tokio::task::spawn_blocking(move || (left.superfluous(&store), left));
        let (superfluous, left) = searching.await.map_err(|_| ExtendRefusal::Lost)?;
        for keys in superfluous?.chunks(MAX_BATCH_OPERATIONS) {
            let batch = keys.iter().fold(Batch::new(), |batch, key| batch.delete(WITNESSED, key.as_slice()));
            self.store.commit(batch).await.map_err(tables::unconditional)?;
        }
        held.set_moments(left);
        Ok(())
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
        let tip = self.next_tip(held, held.state(), &old, checkpoint)?;
        if tip == old {
            return Ok(old);
        }
        let batch = tip.replacing(Batch::new(), &old)?;
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        held.set_tip(tip.clone());
        Ok(tip)
    }

    // INVARIANT (G4, G7): one size is cosigned with one root, because the root is computed from entries that are never
    // replaced; a cosignature's time never goes back, whatever the clock does; keys that the roster at this size does not name
    // cosign nothing.
    fn next_tip(
        &self,
        held: &Held,
        state: &State,
        old: &TipRecord,
        checkpoint: &Checkpoint,
    ) -> Result<TipRecord, ExtendRefusal> {
        if self.witness.own.standing(state, held.tree()).is_err() {
            return Ok(TipRecord::new(checkpoint.size, checkpoint.root, None, old.cosigned_at_s));
        }
        let now_s = self.clock.now().0.checked_div(1_000).unwrap_or_default();
        let time_s = now_s.max(old.cosigned_at_s);
        let cosignature = self.witness.cosigner.cosign(checkpoint, time_s)?;
        Ok(TipRecord::new(checkpoint.size, checkpoint.root, Some(cosignature.to_line()), time_s))
    }

    /// The keys that this node holds.
    pub(crate) fn own(&self) -> &OwnKeys {
        &self.witness.own
    }

    /// The checkpoint note of the tip, as the log key signed it; empty if there is nothing but the genesis entry.
    // INVARIANT (G7): tip and note are one durable write, so the note is always of the tip.
    pub(crate) fn note(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.store.read(NODE, NOTE.as_bytes())?.unwrap_or_default())
    }

    /// Entries from an index on, as many as fit into `max_bytes`, with the newest checkpoint note that was verified.
    pub(crate) async fn entries_from(
        &self,
        index: u64,
        max_bytes: usize,
    ) -> Result<(Vec<Vec<u8>>, Vec<u8>, TipRecord), ExtendRefusal> {
        let tip = self.read().await.tip().clone();
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let note = store.read(NODE, NOTE.as_bytes())?.unwrap_or_default();
            let (mut entries, mut room, mut next) = (Vec::new(), max_bytes, index);
            'pages: loop {
                let page = store.scan(ENTRIES, &next.to_be_bytes(), ENTRIES_PAGE)?;
                let Some(_) = page.first() else { break };
                for (_, bytes) in page {
                    let Some(left) = room.checked_sub(bytes.len()) else { break 'pages };
                    room = left;
                    next = next.saturating_add(1);
                    entries.push(bytes);
                }
            }
            Ok::<_, StoreError>((entries, note))
        });
        let (entries, note) = reading.await.map_err(|_| ExtendRefusal::Lost)??;
        Ok((entries, note, tip))
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

fn checkpoint_of(extension: &Extension) -> Result<SignedCheckpoint, ExtendRefusal> {
    let signed = SignedCheckpoint::parse(&extension.checkpoint)?;
    let count = u64::try_from(extension.entries.len()).unwrap_or(u64::MAX);
    let (end, stated) = (extension.from_index.saturating_add(count), signed.claimed().size);
    if stated != end {
        return Err(ExtendRefusal::CheckpointSize { stated, end });
    }
    Ok(signed)
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
