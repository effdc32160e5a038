//! Inclusion and consistency proofs (RFC 6962 sections 2.1.1 and 2.1.2).
//!
//! Proofs are bounded before they are followed, and verification needs no storage.

use super::stored::{StoredHashes, with_reader};
use super::{TreeError, check_index, check_size};
use crate::hash::Hash;

/// No proof of either kind is longer, for any supported tree.
pub const MAX_PROOF_HASHES: usize = 64;

/// The proof that the tree of `size` leaves holds the leaf at `index`: sibling hashes, from the leaf upwards.
pub fn inclusion_proof<R>(index: u64, size: u64, reader: &R) -> Result<Vec<Hash>, TreeError>
where
    R: StoredHashes + ?Sized,
{
    check_index(index, size)?;
    let proof = with_reader(reader, |hashes| tlog_tiles::prove_record(size, index, hashes))?;
    Ok(ours(proof))
}

/// Checks that `root`, of a tree of `size` leaves, commits to `leaf_hash` at `index`.
pub fn verify_inclusion(
    leaf_hash: Hash,
    index: u64,
    size: u64,
    root: Hash,
    proof: &[Hash],
) -> Result<(), TreeError> {
    check_index(index, size)?;
    if proof.len() > MAX_PROOF_HASHES {
        return Err(TreeError::InclusionInvalid { index, size });
    }
    tlog_tiles::check_record(&theirs(proof), size, root.into(), index, leaf_hash.into())
        .map_err(|_| TreeError::InclusionInvalid { index, size })
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves. Empty when `old` is 0 or `new`.
pub fn consistency_proof<R>(old: u64, new: u64, reader: &R) -> Result<Vec<Hash>, TreeError>
where
    R: StoredHashes + ?Sized,
{
    check_order(old, new)?;
    if old == 0 {
        return Ok(Vec::new());
    }
    let proof = with_reader(reader, |hashes| tlog_tiles::prove_tree(new, old, hashes))?;
    Ok(ours(proof))
}

/// Checks that the tree with `new_root` begins with the tree with `old_root`.
// INVARIANT: a log that shows two histories fails here: no proof connects the roots of a fork (G7).
pub fn verify_consistency(
    old: u64,
    old_root: Hash,
    new: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), TreeError> {
    check_order(old, new)?;
    let invalid = || TreeError::ConsistencyInvalid { old, new };
    if proof.len() > MAX_PROOF_HASHES {
        return Err(invalid());
    }
    if old == 0 {
        // Every tree begins with the empty one, which the library leaves out.
        let old_is_empty = old_root == Hash::EMPTY_TREE && proof.is_empty();
        let new_is_right = new != 0 || new_root == Hash::EMPTY_TREE;
        return if old_is_empty && new_is_right { Ok(()) } else { Err(invalid()) };
    }
    tlog_tiles::check_tree(&theirs(proof), new, new_root.into(), old, old_root.into()).map_err(|_| invalid())
}

fn check_order(old: u64, new: u64) -> Result<(), TreeError> {
    check_size(new)?;
    if old <= new { Ok(()) } else { Err(TreeError::IndexOutOfRange { index: old, size: new }) }
}

fn ours(hashes: Vec<tlog_tiles::Hash>) -> Vec<Hash> {
    hashes.into_iter().map(Hash::from).collect()
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(Into::into).collect()
}
