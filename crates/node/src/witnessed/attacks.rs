//! Statements that were kept back until they had expired, keys that the roster no longer names.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "test")]

use holdfast_ledger::{MinimumCheckpoint, RosterChange, RosterProposal, StatementBody};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_server::NodeService as _;
use holdfast_proto::v1::officer_service_server::OfficerService as _;
use tonic::Request;

use super::*;
use crate::testing::{Cell, TestNode, ed25519, prepare_keygen, ready, reason, sign, sign_prepare_request};

pub(super) const LATE_MS: u64 = 3_600_000 + 5_000 + 1_000;

#[tokio::test]
async fn approvals_kept_back_until_they_expired_generate_no_key_unless_an_honest_node_had_them_in_time() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 3).await;
    let ceremony = cell.approve_wallet();
    let (early, one, two) = (cell.clone(), cell.cosigned(&[1]), cell.cosigned(&[1, 2]));

    // Given a node that gets them an hour too late
    cell.now += LATE_MS;
    let late = prepare_keygen(&cell, &node, ceremony, [1; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");

    // When one other node, which may be hostile, says that it had them, nothing changes
    let told = |evidence: Vec<u8>| crate::replica::Extension {
        evidence: vec![evidence],
        ..early.extension(early.size())
    };
    node.node.replicate(told(one)).await.unwrap();
    let late = prepare_keygen(&cell, &node, ceremony, [2; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");

    // Then with t of them one honest node has, also after a restart
    node.node.replicate(told(two)).await.unwrap();
    let node = node.restart(&cell).await;
    prepare_keygen(&cell, &node, ceremony, [3; 32]).await.unwrap();
}

pub(super) fn replaced(cell: &Cell, number: u8, minimum: MinimumCheckpoint) -> StatementBody {
    let roster = cell.state().roster();
    let change = RosterChange::ReplaceNodeKeys {
        node: format!("node-{number}").parse().unwrap(),
        cosigning_key: ed25519("cosign-new").verifying_key(),
        message_key: ed25519("message-new").verifying_key(),
        minimum,
    };
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    StatementBody::ProposeRosterChange(Box::new(proposal))
}

#[tokio::test]
async fn keys_that_the_roster_no_longer_names_cosign_receipt_and_sign_nothing() {
    let (mut cell, nodes) = ready().await;
    let minimum = MinimumCheckpoint { size: cell.size(), root: cell.replica.root() };
    cell.approve(replaced(&cell, 3, minimum));
    let withdrawal = cell.authorized("k-1", 0);
    let old = &nodes[2];
    old.catch_up(&cell).await;

    let status = old.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (0, false, false));
    assert!(status.tip.unwrap().cosignature.is_empty());
    let order = sign_prepare_request(&cell, old.tip().await, withdrawal, [9; 32], &[&nodes[0], old]);
    let refused = old.api().sign_prepare(Request::new(order)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ENROLLED");
    let envelope = cell.pause("alice").to_json();
    let refused = old.officer_api().deliver(Request::new(v1::DeliverRequest { envelope })).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ENROLLED");
    // The others go on
    nodes[0].catch_up(&cell).await;
    let status = nodes[0].api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (1, true, true));
    assert!(!status.tip.unwrap().cosignature.is_empty());
}

#[tokio::test]
async fn keys_enrolled_from_another_history_do_not_serve() {
    let (mut cell, _) = ready().await;
    let (size, root) = (cell.size(), holdfast_log::Hash([7; 32]));
    cell.approve(replaced(&cell, 3, MinimumCheckpoint { size, root }));
    let node = TestNode::open_with_keys(&cell, 3, "cosign-new", "message-new").await;
    node.catch_up(&cell).await;
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.enrolled, status.serving), (true, false));
    assert!(status.tip.unwrap().cosignature.is_empty());
}

#[tokio::test]
async fn new_keys_serve_as_soon_as_the_log_names_them_on_the_history_that_the_officers_saw() {
    let (mut cell, _) = ready().await;
    let minimum = MinimumCheckpoint { size: cell.size(), root: cell.replica.root() };
    let node = TestNode::open_with_keys(&cell, 3, "cosign-new", "message-new").await;
    node.catch_up(&cell).await;
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (0, false, false));

    cell.approve(replaced(&cell, 3, minimum));
    node.catch_up(&cell).await;
    // The checkpoint that enrols them was taken over; the next one is cosigned.
    cell.session(false);
    node.catch_up(&cell).await;
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (2, true, true));
    assert!(!status.tip.unwrap().cosignature.is_empty());
}

/// A moment at which a log of this size was held, and nothing before it.
pub(super) fn held_all_at(size: u64, at: u64) -> Witnessed {
    let mut witnessed = Witnessed::default();
    witnessed.add(Moment { kind: OWN, size, at: TimestampMs(at) });
    witnessed
}

#[test]
fn statement_counts_up_to_its_expiry_and_the_skew_and_not_a_millisecond_longer() {
    let mut cell = Cell::new();
    let id = cell.approve_wallet();
    let ceremony = cell.state().ceremony(&id).unwrap();
    let (node, last) = ("node-1".parse().unwrap(), ceremony.expires_at.0 + 5_000);
    let check = |at: u64| held_all_at(cell.size(), at).check_ceremony(cell.state(), ceremony, &node);
    assert_eq!(check(last), Ok(()));
    let (index, held_at) = (ceremony.index, TimestampMs(last + 1));
    assert_eq!(check(last + 1), Err(WitnessedRefusal::CameTooLate { ceremony: id, index, held_at }));
}

#[test]
fn officers_vouch_for_what_lies_before_the_minimum_checkpoint_of_a_node_and_for_nothing_after_it() {
    let mut cell = Cell::new();
    let id = cell.approve_wallet();
    let proposed = cell.state().ceremony(&id).unwrap().index;
    let root = cell.replica.root();
    let late = cell.now + LATE_MS;
    for (size, first_that_counts) in
        [(proposed, proposed), (proposed + 1, proposed + 1), (proposed + 3, u64::MAX)]
    {
        let mut cell = cell.clone();
        cell.approve(replaced(&cell, 3, MinimumCheckpoint { size, root }));
        let ceremony = cell.state().ceremony(&id).unwrap();
        let check = |node: &str| {
            let node = node.parse().unwrap();
            let checked = held_all_at(cell.size(), late).check_ceremony(cell.state(), ceremony, &node);
            checked.err().map_or(u64::MAX, |refusal| match refusal {
                WitnessedRefusal::CameTooLate { index, .. } => index,
                WitnessedRefusal::CoolingOff { .. }
                | WitnessedRefusal::ConfirmedTooLate { .. }
                | WitnessedRefusal::StillWaiting { .. } => {
                    panic!("{refusal}")
                }
            })
        };
        assert_eq!((check("node-3"), check("node-1")), (first_that_counts, proposed));
    }
}

#[tokio::test]
async fn cooling_off_is_over_when_it_is_over_by_this_nodes_clock_and_the_skew_and_not_before() {
    let (mut cell, _) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    // The tests' policy has no cooling-off: it is over a skew before the entry was held.
    let now = cell.now;
    let check = |held_at: u64| {
        held_all_at(cell.size(), held_at).check_cooling_off(
            cell.state(),
            &withdrawal,
            &"node-1".parse().unwrap(),
            TimestampMs(now),
        )
    };
    assert_eq!(check(now + 5_000), Ok(()));
    assert_eq!(check(now + 5_001).unwrap_err().code(), "COOLING_OFF_NOT_WITNESSED");
    // An entry that nobody is known to have held never cooled off
    let unheard = Witnessed::default().check_cooling_off(
        cell.state(),
        &withdrawal,
        &"node-1".parse().unwrap(),
        TimestampMs(now),
    );
    assert_eq!(unheard.unwrap_err().code(), "COOLING_OFF_NOT_WITNESSED");
}

#[tokio::test]
async fn roster_change_kept_back_until_it_expired_stops_the_node_until_there_is_a_newer_one() {
    let (mut cell, nodes) = ready().await;
    cell.admit_officer("carol");
    cell.now += LATE_MS;
    let withdrawal = cell.authorized("k-1", 0);
    let pair = [&nodes[0], &nodes[1]];
    let late = sign(&cell, &pair, withdrawal, [9; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");
    cell.admit_officer("dave");
    sign(&cell, &pair, withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn what_comes_while_a_nodes_clock_is_back_does_not_look_old_when_the_clock_is_right_again() {
    // Given a node that cosigned an idle log at noon
    let (mut cell, nodes) = ready().await;
    let (morning, noon) = (cell.now, cell.now + 36_000_000);
    nodes[0].clock.set(noon);
    nodes[0].node.replicate(cell.extension(cell.size())).await.unwrap();
    // When its clock goes back to the morning and it gets a whitelist entry dated then
    let entry = cell.permit_payee();
    nodes[0].clock.set(morning + 1_000);
    nodes[0].node.replicate(cell.extension(nodes[0].tip().await)).await.unwrap();
    // Then it held that entry since noon
    let index = cell.state().whitelist_ceremony(&entry).unwrap().quorum_met.unwrap().index;
    let held = nodes[0].node.replica.read().await;
    assert!(held.witnessed().held_since(index).0 >= noon - 1_000);
}

#[tokio::test]
async fn moments_are_recorded_for_what_officers_say_only_and_forgotten_when_no_rule_asks() {
    let (mut cell, mut nodes) = ready().await;
    let records = |node: &TestNode| node.store.scan(WITNESSED, &[], 10_000).unwrap().len();
    let before = records(&nodes[0]);
    // Given much traffic, and an officer's statement
    for _ in 0..5 {
        cell.now += 2_000;
        cell.fill(2);
        nodes[0].catch_up(&cell).await;
    }
    assert_eq!(records(&nodes[0]), before);
    cell.now += 2_000;
    let entry = cell.permit_payee();
    nodes[0].catch_up(&cell).await;
    assert_eq!(records(&nodes[0]), before + 1);
    // And many moments for which nothing asks
    let stray =
        (0..SPARE as u64).map(|n| Moment { kind: OWN, size: 1_000_000 + n, at: TimestampMs(cell.now + n) });
    for chunk in stray.collect::<Vec<_>>().chunks(500) {
        let batch = chunk.iter().fold(Batch::new(), |batch, moment| moment.put(batch));
        nodes[0].store.commit(batch).await.unwrap();
    }
    let node = nodes.remove(0).restart(&cell).await;
    let index = cell.state().whitelist_ceremony(&entry).unwrap().quorum_met.unwrap().index;
    let held_since = |held: &crate::replica::Held| held.witnessed().held_since(index);
    let expected = held_since(&*node.node.replica.read().await);
    assert!(expected.0 < u64::MAX);
    // When they are forgotten
    node.node.replica.forget_moments().await.unwrap();
    // Then what a rule asks is answered as before, also after a restart
    let left = records(&node);
    assert!(left <= before + 2, "{left} records");
    assert_eq!(held_since(&*node.node.replica.read().await), expected);
    let node = node.restart(&cell).await;
    assert_eq!(held_since(&*node.node.replica.read().await), expected);
    // And few are left alone
    node.node.replica.forget_moments().await.unwrap();
    assert_eq!(records(&node), left);
}

#[tokio::test]
async fn keys_of_which_one_is_not_the_rosters_do_not_serve() {
    let (cell, _) = ready().await;
    for (cosigning, message, enrolled) in [
        ("cosign-3", "message-new", false),
        ("cosign-new", "message-3", false),
        ("cosign-3", "message-3", true),
    ] {
        let node = TestNode::open_with_keys(&cell, 3, cosigning, message).await;
        node.catch_up(&cell).await;
        let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
        assert_eq!((status.enrolled, status.serving), (enrolled, enrolled), "{cosigning} {message}");
        assert_eq!(status.tip.unwrap().cosignature.is_empty(), !enrolled);
    }
}

/// What the tests' policy wants above 4,000 USDT.
const WAIT_MS: u64 = 3_600_000;

#[tokio::test]
async fn request_logged_with_an_early_time_is_not_released_before_the_time_has_passed_here() {
    let (mut cell, nodes) = ready().await;
    // Given a coordinator that kept the log back for an hour and logs a request with a time that has passed
    let asked_at = cell.now + 1;
    let id = cell.requested("k-1", 4_500);
    cell.now = asked_at + WAIT_MS;
    cell.authorize(id);
    assert!(cell.state().authorized_withdrawal(&id, 0, TimestampMs(cell.now)).is_ok(), "by the log's times");
    // Then a node that sees both only now does not sign
    nodes[0].clock.set(cell.now);
    let request = sign_prepare_request(&cell, nodes[0].tip().await, id, [7; 32], &[]);
    let refused = nodes[0].api().sign_prepare(Request::new(request)).await.unwrap_err();
    assert_eq!(reason(&refused), "RELEASE_NOT_WITNESSED");
}

#[tokio::test]
async fn node_that_saw_the_request_in_time_signs_when_the_wait_is_over() {
    let (mut cell, nodes) = ready().await;
    let id = cell.requested("k-1", 4_500);
    for node in &nodes {
        node.clock.set(cell.now);
        node.catch_up(&cell).await;
    }
    // Nothing that officers said comes: the request itself is remembered
    cell.now += WAIT_MS;
    cell.authorize(id);
    for node in &nodes {
        node.clock.set(cell.now);
        node.catch_up(&cell).await;
    }
    sign(&cell, &[&nodes[0], &nodes[1]], id, [7; 32]).await.unwrap();
}

#[tokio::test]
async fn wait_is_over_when_it_is_over_by_this_nodes_clock_and_the_skew_and_not_before() {
    let (mut cell, _) = ready().await;
    let asked_at = cell.now + 1;
    let id = cell.requested("k-1", 4_500);
    assert_eq!(asked(cell.state()).last().copied(), Some(cell.size() - 1), "it is remembered while it waits");
    cell.now = asked_at + WAIT_MS;
    cell.authorize(id);
    assert!(asked(cell.state()).contains(&(cell.size() - 2)), "and while it is signed");
    let now = TimestampMs(cell.now);
    let waited = cell.state().authorized_withdrawal(&id, 0, now).unwrap().waited();
    let check = |held_at| held_all_at(cell.size(), held_at).check_waited(cell.state(), waited, now);
    assert_eq!(check(cell.now - WAIT_MS + 5_000), Ok(()));
    assert_eq!(check(cell.now - WAIT_MS + 5_001).unwrap_err().code(), "RELEASE_NOT_WITNESSED");
    let unheard = Witnessed::default().check_waited(cell.state(), waited, now);
    assert_eq!(unheard.unwrap_err().code(), "RELEASE_NOT_WITNESSED");
}

/// A cell in which only an entry that a customer confirmed covers the payee, and a withdrawal to it.
pub(super) async fn confirmed() -> (Cell, Vec<TestNode>, WhitelistEntryId, WithdrawalId) {
    let (mut cell, nodes) = ready().await;
    let house: Vec<_> = cell.state().whitelist().map(|entry| entry.id.clone()).collect();
    for entry in house {
        let revocation = cell.statement("alice", StatementBody::RevokeWhitelistEntry(entry));
        cell.accept(&revocation);
    }
    let entry = cell.confirm_payee();
    let withdrawal = cell.authorized("k-1", 0);
    (cell, nodes, entry, withdrawal)
}

#[tokio::test]
async fn attestation_that_came_when_it_was_too_old_confirms_nothing_here_whatever_time_the_log_gave_it() {
    let (cell, _, entry, withdrawal) = confirmed().await;
    let good_until = cell.state().requested_entry(&entry).unwrap().confirmation().unwrap().good_until.0;
    let check = |held_at: u64| {
        let (node, now) = ("node-1".parse().unwrap(), TimestampMs(good_until + 10_000));
        held_all_at(cell.size(), held_at).check_cooling_off(cell.state(), &withdrawal, &node, now)
    };
    assert_eq!(check(good_until + 5_000), Ok(()));
    let held_at = TimestampMs(good_until + 5_001);
    assert_eq!(check(held_at.0), Err(WitnessedRefusal::ConfirmedTooLate { entry, held_at }));
}

#[tokio::test]
async fn entry_of_a_customer_cools_off_from_when_this_node_held_its_confirmation() {
    let (cell, _, entry, withdrawal) = confirmed().await;
    let confirmed = cell.state().requested_entry(&entry).unwrap().confirmation().unwrap().index;
    assert!(asked(cell.state()).contains(&confirmed), "its moment is kept");
    let check = |size: u64, now: u64| {
        let node = "node-1".parse().unwrap();
        held_all_at(size, cell.now).check_cooling_off(cell.state(), &withdrawal, &node, TimestampMs(now))
    };
    assert_eq!(check(confirmed + 1, cell.now), Ok(()));
    assert_eq!(check(confirmed + 1, cell.now - 5_001).unwrap_err().code(), "COOLING_OFF_NOT_WITNESSED");
    // A node that held everything before it and not the confirmation has seen no cooling-off
    assert_eq!(check(confirmed, cell.now).unwrap_err().code(), "ATTESTATION_CAME_TOO_LATE");
}

#[tokio::test]
async fn confirmations_of_customers_are_witnessed_like_statements_of_officers() {
    let (mut cell, nodes) = ready().await;
    let records = |node: &TestNode| node.store.scan(WITNESSED, &[], 10_000).unwrap().len();
    nodes[0].catch_up(&cell).await;
    let before = records(&nodes[0]);
    cell.now += 2_000;
    cell.session(false);
    nodes[0].catch_up(&cell).await;
    assert_eq!(records(&nodes[0]), before);
    cell.now += 2_000;
    let entry = cell.confirm_payee();
    nodes[0].catch_up(&cell).await;
    assert_eq!(records(&nodes[0]), before + 1);
    let confirmed = cell.state().requested_entry(&entry).unwrap().confirmation().unwrap().index;
    let held = nodes[0].node.replica.read().await;
    assert!(held.witnessed().held_since(confirmed).0 < u64::MAX);
}

#[tokio::test]
async fn entry_counts_to_the_millisecond_by_the_clock_of_the_node_when_it_signs() {
    let (mut cell, nodes, entry, _) = confirmed().await;
    for node in &nodes {
        node.catch_up(&cell).await;
    }
    let until = cell.state().whitelist_entry(&entry).unwrap().expires_at.0;
    cell.now = until - 60_000;
    cell.session(false);
    let (one, other) = (cell.authorized("k-2", 1), cell.authorized("k-3", 2));
    let pair = [&nodes[0], &nodes[1]];
    cell.now = until - 1;
    sign(&cell, &pair, one, [9; 32]).await.unwrap();
    cell.now = until;
    let late = sign(&cell, &pair, other, [10; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "POLICY_REFUSES");
}
