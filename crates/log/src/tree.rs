//! The RFC 6962 Merkle tree: appending, roots, inclusion and consistency proofs, over any storage.
//!
//! Owns the arithmetic's bounds: every size and proof is checked before `tlog_tiles` computes with it. Never
//! owns storage: node hashes are read through [`StoredHashes`], and [`MemoryTree`] is the one kept in memory.

mod memory;
mod proofs;
mod right_edge;
mod stored;

use thiserror::Error;

pub use memory::MemoryTree;
pub use proofs::{
    MAX_PROOF_HASHES, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
pub use right_edge::RightEdge;
pub use stored::{BoxError, StoredHashes, hashes_for_append, stored_hash_count, tree_root};

/// Largest tree. Far beyond any log, and small enough that no computation on positions can overflow.
pub const MAX_TREE_SIZE: u64 = 1 << 48;

/// Why a tree operation or a proof was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Larger than [`MAX_TREE_SIZE`].
    #[error("tree size {size} is out of range, at most {MAX_TREE_SIZE} is supported")]
    SizeOutOfRange {
        /// The size asked for.
        size: u64,
    },
    /// The leaf is not in the tree, or the old tree is larger than the new one.
    #[error("position {index} is outside a tree of size {size}")]
    IndexOutOfRange {
        /// The position asked for.
        index: u64,
        /// The tree it was asked of.
        size: u64,
    },
    /// The storage lacks a node hash it should hold for this size.
    #[error("stored hash {index} is missing: the storage holds fewer leaves than the size says")]
    HashMissing {
        /// Position in storage order.
        index: u64,
    },
    /// The storage failed.
    #[error("stored hash {index} could not be read")]
    ReadFailed {
        /// Position in storage order.
        index: u64,
        /// The storage's error.
        #[source]
        source: BoxError,
    },
    /// The inclusion proof does not lead from the leaf to the root.
    #[error("the inclusion proof does not connect this leaf at position {index} to the root of size {size}")]
    InclusionInvalid {
        /// The leaf's position.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The new tree does not contain the old one as its beginning: a fork.
    #[error(
        "the consistency proof does not show that the tree of size {new} begins with the tree of size {old}"
    )]
    ConsistencyInvalid {
        /// Size of the old tree.
        old: u64,
        /// Size of the new tree.
        new: u64,
    },
    /// The stored right edge does not have the form of one.
    #[error("the stored right edge is malformed: {problem}")]
    RightEdgeMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Stored leaf hashes are cut off.
    #[error("the stored leaf hashes are malformed: the last one is cut off")]
    LeafHashesMalformed,
    /// The tree library refused arguments that were checked here.
    #[error("the tree library refused a checked computation")]
    Library {
        /// The library's error.
        #[source]
        source: tlog_tiles::Error,
    },
}

impl TreeError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SizeOutOfRange { .. } => "TREE_SIZE_OUT_OF_RANGE",
            Self::IndexOutOfRange { .. } => "TREE_INDEX_OUT_OF_RANGE",
            Self::HashMissing { .. } => "TREE_HASH_MISSING",
            Self::ReadFailed { .. } => "TREE_READ_FAILED",
            Self::InclusionInvalid { .. } => "INCLUSION_PROOF_INVALID",
            Self::ConsistencyInvalid { .. } => "CONSISTENCY_PROOF_INVALID",
            Self::RightEdgeMalformed { .. } => "RIGHT_EDGE_MALFORMED",
            Self::LeafHashesMalformed => "LEAF_HASHES_MALFORMED",
            Self::Library { .. } => "TREE_LIBRARY_FAILED",
        }
    }
}

pub(crate) fn check_size(size: u64) -> Result<(), TreeError> {
    if size > MAX_TREE_SIZE { Err(TreeError::SizeOutOfRange { size }) } else { Ok(()) }
}

fn check_index(index: u64, size: u64) -> Result<(), TreeError> {
    check_size(size)?;
    if index < size { Ok(()) } else { Err(TreeError::IndexOutOfRange { index, size }) }
}

#[cfg(test)]
mod tests;
