//! Which moments are kept, for how long, and what officers vouch for instead.

use holdfast_ledger::{MinimumCheckpoint, StatementBody};

use super::*;
use crate::testing::{Cell, TestNode, ready};
use crate::witnessed::attacks::{confirmed, held_all_at, replaced};

#[tokio::test]
async fn withdrawal_that_does_not_wait_leaves_no_moment() {
    let (mut cell, nodes) = ready().await;
    let records = |node: &TestNode| node.store.scan(WITNESSED, &[], 10_000).unwrap().len();
    nodes[0].catch_up(&cell).await;
    let before = records(&nodes[0]);
    cell.now += 2_000;
    cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    assert_eq!(records(&nodes[0]), before);
    cell.now += 2_000;
    cell.requested("k-2", 4_500);
    nodes[0].catch_up(&cell).await;
    assert_eq!(records(&nodes[0]), before + 1);
}

#[tokio::test]
async fn confirmation_of_an_entry_that_was_revoked_or_has_expired_is_asked_about_no_more() {
    let (mut cell, _, entry, _) = confirmed().await;
    let confirmed = cell.state().requested_entry(&entry).unwrap().confirmation().unwrap().index;
    let until = cell.state().whitelist_entry(&entry).unwrap().expires_at.0;
    let asked_at = |time: u64| {
        let mut cell = cell.clone();
        cell.now = time - 1;
        cell.session(false);
        assert_eq!(cell.state().last_time(), TimestampMs(time));
        asked(cell.state()).contains(&confirmed)
    };
    assert_eq!((asked_at(until - 1), asked_at(until)), (true, false));
    let revocation = cell.statement("alice", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&revocation);
    assert!(!asked(cell.state()).contains(&confirmed));
}

#[tokio::test]
async fn officers_vouch_for_confirmations_before_the_minimum_checkpoint_of_a_node_and_for_none_after_it() {
    let (cell, _, entry, _) = confirmed().await;
    let confirmation = cell.state().requested_entry(&entry).unwrap().confirmation().unwrap();
    let (index, late) = (confirmation.index, confirmation.good_until.0 + 5_001);
    let root = cell.replica.root();
    for (size, is_vouched_for) in [(index, false), (index + 1, true)] {
        let mut cell = cell.clone();
        cell.approve(replaced(&cell, 3, MinimumCheckpoint { size, root }));
        let check = |node: &str| {
            let witnessed = held_all_at(cell.size(), late);
            witnessed.check_confirmation(cell.state(), &entry, &node.parse().unwrap()).is_ok()
        };
        assert_eq!((check("node-3"), check("node-1")), (is_vouched_for, false), "{size}");
    }
}

#[test]
fn moments_are_forgotten_when_there_are_more_than_twice_those_worth_keeping_and_the_spare() {
    let cell = Cell::new();
    let mut crowded = Witnessed { kept: 3, ..Witnessed::default() };
    for size in 1..=u64::try_from(SPARE + 6).unwrap() {
        crowded.add(own(size, size));
    }
    assert!(crowded.condensed(cell.state()).is_none());
    crowded.add(own(1_000_000, 1_000_000));
    assert!(crowded.condensed(cell.state()).is_some());
}
