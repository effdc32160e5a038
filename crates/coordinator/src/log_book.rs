//! The log as the coordinator keeps it: durable entries with a signed checkpoint, and the state that follows from them.
//!
//! Owns the store's log tables, the replica, the tree and the log key. It must never show anybody a state that is not on
//! disk, and never go on after a write failed: then it refuses everything until the process starts again (G8, G9).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ed25519_dalek::VerifyingKey;
use holdfast_ledger::{Applied, Replica, ReplicaError, State};
use holdfast_log::{
    Checkpoint, CheckpointError, Entry, Envelope, Hash, LogVerifier, MemoryTree, Origin, SignedCheckpoint,
    TreeError,
};
use holdfast_policy::TimestampMs;
use holdfast_proto::convert::EntryTimes;
use holdfast_server::snapshot::SnapshotFile;
use holdfast_server::telemetry::cause;
use holdfast_store::{StoreError, StoreHandle};
use tokio::sync::{RwLock, RwLockReadGuard, watch};

mod adopt;
mod events;
pub(crate) mod evidence;
mod found;
mod index;
mod keys;
mod open;
mod read;
pub(crate) mod schema;
mod snapshot;
mod writer;

pub(crate) use adopt::AdoptError;
pub(crate) use found::Found;
pub(crate) use index::{LogIndex, Subject, is_final};
pub(crate) use keys::{KeyHistory, LogKeys};
pub use open::OpenError;
pub(crate) use read::{CHUNK_ENTRIES, Chunk, ReadError};
pub(crate) use snapshot::snapshot_file;
pub(crate) use writer::Writer;

/// The log. Shared by everything in the process; only the sequencer writes.
pub(crate) struct LogBook {
    store: StoreHandle,
    snapshots: SnapshotFile,
    keys: LogKeys,
    inner: RwLock<Inner>,
    tip: watch::Sender<u64>,
    expiries: watch::Sender<u64>,
    // INVARIANT (G9): set before anybody hears of a failed write, and never cleared.
    failed: AtomicBool,
    failure: watch::Sender<bool>,
}

/// What follows from the entries so far.
struct Inner {
    replica: Replica,
    tree: MemoryTree,
    index: LogIndex,
    keys: KeyHistory,
    // The newest one; of the whole log, unless the key in force is not configured. `None`: not even genesis is signed.
    checkpoint: Option<SignedCheckpoint>,
}

/// An earlier write failed: the process has to start again and read back what is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log could not be written: the coordinator has to be started again")]
pub struct LogFailed;

/// Why an entry or a checkpoint could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogBookError {
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// The entry cannot be in this log.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The tree is full or inconsistent.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The checkpoint cannot be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The key that has to sign is not configured.
    #[error("the log key in force after {size} entries is not configured")]
    NoLogKey {
        /// The size.
        size: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LogBook {
    /// The state at the tip, durable.
    ///
    /// # Errors
    /// [`LogFailed`] once a write has failed.
    pub(crate) async fn read(&self) -> Result<Reader<'_>, LogFailed> {
        self.require_sound()?;
        let inner = self.inner.read().await;
        self.fail_without_pages(&inner);
        // A write may have failed while we waited; what it left in memory is not on disk.
        self.require_sound()?;
        Ok(Reader { inner, keys: &self.keys })
    }

    /// Follows the number of durable entries.
    pub(crate) fn tip(&self) -> watch::Receiver<u64> {
        self.tip.subscribe()
    }

    /// Counts the withdrawals that ran out of time.
    pub(crate) fn expiries(&self) -> watch::Receiver<u64> {
        self.expiries.subscribe()
    }

    /// Turns true when a write has failed.
    pub(crate) fn failure(&self) -> watch::Receiver<bool> {
        self.failure.subscribe()
    }

    /// The log's name.
    pub(crate) fn origin(&self) -> &Origin {
        self.keys.origin()
    }

    /// The store below, for what belongs beside the log.
    pub(crate) fn store(&self) -> &StoreHandle {
        &self.store
    }

    /// Notes which withdrawals ran out of time by now.
    pub(crate) async fn expire(&self, now: TimestampMs) -> Result<(), LogFailed> {
        if !self.read().await?.index().is_due(now) {
            return Ok(());
        }
        let mut inner = self.inner.write().await;
        self.require_sound()?;
        let Inner { replica, index, .. } = &mut *inner;
        index.expire(now, replica.state());
        let count = u64::try_from(index.expiries().len()).unwrap_or(u64::MAX);
        drop(inner);
        self.expiries.send_if_modified(|known| {
            let more = *known != count;
            *known = count;
            more
        });
        Ok(())
    }

    /// The one who may append.
    pub(crate) async fn write(&self) -> Result<Writer<'_>, LogFailed> {
        self.require_sound()?;
        let inner = self.inner.write().await;
        self.fail_without_pages(&inner);
        self.require_sound()?;
        Ok(Writer::new(self, inner))
    }

    /// Whether the next write can succeed: one beside the log may have failed, and then the log is over, too.
    ///
    /// # Errors
    /// [`LogFailed`], which everybody who follows [`Self::failure`] hears of.
    pub(crate) fn require_store(&self) -> Result<(), LogFailed> {
        if !self.store.is_healthy() {
            self.fail();
        }
        self.require_sound()
    }

    fn require_sound(&self) -> Result<(), LogFailed> {
        if self.failed.load(Ordering::SeqCst) { Err(LogFailed) } else { Ok(()) }
    }

    // INVARIANT (G9): a history that cannot be read is none, and so is everything that was derived since.
    fn fail_without_pages(&self, inner: &Inner) {
        let Some(fault) = inner.replica.state().page_fault() else { return };
        if !self.failed.load(Ordering::SeqCst) {
            let error = cause(&fault);
            tracing::error!(error, reason = fault.code(), "a page of customers' histories is lost");
            self.snapshots.discard();
        }
        self.fail();
    }

    fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        self.failure.send_replace(true);
    }
}

impl Inner {
    /// Applies an entry to everything in memory.
    fn append(&mut self, entry: &Entry) -> Result<Applied, LogBookError> {
        let applied = self.replica.append(entry)?;
        self.tree.append(entry.leaf_hash())?;
        let state = self.replica.state();
        self.keys.note(state.size(), state.roster().coordinator().log_key);
        self.index.note(applied.index, entry.time_ms(), &applied.outcome, state);
        Ok(applied)
    }

    fn checkpoint(&self, origin: &Origin) -> Checkpoint {
        Checkpoint { origin: origin.clone(), size: self.replica.size(), root: self.replica.root() }
    }
}

/// A view of the log that does not change while it is held. Hold it briefly: it keeps the sequencer waiting.
pub(crate) struct Reader<'a> {
    inner: RwLockReadGuard<'a, Inner>,
    keys: &'a LogKeys,
}

impl Reader<'_> {
    /// The state.
    pub(crate) fn state(&self) -> &State {
        self.inner.replica.state()
    }

    /// Number of entries.
    pub(crate) fn size(&self) -> u64 {
        self.inner.replica.size()
    }

    /// State and right edge.
    pub(crate) fn replica(&self) -> &Replica {
        &self.inner.replica
    }

    /// The tree.
    pub(crate) fn tree(&self) -> &MemoryTree {
        &self.inner.tree
    }

    /// Which log key was in force when.
    pub(crate) fn key_history(&self) -> &KeyHistory {
        &self.inner.keys
    }

    /// Times of all entries.
    pub(crate) fn times(&self) -> EntryTimes<'_> {
        EntryTimes(self.inner.index.times())
    }

    /// Where things are.
    pub(crate) fn index(&self) -> &LogIndex {
        &self.inner.index
    }

    /// The newest checkpoint, signed by the log's key only: of the whole log, unless the key in force is not configured.
    pub(crate) fn checkpoint(&self) -> Result<&SignedCheckpoint, LogBookError> {
        self.inner.checkpoint.as_ref().ok_or(LogBookError::NoLogKey { size: self.size() })
    }

    /// Whether this log key's secret is configured.
    pub(crate) fn holds_log_key(&self, key: &VerifyingKey) -> bool {
        self.keys.holds(key)
    }

    /// Verifies this log's checkpoints of this size.
    pub(crate) fn verifier_at(&self, size: u64) -> Result<LogVerifier, LogBookError> {
        self.inner.keys.verifier_at(size, self.keys.origin()).ok_or(LogBookError::NoLogKey { size })
    }

    /// The root that the tree had at this size.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, TreeError> {
        self.inner.tree.root_at(size)
    }

    /// A checkpoint of the log's first `size` entries.
    // INVARIANT (G7): the log's key signs roots of this tree only, and this tree only grows: it never signs a fork.
    pub(crate) fn checkpoint_at(&self, size: u64) -> Result<SignedCheckpoint, LogBookError> {
        if let Some(known) = self.inner.checkpoint.as_ref().filter(|known| known.claimed().size == size) {
            return Ok(known.clone());
        }
        let checkpoint = Checkpoint { origin: self.keys.origin().clone(), size, root: self.root_at(size)? };
        self.keys.sign(&checkpoint, &self.inner.keys)?.ok_or(LogBookError::NoLogKey { size })
    }

    /// Proof that the tree of `size` leaves holds the leaf at `index`.
    pub(crate) fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        self.inner.tree.inclusion_proof(index, size)
    }

    /// Proof that the tree of `new` leaves begins with that of `old` leaves.
    pub(crate) fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, TreeError> {
        self.inner.tree.consistency_proof(old, new)
    }
}

impl fmt::Debug for LogBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogBook")
            .field("size", &*self.tip.borrow())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// The log, shared.
pub(crate) type SharedLog = Arc<LogBook>;

/// Whose payload is being looked for, see [`LogBook::position_of`].
pub(crate) fn same_payload(logged: &Envelope, given: &Envelope) -> bool {
    logged.payload_type == given.payload_type && logged.payload == given.payload
}
