//! Starts from snapshots: good ones, damaged ones, another node's, another program's, and those of a log that the store does
//! not hold.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::fs;

use holdfast_store::Batch;

use super::*;
use crate::tables::{ENTRIES, NODE, TIP};
use crate::testing::{Cell, TestNode};

/// A cell and a node with a snapshot of all of it.
async fn with_snapshot() -> (Cell, TestNode) {
    let mut cell = Cell::new();
    cell.fill(6);
    let node = TestNode::open(&cell, 1).await;
    node.catch_up(&cell).await;
    write(&node).await;
    (cell, node)
}

async fn write(node: &TestNode) {
    let picture = Snapshots::picture(&*node.node.replica.read().await);
    node.node.snapshots.write(&picture).unwrap();
}

fn used(node: &TestNode) -> u64 {
    node.node.snapshots.kept.load(Ordering::Relaxed)
}

fn file(node: &TestNode) -> PathBuf {
    node.directory.path().join(FILE)
}

async fn holds_all_of(node: &TestNode, cell: &Cell) {
    let held = node.node.replica.read().await;
    assert_eq!((held.tip().size, held.tip().root), (cell.size(), cell.replica.root()));
    assert_eq!(held.state().digest(), cell.state().digest());
    assert_eq!(held.tree().root().unwrap(), cell.replica.root());
    assert_eq!(held.state().to_snapshot(), cell.state().to_snapshot());
}

#[tokio::test]
async fn start_from_a_snapshot_holds_what_a_replay_holds_and_goes_on() {
    // Given a node with a snapshot and entries beyond it
    let (mut cell, node) = with_snapshot().await;
    let snapshot_of = cell.size();
    cell.fill(9);
    node.catch_up(&cell).await;
    // When it starts again
    let node = node.restart(&cell).await;
    // Then it read the snapshot, holds everything, and takes over more
    assert_eq!(used(&node), snapshot_of);
    holds_all_of(&node, &cell).await;
    cell.fill(12);
    node.catch_up(&cell).await;
    holds_all_of(&node, &cell).await;
}

#[tokio::test]
async fn damaged_snapshots_are_not_used() {
    let (cell, mut node) = with_snapshot().await;
    let good = fs::read(file(&node)).unwrap();
    let last = good.len() - 1;
    let damages: Vec<Vec<u8>> = [0, 25, 60, 200, good.len() / 2, last]
        .into_iter()
        .map(|position| {
            let mut altered = good.clone();
            altered[position] ^= 1;
            altered
        })
        .chain([good[..last].to_vec(), good[..22].to_vec(), Vec::new(), [good.as_slice(), b"x"].concat()])
        .collect();
    for (number, damage) in damages.into_iter().enumerate() {
        fs::write(file(&node), damage).unwrap();
        node = node.restart(&cell).await;
        assert_eq!(used(&node), 0, "{number}");
        holds_all_of(&node, &cell).await;
    }
    fs::write(file(&node), good).unwrap();
    assert_eq!(used(&node.restart(&cell).await), cell.size());
}

#[tokio::test]
async fn snapshot_of_another_node_is_not_used() {
    let (cell, node) = with_snapshot().await;
    let other = TestNode::open(&cell, 2).await;
    other.catch_up(&cell).await;
    fs::copy(file(&node), file(&other)).unwrap();
    let other = other.restart(&cell).await;
    assert_eq!(used(&other), 0);
    holds_all_of(&other, &cell).await;
}

#[tokio::test]
async fn state_that_somebody_with_the_disk_changed_and_gave_a_checksum_of_its_own_is_not_used() {
    let (cell, node) = with_snapshot().await;
    let (genesis, state) = (cell.genesis().0, cell.state().to_snapshot());
    // Given a change that the state itself does not notice
    let body = &state[..state.len() - 32];
    let unnoticed = (0..body.len()).rev().find_map(|at| {
        let mut body = body.to_vec();
        body[at] ^= 1;
        let changed = [body.as_slice(), &Sha256::digest(&body)].concat();
        let read = State::from_snapshot(&changed, &genesis).ok()?;
        let same = (read.size(), read.digest()) == (cell.size(), cell.state().digest());
        same.then_some(changed)
    });
    let unnoticed = unnoticed.unwrap();
    // When it takes the place of what was sealed
    let mut bytes = fs::read(file(&node)).unwrap();
    let at = bytes.windows(state.len()).position(|found| found == state).unwrap();
    bytes[at..at + state.len()].copy_from_slice(&unnoticed);
    fs::write(file(&node), bytes).unwrap();
    // Then it is not used
    let node = node.restart(&cell).await;
    assert_eq!(used(&node), 0);
    holds_all_of(&node, &cell).await;
}

#[tokio::test]
async fn file_that_is_larger_than_any_snapshot_is_not_read() {
    let (cell, node) = with_snapshot().await;
    let sparse = File::options().write(true).open(file(&node)).unwrap();
    sparse.set_len(MAX_BYTES + 1).unwrap();
    drop(sparse);
    assert!(matches!(read_bounded(&file(&node)), Err(KeepError::Altered)));
    let node = node.restart(&cell).await;
    assert_eq!(used(&node), 0);
}

#[tokio::test]
async fn snapshot_that_is_ahead_of_the_store_is_not_used() {
    // Given a store that was put back to an earlier moment beside a newer snapshot
    let mut cell = Cell::new();
    cell.fill(6);
    let node = TestNode::open(&cell, 1).await;
    node.node.replicate(cell.extension_to(1, 5)).await.unwrap();
    let earlier = node.store.read(NODE, TIP.as_bytes()).unwrap().unwrap();
    node.catch_up(&cell).await;
    write(&node).await;
    let back = (5..cell.size())
        .fold(Batch::new(), |batch, index| batch.delete(ENTRIES, index.to_be_bytes()))
        .put(NODE, TIP, earlier);
    node.store.commit(back).await.unwrap();
    // When the node starts, it holds what its store says, and no more
    let node = node.restart(&cell).await;
    assert_eq!((used(&node), node.tip().await), (0, 5));
    assert_eq!(node.node.replica.read().await.state().size(), 5);
}

/// A log that parts from another one after the first entry.
fn fork(count: usize) -> Cell {
    let mut cell = Cell::new();
    cell.now += 7;
    cell.fill(count);
    cell
}

#[tokio::test]
async fn snapshot_of_a_fork_is_not_used() {
    for beyond in [0, 3] {
        // Given a store whose entries are others than those of this node's own snapshot, as many or more
        let (cell, node) = with_snapshot().await;
        let mut other = fork(6);
        other.fill(usize::try_from(cell.size() - other.size()).unwrap() + beyond);
        assert_ne!(cell.replica.root(), other.replica.root());
        let tip = super::super::TipRecord::first(other.size(), other.replica.root());
        let entries = (0..other.size()).zip(&other.log);
        let batch = entries.fold(Batch::new(), |batch, (index, entry)| {
            batch.put(ENTRIES, index.to_be_bytes(), entry.bytes().to_vec())
        });
        node.store.commit(batch.put(NODE, TIP, tip.to_bytes().unwrap())).await.unwrap();
        // When the node starts, it holds what its store says
        let node = node.restart(&other).await;
        assert_eq!(used(&node), 0);
        holds_all_of(&node, &other).await;
    }
}

#[tokio::test]
async fn what_is_left_of_a_snapshot_that_was_cut_off_is_cleared_away() {
    let (cell, node) = with_snapshot().await;
    let unfinished = node.directory.path().join("replica.snapshot.17-0.tmp");
    let good = fs::read(file(&node)).unwrap();
    fs::write(&unfinished, &good[..good.len() / 2]).unwrap();
    let node = node.restart(&cell).await;
    assert!(!unfinished.exists());
    assert_eq!(used(&node), cell.size());
}

#[tokio::test]
async fn snapshot_of_another_program_is_not_used() {
    // Given a snapshot that this node sealed while it ran another program
    let (cell, node) = with_snapshot().await;
    let good = fs::read(file(&node)).unwrap();
    let rest = good.strip_prefix(MAGIC).unwrap();
    let (length, rest) = rest.split_first_chunk::<4>().unwrap();
    let (sealed, content) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
    let vault = &node.node.signing.vault;
    let manifest = vault.open_manifest(sealed).unwrap();
    let with = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        change(&mut manifest);
        let sealed = vault.seal_manifest(&serde_json::to_vec(&manifest).unwrap()).unwrap();
        let length = u32::try_from(sealed.len()).unwrap().to_be_bytes();
        [MAGIC, &length, &sealed, content].concat()
    };
    let changed: [Vec<u8>; 6] = [
        with(&|manifest| manifest.program.push('x')),
        with(&|manifest| manifest.format += 1),
        with(&|manifest| manifest.size += 1),
        with(&|manifest| manifest.root = Hash([7; 32])),
        with(&|manifest| manifest.state_digest = "07".repeat(32).parse().unwrap()),
        with(&|manifest| manifest.state_bytes -= 1),
    ];
    let unchanged = with(&|_| {});
    let mut node = node;
    for (number, changed) in changed.into_iter().enumerate() {
        fs::write(file(&node), changed).unwrap();
        node = node.restart(&cell).await;
        assert_eq!(used(&node), 0, "{number}");
        holds_all_of(&node, &cell).await;
    }
    // Then only that was the reason
    fs::write(file(&node), unchanged).unwrap();
    assert_eq!(used(&node.restart(&cell).await), cell.size());
}

#[tokio::test]
async fn snapshot_that_cannot_be_written_is_not_tried_again_at_once_and_stops_nothing() {
    let (mut cell, node) = with_snapshot().await;
    let snapshots = &node.node.snapshots;
    cell.fill(3);
    node.catch_up(&cell).await;
    let due = async |every| snapshots.due(&*node.node.replica.read().await, every);
    let picture = due(2).await.unwrap();
    // Given a place that cannot be written, whoever runs this test
    fs::remove_file(file(&node)).unwrap();
    fs::create_dir(file(&node)).unwrap();
    snapshots.write(&picture).unwrap_err();
    // Then nothing is due before the log has grown
    assert!(due(2).await.is_none());
    snapshots.put_off_to.store(cell.size(), Ordering::Relaxed);
    assert!(due(2).await.is_some());
    fs::remove_dir(file(&node)).unwrap();
    snapshots.write(&picture).unwrap();
    assert_eq!(used(&node.restart(&cell).await), cell.size());
}

#[tokio::test]
async fn snapshot_is_due_after_enough_entries_only() {
    let (cell, node) = with_snapshot().await;
    assert!(cell.size() < SNAPSHOT_EVERY);
    assert!(node.node.snapshots.due(&*node.node.replica.read().await, SNAPSHOT_EVERY).is_none());
}
