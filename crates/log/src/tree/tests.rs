//! The tree against RFC 6962's own definitions, against published vectors, and under attack.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::hash::Hash;

/// The leaves of Certificate Transparency's reference tests.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The published roots of the trees of the first 0 to 8 of those leaves.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn published_tree() -> MemoryTree {
    MemoryTree::from_leaf_hashes(LEAVES.map(|leaf| Hash::leaf(&hex::decode(leaf).unwrap()))).unwrap()
}

fn hashes(hex: &[&str]) -> Vec<Hash> {
    hex.iter().map(|hash| Hash::from_hex(hash).unwrap()).collect()
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

fn tree_of(size: u64) -> MemoryTree {
    MemoryTree::from_leaf_hashes((0..size).map(leaf)).unwrap()
}

/// MTH of RFC 6962 section 2.1, as written there.
fn rfc_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::EMPTY_TREE,
        [only] => *only,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            Hash::node(rfc_root(&leaves[..k]), rfc_root(&leaves[k..]))
        }
    }
}

#[test]
fn roots_are_the_published_ones() {
    let tree = published_tree();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(tree.root_at(u64::try_from(size).unwrap()).unwrap().to_hex(), *root);
    }
}

#[test]
fn inclusion_proofs_are_the_published_ones() {
    let tree = published_tree();
    let cases: [(u64, u64, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            &[
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (index, size, proof) in cases {
        assert_eq!(tree.inclusion_proof(index, size).unwrap(), hashes(proof));
    }
}

#[test]
fn consistency_proofs_are_the_published_ones() {
    let tree = published_tree();
    let cases: [(u64, u64, &[&str]); 3] = [
        (1, 1, &[]),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (old, new, proof) in cases {
        assert_eq!(tree.consistency_proof(old, new).unwrap(), hashes(proof));
    }
}

#[test]
fn right_edge_and_full_tree_agree_with_the_rfc_at_every_size_up_to_600() {
    let leaves: Vec<Hash> = (0..600).map(leaf).collect();
    let full = MemoryTree::from_leaf_hashes(leaves.iter().copied()).unwrap();
    let (mut edge, mut growing) = (RightEdge::new(), MemoryTree::new());
    for size in 0..=leaves.len() {
        let expected = rfc_root(&leaves[..size]);
        let size_u64 = u64::try_from(size).unwrap();
        assert_eq!((edge.size(), edge.root()), (size_u64, expected));
        assert_eq!((growing.size(), growing.root().unwrap()), (size_u64, expected));
        assert_eq!(full.root_at(size_u64).unwrap(), expected);
        if let Some(next) = leaves.get(size) {
            edge.append(*next).unwrap();
            assert_eq!(growing.append(*next).unwrap(), size_u64);
        }
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_no_other_claim_is() {
    let tree = tree_of(40);
    for size in 1..=40 {
        let root = tree.root_at(size).unwrap();
        for index in 0..size {
            let proof = tree.inclusion_proof(index, size).unwrap();
            verify_inclusion(leaf(index), index, size, root, &proof).unwrap();
            let refused = [
                verify_inclusion(leaf(99), index, size, root, &proof),
                verify_inclusion(leaf(index), index, size, leaf(99), &proof),
                verify_inclusion(leaf(index), size, size, root, &proof),
                verify_inclusion(leaf(index), index, size, root, &[proof.clone(), vec![root]].concat()),
            ];
            assert!(refused.iter().all(Result::is_err), "{index} of {size}");
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf(index), other, size, root, &proof).is_err());
            }
            for dropped in 0..proof.len() {
                let mut shorter = proof.clone();
                shorter.remove(dropped);
                assert!(verify_inclusion(leaf(index), index, size, root, &shorter).is_err());
                let mut tampered = proof.clone();
                tampered[dropped].0[31] ^= 1;
                assert!(verify_inclusion(leaf(index), index, size, root, &tampered).is_err());
            }
        }
    }
}

#[test]
fn every_growth_is_proven_and_no_fork_is() {
    let tree = tree_of(40);
    for new in 0..=40 {
        let new_root = tree.root_at(new).unwrap();
        for old in 0..=new {
            let old_root = tree.root_at(old).unwrap();
            let proof = tree.consistency_proof(old, new).unwrap();
            verify_consistency(old, old_root, new, new_root, &proof).unwrap();
            // Given a log that rewrote its last old leaf, then its old root connects with nothing.
            if old > 0 {
                let forked = (0..old).map(|index| if index + 1 == old { leaf(99) } else { leaf(index) });
                let forked_root = MemoryTree::from_leaf_hashes(forked).unwrap().root().unwrap();
                let refused = verify_consistency(old, forked_root, new, new_root, &proof).unwrap_err();
                assert_eq!(refused.code(), "CONSISTENCY_PROOF_INVALID");
                assert!(verify_consistency(old, old_root, new, leaf(99), &proof).is_err());
            }
            assert!(verify_consistency(old, leaf(99), new, new_root, &proof).is_err());
            for position in 0..proof.len() {
                let mut tampered = proof.clone();
                tampered[position].0[0] ^= 1;
                assert!(verify_consistency(old, old_root, new, new_root, &tampered).is_err());
                tampered.remove(position);
                assert!(verify_consistency(old, old_root, new, new_root, &tampered).is_err());
            }
            let longer = [proof, vec![new_root]].concat();
            assert!(verify_consistency(old, old_root, new, new_root, &longer).is_err());
        }
    }
}

#[test]
fn proof_made_by_a_fork_does_not_connect_to_the_honest_old_root() {
    // Given a coordinator that rewrites entry 3 of 10 and grows the rewritten log to 20,
    let honest = tree_of(10);
    let fork =
        MemoryTree::from_leaf_hashes((0..20).map(|index| leaf(if index == 3 { 99 } else { index }))).unwrap();
    // when it proves growth from 10 to 20 with its own proof, then the honest tip refuses it.
    let proof = fork.consistency_proof(10, 20).unwrap();
    let refused =
        verify_consistency(10, honest.root().unwrap(), 20, fork.root().unwrap(), &proof).unwrap_err();
    assert_eq!(refused.code(), "CONSISTENCY_PROOF_INVALID");
}

#[test]
fn empty_old_tree_needs_the_empty_root_and_no_proof() {
    let root = tree_of(5).root().unwrap();
    verify_consistency(0, Hash::EMPTY_TREE, 5, root, &[]).unwrap();
    verify_consistency(0, Hash::EMPTY_TREE, 0, Hash::EMPTY_TREE, &[]).unwrap();
    assert!(verify_consistency(0, root, 5, root, &[]).is_err());
    assert!(verify_consistency(0, Hash::EMPTY_TREE, 5, root, &[root]).is_err());
    assert!(verify_consistency(0, Hash::EMPTY_TREE, 0, root, &[]).is_err());
}

#[test]
fn tree_is_built_again_from_its_leaf_hashes_in_pieces() {
    let full = tree_of(333);
    let mut again = MemoryTree::new();
    for (first, end) in [(0, 100), (100, 101), (101, 333), (333, 333)] {
        again.append_leaf_bytes(&tree_of(end).leaf_bytes_from(first)).unwrap();
    }
    assert_eq!((again.size(), again.root().unwrap()), (333, full.root().unwrap()));
    assert_eq!(again.root_at(200).unwrap(), full.root_at(200).unwrap());
    assert_eq!((again.leaf_hash(332), again.leaf_hash(333)), (Some(leaf(332)), None));
    // An altered or missing piece shows in the root, a cut one is refused.
    let mut bytes = full.leaf_bytes_from(0);
    assert_eq!(MemoryTree::new().append_leaf_bytes(&bytes[1..]).unwrap_err().code(), "LEAF_HASHES_MALFORMED");
    bytes[40] ^= 1;
    let mut altered = MemoryTree::new();
    altered.append_leaf_bytes(&bytes).unwrap();
    assert_ne!(altered.root().unwrap(), full.root().unwrap());
}

#[test]
fn sizes_and_positions_out_of_range_are_refused_and_not_computed() {
    let tree = tree_of(5);
    let root = tree.root().unwrap();
    let code = |result: Result<(), TreeError>| result.unwrap_err().code();
    for size in [MAX_TREE_SIZE + 1, u64::MAX] {
        assert_eq!(code(tree_root(size, &tree).map(drop)), "TREE_SIZE_OUT_OF_RANGE");
        assert_eq!(code(stored_hash_count(size).map(drop)), "TREE_SIZE_OUT_OF_RANGE");
        assert_eq!(code(hashes_for_append(size, root, &tree).map(drop)), "TREE_SIZE_OUT_OF_RANGE");
        assert_eq!(code(inclusion_proof(0, size, &tree).map(drop)), "TREE_SIZE_OUT_OF_RANGE");
        assert_eq!(code(verify_inclusion(root, 0, size, root, &[])), "TREE_SIZE_OUT_OF_RANGE");
        assert_eq!(code(verify_consistency(1, root, size, root, &[])), "TREE_SIZE_OUT_OF_RANGE");
    }
    assert_eq!(code(tree.root_at(6).map(drop)), "TREE_INDEX_OUT_OF_RANGE");
    assert_eq!(code(tree.inclusion_proof(5, 5).map(drop)), "TREE_INDEX_OUT_OF_RANGE");
    assert_eq!(code(tree.inclusion_proof(0, 6).map(drop)), "TREE_INDEX_OUT_OF_RANGE");
    assert_eq!(code(tree.consistency_proof(3, 2).map(drop)), "TREE_INDEX_OUT_OF_RANGE");
    assert_eq!(code(verify_consistency(3, root, 2, root, &[])), "TREE_INDEX_OUT_OF_RANGE");
    assert_eq!(code(verify_inclusion(root, 0, 0, root, &[])), "TREE_INDEX_OUT_OF_RANGE");
}

#[test]
fn largest_supported_tree_is_computed_without_overflow() {
    let reader = |_: u64| Ok(Some(Hash::EMPTY_TREE));
    let largest = inclusion_proof(MAX_TREE_SIZE - 1, MAX_TREE_SIZE, &reader).unwrap();
    assert_eq!(largest.len(), 48);
    let root = tree_root(MAX_TREE_SIZE, &reader).unwrap();
    assert!(verify_inclusion(root, MAX_TREE_SIZE - 1, MAX_TREE_SIZE, root, &largest).is_err());
    let proof = consistency_proof(MAX_TREE_SIZE - 1, MAX_TREE_SIZE, &reader).unwrap();
    assert!(proof.len() <= MAX_PROOF_HASHES);
    assert!(hashes_for_append(MAX_TREE_SIZE - 1, root, &reader).unwrap().len() == 49);
    let too_long = vec![root; MAX_PROOF_HASHES + 1];
    assert!(verify_inclusion(root, 0, MAX_TREE_SIZE, root, &too_long).is_err());
    assert!(verify_consistency(1, root, MAX_TREE_SIZE, root, &too_long).is_err());
}

#[test]
fn missing_and_failing_storage_are_told_apart() {
    let missing = |_: u64| Ok(None);
    assert_eq!(tree_root(5, &missing).unwrap_err().code(), "TREE_HASH_MISSING");
    let failing = |_: u64| Err(BoxError::from("disk on fire"));
    let error = tree_root(5, &failing).unwrap_err();
    assert_eq!(error.code(), "TREE_READ_FAILED");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "disk on fire");
}

#[test]
fn storage_kept_by_the_caller_gives_the_same_tree() {
    // Given hashes stored one append at a time at the position that the size names,
    let (mut stored, mut edge) = (Vec::new(), RightEdge::new());
    for index in 0..300 {
        assert_eq!(stored_hash_count(index).unwrap(), u64::try_from(stored.len()).unwrap());
        let reader = |position: u64| Ok(stored.get(usize::try_from(position)?).copied());
        let new = hashes_for_append(index, leaf(index), &reader).unwrap();
        stored.extend(new);
        edge.append(leaf(index)).unwrap();
    }
    // when roots and proofs are computed, then few hashes are read and they are those of the full tree.
    let reads = Cell::new(0);
    let reader = |position: u64| {
        reads.set(reads.get() + 1);
        Ok(stored.get(usize::try_from(position)?).copied())
    };
    assert_eq!(tree_root(300, &reader).unwrap(), edge.root());
    assert_eq!(inclusion_proof(123, 300, &reader).unwrap(), tree_of(300).inclusion_proof(123, 300).unwrap());
    assert!(reads.get() < 30, "{} reads", reads.get());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_trees_agree_with_the_rfc(leaves in proptest::collection::vec(any::<[u8; 32]>(), 0..700)) {
        let leaves: Vec<Hash> = leaves.into_iter().map(Hash).collect();
        let mut edge = RightEdge::new();
        for leaf in &leaves {
            edge.append(*leaf).unwrap();
        }
        let tree = MemoryTree::from_leaf_hashes(leaves.iter().copied()).unwrap();
        prop_assert_eq!(edge.root(), tree.root().unwrap());
        prop_assert_eq!(edge.root(), rfc_root(&leaves));
    }

    #[test]
    fn verifiers_never_panic(
        (a, b) in (any::<u64>(), any::<u64>()),
        (c, d) in (any::<[u8; 32]>(), any::<[u8; 32]>()),
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = proof.into_iter().map(Hash).collect();
        for shift in [0, 16, 40, 56, 62] {
            prop_assert!(verify_inclusion(Hash(c), a >> shift, b >> shift, Hash(d), &proof).is_err());
            let _ = verify_consistency(a >> shift, Hash(c), b >> shift, Hash(d), &proof);
        }
    }

    #[test]
    fn right_edge_reader_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(edge) = RightEdge::from_bytes(&bytes) {
            prop_assert_eq!(edge.to_bytes(), bytes);
        }
    }
}
