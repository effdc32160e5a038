//! What follows from the entries, in one file beside the store, so that a start reads the end of the log and not all of it.
//!
//! Owns what is in it, format 2; how it is written is in `holdfast_server::snapshot`. Its checksum shows damage and nothing else: whoever
//! can write the coordinator's files is the coordinator, and nodes believe neither. It must never lead to another state than the stored
//! entries do: what does not fit the store and its checkpoint is not used, and the log is replayed.
//!
//! ```text
//! "holdfast log v1" LF | length of the manifest u32 | manifest | state | leaf hashes | index | SHA-256 of all before
//! ```

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use holdfast_ledger::{State, StateDigest};
use holdfast_log::{Entry, Hash, MemoryTree};
use holdfast_policy::KeptPages;
use holdfast_server::snapshot::{self, PROGRAM, Parts, SnapshotFile, SnapshotFileError};
use holdfast_server::telemetry::cause;
use holdfast_store::{ContentTable, StoreHandle};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::index::{IndexError, IndexPicture};
use super::schema::PAGES;
use super::{Inner, KeyHistory, LogBook, LogFailed, LogIndex};
use crate::crash::{CrashPoint, CrashPoints};

const MAGIC: &[u8] = b"holdfast log v1\n";
const FILE: &str = "log.snapshot";
const FORMAT: u32 = 2;
const CHECKSUM_BYTES: usize = 32;

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
    File(#[from] SnapshotFileError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// The file in this directory; what an interrupted write left of another one is removed. Nobody else may use the directory.
pub(crate) fn snapshot_file(data_dir: &Path, store: StoreHandle, memory: usize) -> SnapshotFile {
    SnapshotFile::at(data_dir.join(FILE), ContentTable::new(store, PAGES), memory)
}

impl Kept {
    /// The log in the file, or `None` if there is no file or it cannot be used. `entries` reads the stored log: the addresses of
    /// screening lists are there and not in the file.
    pub(super) fn read(
        file: &SnapshotFile,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Option<Self> {
        file.read(|bytes| Self::parse(bytes, file, genesis, entries))
    }

    fn parse(
        bytes: &[u8],
        file: &SnapshotFile,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Result<Self, KeepError> {
        let (covered, checksum) =
            bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(SnapshotFileError::Altered)?;
        let rest = covered.strip_prefix(MAGIC).ok_or(SnapshotFileError::OtherVersion)?;
        if <[u8; CHECKSUM_BYTES]>::from(Sha256::digest(covered)) != *checksum {
            return Err(SnapshotFileError::Altered.into());
        }
        let (manifest, content) = snapshot::split_manifest(rest)?;
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|_| SnapshotFileError::OtherVersion)?;
        if manifest.format != FORMAT || manifest.program != PROGRAM {
            return Err(SnapshotFileError::OtherVersion.into());
        }
        let (state, content) = snapshot::split(content, manifest.state_bytes)?;
        let (leaves, index) = snapshot::split(content, manifest.leaf_bytes)?;
        let keys = manifest.key_history().ok_or(SnapshotFileError::Altered)?;
        let Manifest { size, root, state_digest: digest, .. } = manifest;
        let parts = Parts { state, leaves, size, root, digest };
        let (state, tree) = parts.restore(genesis, entries, &file.pages())?;
        let index = LogIndex::from_kept(index, &state)?;
        if keys.newest() != Some(&state.roster().coordinator().log_key) {
            return Err(SnapshotFileError::Altered.into());
        }
        Ok(Self { state, tree, index, keys })
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
    /// Writes the pages that changed, then the file in the place of the one before. Returns the pages, whose bytes the state need not
    /// hold any longer. Blocks.
    pub(super) fn write(&self, file: &SnapshotFile) -> Result<KeptPages, KeepError> {
        file.write(&self.state, |state| self.write_file(state, file))
    }

    fn write_file(&self, state: &State, file: &SnapshotFile) -> Result<(), KeepError> {
        let (state, index) = (state.to_paged_snapshot(), self.index.to_bytes()?);
        let manifest = Manifest {
            format: FORMAT,
            program: PROGRAM.to_owned(),
            size: self.state.size(),
            root: self.root,
            state_digest: self.state.digest(),
            state_bytes: snapshot::bytes_of(&state)?,
            leaf_bytes: snapshot::bytes_of(&self.leaves)?,
            log_keys: self.keys.iter().map(|(size, key)| (size, hex::encode(key.as_bytes()))).collect(),
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|_| SnapshotFileError::Altered)?;
        let length = snapshot::manifest_length(&manifest)?;
        let covered: [&[u8]; 6] = [MAGIC, &length, &manifest, &state, &self.leaves, &index];
        let checksum =
            covered.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize();
        let [magic, length, manifest, state, leaves, index] = covered;
        Ok(file.replace(&[magic, length, manifest, state, leaves, index, &checksum])?)
    }

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
        hooks: &Arc<dyn CrashPoints<CrashPoint>>,
    ) -> Result<(), LogFailed> {
        let picture = {
            let reader = self.read().await?;
            self.snapshots.is_due(reader.size(), hooks.snapshot_every()).then(|| Picture::of(&reader.inner))
        };
        let Some(picture) = picture else { return Ok(()) };
        let (book, hooks, size) = (Arc::clone(self), Arc::clone(hooks), picture.state.size());
        let writing = tokio::task::spawn_blocking(move || {
            hooks.reached(CrashPoint::BeforeSnapshot);
            let written = picture.write(&book.snapshots);
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

#[cfg(test)]
mod tests;
