//! The whole tree in memory, for those who make proofs: about 64 bytes a leaf.
//!
//! Holds hashes only, never entries. What is kept on disk is the leaf hashes: building the rest of a million-leaf tree
//! from them takes a fraction of a second, and its root says whether they are right.

use super::right_edge::RightEdge;
use super::stored::{BoxError, StoredHashes, stored_hash_count, tree_root};
use super::{TreeError, check_size, consistency_proof, inclusion_proof};
use crate::hash::Hash;

/// All node hashes of a tree, in storage order.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    edge: RightEdge,
    stored: Vec<Hash>,
}

impl MemoryTree {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of these leaf hashes.
    pub fn from_leaf_hashes(leaf_hashes: impl IntoIterator<Item = Hash>) -> Result<Self, TreeError> {
        let leaf_hashes = leaf_hashes.into_iter();
        let mut tree = Self::new();
        tree.stored.reserve(leaf_hashes.size_hint().0.saturating_mul(2));
        for leaf_hash in leaf_hashes {
            tree.append(leaf_hash)?;
        }
        Ok(tree)
    }

    /// Appends a leaf and returns its index.
    pub fn append(&mut self, leaf_hash: Hash) -> Result<u64, TreeError> {
        let index = self.edge.size();
        let Self { edge, stored } = self;
        edge.append_with(leaf_hash, |hash| stored.push(hash))?;
        Ok(index)
    }

    /// The hash of the leaf at `index`.
    pub fn leaf_hash(&self, index: u64) -> Option<Hash> {
        let position = (index < self.size()).then(|| stored_hash_count(index).ok())??;
        self.stored.get(usize::try_from(position).ok()?).copied()
    }

    /// The leaf hashes from `first` on, 32 bytes each: all that has to be kept to build the tree again.
    pub fn leaf_bytes_from(&self, first: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let position = stored_hash_count(first).ok().and_then(|position| usize::try_from(position).ok());
        let mut stored = position.and_then(|position| self.stored.get(position..)).unwrap_or_default().iter();
        for index in first..self.size() {
            let Some(hash) = stored.next() else { break };
            bytes.extend_from_slice(&hash.0);
            // The subtrees that this leaf completes are stored between it and the next one.
            for _ in 0..index.trailing_ones() {
                stored.next();
            }
        }
        bytes
    }

    /// Appends leaves kept as [`MemoryTree::leaf_bytes_from`] gave them. Compare the root afterwards: it covers them all.
    pub fn append_leaf_bytes(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
        if !rest.is_empty() {
            return Err(TreeError::LeafHashesMalformed);
        }
        self.stored.reserve(hashes.len().saturating_mul(2));
        hashes.iter().try_for_each(|hash| self.append(Hash(*hash)).map(|_| ()))
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root.
    pub fn root(&self) -> Result<Hash, TreeError> {
        Ok(self.edge.root())
    }

    /// The right edge.
    pub fn edge(&self) -> &RightEdge {
        &self.edge
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
        if size <= self.size() {
            Ok(())
        } else {
            Err(TreeError::IndexOutOfRange { index: size, size: self.size() })
        }
    }
}

impl StoredHashes for MemoryTree {
    fn stored_hash(&self, index: u64) -> Result<Option<Hash>, BoxError> {
        Ok(usize::try_from(index).ok().and_then(|index| self.stored.get(index)).copied())
    }
}
