//! The replica in one file beside the store, so that a start reads the end of the log and not all of it.
//!
//! Owns the file, format 2, and when it is written. Customers' histories are not in it: it names their pages, which are in the store
//! before it is written. It must never be believed for more than it proves: it was sealed by this
//! node's passphrase and program, and whoever loads it compares the root that it leads to with the tip's. Without it, or if
//! anything does not fit, the log is replayed.
//!
//! ```text
//! "holdfast replica v1" LF | length of the sealed manifest u32 | sealed manifest | state | leaf hashes
//! ```

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use holdfast_ledger::{SnapshotError, State, StateDigest};
use holdfast_log::{Entry, Hash, MemoryTree, TreeError};
use holdfast_policy::{KeptPages, PageHash, Pages};
use holdfast_store::{CommitError, ContentTable, StoreHandle};
use holdfast_transport::files::{self, FileError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Held;
use crate::sealing::SealingError;
use crate::tables::PAGES;
use crate::vault::Vault;

const MAGIC: &[u8] = b"holdfast replica v1\n";
const FILE: &str = "replica.snapshot";
const FORMAT: u32 = 2;
/// Another program may judge entries differently: it replays the log once.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");
/// A new file is written after so many entries: as many as are replayed in half a second.
pub(crate) const SNAPSHOT_EVERY: u64 = 4096;
/// After a failure it is tried again after so many entries: on a full disk each attempt takes room from the store.
const RETRY_AFTER: u64 = 1024;
/// Largest file that is read: a hundred million entries.
const MAX_BYTES: u64 = 1 << 34;

/// The file and what it holds.
#[derive(Debug)]
pub(crate) struct Snapshots {
    path: PathBuf,
    vault: Arc<Vault>,
    /// Pages of customers' histories and of crowds.
    table: Arc<ContentTable>,
    /// How many bytes of them stay in memory.
    memory: usize,
    /// Size of the replica in the newest file, 0 if there is none that can be used.
    kept: AtomicU64,
    /// After a failure: the size from which on it is tried again.
    put_off_to: AtomicU64,
}

/// A replica that was kept, not yet compared with the store.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) state: State,
    pub(super) tree: MemoryTree,
}

/// What is written: taken from the replica in one moment.
pub(crate) struct Picture {
    state: State,
    leaves: Vec<u8>,
    root: Hash,
}

/// What the passphrase vouches for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    program: String,
    size: u64,
    root: Hash,
    state_digest: StateDigest,
    state_bytes: u64,
    #[serde(with = "hex::serde")]
    sha256: [u8; 32],
}

/// Why the file is not used or not written. Never fatal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A page that it would name cannot be written.
    #[error(transparent)]
    Page(#[from] CommitError),
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] std::io::Error),
    /// It is not such a file, or not of this program.
    #[error("it is not a snapshot of this version of the program")]
    OtherVersion,
    /// It was not sealed by this node's passphrase.
    #[error("its seal does not open: {0}")]
    Seal(#[from] SealingError),
    /// It was altered or cut off.
    #[error("it was altered or cut off")]
    Altered,
    /// Its state does not read.
    #[error(transparent)]
    State(#[from] SnapshotError),
    /// Its tree does not read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Snapshots {
    /// The file in this directory; what an interrupted write left of another one is removed. Nobody else may use the directory.
    pub(crate) fn at(data_dir: &Path, vault: Arc<Vault>, store: StoreHandle, memory: usize) -> Self {
        let path = data_dir.join(FILE);
        if let Err(error) = files::remove_unfinished(&path) {
            tracing::warn!(%error, "what is left of an unfinished snapshot cannot be removed");
        }
        let table = Arc::new(ContentTable::new(store, PAGES));
        Self { path, vault, table, memory, kept: AtomicU64::new(0), put_off_to: AtomicU64::new(0) }
    }

    /// A way to the pages of histories that knows of no fault and remembers nothing yet.
    pub(super) fn pages(&self) -> Pages {
        let table = Arc::clone(&self.table);
        Pages::reading(move |hash| table.read(hash), self.memory)
    }

    /// The state that was restored names these.
    pub(super) fn names(&self, named: Vec<PageHash>) {
        self.table.named_at_start(named);
    }

    /// The file names a page that is lost: the next start replays the log, which writes all pages anew.
    pub(crate) fn discard(&self) {
        match self.remove() {
            Ok(true) => tracing::error!("the snapshot is removed: the next start replays the log"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "remove the snapshot before the next start");
            }
        }
    }

    /// False if there was none.
    fn remove(&self) -> std::io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The replica in the file, or `None` if there is no file or it cannot be used. `entries` reads the stored log: the addresses
    /// of screening lists are there and not in the file.
    pub(super) fn read(
        &self,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Option<Kept> {
        match self.try_read(genesis, entries) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "the snapshot is not used: replaying the log");
                None
            }
        }
    }

    /// The replica in the file was found to lead to the tip: another one is not due before long.
    pub(super) fn is_used(&self, size: u64) {
        self.kept.store(size, Ordering::Relaxed);
    }

    // INVARIANT (G9): everything in the file is covered by the manifest, and the manifest by the passphrase.
    fn try_read(
        &self,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Result<Option<Kept>, KeepError> {
        let Some(bytes) = read_bounded(&self.path, MAX_BYTES)? else { return Ok(None) };
        let rest = bytes.strip_prefix(MAGIC).ok_or(KeepError::OtherVersion)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(KeepError::Altered)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| KeepError::Altered)?;
        let (sealed, content) = rest.split_at_checked(length).ok_or(KeepError::Altered)?;
        let manifest = self.vault.open_manifest(sealed)?;
        let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|_| KeepError::OtherVersion)?;
        if manifest.format != FORMAT || manifest.program != PROGRAM {
            return Err(KeepError::OtherVersion);
        }
        if <[u8; 32]>::from(Sha256::digest(content)) != manifest.sha256 {
            return Err(KeepError::Altered);
        }
        let split = usize::try_from(manifest.state_bytes).map_err(|_| KeepError::Altered)?;
        let (state, leaves) = content.split_at_checked(split).ok_or(KeepError::Altered)?;
        // The two take about as long, and a start has nothing else to do.
        let (state, tree) = thread::scope(|scope| {
            let tree = scope.spawn(|| tree_of(leaves));
            (State::restore(state, genesis, entries, &self.pages()), tree.join())
        });
        let (state, tree) = (state?, tree.map_err(|_| KeepError::Altered)??);
        let found = (state.size(), state.digest(), tree.size(), tree.root()?);
        if found != (manifest.size, manifest.state_digest, manifest.size, manifest.root) {
            return Err(KeepError::Altered);
        }
        Ok(Some(Kept { state, tree }))
    }

    /// What to write now, if `every` entries or more were added since the last time and all of them are on disk.
    pub(crate) fn due(&self, held: &Held, every: u64) -> Option<Picture> {
        let size = held.tip().size;
        let added = size.saturating_sub(self.kept.load(Ordering::Relaxed));
        if added < every || size < self.put_off_to.load(Ordering::Relaxed) {
            return None;
        }
        // What is sound is as long as its tip.
        if held.sound_state().is_err() {
            return None;
        }
        Some(Self::picture(held))
    }

    fn picture(held: &Held) -> Picture {
        let leaves = held.tree().leaf_bytes_from(0);
        Picture { state: held.state().clone(), leaves, root: held.tip().root }
    }

    /// Writes the pages that changed, then the file in the place of the one before. Returns the pages, whose bytes the replica need
    /// not hold any longer. Blocks.
    // INVARIANT (G8): persist, then refer: no file names a page that is not durable.
    pub(crate) fn write(&self, picture: &Picture) -> Result<KeptPages, KeepError> {
        let (mut state, size) = (picture.state.clone(), picture.state.size());
        let kept = state.keep_pages();
        let written = self.table.write_blocking(kept.iter()).map_err(KeepError::from);
        let written = written.and_then(|()| self.try_write(&state, picture));
        match &written {
            Ok(()) => self.kept.store(size, Ordering::Relaxed),
            Err(_) => self.put_off_to.store(size.saturating_add(RETRY_AFTER), Ordering::Relaxed),
        }
        written?;
        self.table.tidy_blocking(state.named_pages());
        Ok(kept)
    }

    fn try_write(&self, state: &State, picture: &Picture) -> Result<(), KeepError> {
        let state = state.to_paged_snapshot();
        let manifest = Manifest {
            format: FORMAT,
            program: PROGRAM.to_owned(),
            size: picture.state.size(),
            root: picture.root,
            state_digest: picture.state.digest(),
            state_bytes: u64::try_from(state.len()).map_err(|_| KeepError::Altered)?,
            sha256: Sha256::new().chain_update(&state).chain_update(&picture.leaves).finalize().into(),
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|_| KeepError::Altered)?;
        let sealed = self.vault.seal_manifest(&manifest)?;
        let length = u32::try_from(sealed.len()).map_err(|_| KeepError::Altered)?;
        let parts = [MAGIC, &length.to_be_bytes(), &sealed, &state, &picture.leaves];
        Ok(files::write_secret_parts(&self.path, &parts)?)
    }
}

impl Picture {
    /// Entries that it is of.
    pub(crate) fn size(&self) -> u64 {
        self.state.size()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture").field("size", &self.state.size()).finish_non_exhaustive()
    }
}

fn tree_of(leaves: &[u8]) -> Result<MemoryTree, TreeError> {
    let mut tree = MemoryTree::new();
    tree.append_leaf_bytes(leaves)?;
    Ok(tree)
}

fn read_bounded(path: &Path, most: u64) -> Result<Option<Vec<u8>>, KeepError> {
    if !fs::exists(path)? {
        return Ok(None);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(KeepError::Altered);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
