//! New keys for nodes and for the coordinator.

use holdfast_log::Hash;
use holdfast_policy::NodeId;
use serde_json::json;

use super::authority::add_officer;
use super::cell::{Cell, confirmation, coordinator, ed25519, sign};
use crate::*;

pub(super) fn keys(node: u8, cosigning: &str, message: &str, size: u64) -> RosterChange {
    RosterChange::ReplaceNodeKeys {
        node: NodeId::new(format!("node-{node}")).unwrap(),
        cosigning_key: ed25519(cosigning).verifying_key(),
        message_key: ed25519(message).verifying_key(),
        minimum: MinimumCheckpoint { size, root: Hash([5; 32]) },
    }
}

#[test]
fn restored_node_gets_new_keys_and_a_minimum_and_its_old_keys_are_void() {
    let mut cell = Cell::new();
    let body = cell.wallet_proposal("hot-1");
    let id = cell.approved(body);
    cell.change_roster(keys(2, "cosign-2b", "message-2b", 3));
    let node = cell.state.roster().nodes()[1].clone();
    assert_eq!(node.incarnation, 2);
    assert_eq!(node.minimum, Some(MinimumCheckpoint { size: 3, root: Hash([5; 32]) }));
    assert_eq!(node.cosigning_key, ed25519("cosign-2b").verifying_key());
    let by_old_key = confirmation(id, "hot-1", 2, "aa");
    assert_eq!(cell.unauthentic(&by_old_key), "ENVELOPE_SIGNATURE_INVALID");
    assert_eq!(cell.state.roster_at(2).nodes()[1].incarnation, 1);
    cell.change_roster(keys(2, "cosign-2c", "message-2c", 4));
    assert_eq!(cell.state.roster().nodes()[1].incarnation, 3);
}

#[test]
fn re_enrolment_with_a_used_or_shared_key_is_refused() {
    let mut cell = Cell::new();
    assert_eq!(cell.refused_change(keys(2, "cosign-2", "message-2b", 1)), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(keys(2, "cosign-3", "message-2b", 1)), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(keys(2, "new", "new", 1)), "KEY_ALREADY_USED");
    cell.change_roster(keys(2, "cosign-2b", "message-2b", 1));
    assert_eq!(cell.refused_change(keys(2, "cosign-2", "message-2", 1)), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(add_officer("dave", "message-2")), "KEY_ALREADY_USED");
}

#[test]
fn minimum_checkpoint_that_this_log_cannot_have_is_refused() {
    let mut cell = Cell::new();
    let beyond = cell.state.size() + 1;
    assert_eq!(cell.refused_change(keys(2, "cosign-2b", "message-2b", beyond)), "FIELD_INVALID");
    assert_eq!(cell.refused_change(keys(2, "cosign-2b", "message-2b", 0)), "FIELD_INVALID");
    let whole = cell.state.size();
    let body = cell.roster_proposal(keys(2, "cosign-2b", "message-2b", whole));
    cell.proposed("alice", body);
}

#[test]
fn key_generation_ends_when_a_node_gets_new_keys() {
    let mut cell = Cell::new();
    let body = cell.wallet_proposal("hot-1");
    let id = cell.approved(body);
    for node in 1..=3 {
        cell.accept(&confirmation(id, "hot-1", node, "aa"));
    }
    cell.change_roster(keys(2, "cosign-2b", "message-2b", 3));
    assert_eq!(cell.phase(id), CeremonyPhase::Superseded);
    let payload = json!({"cluster": "demo-1", "ceremony": id, "wallet": "hot-1", "epoch": 0});
    assert_eq!(cell.refuse(&coordinator(PayloadKind::EpochActivated, &payload)), "CEREMONY_PHASE");
}

#[test]
fn officers_replace_the_coordinators_keys_and_the_old_ones_are_void() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let by_old_key = cell.authorize(id);
    let before = cell.state.size();
    cell.change_roster(RosterChange::ReplaceCoordinatorKeys {
        log_key: Some(ed25519("log-2").verifying_key()),
        entry_key: Some(ed25519("entry-2").verifying_key()),
    });
    assert_eq!(cell.unauthentic(&by_old_key), "ENVELOPE_SIGNATURE_INVALID");
    let after = cell.state.roster().in_force_from();
    assert_eq!(after, cell.state.size());
    let log_key = |size: u64| cell.state.roster_at(size).coordinator().log_key;
    assert_eq!(log_key(before), ed25519("log").verifying_key());
    assert_eq!(log_key(after - 1), ed25519("log").verifying_key());
    assert_eq!(log_key(after), ed25519("log-2").verifying_key());
    let digest = cell.withdrawal(id).transaction.as_ref().unwrap().signing_hash;
    let payload = json!({"cluster": "demo-1", "withdrawal": id, "digests": [digest]});
    let by_new_key = sign(PayloadKind::Authorize, &payload, "coordinator", "entry-2");
    cell.accept(&by_new_key);
}

#[test]
fn one_of_the_coordinators_keys_can_be_replaced_alone() {
    let mut cell = Cell::new();
    let log_key = Some(ed25519("log-2").verifying_key());
    cell.change_roster(RosterChange::ReplaceCoordinatorKeys { log_key, entry_key: None });
    let keys = cell.state.roster().coordinator();
    assert_eq!(keys.log_key, ed25519("log-2").verifying_key());
    assert_eq!(keys.entry_key, ed25519("entry").verifying_key());
    let back = RosterChange::ReplaceCoordinatorKeys {
        log_key: Some(ed25519("log").verifying_key()),
        entry_key: None,
    };
    assert_eq!(cell.refused_change(back), "KEY_ALREADY_USED");
}

#[test]
fn key_that_proves_nothing_is_refused() {
    let mut cell = Cell::new();
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = ed25519_dalek::VerifyingKey::from_bytes(&identity).unwrap();
    let log_key = RosterChange::ReplaceCoordinatorKeys { log_key: Some(weak), entry_key: None };
    assert_eq!(cell.refused_change(log_key), "FIELD_INVALID");
}

#[test]
fn proposed_wallet_outlives_a_re_enrolment() {
    let mut cell = Cell::new();
    let body = cell.wallet_proposal("hot-1");
    let id = cell.proposed("alice", body);
    cell.change_roster(keys(2, "cosign-2b", "message-2b", 1));
    cell.approve("alice", id);
    assert_eq!(cell.approve("bob", id), CeremonyPhase::Approved);
}
