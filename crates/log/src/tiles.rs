//! Static files of a log (C2SP tlog-tiles): hash tiles, entry bundles, and the export made of them.
//!
//! Owns the names and bytes of files, never the files: writing and reading are the caller's.

mod bundle;
mod export;
mod hash_tile;
mod path;
mod read;

use thiserror::Error;

pub use bundle::{encode_entry_bundle, parse_entry_bundle};
pub use export::{CHECKPOINT_PATH, ExportFile, export_files, tile_hashes};
pub use hash_tile::{encode_hash_tile, parse_hash_tile};
pub use path::{TILE_WIDTH, TilePath};
pub use read::{read_export, visit_export};

use crate::checkpoint::CheckpointError;
use crate::entry::EntryError;
use crate::tree::TreeError;

/// Why a tile's name or bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TileError {
    /// Level, index or width outside a supported tree.
    #[error("no tile has level {level}, index {index} and width {width}")]
    OutOfRange {
        /// Level asked for.
        level: u8,
        /// Index asked for.
        index: u64,
        /// Width asked for.
        width: u16,
    },
    /// A hash tile of another length than its width says.
    #[error("the hash tile has {found} bytes, expected {expected}")]
    HashTileLength {
        /// Bytes that its width needs.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The bundle ends within an entry, or before its last one.
    #[error("the entry bundle ends before entry {position} of the bundle does")]
    BundleCutOff {
        /// Position in the bundle.
        position: usize,
    },
    /// Bytes after the bundle's last entry.
    #[error("the entry bundle has bytes after its last entry")]
    BundleTrailing,
    /// An entry longer than the two length bytes can say.
    #[error("entry {position} of the bundle is longer than {} bytes", u16::MAX)]
    EntryTooLarge {
        /// Position in the bundle.
        position: usize,
    },
}

/// Why an export could not be written, or why a read one is not the log that its checkpoint states.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The checkpoint to export with could not be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entries to export are not those of the checkpoint.
    #[error(
        "{entries} entries do not hash to the checkpoint of size {size}: export with the checkpoint of these entries"
    )]
    CheckpointMismatch {
        /// Number of entries given.
        entries: usize,
        /// Size that the checkpoint states.
        size: u64,
    },
    /// A file that a log of this size has is not there.
    #[error("file `{path}` is missing from the export")]
    FileMissing {
        /// Name of the file.
        path: TilePath,
    },
    /// A hash tile was changed; the entries are those that the checkpoint states.
    #[error("hash tile `{path}` is not the log's, though all entries are: restore it from the entries")]
    TileMismatch {
        /// Name of the file.
        path: TilePath,
    },
    /// An entry was changed, deleted, inserted or moved: the first at which the export leaves the log.
    #[error("entry {index} is not the one that the log committed to")]
    EntryMismatch {
        /// Index of the first such entry.
        index: u64,
    },
    /// Entries and their hash tiles were changed together, so the hashes name only a range.
    #[error(
        "an entry from {first_index} up to and excluding {end_index} is not the one that the log committed to"
    )]
    RangeMismatch {
        /// First index in doubt.
        first_index: u64,
        /// First index after the range.
        end_index: u64,
    },
    /// The log committed to bytes that are no entry.
    #[error("entry {index} of the log is malformed")]
    EntryMalformed {
        /// Index of the entry.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// A tile could not be named or encoded.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The tree could not be computed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl TileError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "TILE_OUT_OF_RANGE",
            Self::HashTileLength { .. } => "HASH_TILE_MALFORMED",
            Self::BundleCutOff { .. } | Self::BundleTrailing => "ENTRY_BUNDLE_MALFORMED",
            Self::EntryTooLarge { .. } => "ENTRY_TOO_LARGE",
        }
    }
}

impl ExportError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.code(),
            Self::CheckpointMismatch { .. } => "EXPORT_CHECKPOINT_MISMATCH",
            Self::FileMissing { .. } => "EXPORT_FILE_MISSING",
            Self::TileMismatch { .. } => "EXPORT_TILE_MISMATCH",
            Self::EntryMismatch { .. } => "EXPORT_ENTRY_MISMATCH",
            Self::RangeMismatch { .. } => "EXPORT_RANGE_MISMATCH",
            Self::EntryMalformed { .. } => "EXPORT_ENTRY_MALFORMED",
            Self::Tile(error) => error.code(),
            Self::Tree(error) => error.code(),
        }
    }

    /// The first index at which the export is not, or cannot be shown to be, the log; `None` if no entry is.
    pub fn first_index(&self) -> Option<u64> {
        match self {
            Self::EntryMismatch { index } | Self::EntryMalformed { index, .. } => Some(*index),
            Self::RangeMismatch { first_index, .. } => Some(*first_index),
            Self::FileMissing { path } => Some(path.first_entry()),
            Self::Checkpoint(_)
            | Self::CheckpointMismatch { .. }
            | Self::TileMismatch { .. }
            | Self::Tile(_)
            | Self::Tree(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
