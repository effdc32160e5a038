//! The whole tree in memory, for the coordinator and for auditors: about 64 bytes a leaf.
//!
//! Holds hashes only, never entries.

use super::stored::{BoxError, StoredHashes, hashes_for_append, tree_root};
use super::{TreeError, check_size, consistency_proof, inclusion_proof};
use crate::hash::Hash;

/// All node hashes of a tree, in storage order.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    size: u64,
    stored: Vec<Hash>,
}

impl MemoryTree {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of these leaf hashes.
    pub fn from_leaf_hashes(leaf_hashes: impl IntoIterator<Item = Hash>) -> Result<Self, TreeError> {
        let mut tree = Self::new();
        for leaf_hash in leaf_hashes {
            tree.append(leaf_hash)?;
        }
        Ok(tree)
    }

    /// Appends a leaf and returns its index.
    pub fn append(&mut self, leaf_hash: Hash) -> Result<u64, TreeError> {
        let index = self.size;
        let hashes = hashes_for_append(index, leaf_hash, self)?;
        self.stored.extend(hashes);
        self.size = index.saturating_add(1);
        Ok(index)
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    pub fn root(&self) -> Result<Hash, TreeError> {
        self.root_at(self.size)
    }

    /// The root that the tree had at an earlier size.
    pub fn root_at(&self, size: u64) -> Result<Hash, TreeError> {
        self.check_within(size)?;
        tree_root(size, self)
    }

    /// The proof that the tree of the first `size` leaves holds the leaf at `index`.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        self.check_within(size)?;
        inclusion_proof(index, size, self)
    }

    /// The proof that the tree of the first `new` leaves begins with the tree of the first `old` leaves.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, TreeError> {
        self.check_within(new)?;
        consistency_proof(old, new, self)
    }

    fn check_within(&self, size: u64) -> Result<(), TreeError> {
        check_size(size)?;
        if size <= self.size {
            Ok(())
        } else {
            Err(TreeError::IndexOutOfRange { index: size, size: self.size })
        }
    }
}

impl StoredHashes for MemoryTree {
    fn stored_hash(&self, index: u64) -> Result<Option<Hash>, BoxError> {
        Ok(usize::try_from(index).ok().and_then(|index| self.stored.get(index)).copied())
    }
}
