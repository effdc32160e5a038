//! The replica in one file beside the store, so that a start reads the end of the log and not all of it.
//!
//! Owns what is in it, format 2; how it is written is in `holdfast_server::snapshot`. It must never be believed for more than it proves: it
//! was sealed by this node's passphrase and program, and whoever loads it compares the root that it leads to with the tip's. Without it, or
//! if anything does not fit, the log is replayed.
//!
//! ```text
//! "holdfast replica v1" LF | length of the sealed manifest u32 | sealed manifest | state | leaf hashes
//! ```

use std::path::Path;
use std::sync::Arc;

use holdfast_ledger::{State, StateDigest};
use holdfast_log::{Entry, Hash, MemoryTree};
use holdfast_policy::KeptPages;
use holdfast_server::snapshot::{self, PROGRAM, Parts, SnapshotFile, SnapshotFileError};
use holdfast_store::{ContentTable, StoreHandle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Held;
use crate::sealing::SealingError;
use crate::tables::PAGES;
use crate::vault::Vault;

const MAGIC: &[u8] = b"holdfast replica v1\n";
const FILE: &str = "replica.snapshot";
const FORMAT: u32 = 2;

/// The file and what it holds.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) file: SnapshotFile,
    vault: Arc<Vault>,
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
    /// The file cannot be read or written, or does not hold what it says.
    #[error(transparent)]
    File(#[from] SnapshotFileError),
    /// It was not sealed by this node's passphrase.
    #[error("its seal does not open: {0}")]
    Seal(#[from] SealingError),
}

impl Snapshots {
    /// The file in this directory; what an interrupted write left of another one is removed. Nobody else may use the directory.
    pub(crate) fn at(data_dir: &Path, vault: Arc<Vault>, store: StoreHandle, memory: usize) -> Self {
        let file = SnapshotFile::at(data_dir.join(FILE), ContentTable::new(store, PAGES), memory);
        Self { file, vault }
    }

    /// The replica in the file, or `None` if there is no file or it cannot be used. `entries` reads the stored log: the addresses
    /// of screening lists are there and not in the file.
    pub(super) fn read(
        &self,
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Option<Kept> {
        self.file.read(|bytes| self.parse(bytes, genesis, entries))
    }

    // INVARIANT (G9): everything in the file is covered by the manifest, and the manifest by the passphrase.
    fn parse(
        &self,
        bytes: &[u8],
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Result<Kept, KeepError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotFileError::OtherVersion)?;
        let (sealed, content) = snapshot::split_manifest(rest)?;
        let manifest = self.vault.open_manifest(sealed)?;
        let manifest: Manifest =
            serde_json::from_slice(&manifest).map_err(|_| SnapshotFileError::OtherVersion)?;
        if manifest.format != FORMAT || manifest.program != PROGRAM {
            return Err(SnapshotFileError::OtherVersion.into());
        }
        if <[u8; 32]>::from(Sha256::digest(content)) != manifest.sha256 {
            return Err(SnapshotFileError::Altered.into());
        }
        let (state, leaves) = snapshot::split(content, manifest.state_bytes)?;
        let Manifest { size, root, state_digest: digest, .. } = manifest;
        let parts = Parts { state, leaves, size, root, digest };
        let (state, tree) = parts.restore(genesis, entries, &self.file.pages())?;
        Ok(Kept { state, tree })
    }

    /// What to write now, if `every` entries or more were added since the last time and all of them are on disk.
    pub(crate) fn due(&self, held: &Held, every: u64) -> Option<Picture> {
        if !self.file.is_due(held.tip().size, every) {
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
    pub(crate) fn write(&self, picture: &Picture) -> Result<KeptPages, KeepError> {
        self.file.write(&picture.state, |state| self.write_file(state, picture))
    }

    fn write_file(&self, state: &State, picture: &Picture) -> Result<(), KeepError> {
        let state = state.to_paged_snapshot();
        let manifest = Manifest {
            format: FORMAT,
            program: PROGRAM.to_owned(),
            size: picture.state.size(),
            root: picture.root,
            state_digest: picture.state.digest(),
            state_bytes: snapshot::bytes_of(&state)?,
            sha256: Sha256::new().chain_update(&state).chain_update(&picture.leaves).finalize().into(),
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|_| SnapshotFileError::Altered)?;
        let sealed = self.vault.seal_manifest(&manifest)?;
        let length = snapshot::manifest_length(&sealed)?;
        Ok(self.file.replace(&[MAGIC, &length, &sealed, &state, &picture.leaves])?)
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

#[cfg(test)]
mod tests;
