//! What follows from the entries, in one file beside the store, so that a start reads the end of the log and not all of it.
//!
//! Owns the file, format 2, and when it is written. Customers' histories are not in it: it names their pages, which are in the store
//! before it is written. Its checksum shows damage and nothing else: whoever can write the
//! coordinator's files is the coordinator, and nodes believe neither. It must never lead to another state than the stored
//! entries do: what does not fit the store and its checkpoint is not used, and the log is replayed.
//!
//! ```text
//! "holdfast log v1" LF | length of the manifest u32 | manifest | state | leaf hashes | index | SHA-256 of all before
//! ```

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ed25519_dalek::VerifyingKey;
use holdfast_ledger::{SnapshotError, State, StateDigest};
use holdfast_log::{Entry, Hash, MemoryTree, TreeError};
use holdfast_policy::{KeptPages, PageHash, Pages};
use holdfast_store::{CommitError, ContentTable, StoreHandle};
use holdfast_transport::files::{self, FileError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::index::{IndexError, IndexPicture};
use super::schema::PAGES;
use super::{Inner, KeyHistory, LogBook, LogFailed, LogIndex};
use crate::crash::{CrashPoint, CrashPoints};
use crate::telemetry::cause;

const MAGIC: &[u8] = b"holdfast log v1\n";
const FILE: &str = "log.snapshot";
const FORMAT: u32 = 2;
/// Another program may judge entries differently: it replays the log once.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");
/// A new file is written after so many entries: as many as are replayed in half a second.
pub(crate) const SNAPSHOT_EVERY: u64 = 4096;
/// After a failure it is tried again after so many entries: on a full disk each attempt takes room from the store.
const RETRY_AFTER: u64 = 1024;
/// Largest file that is read: far beyond what fits in memory.
const MAX_BYTES: u64 = 1 << 34;
const CHECKSUM_BYTES: usize = 32;

/// The file.
#[derive(Debug)]
pub(crate) struct Snapshots {
    path: PathBuf,
    /// Pages of customers' histories and of crowds.
    table: Arc<ContentTable>,
    /// How many bytes of them stay in memory.
    memory: usize,
    /// Size of the log in the newest file, 0 if there is none that can be used.
    kept: AtomicU64,
    /// After a failure: the size from which on it is tried again.
    put_off_to: AtomicU64,
}

/// A log that was kept, not yet compared with the store.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) state: State,
    pub(super) tree: MemoryTree,
    pub(super) index: LogIndex,
    pub(super) keys: KeyHistory,
}

/// What is written: taken from the log in one moment.
pub(super) struct Picture {
    state: State,
    leaves: Vec<u8>,
    root: Hash,
    index: IndexPicture,
    keys: KeyHistory,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    program: String,
    size: u64,
    root: Hash,
    state_digest: StateDigest,
    state_bytes: u64,
    leaf_bytes: u64,
    /// From which size on which log key is in force, hex.
    log_keys: Vec<(u64, String)>,
}

/// Why the file is not used or not written. Never fatal.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Page(#[from] CommitError),
    #[error("the file cannot be read")]
    Read(#[from] std::io::Error),
    #[error("it is not a snapshot of this version of the program")]
    OtherVersion,
    #[error("it was altered or cut off")]
    Altered,
    #[error(transparent)]
    State(#[from] SnapshotError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Snapshots {
    /// The file in this directory; what an interrupted write left of another one is removed. Nobody else may use the directory.
    pub(crate) fn at(data_dir: &Path, store: StoreHandle, memory: usize) -> Self {
        let path = data_dir.join(FILE);
        if let Err(error) = files::remove_unfinished(&path) {
            tracing::warn!(error = cause(&error), "what is left of an unfinished snapshot cannot be removed");
        }
        let table = Arc::new(ContentTable::new(store, PAGES));
        Self { path, table, memory, kept: AtomicU64::new(0), put_off_to: AtomicU64::new(0) }
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
    pub(super) fn discard(&self) {
        match fs::remove_file(&self.path) {
            Ok(()) => tracing::error!("the snapshot is removed: the next start replays the log"),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = self.path.display();
                tracing::error!(error = cause(&error), %path, "remove the snapshot before the next start");
            }
        }
    }

    /// The log in the file, or `None` if there is no file or it cannot be used. `entries` reads the stored log: the addresses of
    /// screening lists are there and not in the file.
    pub(super) fn read(
        &self,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Option<Kept> {
        self.try_read(genesis, entries).unwrap_or_else(|error| {
            let path = self.path.display();
            tracing::warn!(error = cause(&error), %path, "the snapshot is not used: replaying the log");
            None
        })
    }

    /// The log in the file was found to be the stored one.
    pub(super) fn is_used(&self, size: u64) {
        self.kept.store(size, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    fn try_read(
        &self,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Result<Option<Kept>, KeepError> {
        let Some(bytes) = read_bounded(&self.path)? else { return Ok(None) };
        let (covered, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(KeepError::Altered)?;
        let rest = covered.strip_prefix(MAGIC).ok_or(KeepError::OtherVersion)?;
        if <[u8; CHECKSUM_BYTES]>::from(Sha256::digest(covered)) != *checksum {
            return Err(KeepError::Altered);
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(KeepError::Altered)?;
        let (manifest, content) = split(rest, u64::from(u32::from_be_bytes(*length)))?;
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(|_| KeepError::OtherVersion)?;
        if manifest.format != FORMAT || manifest.program != PROGRAM {
            return Err(KeepError::OtherVersion);
        }
        let (state, content) = split(content, manifest.state_bytes)?;
        let (leaves, index) = split(content, manifest.leaf_bytes)?;
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
        let index = LogIndex::from_kept(index, &state)?;
        let keys = manifest.key_history().ok_or(KeepError::Altered)?;
        if keys.newest() != Some(&state.roster().coordinator().log_key) {
            return Err(KeepError::Altered);
        }
        Ok(Some(Kept { state, tree, index, keys }))
    }

    /// Whether enough was added since the last time.
    fn is_due(&self, size: u64, every: u64) -> bool {
        let added = size.saturating_sub(self.kept.load(Ordering::Relaxed));
        added >= every && size >= self.put_off_to.load(Ordering::Relaxed)
    }

    /// Writes the pages that changed, then the file in the place of the one before. Returns the pages, whose bytes the state need not
    /// hold any longer. Blocks.
    // INVARIANT (G8): persist, then refer: no file names a page that is not durable.
    pub(super) fn write(&self, picture: &Picture) -> Result<KeptPages, KeepError> {
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
        let (state, index) = (state.to_paged_snapshot(), picture.index.to_bytes()?);
        let bytes_of = |part: &[u8]| u64::try_from(part.len()).map_err(|_| KeepError::Altered);
        let manifest = Manifest {
            format: FORMAT,
            program: PROGRAM.to_owned(),
            size: picture.state.size(),
            root: picture.root,
            state_digest: picture.state.digest(),
            state_bytes: bytes_of(&state)?,
            leaf_bytes: bytes_of(&picture.leaves)?,
            log_keys: picture.keys.iter().map(|(size, key)| (size, hex::encode(key.as_bytes()))).collect(),
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|_| KeepError::Altered)?;
        let length = u32::try_from(manifest.len()).map_err(|_| KeepError::Altered)?;
        let length = length.to_be_bytes();
        let covered: [&[u8]; 6] = [MAGIC, &length, &manifest, &state, &picture.leaves, &index];
        let checksum =
            covered.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize();
        let [magic, length, manifest, state, leaves, index] = covered;
        // Nobody else needs to know which withdrawals there are.
        Ok(files::write_secret_parts(
            &self.path,
            &[magic, length, manifest, state, leaves, index, &checksum],
        )?)
    }
}

impl Manifest {
    fn key_history(&self) -> Option<KeyHistory> {
        let mut history = KeyHistory::default();
        for (size, key) in &self.log_keys {
            let mut bytes = [0; 32];
            hex::decode_to_slice(key, &mut bytes).ok()?;
            history.note(*size, VerifyingKey::from_bytes(&bytes).ok()?);
        }
        Some(history)
    }
}

impl Picture {
    pub(super) fn of(inner: &Inner) -> Self {
        Self {
            state: inner.replica.state().clone(),
            leaves: inner.tree.leaf_bytes_from(0),
            root: inner.replica.root(),
            index: inner.index.picture(),
            keys: inner.keys.clone(),
        }
    }
}

impl LogBook {
    /// Writes a snapshot of the log if one is due. That one could not be written is no reason to stop: the next start takes
    /// longer.
    pub(crate) async fn keep_snapshot(
        self: &Arc<Self>,
        hooks: &Arc<dyn CrashPoints>,
    ) -> Result<(), LogFailed> {
        let picture = {
            let reader = self.read().await?;
            self.snapshots.is_due(reader.size(), hooks.snapshot_every()).then(|| Picture::of(&reader.inner))
        };
        let Some(picture) = picture else { return Ok(()) };
        let (book, hooks, size) = (Arc::clone(self), Arc::clone(hooks), picture.state.size());
        let writing = tokio::task::spawn_blocking(move || {
            hooks.reached(CrashPoint::BeforeSnapshot);
            let written = book.snapshots.write(&picture);
            hooks.reached(CrashPoint::AfterSnapshot);
            written
        });
        match writing.await {
            Ok(Ok(kept)) => {
                self.inner.write().await.replica.settle_pages(&kept);
                tracing::info!(size, pages = kept.iter().len(), "snapshot written");
            }
            Ok(Err(error)) => {
                tracing::warn!(error = cause(&error), "the snapshot of the log was not written")
            }
            Err(error) => tracing::warn!(%error, "writing the snapshot of the log was interrupted"),
        }
        Ok(())
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture").field("size", &self.state.size()).finish_non_exhaustive()
    }
}

fn split(bytes: &[u8], length: u64) -> Result<(&[u8], &[u8]), KeepError> {
    let length = usize::try_from(length).map_err(|_| KeepError::Altered)?;
    bytes.split_at_checked(length).ok_or(KeepError::Altered)
}

fn tree_of(leaves: &[u8]) -> Result<MemoryTree, TreeError> {
    let mut tree = MemoryTree::new();
    tree.append_leaf_bytes(leaves)?;
    Ok(tree)
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, KeepError> {
    if !fs::exists(path)? {
        return Ok(None);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_BYTES {
        return Err(KeepError::Altered);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
