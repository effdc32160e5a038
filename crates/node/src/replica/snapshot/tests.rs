//! Starts from snapshots: good ones, damaged ones, another node's, another program's, and those of a log that the store does
//! not hold.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::fs;

use holdfast_server::snapshot::RETRY_AFTER;
use holdfast_store::Batch;

use super::*;
use crate::replica::ExtendRefusal;
use crate::tables::{ENTRIES, NODE, PAGES, TIP};
use crate::testing::{Cell, TestNode};

mod when;

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
    let kept = written(node, &Arc::new(picture)).await.unwrap();
    node.node.replica.settle_pages(&kept).await;
}

/// Writing blocks.
async fn written(node: &TestNode, picture: &Arc<Picture>) -> Result<KeptPages, KeepError> {
    let (snapshots, picture) = (Arc::clone(&node.node.snapshots), Arc::clone(picture));
    tokio::task::spawn_blocking(move || snapshots.write(&picture)).await.unwrap()
}

fn used(node: &TestNode) -> u64 {
    node.node.snapshots.file.kept()
}

fn file(node: &TestNode) -> std::path::PathBuf {
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
    let (genesis, state) = (cell.genesis().0, cell.state().to_paged_snapshot());
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
    let picture = Arc::new(due(2).await.unwrap());
    // Given a place that cannot be written, whoever runs this test
    fs::remove_file(file(&node)).unwrap();
    fs::create_dir(file(&node)).unwrap();
    written(&node, &picture).await.unwrap_err();
    // Then nothing is due before the log has grown
    assert!(due(2).await.is_none());
    let later = cell.size() + RETRY_AFTER;
    assert!(!snapshots.file.is_due(later - 1, 2) && snapshots.file.is_due(later, 2));
    fs::remove_dir(file(&node)).unwrap();
    written(&node, &picture).await.unwrap();
    assert_eq!(used(&node.restart(&cell).await), cell.size());
}

fn pages(node: &TestNode) -> Vec<(Vec<u8>, Vec<u8>)> {
    node.store.scan(PAGES, &[], 1_000).unwrap()
}

async fn named(node: &TestNode) -> usize {
    node.node.replica.read().await.state().named_pages().count()
}

#[tokio::test]
async fn histories_are_pages_in_the_store_and_not_in_the_snapshot() {
    // Given a node whose customer has a history
    let (mut cell, node) = with_snapshot().await;
    let customer = "c-1".parse().unwrap();
    let known = cell.state().activity().customer(&customer);
    assert!(known.is_some());
    // Then the newest snapshot's page is in the store, and nothing of it in memory
    assert_eq!((pages(&node).len(), named(&node).await), (1, 1));
    let page = pages(&node).remove(0);
    assert!(!fs::read(file(&node)).unwrap().windows(page.1.len()).any(|found| found == page.1));
    {
        let held = node.node.replica.read().await;
        assert_eq!(held.state().activity().records().fresh_bytes(), 0);
        assert_eq!(held.state().activity().customer(&customer), known);
    }
    // And it is read from there after a start, and changed
    cell.fill(1);
    let node = node.restart(&cell).await;
    assert_eq!(used(&node), cell.size() - 1);
    node.catch_up(&cell).await;
    holds_all_of(&node, &cell).await;
    assert_eq!(named(&node).await, 0, "changed since");
    // When snapshots follow, what the last two do not name is deleted
    write(&node).await;
    assert_eq!(pages(&node).len(), 2);
    for _ in 0..3 {
        cell.fill(1);
        node.catch_up(&cell).await;
        write(&node).await;
        assert_eq!(pages(&node).len(), 2);
    }
    assert!(!pages(&node).contains(&page));
    holds_all_of(&node, &cell).await;
}

#[tokio::test]
async fn node_killed_between_the_pages_and_the_snapshot_starts_from_the_snapshot_before_and_sweeps_later() {
    let (mut cell, node) = with_snapshot().await;
    let kept = cell.size();
    cell.fill(2);
    node.catch_up(&cell).await;
    // Given pages that are durable, and a snapshot that is not
    let before = fs::read(file(&node)).unwrap();
    write(&node).await;
    fs::write(file(&node), before).unwrap();
    assert_eq!(pages(&node).len(), 2);
    // When the node starts, it finds what the snapshot before names
    let node = node.restart(&cell).await;
    assert_eq!(used(&node), kept);
    holds_all_of(&node, &cell).await;
    // Then what no snapshot names goes with the next one
    cell.fill(1);
    node.catch_up(&cell).await;
    write(&node).await;
    assert_eq!(pages(&node).len(), 2, "the newest page and the one before it");
    write(&node).await;
    assert_eq!(pages(&node).len(), 1);
    holds_all_of(&node, &cell).await;
}

/// What somebody with the disk does to the only page.
type PageDamage = fn(Vec<u8>, Vec<u8>) -> Batch;

const PAGE_DAMAGES: [(&str, PageDamage); 3] = [
    ("PAGE_MISSING", |key, _| Batch::new().delete(PAGES, key)),
    ("PAGE_DAMAGED", |key, mut bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        Batch::new().put(PAGES, key, bytes)
    }),
    ("PAGE_DAMAGED", |key, _| {
        // Another customer's page under this name.
        let mut other = holdfast_policy::Activity::default();
        other.register(&"c-2".parse().unwrap(), holdfast_policy::TimestampMs(1), None);
        let page = other.records().contents().next().unwrap();
        Batch::new().put(PAGES, key, page.to_vec())
    }),
];

#[tokio::test]
async fn lost_page_stops_the_node_until_it_replays_its_log() {
    for (cause, damage) in PAGE_DAMAGES {
        // Given a node whose only page is gone, altered or another customer's
        let (mut cell, node) = with_snapshot().await;
        let size = cell.size();
        let (key, bytes) = pages(&node).remove(0);
        node.store.commit(damage(key, bytes)).await.unwrap();
        // When an entry comes that is judged by it
        cell.fill(1);
        let refused = node.node.replicate(cell.extension(size)).await.unwrap_err();
        // Then it is refused without blame, nothing is taken over, and nothing is decided any more
        let crate::node::ReplicateRefusal::Extend(refused) = refused else { panic!("another refusal") };
        assert!(matches!(refused, ExtendRefusal::PageLost(fault) if fault.code() == cause), "{refused}");
        assert_eq!((refused.code(), node.tip().await), ("PAGE_LOST", size));
        assert!(!refused.is_ordinary());
        let sound = node.node.replica.read().await.sound_state().map(State::size);
        assert!(matches!(sound, Err(ExtendRefusal::PageLost(_))));
        assert!(!node.node.replica.is_able().await);
        assert!(node.node.replicate(cell.extension(size)).await.is_err());
        // And the next start replays the log, which has everything
        assert!(!file(&node).exists());
        node.node.keep_snapshot().await;
        assert!(!file(&node).exists());
        let node = node.restart(&cell).await;
        assert_eq!(used(&node), 0);
        node.catch_up(&cell).await;
        holds_all_of(&node, &cell).await;
        write(&node).await;
        assert_eq!((pages(&node).len(), named(&node).await), (1, 1));
        holds_all_of(&node.restart(&cell).await, &cell).await;
    }
}

#[tokio::test]
async fn page_lost_while_the_node_is_down_makes_the_start_replay_the_log() {
    for (_, damage) in PAGE_DAMAGES {
        // Given entries beyond the snapshot that need the page
        let (mut cell, node) = with_snapshot().await;
        cell.fill(2);
        node.catch_up(&cell).await;
        let (key, bytes) = pages(&node).remove(0);
        node.store.commit(damage(key, bytes)).await.unwrap();
        let node = node.restart(&cell).await;
        assert_eq!(used(&node), 0);
        holds_all_of(&node, &cell).await;
        assert!(node.node.replica.is_able().await);
    }
}

#[tokio::test]
async fn lost_page_that_only_a_question_met_stops_the_node_too() {
    let (cell, node) = with_snapshot().await;
    let (key, _) = pages(&node).remove(0);
    node.store.commit(Batch::new().delete(PAGES, key)).await.unwrap();
    assert!(node.node.replica.is_able().await);
    let unknown = node.node.replica.read().await.state().activity().customer(&"c-1".parse().unwrap());
    assert_eq!(unknown, None);
    assert!(!node.node.replica.is_able().await);
    assert!(node.node.replica.read().await.sound_state().is_err());
    node.node.keep_snapshot().await;
    assert!(!file(&node).exists());
    holds_all_of(&node.restart(&cell).await, &cell).await;
}
