//! Opening the log: everything that is stored is replayed and verified before anything is served or appended, from this
//! coordinator's own snapshot on if there is one that leads to the stored entries.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ed25519_dalek::SigningKey;
use holdfast_ledger::{Applied, Replica, ReplicaError};
use holdfast_log::{
    CheckpointError, Entry, EntryError, Hash, MemoryTree, NoteKeyError, Origin, SignedCheckpoint, TreeError,
};
use holdfast_server::snapshot::SnapshotFile;
use holdfast_server::telemetry::cause;
use holdfast_store::{Batch, CommitError, StoreError, StoreHandle, Table};
use tokio::sync::{RwLock, watch};

use super::schema::{
    CHECKPOINTS, ENTRIES, LOG_CHECKPOINT, PAYLOADS, SEEDING, index_key, index_of, payload_key,
};
use super::snapshot::Kept;
use super::{Inner, KeyHistory, LogBook, LogBookError, LogIndex, LogKeys, events};

/// Entries that are read at a time, and events that are mended at a time.
const PAGE: usize = 64;

/// Why the log cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while writing.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The cluster's name makes no log name.
    #[error(transparent)]
    Name(#[from] NoteKeyError),
    /// An entry is missing or has a key that is none.
    #[error("the stored log has no entry {expected}: restore the store")]
    Gap {
        /// The missing index.
        expected: u64,
    },
    /// An entry does not read.
    #[error("stored entry {index} is damaged: restore the store")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        source: EntryError,
    },
    /// An entry does not apply, or the genesis is another.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The tree is inconsistent.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The stored genesis entry is not the configured one.
    #[error(
        "the stored log begins with another genesis entry than the configured file: use another data directory"
    )]
    OtherGenesis,
    /// There is no checkpoint for the stored entries, or it does not read.
    #[error("the stored checkpoint is missing or does not verify: restore the store")]
    Checkpoint(#[source] Option<CheckpointError>),
    /// The stored entries are not those that the checkpoint was signed for.
    #[error(
        "the stored checkpoint is of {signed} entries, the store holds {found} and another root: restore the store"
    )]
    OtherRoot {
        /// Entries by the checkpoint.
        signed: u64,
        /// Entries found.
        found: u64,
    },
}

impl OpenError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::Commit(error) => error.reason(),
            Self::Name(error) => error.code(),
            Self::Gap { .. } => "LOG_GAP",
            Self::Entry { source, .. } => source.code(),
            Self::Replica(error) => error.code(),
            Self::Tree(error) => error.code(),
            Self::OtherGenesis => "OTHER_GENESIS",
            Self::Checkpoint(_) => "LOG_CHECKPOINT_INVALID",
            Self::OtherRoot { .. } => "LOG_ROOT_MISMATCH",
        }
    }

    fn appending(error: LogBookError) -> Self {
        match error {
            LogBookError::Replica(error) => Self::Replica(error),
            LogBookError::Tree(error) => Self::Tree(error),
            LogBookError::Store(error) => Self::Store(error),
            LogBookError::Checkpoint(error) => Self::Checkpoint(Some(error)),
            LogBookError::Failed(_) | LogBookError::NoLogKey { .. } => Self::Checkpoint(None),
        }
    }
}

impl LogBook {
    /// Replays the stored log, or begins one with the genesis entry. Blocks: call it on a blocking thread.
    ///
    /// # Errors
    /// [`OpenError`] for anything that is not exactly the log that this coordinator signed.
    pub(crate) fn open(
        store: StoreHandle,
        genesis: &Entry,
        pinned: &[u8; 32],
        log_keys: Vec<SigningKey>,
        snapshots: SnapshotFile,
    ) -> Result<Self, OpenError> {
        let mut replica = Replica::from_genesis(genesis, pinned)?;
        replica.read_pages_from(&snapshots.pages());
        let origin = Origin::of_cluster(replica.state().cluster().as_str())?;
        let keys = LogKeys::new(origin, log_keys);
        let mut inner = Inner::begin(replica, genesis, &keys)?;
        if store.last(ENTRIES)?.is_none() {
            store.commit_blocking(first_commit(genesis, inner.checkpoint.as_ref()))?;
        } else {
            check_first(&store, genesis)?;
            match resumed(&store, genesis, pinned, &keys, &snapshots) {
                Some(resumed) => inner = resumed,
                None => replay(&store, &mut inner)?,
            }
            inner.checkpoint = stored_checkpoint(&store, &inner, keys.origin())?;
        }
        let seeding = seeding_target(&store)?;
        cover(&mut inner, &keys, seeding.is_some())?;
        let signed = inner.checkpoint.as_ref().map_or(0, |signed| signed.claimed().size);
        let (tip, expiries, failure) =
            (watch::Sender::new(signed), watch::Sender::new(0), watch::Sender::new(false));
        let (inner, failed) = (RwLock::new(inner), AtomicBool::new(false));
        Ok(Self { store, snapshots, keys, inner, tip, expiries, failed, failure })
    }
}

impl Inner {
    /// The log that holds the genesis entry only.
    fn begin(replica: Replica, genesis: &Entry, held: &LogKeys) -> Result<Self, OpenError> {
        let tree = MemoryTree::from_leaf_hashes([genesis.leaf_hash()])?;
        let mut index = LogIndex::default();
        let nothing = holdfast_ledger::Outcome::Admitted(holdfast_ledger::Admission::default());
        index.note(0, genesis.time_ms(), &nothing, replica.state());
        let mut keys = KeyHistory::default();
        keys.note(replica.size(), replica.state().roster().coordinator().log_key);
        let mut inner = Self { replica, tree, index, keys, checkpoint: None };
        let signed = held.sign(&inner.checkpoint(held.origin()), &inner.keys);
        inner.checkpoint = signed.map_err(|error| OpenError::Checkpoint(Some(error)))?;
        Ok(inner)
    }
}

fn first_commit(genesis: &Entry, checkpoint: Option<&SignedCheckpoint>) -> Batch {
    let key = index_key(0);
    let batch = Batch::new().expect_absent(ENTRIES, key).put(ENTRIES, key, genesis.bytes()).put(
        PAYLOADS,
        payload_key(genesis.envelope()),
        key,
    );
    match checkpoint {
        Some(signed) => batch.put(CHECKPOINTS, LOG_CHECKPOINT, signed.to_bytes()),
        None => batch,
    }
}

fn check_first(store: &StoreHandle, genesis: &Entry) -> Result<(), OpenError> {
    let first = store.read(ENTRIES, &index_key(0))?;
    if first.as_deref() == Some(genesis.bytes()) { Ok(()) } else { Err(OpenError::OtherGenesis) }
}

/// The log as it was kept, with every stored entry after that applied; `None` if nothing was kept that the stored log is.
fn resumed(
    store: &StoreHandle,
    genesis: &Entry,
    pinned: &[u8; 32],
    held: &LogKeys,
    snapshots: &SnapshotFile,
) -> Option<Inner> {
    let mut entries = |index: u64| Entry::parse(&store.read(ENTRIES, &index_key(index)).ok()??).ok();
    let kept = Kept::read(snapshots, genesis, &mut entries)?;
    let (size, named) = (kept.tree.size(), kept.state.named_pages().collect::<Vec<_>>());
    let resumed = check_kept(store, &kept.tree).and_then(|()| {
        let Kept { state, tree, index, keys } = kept;
        let replica = Replica::resume(state, tree.edge().clone(), pinned)?;
        let mut inner = Inner { replica, tree, index, keys, checkpoint: None };
        replay(store, &mut inner)?;
        stored_checkpoint(store, &inner, held.origin()).map(|_| inner)
    });
    match resumed {
        Ok(inner) => {
            tracing::info!(size, entries = inner.replica.size(), "started from the snapshot");
            snapshots.is_used(size);
            snapshots.names(named);
            Some(inner)
        }
        Err(error) => {
            let error = cause(&error);
            tracing::warn!(size, error, "the snapshot does not lead to the stored log: replaying it");
            None
        }
    }
}

/// Whether what was kept is of the stored entries: by the root that the stored checkpoint states, and where there is none
/// beyond, byte for byte. Nothing is applied before, so that nothing derived from another log is written.
// INVARIANT (G8): a snapshot stands for the stored entries or for nothing.
fn check_kept(store: &StoreHandle, tree: &MemoryTree) -> Result<(), OpenError> {
    let refuse = |error| OpenError::Checkpoint(Some(error));
    let (signed, root) = match store.read(CHECKPOINTS, LOG_CHECKPOINT)? {
        Some(bytes) => {
            let note = SignedCheckpoint::parse(&bytes).map_err(refuse)?;
            (note.claimed().size, note.claimed().root)
        }
        None => (0, Hash::EMPTY_TREE),
    };
    let mut edge = tree.edge().clone();
    while edge.size() < signed {
        let expected = edge.size();
        let page = store.scan(ENTRIES, &index_key(expected), PAGE)?;
        let entries = (expected..signed).zip(&page).filter(|(index, (key, _))| index_of(key) == Some(*index));
        entries.map(|(_, (_, bytes))| Hash::leaf(bytes)).try_for_each(|leaf| edge.append(leaf))?;
        if edge.size() == expected {
            return Err(OpenError::Gap { expected });
        }
    }
    let kept = tree.size();
    let found = if signed < kept { tree.root_at(signed)? } else { edge.root() };
    if found != root {
        return Err(OpenError::OtherRoot { signed, found: kept });
    }
    for index in signed..kept {
        let stored = store.read(ENTRIES, &index_key(index))?.ok_or(OpenError::Gap { expected: index })?;
        if tree.leaf_hash(index) != Some(Hash::leaf(&stored)) {
            return Err(OpenError::OtherRoot { signed, found: kept });
        }
    }
    Ok(())
}

/// Applies every stored entry beyond those that were, and mends derived records that differ from what replaying gives.
fn replay(store: &StoreHandle, inner: &mut Inner) -> Result<(), OpenError> {
    loop {
        let next = inner.replica.size();
        let page = store.scan(ENTRIES, &index_key(next), PAGE)?;
        let mut mendings = Mendings::new();
        for (position, (key, bytes)) in (next..).zip(&page) {
            if index_of(key) != Some(position) {
                return Err(OpenError::Gap { expected: position });
            }
            let entry = Entry::parse(bytes).map_err(|source| OpenError::Entry { index: position, source })?;
            let applied = inner.append(&entry).map_err(OpenError::appending)?;
            mend(store, inner, &entry, &applied, &mut mendings)?;
        }
        if !mendings.is_empty() {
            tracing::warn!(
                from = next,
                "derived records were not as replaying gives them and are written anew"
            );
            let put = |batch: Batch, ((table, key), value)| batch.put(table, key, value);
            store.commit_blocking(mendings.into_iter().fold(Batch::new(), put))?;
        }
        if page.is_empty() {
            return Ok(());
        }
    }
}

type Mendings = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn mend(
    store: &StoreHandle,
    inner: &Inner,
    entry: &Entry,
    applied: &Applied,
    mendings: &mut Mendings,
) -> Result<(), StoreError> {
    for (table, key, event) in events::to_mend(store, inner, entry, applied)? {
        mendings.insert((table, key), event);
    }
    let (index, payload) = (applied.index, payload_key(entry.envelope()));
    // Entries come in order: a record that is there is of an earlier entry or of this one.
    let known = store.read(PAYLOADS, &payload)?.and_then(|value| index_of(&value));
    if known.is_none_or(|known| known > index) {
        mendings.entry((PAYLOADS, payload.to_vec())).or_insert_with(|| index_key(index).to_vec());
    }
    Ok(())
}

/// The stored checkpoint, verified with the key that was in force at its size. There is none only if no entry was ever
/// signed.
fn stored_checkpoint(
    store: &StoreHandle,
    inner: &Inner,
    origin: &Origin,
) -> Result<Option<SignedCheckpoint>, OpenError> {
    let Some(bytes) = store.read(CHECKPOINTS, LOG_CHECKPOINT)? else { return Ok(None) };
    let refuse = |error| OpenError::Checkpoint(Some(error));
    let signed = SignedCheckpoint::parse(&bytes).map_err(refuse)?;
    let size = signed.claimed().size;
    let verifier = inner.keys.verifier_at(size, origin).ok_or(OpenError::Checkpoint(None))?;
    signed.verify(&verifier).map_err(refuse)?;
    Ok(Some(signed))
}

/// Compares the entries with the stored checkpoint. Entries after it came while the key in force was not configured (they
/// are signed now if it is), or from nodes in a seeding that was interrupted (they wait for the rest).
// INVARIANT (G7): a log that lost entries, or whose entries are others than were signed, is not opened.
fn cover(inner: &mut Inner, held: &LogKeys, seeding: bool) -> Result<(), OpenError> {
    let found = inner.checkpoint(held.origin());
    if let Some(signed) = inner.checkpoint.as_ref().map(SignedCheckpoint::claimed) {
        if signed.size > found.size || inner.tree.root_at(signed.size)? != signed.root {
            return Err(OpenError::OtherRoot { signed: signed.size, found: found.size });
        }
        if signed.size == found.size {
            return Ok(());
        }
    }
    if seeding {
        return Ok(());
    }
    let sign = held.sign(&found, &inner.keys).map_err(|error| OpenError::Checkpoint(Some(error)))?;
    if let Some(signed) = sign {
        tracing::warn!(
            size = found.size,
            "entries without a checkpoint are signed now: their key was not configured before"
        );
        inner.checkpoint = Some(signed);
    }
    Ok(())
}

fn seeding_target(store: &StoreHandle) -> Result<Option<u64>, OpenError> {
    let Some(bytes) = store.read(CHECKPOINTS, SEEDING)? else { return Ok(None) };
    Ok(index_of(&bytes))
}
