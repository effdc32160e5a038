//! The tree's right edge: all that is needed to append leaves and know the root, in at most 48 hashes.
//!
//! A node keeps it beside its entries, so that applying an entry yields the root without reading old hashes.
//! It cannot make proofs, and it cannot tell by itself whether its hashes are right: compare its root with one
//! that is known after loading it.

use super::{MAX_TREE_SIZE, TreeError, check_size};
use crate::hash::Hash;

/// The roots of the complete subtrees that a tree of this size consists of, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RightEdge {
    size: u64,
    peaks: Vec<Hash>,
}

const FORMAT_V1: u8 = 1;

impl RightEdge {
    /// The right edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf_hash: Hash) -> Result<(), TreeError> {
        self.append_with(leaf_hash, |_| ())
    }

    /// Appends a leaf and tells of each hash in storage order: the leaf's, then those of the subtrees it completes.
    pub(crate) fn append_with(
        &mut self,
        leaf_hash: Hash,
        mut stored: impl FnMut(Hash),
    ) -> Result<(), TreeError> {
        let size = self.size.saturating_add(1);
        check_size(size)?;
        // Each trailing one bit of the old size is a complete subtree that the new leaf doubles.
        let mut hash = leaf_hash;
        stored(hash);
        for _ in 0..self.size.trailing_ones() {
            let left =
                self.peaks.pop().ok_or(TreeError::RightEdgeMalformed { problem: "a hash is missing" })?;
            hash = Hash::node(left, hash);
            stored(hash);
        }
        self.peaks.push(hash);
        self.size = size;
        Ok(())
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.peaks.iter().rev().copied();
        let Some(last) = from_the_right.next() else { return Hash::EMPTY_TREE };
        from_the_right.fold(last, |right, left| Hash::node(left, right))
    }

    /// The stored form: a version byte, the size (8 bytes, big-endian), then the hashes, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT_V1];
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for peak in &self.peaks {
            bytes.extend_from_slice(&peak.0);
        }
        bytes
    }

    /// Reads the stored form: known version, size in range, exactly the hashes that this size has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        let malformed = |problem| TreeError::RightEdgeMalformed { problem };
        let (version, rest) = bytes.split_first().ok_or(malformed("it is empty"))?;
        if *version != FORMAT_V1 {
            return Err(malformed("its version is unknown"));
        }
        let (size, rest) = rest.split_first_chunk::<8>().ok_or(malformed("its size is cut off"))?;
        let size = u64::from_be_bytes(*size);
        if size > MAX_TREE_SIZE {
            return Err(TreeError::SizeOutOfRange { size });
        }
        let (hashes, remainder) = rest.as_chunks::<{ Hash::LEN }>();
        if !remainder.is_empty() {
            return Err(malformed("its last hash is cut off"));
        }
        Self::from_peaks(size, hashes.iter().copied().map(Hash).collect())
            .ok_or(malformed("the number of hashes does not fit the size"))
    }

    /// A right edge from its parts, if there are as many hashes as the size has complete subtrees.
    pub(crate) fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "test")]

    use super::*;

    fn edge_of(size: u64) -> RightEdge {
        let mut edge = RightEdge::new();
        for index in 0..size {
            edge.append(Hash::leaf(&index.to_be_bytes())).unwrap();
        }
        edge
    }

    #[test]
    fn stored_form_round_trips_at_every_size() {
        for size in 0..130 {
            let edge = edge_of(size);
            assert_eq!(RightEdge::from_bytes(&edge.to_bytes()).unwrap(), edge);
        }
    }

    #[test]
    fn stored_form_of_another_length_size_or_version_is_refused() {
        let good = edge_of(5).to_bytes();
        for end in 0..good.len() {
            assert_eq!(RightEdge::from_bytes(&good[..end]).unwrap_err().code(), "RIGHT_EDGE_MALFORMED");
        }
        let longer = [good.clone(), vec![0; 32]].concat();
        assert_eq!(RightEdge::from_bytes(&longer).unwrap_err().code(), "RIGHT_EDGE_MALFORMED");
        let mut other_version = good.clone();
        other_version[0] = 2;
        assert_eq!(RightEdge::from_bytes(&other_version).unwrap_err().code(), "RIGHT_EDGE_MALFORMED");
        let mut other_size = good.clone();
        other_size[8] = 7;
        assert_eq!(RightEdge::from_bytes(&other_size).unwrap_err().code(), "RIGHT_EDGE_MALFORMED");
        let mut huge = good;
        huge[1] = 0x80;
        assert_eq!(RightEdge::from_bytes(&huge).unwrap_err().code(), "TREE_SIZE_OUT_OF_RANGE");
    }

    #[test]
    fn largest_tree_takes_no_further_leaf() {
        let mut full = RightEdge::from_peaks(MAX_TREE_SIZE, vec![Hash::EMPTY_TREE]).unwrap();
        assert_eq!(full.append(Hash::leaf(b"x")).unwrap_err().code(), "TREE_SIZE_OUT_OF_RANGE");
        assert_eq!(full.size(), MAX_TREE_SIZE);
    }
}
