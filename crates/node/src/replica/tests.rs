//! The replica against a hostile coordinator, a clock that lies, and a damaged disk.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::sync::Arc;

use holdfast_ledger::PayloadKind;
use holdfast_log::{
    Checkpoint, Cosignature, CosignatureVerifier, Entry, Hash, KeyName, LogSigner, Origin, SignedCheckpoint,
};
use serde_json::json;

use super::*;
use crate::CrashPoint;
use crate::node::{OpenError, ReplicateRefusal};
use crate::testing::{
    Cell, PASSPHRASE, TestNode, checkpoint_of, coordinator, ed25519, sign_payload, signed_checkpoint,
};

mod able;
mod signed;

async fn refused(node: &TestNode, extension: Extension) -> &'static str {
    match node.node.replicate(extension).await.unwrap_err() {
        ReplicateRefusal::Extend(refusal) => refusal.code(),
        ReplicateRefusal::Latches(refusal) => refusal.code(),
    }
}

fn cosigner(number: u8) -> CosignatureVerifier {
    let name = KeyName::of_node("demo-1", &format!("node-{number}")).unwrap();
    CosignatureVerifier::new(name, ed25519(&format!("cosign-{number}")).verifying_key())
}

/// A cell with a few entries, and a node that has the first `known` of them.
async fn cell_and_node(known: u64) -> (Cell, TestNode) {
    let mut cell = Cell::new();
    cell.fill(6);
    let node = TestNode::open(&cell, 1).await;
    node.node.replicate(cell.extension_to(1, known)).await.unwrap();
    (cell, node)
}

/// Another history after the same first `common` entries.
fn fork_of(cell: &Cell, common: usize) -> Cell {
    let mut fork = Cell::new();
    for entry in &cell.log[1..common] {
        fork.replica.append(entry).unwrap();
        fork.log.push(entry.clone());
    }
    fork.now = cell.now + 1_000;
    let ceremony = fork.approve_wallet();
    assert!(fork.state().ceremony(&ceremony).is_some());
    fork
}

/// Entries that no state machine accepted, under a checkpoint that is right for them.
fn dishonest(cell: &Cell, from: u64, more: Vec<Entry>) -> Extension {
    let mut log = cell.log[..usize::try_from(from).unwrap()].to_vec();
    log.extend(more.iter().cloned());
    Extension {
        evidence: Vec::new(),
        from_index: from,
        entries: more.into_iter().map(Entry::into_bytes).collect(),
        checkpoint: checkpoint_of(&log).to_bytes(),
    }
}

#[tokio::test]
async fn new_entries_are_applied_cosigned_and_there_after_a_restart() {
    let (cell, node) = cell_and_node(3).await;
    let tip = node.node.replicate(cell.extension(3)).await.unwrap();
    assert_eq!((tip.size, tip.root), (cell.size(), cell.replica.root()));

    let cosignature = Cosignature::parse(tip.cosignature.clone().unwrap().as_bytes()).unwrap();
    let checkpoint = checkpoint_of(&cell.log).claimed().clone();
    let verified = cosignature.verify(&checkpoint, &cosigner(1)).unwrap();
    assert_eq!(verified.time_s, tip.cosigned_at_s);

    let node = node.restart(&cell).await;
    assert_eq!(*node.node.replica.read().await.tip(), tip);
}

#[tokio::test]
async fn checkpoint_with_another_root_is_refused_and_nothing_is_kept() {
    let (cell, node) = cell_and_node(3).await;
    let mut lie = cell.extension(3);
    lie.checkpoint = signed_checkpoint(cell.size(), Hash::leaf(b"another tree")).to_bytes();
    assert_eq!(refused(&node, lie).await, "ROOT_MISMATCH");
    assert_eq!(node.tip().await, 3);
    node.node.replicate(cell.extension(3)).await.unwrap();
}

#[tokio::test]
async fn second_history_stops_the_node_for_good() {
    let (cell, node) = cell_and_node(5).await;
    // Given a coordinator that signs another history after the fourth entry
    let fork = fork_of(&cell, 4);
    // When it shows it to this node
    assert_eq!(refused(&node, fork.extension(1)).await, "FORK_DETECTED");
    // Then even the true history is refused, also after a restart
    assert_eq!(refused(&node, cell.extension(5)).await, "FORK_DETECTED");
    assert!(node.node.replica.read().await.sound_state().is_err());
    let node = node.restart(&cell).await;
    assert_eq!(refused(&node, cell.extension(5)).await, "FORK_DETECTED");
    assert_eq!(node.tip().await, 5);
}

#[tokio::test]
async fn contradiction_that_the_logs_key_did_not_sign_stops_nobody() {
    let (cell, node) = cell_and_node(5).await;
    // Given other entries, and another root of a known size, under the key of somebody else
    let fork = fork_of(&cell, 4);
    let origin = Origin::of_cluster("demo-1").unwrap();
    let sign = |key: &str, size: u64, root: Hash| {
        let checkpoint = Checkpoint { origin: origin.clone(), size, root };
        LogSigner::new(origin.clone(), ed25519(key)).sign(&checkpoint).unwrap().to_bytes()
    };
    for key in ["entry", "cosign-2"] {
        let entries = sign(key, fork.size(), fork.replica.root());
        assert_eq!(
            refused(&node, Extension { checkpoint: entries, ..fork.extension(1) }).await,
            "CHECKPOINT_INVALID"
        );
        let known = sign(key, 5, Hash::leaf(b"another tree"));
        assert_eq!(
            refused(&node, Extension { checkpoint: known, ..cell.extension_to(5, 5) }).await,
            "CHECKPOINT_INVALID"
        );
    }
    // Then the node goes on
    assert!(node.node.replica.read().await.sound_state().is_ok());
    node.node.replicate(cell.extension(5)).await.unwrap();
}

#[tokio::test]
async fn signed_checkpoint_of_another_tree_of_a_known_size_is_a_fork() {
    for size in [2, 5] {
        let (cell, node) = cell_and_node(5).await;
        let mut lie = cell.extension_to(size, size);
        lie.checkpoint = signed_checkpoint(size, Hash::leaf(b"another tree")).to_bytes();
        assert_eq!(refused(&node, lie).await, "FORK_DETECTED", "size {size}");
    }
}

#[tokio::test]
async fn damaged_repeat_of_a_known_entry_is_refused_without_stopping_the_node() {
    let (cell, node) = cell_and_node(5).await;
    let mut damaged = cell.extension(3);
    damaged.entries[0].push(b' ');
    assert_eq!(refused(&node, damaged).await, "ENTRY_DIFFERS");
    node.node.replicate(cell.extension(3)).await.unwrap();
}

#[tokio::test]
async fn older_checkpoint_of_the_same_history_moves_nothing_back_and_is_not_cosigned() {
    let (cell, node) = cell_and_node(5).await;
    let before = node.node.replica.read().await.tip().clone();
    let answered = node.node.replicate(cell.extension_to(2, 4)).await.unwrap();
    assert_eq!(answered, before);
    assert_eq!(node.node.replicate(cell.extension_to(1, 1)).await.unwrap(), before);
}

#[tokio::test]
async fn gap_is_refused_with_the_size_that_the_node_has() {
    let (cell, node) = cell_and_node(3).await;
    let ReplicateRefusal::Extend(refusal) = node.node.replicate(cell.extension(4)).await.unwrap_err() else {
        panic!("another refusal")
    };
    assert!(matches!(refusal, ExtendRefusal::Behind { tip_size: 3, from_index: 4 }), "{refusal:?}");
}

#[tokio::test]
async fn checkpoint_by_another_key_of_another_log_or_of_another_size_is_refused() {
    let (cell, node) = cell_and_node(3).await;
    let (origin, size, root) = (Origin::of_cluster("demo-1").unwrap(), cell.size(), cell.replica.root());
    let sign = |origin: &Origin, key: &str, size: u64| -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: origin.clone(), size, root };
        LogSigner::new(origin.clone(), ed25519(key)).sign(&checkpoint).unwrap()
    };
    let forged = [
        sign(&origin, "entry", size).to_bytes(),
        sign(&Origin::of_cluster("demo-2").unwrap(), "log", size).to_bytes(),
        sign(&origin, "log", size + 1).to_bytes(),
        sign(&origin, "log", 3).to_bytes(),
        b"holdfast/demo-1\n7\n".to_vec(),
        Vec::new(),
    ];
    for checkpoint in forged {
        let extension = Extension { checkpoint, ..cell.extension(3) };
        assert_eq!(refused(&node, extension).await, "CHECKPOINT_INVALID");
    }
    assert_eq!(node.tip().await, 3);
}

#[tokio::test]
async fn oversized_and_malformed_entries_are_refused() {
    let (cell, node) = cell_and_node(3).await;
    let many = Extension { entries: vec![Vec::new(); MAX_ENTRIES + 1], ..cell.extension(3) };
    assert_eq!(refused(&node, many).await, "REPLICATION_TOO_LARGE");
    let large = Extension { entries: vec![vec![0; MAX_EXTENSION_BYTES + 1]], ..cell.extension(3) };
    assert_eq!(refused(&node, large).await, "REPLICATION_TOO_LARGE");

    // As much as the limit says is read, and refused for what it is.
    let most = Extension { entries: vec![vec![0; MAX_EXTENSION_BYTES / 2]; 2], ..cell.extension(3) };
    assert_eq!(refused(&node, most).await, "CHECKPOINT_INVALID");

    for bytes in [b"{}".to_vec(), vec![b' '; 70_000], cell.log[4].bytes()[1..].to_vec()] {
        let mut edge = node.node.replica.read().await.edge_for_tests();
        edge.append(Hash::leaf(&bytes)).unwrap();
        let checkpoint = signed_checkpoint(edge.size(), edge.root()).to_bytes();
        let malformed = Extension { from_index: 3, entries: vec![bytes], checkpoint, evidence: Vec::new() };
        assert_eq!(refused(&node, malformed).await, "ENTRY_REFUSED");
    }
    assert_eq!(node.tip().await, 3);
    node.node.replicate(cell.extension(3)).await.unwrap();
}

#[tokio::test]
async fn entry_that_nobody_signed_is_refused_with_everything_that_came_with_it() {
    let (cell, node) = cell_and_node(3).await;
    // Given a coordinator that puts an authorization of its own making behind an honest entry
    let payload = json!({"cluster": "demo-1", "ceremony": "c-00000000000000000000000000000000", "wallet": "hot-1", "epoch": 0});
    let mut forged = coordinator(PayloadKind::EpochActivated, &payload);
    forged.signatures[0].signature[0] ^= 1;
    let forged = Entry::stamp(cell.now + 1, &forged).unwrap();
    let extension = dishonest(&cell, 3, vec![cell.log[3].clone(), forged]);
    // When it sends both
    assert_eq!(refused(&node, extension).await, "ENTRY_REFUSED");
    // Then neither is kept, and the true history is taken
    assert_eq!(node.tip().await, 3);
    let tip = node.node.replicate(cell.extension(3)).await.unwrap();
    assert_eq!(tip.root, cell.replica.root());
    let node = node.restart(&cell).await;
    assert_eq!(node.tip().await, cell.size());
}

#[tokio::test]
async fn entry_of_an_unknown_party_and_entry_before_its_predecessor_are_refused() {
    let (cell, node) = cell_and_node(3).await;
    let report = json!({"cluster": "demo-1"});
    let stranger = sign_payload(PayloadKind::SessionReport, &report, "provider", "stranger");
    let stranger = Entry::stamp(cell.now + 1, &stranger).unwrap();
    assert_eq!(refused(&node, dishonest(&cell, 3, vec![stranger])).await, "ENTRY_REFUSED");
    let back = Entry::stamp(cell.log[2].time_ms() - 1, cell.log[3].envelope()).unwrap();
    assert_eq!(refused(&node, dishonest(&cell, 3, vec![back])).await, "ENTRY_REFUSED");
    assert_eq!(node.tip().await, 3);
}

#[tokio::test]
async fn refused_entry_does_not_make_the_node_read_its_log_again() {
    let (cell, node) = cell_and_node(3).await;
    // Given a disk on which reading the log again would fail
    node.store.commit(Batch::new().delete(ENTRIES, 2u64.to_be_bytes())).await.unwrap();
    // When an entry that nobody signed comes behind an honest one, or one before its predecessor
    let mut forged = cell.log[4].envelope().clone();
    forged.signatures[0].signature[0] ^= 1;
    let forged = Entry::stamp(cell.log[4].time_ms(), &forged).unwrap();
    let back = Entry::stamp(cell.log[3].time_ms() - 1, cell.log[4].envelope()).unwrap();
    for bad in [forged, back] {
        let extension = dishonest(&cell, 3, vec![cell.log[3].clone(), bad]);
        // Then it is refused before anything was changed
        assert_eq!(refused(&node, extension).await, "ENTRY_REFUSED");
        assert!(node.node.replica.read().await.sound_state().is_ok());
    }
}

#[tokio::test]
async fn entries_ahead_of_the_clock_wait() {
    let (mut cell, node) = cell_and_node(3).await;
    cell.now += 5_002;
    cell.fill(1);
    assert_eq!(refused(&node, cell.extension(3)).await, "ENTRY_AHEAD_OF_CLOCK");
    assert_eq!(node.tip().await, 3);
    // Not by a millisecond more than the skew.
    let newest = cell.log.last().unwrap().time_ms();
    node.clock.set(newest - 5_001);
    assert_eq!(refused(&node, cell.extension(3)).await, "ENTRY_AHEAD_OF_CLOCK");
    node.clock.set(newest - 5_000);
    node.node.replicate(cell.extension(3)).await.unwrap();
}

#[tokio::test]
async fn clock_may_be_behind_the_last_cosignature_by_the_skew_and_no_more() {
    let (_, node) = cell_and_node(5).await;
    let held = node.node.replica.read().await;
    let cosigned_at = held.tip().cosigned_at_s * 1_000;
    assert!(held.check_clock(TimestampMs(cosigned_at - 5_000)).is_ok());
    let refused = held.check_clock(TimestampMs(cosigned_at - 5_001)).unwrap_err();
    assert!(matches!(refused, ExtendRefusal::ClockWentBack { behind_ms: 5_001 }), "{refused:?}");
}

#[tokio::test]
async fn tip_is_not_written_again_within_a_second() {
    let (cell, node) = cell_and_node(5).await;
    let written = || node.probe.at(&[CrashPoint::BeforeCosignature]).len();
    node.node.replicate(cell.extension_to(5, 5)).await.unwrap();
    assert_eq!(written(), 0);
    node.clock.advance(1_000);
    node.node.replicate(cell.extension_to(5, 5)).await.unwrap();
    assert_eq!(written(), 1);
}

#[tokio::test]
async fn time_of_cosignatures_never_goes_back() {
    let (cell, node) = cell_and_node(5).await;
    let first = node.node.replica.read().await.tip().cosigned_at_s;
    node.clock.set(1);
    let again = node.node.replicate(cell.extension_to(5, 5)).await.unwrap();
    assert_eq!(again.cosigned_at_s, first);
    let node = node.restart(&cell).await;
    let again = node.node.replicate(cell.extension_to(5, 5)).await.unwrap();
    assert_eq!(again.cosigned_at_s, first);
    node.clock.set(cell.now + 60_000);
    let later = node.node.replicate(cell.extension_to(5, 5)).await.unwrap();
    assert!(later.cosigned_at_s > first);
}

#[tokio::test]
async fn concurrent_extensions_leave_one_history() {
    let (cell, node) = cell_and_node(1).await;
    let mut calls = tokio::task::JoinSet::new();
    for to in 2..=cell.size() {
        let (extension, node) = (cell.extension_to(1, to), Arc::clone(&node.node));
        calls.spawn(async move { node.replicate(extension).await.unwrap().size });
    }
    let sizes = calls.join_all().await;
    assert_eq!(sizes.into_iter().max(), Some(cell.size()));
    let node = node.restart(&cell).await;
    let held = node.node.replica.read().await;
    assert_eq!((held.tip().size, held.tip().root), (cell.size(), cell.replica.root()));
}

#[tokio::test]
async fn store_whose_entries_do_not_give_the_tip_is_not_started() {
    type Damage = fn(&Cell) -> Batch;
    let damages: [(&str, Damage); 4] = [
        ("a missing tail", |_| Batch::new().delete(ENTRIES, 4u64.to_be_bytes())),
        ("a missing entry", |_| Batch::new().delete(ENTRIES, 2u64.to_be_bytes())),
        ("an entry more than was acknowledged", |cell| {
            Batch::new().put(ENTRIES, 5u64.to_be_bytes(), cell.log[5].bytes())
        }),
        ("an entry with other bytes", |cell| {
            Batch::new().put(ENTRIES, 3u64.to_be_bytes(), [cell.log[3].bytes(), b" "].concat())
        }),
    ];
    for (what, damage) in damages {
        let (cell, node) = cell_and_node(5).await;
        node.store.commit(damage(&cell)).await.unwrap();
        let refused = node.try_restart(&cell, PASSPHRASE).await.err();
        let Some(OpenError::Replica(refused)) = refused else { panic!("{what}: {refused:?}") };
        let named = matches!(refused, LoadError::Gap { index: 2 });
        assert_eq!(named, what == "a missing entry", "{what}: {refused}");
    }
}

#[tokio::test]
async fn genesis_of_another_cell_is_not_started_with() {
    let (_, node) = cell_and_node(5).await;
    let genesis = Cell::new().genesis();
    let bytes = genesis.0.bytes().to_vec();
    let other = start(&bytes, &[7; 32]).unwrap_err();
    assert!(matches!(other, LoadError::OtherGenesis { .. }));
    let store = node.store.clone();
    let changed = [bytes.as_slice(), b" "].concat();
    let entry = Entry::parse(&changed).unwrap();
    let refused = tokio::task::spawn_blocking(move || install(&store, &entry)).await.unwrap();
    assert!(matches!(refused, Err(LoadError::OtherLog)));
}

#[tokio::test]
async fn entries_are_handed_out_as_one_run_that_fits_and_ends_with_the_log() {
    let (cell, node) = cell_and_node(6).await;
    let replica = &node.node.replica;
    let all: Vec<_> = cell.log[..6].iter().map(|entry| entry.bytes().to_vec()).collect();
    let (entries, note, tip) = replica.entries_from(2, usize::MAX).await.unwrap();
    assert_eq!((entries.as_slice(), tip.size), (&all[2..], 6));
    assert_eq!(SignedCheckpoint::parse(&note).unwrap().claimed().size, 6);
    let two = all[2].len() + all[3].len();
    for (room, count) in [(two, 2), (two - 1, 1), (0, 0)] {
        assert_eq!(replica.entries_from(2, room).await.unwrap().0, all[2..2 + count], "{room} bytes");
    }
    for beyond in [6, 7, u64::MAX] {
        assert!(replica.entries_from(beyond, usize::MAX).await.unwrap().0.is_empty(), "from {beyond}");
    }
}
