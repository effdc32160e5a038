//! A coordinator that lost its log, and nodes that lie about it.

#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "test")]

use std::time::Duration;

use ed25519_dalek::SigningKey;
use holdfast_log::{Checkpoint, Entry, LogSigner, MemoryTree, Origin};
use holdfast_policy::TimestampMs;
use tempfile::TempDir;

use super::*;
use crate::testing::{Behaviour, Cell, FakeNode, ed25519, pinned};

fn seeding(cell: &Cell) -> Seeding {
    Seeding {
        book: Arc::clone(&cell.parts.book),
        nodes: Arc::clone(&cell.parts.nodes),
        cluster: ClusterId::new("demo-1").unwrap(),
        genesis_hash: pinned(),
    }
}

/// A cell whose nodes hold its whole log, and what they serve.
async fn replicated() -> (Cell, Vec<(Vec<Vec<u8>>, Vec<u8>)>) {
    let cell = Cell::ready().await;
    cell.replicate();
    let size = cell.size().await;
    for _ in 0..400 {
        if cell.fakes.iter().all(|fake| fake.size() == size) {
            let served = cell.fakes.iter().map(FakeNode::shown).collect();
            return (cell, served);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the nodes do not follow");
}

/// A coordinator with an empty directory, and nodes that serve this.
async fn bereft(served: &[(Vec<Vec<u8>>, Vec<u8>)]) -> Cell {
    bereft_with(served, vec![ed25519("log")]).await
}

async fn bereft_with(served: &[(Vec<Vec<u8>>, Vec<u8>)], log_keys: Vec<SigningKey>) -> Cell {
    let cell = Cell::open_with(TempDir::new().unwrap(), crate::testing::START + 900_000, log_keys).await;
    for (fake, (entries, note)) in cell.fakes.iter().zip(served) {
        fake.shows(entries.clone(), note.clone(), u64::try_from(entries.len()).unwrap());
    }
    cell
}

/// These entries under a note that this key signed.
fn signed_log(entries: &[Vec<u8>], key: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
    let tree =
        MemoryTree::from_leaf_hashes(entries.iter().map(|entry| Entry::parse(entry).unwrap().leaf_hash()))
            .unwrap();
    let origin = Origin::of_cluster("demo-1").unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root().unwrap() };
    let note = LogSigner::new(origin, ed25519(key)).sign(&checkpoint).unwrap();
    (entries.to_vec(), note.to_bytes())
}

/// The same log with its last entry stamped a little later: authentic, and another one.
fn fork_of(entries: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut entries = entries.to_vec();
    let last = Entry::parse(&entries.pop().unwrap()).unwrap();
    entries.push(Entry::stamp(last.time_ms() + 1, last.envelope()).unwrap().into_bytes());
    entries
}

async fn root_of(cell: &Cell) -> (u64, Hash) {
    let reader = cell.parts.book.read().await.unwrap();
    (reader.size(), reader.root_at(reader.size()).unwrap())
}

#[tokio::test]
async fn new_coordinator_takes_over_the_nodes_log_and_goes_on_with_it() {
    // Given a coordinator that was lost with everything it had
    let (lost, served) = replicated().await;
    let expected = root_of(&lost).await;
    // When a new one starts with the log's key
    let cell = bereft(&served).await;
    let adopted = seeding(&cell).run().await.unwrap();
    // Then it has the same log, durable and signed, and takes new entries
    assert_eq!((adopted, root_of(&cell).await), (expected.0 - 1, expected));
    cell.accept(lost.session_report()).await;
    let now = cell.clock.now();
    let reopened = Cell::open(cell.shut_down().await, now).await;
    assert_eq!(reopened.size().await, expected.0 + 1);
    assert_eq!(seeding(&reopened).run().await.unwrap(), 0);
}

#[tokio::test]
async fn as_many_entries_as_a_node_serves_at_a_time_are_taken_over() {
    // Given as many small entries as are more than one commit takes
    let lost = Cell::ready().await;
    for _ in 0..1_100 {
        lost.accept(lost.session_report()).await;
    }
    let (expected, mut entries) = (root_of(&lost).await, Vec::new());
    while entries.len() + 1 < usize::try_from(expected.0).unwrap() {
        let next = u64::try_from(entries.len() + 1).unwrap();
        entries.extend(lost.parts.book.entries(next, expected.0).await.unwrap());
    }
    let target = lost.parts.book.read().await.unwrap().checkpoint_at(expected.0).unwrap();
    // When a new coordinator takes them over at once
    let cell = Cell::new().await;
    let entries = entries.iter().map(|entry| Entry::parse(entry).unwrap()).collect();
    cell.parts.book.adopt(entries, &target).await.unwrap();
    // Then it has them all
    assert_eq!(root_of(&cell).await, expected);
    assert!(!cell.parts.book.is_unfinished().unwrap());
}

#[tokio::test]
async fn one_node_that_holds_the_whole_log_is_enough_whatever_the_others_hide() {
    // Given two nodes that claim to hold the genesis entry only, or less than there is
    let (lost, mut served) = replicated().await;
    let expected = root_of(&lost).await;
    let short = served[1].0[..4].to_vec();
    served[1] = signed_log(&short, "log");
    served[2] = signed_log(&short[..1], "log");
    let cell = bereft(&served).await;
    seeding(&cell).run().await.unwrap();
    assert_eq!(root_of(&cell).await, expected);
}

#[tokio::test]
async fn forged_longer_log_of_a_lying_node_is_not_believed() {
    let (lost, served) = replicated().await;
    let expected = root_of(&lost).await;
    let longer = {
        let last = Entry::parse(served[0].0.last().unwrap()).unwrap();
        let mut longer = served[0].0.clone();
        longer.push(Entry::stamp(last.time_ms() + 1, last.envelope()).unwrap().into_bytes());
        longer
    };
    let mut altered = longer.clone();
    altered[3] = altered[4].clone();
    let lies = [
        // A checkpoint that another key signed, or none for what is served
        signed_log(&longer, "thief"),
        (longer.clone(), served[0].1.clone()),
        (longer.clone(), b"no note".to_vec()),
        // A genuine checkpoint over entries that are not the log's
        (altered.clone(), signed_log(&longer, "log").1),
        // An entry that nobody signed
        {
            let mut forged = longer.clone();
            let position = forged[5].len() - 20;
            forged[5][position] ^= 1;
            (forged, signed_log(&longer, "log").1)
        },
        // A claim with nothing behind it
        (longer[..1].to_vec(), signed_log(&longer, "log").1),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut served = served.clone();
        served[0] = lie;
        let cell = bereft(&served).await;
        cell.fakes[0].shows(served[0].0.clone(), served[0].1.clone(), 1_000_000);
        seeding(&cell).run().await.unwrap();
        assert_eq!(root_of(&cell).await, expected, "lie {number}");
    }
}

#[tokio::test]
async fn two_logs_that_the_key_signed_stop_the_coordinator() {
    let (_lost, mut served) = replicated().await;
    let fork = fork_of(&served[0].0);
    served[0] = signed_log(&fork, "log");
    // Whether the fork is as long as the log, longer or shorter
    let longer = {
        let mut longer = fork.clone();
        let last = Entry::parse(longer.last().unwrap()).unwrap();
        longer.push(Entry::stamp(last.time_ms() + 5, last.envelope()).unwrap().into_bytes());
        longer
    };
    let shorter = fork_of(&served[1].0[..6]);
    for fork in [fork, longer, shorter] {
        served[0] = signed_log(&fork, "log");
        let cell = bereft(&served).await;
        let refused = seeding(&cell).run().await.unwrap_err();
        assert!(matches!(refused, SeedError::Fork { .. }), "{refused}");
    }
}

#[tokio::test]
async fn restored_copy_of_an_older_log_is_brought_up_to_date_and_a_forked_one_stops() {
    // Given a coordinator that was started from an old copy of its data
    let (lost, served) = replicated().await;
    let expected = root_of(&lost).await;
    let old = bereft(&served[..0]).await;
    let entries: Vec<Entry> = served[0].0[1..6].iter().map(|bytes| Entry::parse(bytes).unwrap()).collect();
    let note = signed_log(&served[0].0[..6], "log").1;
    let note = holdfast_log::SignedCheckpoint::parse(&note).unwrap();
    old.parts.book.adopt(entries, &note).await.unwrap();
    assert_eq!(old.size().await, 6);
    for (fake, (entries, note)) in old.fakes.iter().zip(&served) {
        fake.shows(entries.clone(), note.clone(), expected.0);
    }
    seeding(&old).run().await.unwrap();
    assert_eq!(root_of(&old).await, expected);
    // And one that went on by itself from such a copy
    let forked = bereft(&served[..0]).await;
    let (entries, note) = signed_log(&fork_of(&served[0].0[..6]), "log");
    let entries: Vec<Entry> = entries[1..].iter().map(|bytes| Entry::parse(bytes).unwrap()).collect();
    let note = holdfast_log::SignedCheckpoint::parse(&note).unwrap();
    forked.parts.book.adopt(entries, &note).await.unwrap();
    for (fake, (entries, note)) in forked.fakes.iter().zip(&served) {
        fake.shows(entries.clone(), note.clone(), expected.0);
    }
    assert!(matches!(seeding(&forked).run().await.unwrap_err(), SeedError::Fork { .. }));
}

#[tokio::test]
async fn node_that_serves_other_entries_the_second_time_adds_nothing() {
    let (lost, served) = replicated().await;
    let expected = root_of(&lost).await;
    let cell = bereft(&served).await;
    cell.fakes[0].behave(Behaviour::ChangesItsMind);
    cell.fakes[1].behave(Behaviour::ChangesItsMind);
    tokio::time::timeout(Duration::from_secs(20), seeding(&cell).run()).await.unwrap().unwrap();
    assert_eq!(root_of(&cell).await, expected);
}

#[tokio::test]
async fn coordinator_without_a_log_does_not_begin_before_enough_nodes_answered() {
    // Given a new coordinator and only one of three nodes: the two that are away may hold a longer log
    let (_lost, served) = replicated().await;
    let cell = bereft(&served).await;
    cell.fakes[1].behave(Behaviour::Down);
    cell.fakes[2].behave(Behaviour::Down);
    let waiting = tokio::time::timeout(Duration::from_secs(4), seeding(&cell).run()).await;
    assert!(waiting.is_err(), "it began: {waiting:?}");
    assert_eq!(cell.size().await, 1);
}

#[tokio::test]
async fn interrupted_seeding_is_unfinished_until_the_whole_log_is_there() {
    let (lost, served) = replicated().await;
    let expected = root_of(&lost).await;
    let cell = bereft(&served[..0]).await;
    let entries: Vec<Entry> = served[0].0[1..4].iter().map(|bytes| Entry::parse(bytes).unwrap()).collect();
    let note = holdfast_log::SignedCheckpoint::parse(&served[0].1).unwrap();
    cell.parts.book.adopt(entries, &note).await.unwrap();
    // When the process ends there
    let now = cell.clock.now();
    let cell = Cell::open(cell.shut_down().await, now).await;
    assert!(cell.parts.book.is_unfinished().unwrap());
    assert_eq!((cell.size().await, *cell.parts.book.tip().borrow()), (4, 1), "nothing of it is announced");
    for (fake, (entries, note)) in cell.fakes.iter().zip(&served) {
        fake.shows(entries.clone(), note.clone(), expected.0);
    }
    seeding(&cell).run().await.unwrap();
    assert_eq!(root_of(&cell).await, expected);
    assert!(!cell.parts.book.is_unfinished().unwrap());
}

#[tokio::test]
async fn without_the_log_key_the_log_is_taken_over_and_only_statements_are_accepted() {
    // Given that the log's key was lost with the coordinator
    let (lost, served) = replicated().await;
    let expected = root_of(&lost).await;
    let cell = bereft_with(&served, vec![ed25519("new log key")]).await;
    seeding(&cell).run().await.unwrap();
    assert_eq!(root_of(&cell).await, expected);
    // Then its newest checkpoint is the one that the lost key signed
    let checkpoint = cell.parts.published_checkpoint().await.unwrap();
    checkpoint.verify(&lost.verifier().await).unwrap();
    // And nothing but what can replace the key is taken
    let refused = cell.parts.sequencer.propose(lost.session_report()).await.unwrap_err();
    assert!(matches!(refused, crate::sequencer::ProposeError::NoLogKey), "{refused}");
    let expires_at = TimestampMs(cell.clock.now() + 1_000_000);
    let proposal = holdfast_ledger::WhitelistProposal {
        chain_id: holdfast_chains::ChainId(1),
        address: holdfast_chains::Address::parse("0x8ba1f109551bD432803012645Ac136ddd64DBA72").unwrap(),
        assets: vec!["ETH".parse().unwrap()],
        customer: None,
        not_before: None,
        expires_at,
    };
    let body = holdfast_ledger::StatementBody::ProposeWhitelistEntry(proposal);
    let statement = cell.statement("alice", body).await;
    cell.accept(statement).await;
    assert_eq!((cell.size().await, *cell.parts.book.tip().borrow()), (expected.0 + 1, expected.0));
    // And it is still there, unannounced, after a restart
    let now = cell.clock.now();
    let cell = Cell::open_with(cell.shut_down().await, now, vec![ed25519("new log key")]).await;
    assert_eq!((cell.size().await, *cell.parts.book.tip().borrow()), (expected.0 + 1, expected.0));
}
