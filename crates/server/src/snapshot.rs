//! The file beside the store with what follows from the log's entries, so that a start reads the end of the log and not all of it.
//!
//! Owns the file as both programs keep it: when it is written, in which order, how much of it is read, and the two parts that are the
//! same in both, state and leaf hashes. Customers' histories are not in it: it names their pages, which are in the store before it is
//! written. What else is in it, and what it is believed for, each program says. It must never name a page that is not durable, or be in
//! the place of the one before while it is not whole.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use holdfast_ledger::{SnapshotError, State, StateDigest};
use holdfast_log::{Entry, Hash, MemoryTree, TreeError};
use holdfast_policy::{KeptPages, PageHash, Pages};
use holdfast_store::{CommitError, ContentTable};
use holdfast_transport::files::{self, FileError};

use crate::telemetry::cause;

/// The version of the program that writes and reads snapshots. Another one may judge entries differently: it replays the log once.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");
/// A new file is written after so many entries: as many as are replayed in half a second.
pub const SNAPSHOT_EVERY: u64 = 4096;
/// After a failure it is tried again after so many entries: on a full disk each attempt takes room from the store.
pub const RETRY_AFTER: u64 = 1024;
/// Largest file that is read, in bytes: a hundred million entries.
const MAX_BYTES: u64 = 1 << 34;

/// The file, and when it is due.
#[derive(Debug)]
pub struct SnapshotFile {
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

/// Why the file is not used or not written. Never fatal.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A page that it would name cannot be written.
    #[error(transparent)]
    Page(#[from] CommitError),
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    /// It is not such a file, or not of this program.
    #[error("it is not a snapshot of this version of the program")]
    OtherVersion,
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

impl SnapshotFile {
    /// The file at this path; what an interrupted write left of another one is removed. `table` has the pages, of which `memory` bytes stay
    /// in memory. Nobody else may use the directory.
    pub fn at(path: PathBuf, table: ContentTable, memory: usize) -> Self {
        if let Err(error) = files::remove_unfinished(&path) {
            tracing::warn!(error = cause(&error), "what is left of an unfinished snapshot cannot be removed");
        }
        let (kept, put_off_to) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { path, table: Arc::new(table), memory, kept, put_off_to }
    }

    /// A way to the pages of histories that knows of no fault and remembers nothing yet.
    pub fn pages(&self) -> Pages {
        let table = Arc::clone(&self.table);
        Pages::reading(move |hash| table.read(hash), self.memory)
    }

    /// The state that was restored names these.
    pub fn names(&self, named: Vec<PageHash>) {
        self.table.named_at_start(named);
    }

    /// The file names a page that is lost: the next start replays the log, which writes all pages anew.
    pub fn discard(&self) {
        match remove(&self.path) {
            Ok(true) => tracing::error!("the snapshot is removed: the next start replays the log"),
            Ok(false) => {}
            Err(error) => {
                let path = self.path.display();
                tracing::error!(error = cause(&error), %path, "remove the snapshot before the next start");
            }
        }
    }

    /// What `parse` reads in the file's bytes, or `None` if there is no file or it cannot be used. Blocks.
    pub fn read<T, E>(&self, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Option<T>
    where
        E: Error + From<SnapshotFileError> + 'static,
    {
        let read = read_bounded(&self.path, MAX_BYTES).map_err(E::from);
        let parsed = read.and_then(|bytes| bytes.map(|bytes| parse(&bytes)).transpose());
        parsed.unwrap_or_else(|error| {
            let path = self.path.display();
            tracing::warn!(error = cause(&error), %path, "the snapshot is not used: replaying the log");
            None
        })
    }

    /// The log in the file, of this size, was found to be the stored one: another file is not due before long.
    pub fn is_used(&self, size: u64) {
        self.kept.store(size, Ordering::Relaxed);
    }

    /// Size of the log in the newest file that was written or used, 0 if there is none.
    pub fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whether `every` entries or more were added since the last time, for a log of this size.
    pub fn is_due(&self, size: u64, every: u64) -> bool {
        size.saturating_sub(self.kept()) >= every && size >= self.put_off_to.load(Ordering::Relaxed)
    }

    /// Writes the pages that changed, then the file: `file` is given the state that names them, and writes it with
    /// [`SnapshotFile::replace`]. Returns the pages, whose bytes the state need not hold any longer. Blocks.
    ///
    /// # Errors
    /// [`SnapshotFileError::Page`] and those of `file`; the file before is in its place then.
    // INVARIANT (G8): persist, then refer: no file names a page that is not durable.
    pub fn write<E: From<SnapshotFileError>>(
        &self,
        state: &State,
        file: impl FnOnce(&State) -> Result<(), E>,
    ) -> Result<KeptPages, E> {
        let (mut state, size) = (state.clone(), state.size());
        let kept = state.keep_pages();
        let written = self.table.write_blocking(kept.iter()).map_err(SnapshotFileError::from);
        let written = written.map_err(E::from).and_then(|()| file(&state));
        match &written {
            Ok(()) => self.kept.store(size, Ordering::Relaxed),
            Err(_) => self.put_off_to.store(size.saturating_add(RETRY_AFTER), Ordering::Relaxed),
        }
        written?;
        self.table.tidy_blocking(state.named_pages());
        Ok(kept)
    }

    /// Writes the file in the place of the one before, with mode 0600: nobody else needs to know what is in the log.
    ///
    /// # Errors
    /// [`SnapshotFileError::Write`].
    pub fn replace(&self, parts: &[&[u8]]) -> Result<(), SnapshotFileError> {
        Ok(files::write_secret_parts(&self.path, parts)?)
    }
}

/// The two parts that both programs keep, and what the manifest says of them.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The state's bytes.
    pub state: &'a [u8],
    /// The leaf hashes' bytes.
    pub leaves: &'a [u8],
    /// How many entries both are of.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// The state's digest.
    pub digest: StateDigest,
}

impl Parts<'_> {
    /// State and tree, if they are what the manifest says. `entries` reads the stored log: the addresses of screening lists are there
    /// and not in the file.
    ///
    /// # Errors
    /// [`SnapshotFileError::State`] or [`SnapshotFileError::Tree`] for what does not read, [`SnapshotFileError::Altered`] for what is not
    /// as the manifest says.
    pub fn restore(
        self,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
        pages: &Pages,
    ) -> Result<(State, MemoryTree), SnapshotFileError> {
        // The two take about as long, and a start has nothing else to do.
        let (state, tree) = thread::scope(|scope| {
            let tree = scope.spawn(|| tree_of(self.leaves));
            (State::restore(self.state, genesis, entries, pages), tree.join())
        });
        let (state, tree) = (state?, tree.map_err(|_| SnapshotFileError::Altered)??);
        let found = (state.size(), state.digest(), tree.size(), tree.root()?);
        if found != (self.size, self.digest, self.size, self.root) {
            return Err(SnapshotFileError::Altered);
        }
        Ok((state, tree))
    }
}

fn tree_of(leaves: &[u8]) -> Result<MemoryTree, TreeError> {
    let mut tree = MemoryTree::new();
    tree.append_leaf_bytes(leaves)?;
    Ok(tree)
}

/// The manifest before these bytes' content, which begin with its length (4 bytes, big-endian), and the content.
///
/// # Errors
/// [`SnapshotFileError::Altered`] for fewer bytes.
pub fn split_manifest(bytes: &[u8]) -> Result<(&[u8], &[u8]), SnapshotFileError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(SnapshotFileError::Altered)?;
    split(rest, u64::from(u32::from_be_bytes(*length)))
}

/// The length that stands before a manifest: see [`split_manifest`].
///
/// # Errors
/// [`SnapshotFileError::Altered`] for a manifest that is longer than any.
pub fn manifest_length(manifest: &[u8]) -> Result<[u8; 4], SnapshotFileError> {
    Ok(u32::try_from(manifest.len()).map_err(|_| SnapshotFileError::Altered)?.to_be_bytes())
}

/// The first `length` bytes and the rest.
///
/// # Errors
/// [`SnapshotFileError::Altered`] for fewer bytes.
pub fn split(bytes: &[u8], length: u64) -> Result<(&[u8], &[u8]), SnapshotFileError> {
    let length = usize::try_from(length).map_err(|_| SnapshotFileError::Altered)?;
    bytes.split_at_checked(length).ok_or(SnapshotFileError::Altered)
}

/// How many bytes a part has, for its manifest.
///
/// # Errors
/// [`SnapshotFileError::Altered`] for more than a number holds.
pub fn bytes_of(part: &[u8]) -> Result<u64, SnapshotFileError> {
    u64::try_from(part.len()).map_err(|_| SnapshotFileError::Altered)
}

/// False if there was none.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_bounded(path: &Path, most: u64) -> Result<Option<Vec<u8>>, SnapshotFileError> {
    if !fs::exists(path)? {
        return Ok(None);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(SnapshotFileError::Altered);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_read_up_to_the_largest_length_and_not_beyond_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(read_bounded(&path, 3).unwrap().is_none());
        fs::write(&path, b"abc").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap().as_deref(), Some(&b"abc"[..]));
        assert!(matches!(read_bounded(&path, 2), Err(SnapshotFileError::Altered)));
    }

    #[test]
    fn file_that_is_larger_than_any_snapshot_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        File::create(&path).unwrap().set_len(MAX_BYTES.saturating_add(1)).unwrap();
        assert!(matches!(read_bounded(&path, MAX_BYTES), Err(SnapshotFileError::Altered)));
    }

    #[test]
    fn removing_a_snapshot_that_is_not_there_is_no_failure() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, b"abc").unwrap();
        assert_eq!((remove(&path).unwrap(), remove(&path).unwrap()), (true, false));
        fs::create_dir(&path).unwrap();
        assert!(remove(&path).is_err());
    }

    #[test]
    fn parts_that_are_cut_off_are_refused() {
        let manifest = [manifest_length(b"abc").unwrap().as_slice(), b"abc", b"rest"].concat();
        assert_eq!(split_manifest(&manifest).unwrap(), (&b"abc"[..], &b"rest"[..]));
        assert_eq!(split(b"abc", 3).unwrap(), (&b"abc"[..], &b""[..]));
        for cut in [&manifest[..6], &manifest[..3], &[]] {
            assert!(matches!(split_manifest(cut), Err(SnapshotFileError::Altered)));
        }
        assert!(matches!(split(b"abc", 4), Err(SnapshotFileError::Altered)));
    }
}
