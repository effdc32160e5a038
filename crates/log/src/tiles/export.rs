//! Writing an export: every file of the log, named and encoded, for the caller to store.
//!
//! Never exports entries that the checkpoint does not state.

use super::{ExportError, TilePath, encode_entry_bundle, encode_hash_tile};
use crate::checkpoint::SignedCheckpoint;
use crate::hash::Hash;
use crate::tree::{MemoryTree, StoredHashes, TreeError};

/// Name of the checkpoint's file.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Name below the export's directory, with `/` between elements.
    pub path: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// The files of a log: entry bundles, hash tiles, and last the checkpoint, so that an export that was cut off has
/// none. Refuses entries that do not hash to the checkpoint; does not verify its signatures.
pub fn export_files<'a, E: AsRef<[u8]>>(
    entries: &'a [E],
    checkpoint: &'a [u8],
) -> Result<impl Iterator<Item = Result<ExportFile, ExportError>> + 'a, ExportError> {
    let stated = SignedCheckpoint::parse(checkpoint)?.claimed().clone();
    let tree = MemoryTree::from_leaf_hashes(entries.iter().map(|entry| Hash::leaf(entry.as_ref())))?;
    if tree.size() != stated.size || tree.root()? != stated.root {
        return Err(ExportError::CheckpointMismatch { entries: entries.len(), size: stated.size });
    }
    let bundles = TilePath::all_entries(stated.size).map(|path| bundle_file(path, entries));
    let tiles = TilePath::all_hashes(stated.size).map(move |path| tile_file(path, &tree));
    let last = ExportFile { path: CHECKPOINT_PATH.to_owned(), bytes: checkpoint.to_vec() };
    Ok(bundles.chain(tiles).chain(std::iter::once(Ok(last))))
}

fn bundle_file<E: AsRef<[u8]>>(path: TilePath, entries: &[E]) -> Result<ExportFile, ExportError> {
    let position = usize::try_from(path.first_entry()).unwrap_or(usize::MAX);
    let bundle = entries
        .get(position..)
        .and_then(|rest| rest.get(..usize::from(path.width())))
        .ok_or(ExportError::FileMissing { path })?;
    Ok(ExportFile { path: path.to_string(), bytes: encode_entry_bundle(bundle)? })
}

fn tile_file(path: TilePath, tree: &MemoryTree) -> Result<ExportFile, ExportError> {
    Ok(ExportFile { path: path.to_string(), bytes: encode_hash_tile(&tile_hashes(path, tree)?)? })
}

/// The node hashes that a tile of this tree holds.
pub fn tile_hashes(path: TilePath, tree: &MemoryTree) -> Result<Vec<Hash>, ExportError> {
    let tree_level = path.level().saturating_mul(8);
    let first = path.index() << 8_u32;
    let hashes = (0..u64::from(path.width())).map(|offset| {
        let index = tlog_tiles::stored_hash_index(tree_level, first.saturating_add(offset));
        tree.stored_hash(index)
            .map_err(|source| TreeError::ReadFailed { index, source })?
            .ok_or(TreeError::HashMissing { index })
    });
    Ok(hashes.collect::<Result<_, _>>()?)
}
