//! Nodes compare their states: a liar stops nobody, a majority against a replica stops it.

use serde_json::{Value, json};

use super::cell::{Cell, ed25519, sign};
use crate::*;
use holdfast_log::{Entry, Envelope};
use holdfast_policy::TimestampMs;

fn attestation(node: u8, size: u64, digest: StateDigest) -> Value {
    json!({"cluster": "demo-1", "node": format!("node-{node}"), "incarnation": 1, "size": size,
        "root": "aa".repeat(32), "state_digest": digest})
}

fn signed(node: u8, payload: &Value) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    let key = ed25519(&format!("message-{node}"));
    let key_id = key_id("node", &format!("node-{node}"));
    Envelope::sign_ed25519(PayloadKind::StateAttestation.payload_type(), payload, &key_id, &key).unwrap()
}

/// A cell whose log has passed the first multiple, with an authorized withdrawal.
fn cell() -> (Cell, WithdrawalId) {
    let mut cell = Cell::ready();
    while cell.state.size() < ATTEST_EVERY {
        cell.session(false, false);
    }
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    (cell, id)
}

fn own(cell: &Cell) -> StateDigest {
    cell.state.digest_at(ATTEST_EVERY).unwrap()
}

fn other() -> StateDigest {
    "00".repeat(32).parse().unwrap()
}

fn order(cell: &Cell, id: WithdrawalId) -> Result<AuthorizedWithdrawal, OrderRefusal> {
    cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now))
}

#[test]
fn lying_node_stops_nobody() {
    let (mut cell, id) = cell();
    cell.accept(&signed(3, &attestation(3, ATTEST_EVERY, other())));
    order(&cell, id).unwrap();
    assert_eq!(cell.state.disagreeing_nodes().len(), 1);
    cell.accept(&signed(1, &attestation(1, ATTEST_EVERY, own(&cell))));
    order(&cell, id).unwrap();
    assert_eq!(cell.state.agreeing_nodes().len(), 1);
}

#[test]
fn replica_that_a_majority_contradicts_signs_nothing() {
    let (mut cell, id) = cell();
    for node in [2, 3] {
        order(&cell, id).unwrap();
        cell.accept(&signed(node, &attestation(node, ATTEST_EVERY, other())));
    }
    assert_eq!(order(&cell, id).unwrap_err().code(), "STATE_DIVERGED");
}

#[test]
fn node_that_agrees_again_later_is_counted_by_its_newest_word() {
    let (mut cell, id) = cell();
    for node in [2, 3] {
        cell.accept(&signed(node, &attestation(node, ATTEST_EVERY, other())));
    }
    while cell.state.size() < 2 * ATTEST_EVERY {
        cell.session(false, false);
    }
    let size = cell.state.size();
    let digest = cell.state.digest_at(size).unwrap();
    cell.accept(&signed(2, &attestation(2, size, digest)));
    assert_eq!(cell.state.agreeing_nodes(), [holdfast_policy::NodeId::new("node-2").unwrap()]);
    let now = TimestampMs(cell.now);
    assert_ne!(cell.state.authorized_withdrawal(&id, 0, now).err().map(|e| e.code()), Some("STATE_DIVERGED"));
}

#[test]
fn attestation_counts_for_its_signer_its_incarnation_and_a_known_size_only_once() {
    let (mut cell, _) = cell();
    let digest = own(&cell);
    let mut forged = attestation(2, ATTEST_EVERY, other());
    assert_eq!(cell.refuse(&signed(3, &forged)), "SIGNER_NOT_AUTHORIZED", "in another node's name");
    forged["incarnation"] = json!(2);
    assert_eq!(cell.refuse(&signed(2, &forged)), "FIELD_INVALID", "another incarnation");
    for size in [0, 1, ATTEST_EVERY - 1, ATTEST_EVERY + 1, 2 * ATTEST_EVERY] {
        assert_eq!(cell.refuse(&signed(2, &attestation(2, size, digest))), "FIELD_INVALID", "{size}");
    }
    let mut elsewhere = attestation(2, ATTEST_EVERY, digest);
    elsewhere["cluster"] = json!("demo-2");
    assert_eq!(cell.refuse(&signed(2, &elsewhere)), "CLUSTER_MISMATCH");
    cell.accept(&signed(2, &attestation(2, ATTEST_EVERY, digest)));
    assert_eq!(cell.refuse(&signed(2, &attestation(2, ATTEST_EVERY, other()))), "ALREADY_RECORDED");
    assert_eq!(cell.state.agreeing_nodes().len(), 1, "what a node said stands");
}

#[test]
fn digests_part_at_the_first_entry_that_was_judged_differently() {
    // Given two replicas of one log, one of which runs a program that judges one entry differently
    let mut cell = Cell::ready();
    let mut twisted = cell.state.clone();
    let before = cell.state.digest();
    assert_eq!(twisted.digest(), before);
    let request = cell.request("k-1", 1250);
    let envelope = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    twisted.whitelist = holdfast_policy::Whitelist::new();
    // When both apply it
    cell.accept(&envelope);
    twisted.apply(cell.log.last().unwrap()).unwrap();
    // Then they differ from here on, and stay different although they judge everything after it alike
    assert_ne!(cell.state.digest(), before);
    assert_ne!(cell.state.digest(), twisted.digest());
    twisted.whitelist = cell.state.whitelist.clone();
    cell.session(false, false);
    twisted.apply(cell.log.last().unwrap()).unwrap();
    assert_ne!(cell.state.digest(), twisted.digest());
}

#[test]
fn refusals_and_their_reasons_are_part_of_the_digest() {
    let mut cell = Cell::ready();
    let (size, digest) = (cell.state.size(), cell.state.digest());
    let mut request = cell.request("k-1", 1250);
    request["wallet"] = json!("hot-9");
    let envelope = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    let mut other_reason = cell.state.clone();
    assert_eq!(cell.refuse(&envelope), "UNKNOWN_WALLET");
    assert_ne!(cell.state.digest(), digest);
    other_reason.wallets = imbl::OrdMap::new();
    other_reason.size = size;
    request["asset"] = json!("DOGE");
    let entry = Entry::stamp(cell.now, &sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline"));
    other_reason.apply(&entry.unwrap()).unwrap();
    assert_ne!(other_reason.digest(), cell.state.digest());
}

#[test]
fn new_incarnation_of_a_node_speaks_for_itself_from_the_beginning() {
    let (mut cell, _) = cell();
    cell.accept(&signed(2, &attestation(2, ATTEST_EVERY, other())));
    cell.change_roster(super::incarnations::keys(2, "cosign-2b", "message-2b", 1));
    assert!(cell.state.disagreeing_nodes().is_empty(), "its old incarnation counts no more");
    let mut payload = attestation(2, ATTEST_EVERY, own(&cell));
    payload["incarnation"] = json!(2);
    let payload = serde_json::to_vec(&payload).unwrap();
    let kind = PayloadKind::StateAttestation.payload_type();
    let key = ed25519("message-2b");
    cell.accept(&Envelope::sign_ed25519(kind, payload, "node:node-2", &key).unwrap());
    assert_eq!(cell.state.agreeing_nodes().len(), 1);
}

#[test]
fn digests_of_the_last_64_periods_are_kept_and_no_more() {
    let mut state = Cell::new().state;
    for period in 1..=65 {
        state.size = period * ATTEST_EVERY;
        state.keep_digest();
        assert_eq!(state.digest_at(ATTEST_EVERY).is_some(), period <= 64, "{period}");
    }
    assert_eq!(state.digests.len(), 64);
    assert!(state.digest_at(2 * ATTEST_EVERY).is_some());
}
