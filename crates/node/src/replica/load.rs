//! Loading the replica: every entry is read, verified, applied and hashed again, from this node's own snapshot on if there is
//! one.
//!
//! Owns the start. It must never begin with a state that the entries on disk do not give, or with another genesis than
//! the one this node was installed with.

use holdfast_ledger::{Genesis, GenesisError, Replica, ReplicaError};
use holdfast_log::{Entry, EntryError, Hash, MemoryTree, TreeError};
use holdfast_server::telemetry::cause;
use holdfast_store::{Batch, StoreError, StoreHandle};

use super::fork::ForkEvidence;
use super::held::Held;
use super::refusal::ExtendRefusal;
use super::snapshot::{Kept, Snapshots};
use super::tip::TipRecord;
use crate::tables::{self, ENTRIES, HALT, NODE, TIP};
use crate::witnessed::Witnessed;

/// Entries read at a time: at most 16 MiB.
const PAGE: usize = 256;

/// Why this node does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The genesis file is not an entry.
    #[error("the genesis file is not a log entry: {0}")]
    GenesisEntry(#[source] EntryError),
    /// The genesis is not acceptable.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The genesis is not the pinned one.
    #[error("the genesis file has document {found}, `genesis_sha256` says {pinned}")]
    OtherGenesis { pinned: String, found: String },
    /// The store holds another log.
    #[error("the first entry in the store is not the genesis file's: configure another `data_dir`")]
    OtherLog,
    /// Entries and tip do not fit: the store was damaged or put together from two.
    #[error(
        "the store holds {found} entries with root {root}, its tip record says {size} with root {stated}"
    )]
    TipMismatch { found: u64, root: String, size: u64, stated: String },
    /// The tip record does not read.
    #[error("the tip record is missing or of an unknown version")]
    TipUnreadable,
    /// A stored entry does not parse.
    #[error("stored entry {index} does not parse: {source}")]
    Entry { index: u64, source: EntryError },
    /// A stored entry is missing.
    #[error("stored entry {index} is missing")]
    Gap { index: u64 },
    /// A stored entry does not apply.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The tree cannot be computed.
    #[error("the tree cannot be computed")]
    Tree(#[from] TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the genesis file against its pinned hash; for what must be known before the store is opened.
pub(crate) fn start(genesis_file: &[u8], pinned: &[u8; 32]) -> Result<(Entry, Genesis), LoadError> {
    let entry = Entry::parse(genesis_file).map_err(LoadError::GenesisEntry)?;
    let genesis = Genesis::from_entry(&entry)?;
    if genesis.hash != *pinned {
        return Err(LoadError::OtherGenesis {
            pinned: hex::encode(pinned),
            found: hex::encode(genesis.hash),
        });
    }
    Ok((entry, genesis))
}

/// Puts the genesis into an empty store; refuses a store that begins with another one.
pub(crate) fn install(store: &StoreHandle, genesis: &Entry) -> Result<(), LoadError> {
    if let Some(first) = store.read(ENTRIES, &0u64.to_be_bytes())? {
        return if first == genesis.bytes() { Ok(()) } else { Err(LoadError::OtherLog) };
    }
    let tree = MemoryTree::from_leaf_hashes([genesis.leaf_hash()])?;
    let tip = TipRecord::first(tree.size(), tree.root()?);
    let batch = Batch::new()
        .expect_absent(NODE, TIP)
        .put(NODE, TIP, tip.to_bytes().map_err(|_: ExtendRefusal| LoadError::TipUnreadable)?)
        .put(ENTRIES, 0u64.to_be_bytes(), genesis.bytes());
    store.commit_blocking(batch).map_err(tables::unconditional)?;
    Ok(())
}

/// The replica that the store's entries give, from a snapshot on if there is one. Blocks.
// INVARIANT (G8): what is loaded is what was acknowledged: as many entries as the tip record says, with its root. A snapshot
// that does not lead there is not used.
pub(crate) fn load(
    store: &StoreHandle,
    pinned: &[u8; 32],
    snapshots: Option<&Snapshots>,
) -> Result<Held, LoadError> {
    let tip = store.read(NODE, TIP.as_bytes())?.and_then(|bytes| TipRecord::from_bytes(&bytes));
    let tip = tip.ok_or(LoadError::TipUnreadable)?;
    let genesis = read_entry(store, 0)?;
    let resumed = snapshots.and_then(|snapshots| resumed(store, pinned, &tip, &genesis, snapshots));
    let (replica, tree) = match resumed {
        Some(resumed) => resumed,
        None => {
            let mut replica = Replica::from_genesis(&genesis, pinned)?;
            if let Some(snapshots) = snapshots {
                replica.read_pages_from(&snapshots.file.pages());
            }
            let tree = MemoryTree::from_leaf_hashes([genesis.leaf_hash()])?;
            replayed(store, &tip, replica, tree)?
        }
    };
    let forked = store.read(NODE, HALT.as_bytes())?.map(|bytes| ForkEvidence::from_bytes(&bytes));
    Ok(Held::new(replica, tree, tip, Witnessed::load(store)?, forked))
}

fn resumed(
    store: &StoreHandle,
    pinned: &[u8; 32],
    tip: &TipRecord,
    genesis: &Entry,
    snapshots: &Snapshots,
) -> Option<(Replica, MemoryTree)> {
    let mut entries = |index: u64| Entry::parse(&store.read(ENTRIES, &index.to_be_bytes()).ok()??).ok();
    let Kept { state, tree } = snapshots.read(genesis, &mut entries)?;
    let (size, named) = (state.size(), state.named_pages().collect::<Vec<_>>());
    let resumed = Replica::resume(state, tree.edge().clone(), pinned)
        .map_err(LoadError::from)
        .and_then(|replica| replayed(store, tip, replica, tree));
    match resumed {
        Ok(resumed) => {
            tracing::info!(size, tip = tip.size, "started from the snapshot");
            snapshots.file.is_used(size);
            snapshots.file.names(named);
            Some(resumed)
        }
        Err(error) => {
            tracing::warn!(
                size,
                error = cause(&error),
                "the snapshot does not lead to the tip: replaying the log"
            );
            None
        }
    }
}

/// Applies what the store holds beyond these, up to the tip.
fn replayed(
    store: &StoreHandle,
    tip: &TipRecord,
    mut replica: Replica,
    mut tree: MemoryTree,
) -> Result<(Replica, MemoryTree), LoadError> {
    loop {
        let page = store.scan(ENTRIES, &replica.size().to_be_bytes(), PAGE)?;
        let Some(_) = page.first() else { break };
        for (key, bytes) in page {
            let index = replica.size();
            if key != index.to_be_bytes() {
                return Err(LoadError::Gap { index });
            }
            let entry = Entry::parse(&bytes).map_err(|source| LoadError::Entry { index, source })?;
            replica.append(&entry)?;
            tree.append(entry.leaf_hash())?;
        }
    }
    check_tip(tip, replica.size(), replica.root())?;
    Ok((replica, tree))
}

fn read_entry(store: &StoreHandle, index: u64) -> Result<Entry, LoadError> {
    let bytes = store.read(ENTRIES, &index.to_be_bytes())?.ok_or(LoadError::Gap { index })?;
    Entry::parse(&bytes).map_err(|source| LoadError::Entry { index, source })
}

fn check_tip(tip: &TipRecord, found: u64, root: Hash) -> Result<(), LoadError> {
    if (tip.size, tip.root) == (found, root) {
        return Ok(());
    }
    let (root, stated) = (root.to_hex(), tip.root.to_hex());
    Err(LoadError::TipMismatch { found, root, size: tip.size, stated })
}
