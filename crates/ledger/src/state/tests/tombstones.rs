//! Attacks on tombstones, and on the account nonces that they free.

use holdfast_log::Hash;
use holdfast_policy::{NodeId, TimestampMs};
use serde_json::json;

use super::after::{gwei, own_address, pays, sworn, tombstone};
use super::cell::{Cell, ed25519, sign};
use crate::*;

#[test]
fn enough_tombstones_end_a_withdrawal_and_only_then_is_its_nonce_free() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    let request = cell.request("k-2", 10);
    let next = cell.ask(&request);
    assert_eq!(cell.refuse_authorize(next), "ACCOUNT_NONCE_USED");
    cell.accept(&sworn(1, id));
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized, "one of two that are needed");
    assert_eq!(cell.refuse_authorize(next), "ACCOUNT_NONCE_USED");
    cell.accept(&sworn(3, id));
    assert_eq!(cell.state_of(id), WithdrawalState::Tombstoned);
    assert_eq!(cell.order(id).unwrap_err(), "ORDER_NOT_PERMITTED");
    assert_eq!(cell.refuse_authorize(id), "WITHDRAWAL_NOT_AUTHORIZABLE");
    assert_eq!(cell.refuse(&sworn(2, id)), "ALREADY_RECORDED");
    cell.accept_authorize(next);
    assert!(cell.order(next).is_ok());
}

#[test]
fn hostile_nodes_raise_the_number_of_tombstones() {
    let mut document = super::cell::document();
    document["threshold"] = json!({"t": 2, "n": 3, "f": 1});
    let mut cell = Cell::from_genesis(super::cell::genesis_entry(&document).unwrap());
    cell.make_ready();
    let id = cell.authorized("k-1", 10, 0);
    assert_eq!(cell.state.tombstones_needed(), 3);
    for (node, state) in
        [(1, WithdrawalState::Authorized), (2, WithdrawalState::Authorized), (3, WithdrawalState::Tombstoned)]
    {
        cell.accept(&sworn(node, id));
        assert_eq!(cell.state_of(id), state, "after {node}");
    }
}

#[test]
fn node_counts_once_and_strangers_do_not_count() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    cell.accept(&sworn(1, id));
    assert_eq!(cell.refuse(&sworn(1, id)), "ALREADY_RECORDED");
    assert_eq!(cell.unauthentic(&tombstone(4, 1, "message-4", id)), "SIGNER_UNKNOWN");
    assert_eq!(cell.unauthentic(&tombstone(2, 1, "message-1", id)), "ENVELOPE_SIGNATURE_INVALID");
    assert_eq!(cell.unauthentic(&tombstone(2, 1, "cosign-2", id)), "ENVELOPE_SIGNATURE_INVALID");
    let payload = json!({"cluster": "demo-1", "node": "node-2", "incarnation": 1, "withdrawal": id});
    let by_client = sign(PayloadKind::Tombstone, &payload, "client", "pipeline");
    assert_eq!(cell.unauthentic(&by_client), "SIGNER_UNKNOWN");
    // node-1 in node-2's name
    let mut forged = sworn(1, id);
    forged = holdfast_log::Envelope::sign_ed25519(
        forged.payload_type,
        serde_json::to_vec(&payload).unwrap(),
        "node:node-1",
        &ed25519("message-1"),
    )
    .unwrap();
    assert_eq!(cell.refuse(&forged), "SIGNER_NOT_AUTHORIZED");
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
}

#[test]
fn node_without_a_share_of_the_wallet_does_not_count() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    let mut wallet = cell.state.wallet(&"hot-1".parse().unwrap()).unwrap().clone();
    wallet.nodes.pop();
    cell.state.wallets.insert(wallet.id.clone(), std::sync::Arc::new(wallet));
    assert_eq!(cell.refuse(&sworn(3, id)), "SIGNER_NOT_AUTHORIZED");
    cell.accept(&sworn(2, id));
}

#[test]
fn tombstone_for_another_cell_or_withdrawal_is_refused() {
    let mut cell = Cell::ready();
    let unknown = WithdrawalId::of("demo-1", "pipeline", "never");
    assert_eq!(cell.refuse(&sworn(1, unknown)), "UNKNOWN_WITHDRAWAL");
    let id = cell.authorized("k-1", 10, 0);
    let payload = json!({"cluster": "demo-2", "node": "node-1", "incarnation": 1, "withdrawal": id});
    let elsewhere = holdfast_log::Envelope::sign_ed25519(
        PayloadKind::Tombstone.payload_type(),
        serde_json::to_vec(&payload).unwrap(),
        "node:node-1",
        &ed25519("message-1"),
    )
    .unwrap();
    assert_eq!(cell.refuse(&elsewhere), "CLUSTER_MISMATCH");
}

#[test]
fn tombstones_of_an_older_incarnation_neither_act_nor_count() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    cell.accept(&sworn(2, id));
    cell.change_roster(RosterChange::ReplaceNodeKeys {
        node: NodeId::new("node-2").unwrap(),
        cosigning_key: ed25519("cosign-2b").verifying_key(),
        message_key: ed25519("message-2b").verifying_key(),
        minimum: MinimumCheckpoint { size: 3, root: Hash([5; 32]) },
    });
    assert_eq!(cell.state.counted_tombstones(cell.withdrawal(id)), 0);
    assert_eq!(cell.unauthentic(&sworn(2, id)), "ENVELOPE_SIGNATURE_INVALID");
    assert_eq!(cell.refuse(&tombstone(2, 1, "message-2b", id)), "FIELD_INVALID");
    assert_eq!(cell.refuse(&tombstone(2, 3, "message-2b", id)), "FIELD_INVALID");
    // The restored node does not know what it released: it cannot swear about what was authorized before.
    assert_eq!(cell.refuse(&tombstone(2, 2, "message-2b", id)), "WITHDRAWAL_NOT_TOMBSTONABLE");
    let node = NodeId::new("node-2").unwrap();
    assert_eq!(cell.state.may_swear(&id, &node).unwrap_err().code(), "ORDER_NOT_PERMITTED");
    cell.accept_authorize(id);
    assert!(cell.state.may_swear(&id, &node).is_err(), "a renewal is not the first authorization");
    cell.accept(&sworn(1, id));
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized, "the old oath does not count");
    cell.accept(&sworn(3, id));
    assert_eq!(cell.state_of(id), WithdrawalState::Tombstoned);
    // What was authorized since, it can
    let later = cell.authorized("k-2", 10, 1);
    assert!(cell.state.may_swear(&later, &node).is_ok());
    cell.accept(&tombstone(2, 2, "message-2b", later));
    cell.accept(&sworn(1, later));
    assert_eq!(cell.state_of(later), WithdrawalState::Tombstoned);
}

#[test]
fn signed_and_unauthorized_withdrawals_cannot_be_given_up() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let bound = cell.ask(&request);
    assert_eq!(cell.refuse(&sworn(1, bound)), "WITHDRAWAL_NOT_TOMBSTONABLE");
    let refused = |cell: &Cell, id| cell.state.tombstonable(&id, TimestampMs(cell.now)).unwrap_err().code();
    assert_eq!(refused(&cell, bound), "ORDER_NOT_PERMITTED");
    let signed = cell.signed("k-2", 10, 0);
    assert_eq!(cell.refuse(&sworn(1, signed)), "WITHDRAWAL_NOT_TOMBSTONABLE");
    assert_eq!(refused(&cell, signed), "ORDER_NOT_PERMITTED");
    let transaction = pays(None, &own_address(), 0, 0, gwei(40, 2));
    let request = cell.replacement("k-3", signed, "cancel-on-chain", &transaction);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert_eq!(cell.refuse(&sworn(1, signed)), "WITHDRAWAL_NOT_TOMBSTONABLE", "replaced, but signed before");
    assert_eq!(refused(&cell, WithdrawalId::of("demo-1", "pipeline", "never")), "ORDER_UNKNOWN");
}

#[test]
fn node_swears_only_what_its_log_and_clock_permit() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    let at = cell.withdrawal(id).authorization.as_ref().unwrap().time.0;
    let oath = cell.state.tombstonable(&id, TimestampMs(at)).unwrap();
    let sworn = oath.oath(NodeId::new("node-1").unwrap(), 1);
    assert_eq!((oath.withdrawal(), sworn.withdrawal, sworn.cluster.as_str()), (id, id, "demo-1"));
    assert!(cell.state.tombstonable(&id, TimestampMs(at - 5_000)).is_ok());
    let refused = cell.state.tombstonable(&id, TimestampMs(at - 5_001)).unwrap_err();
    assert_eq!(refused.code(), "AUTHORIZATION_AHEAD_OF_CLOCK");
}

#[test]
fn signature_that_appears_after_the_tombstones_is_refused_as_evidence() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    let signature = cell.signature_of(id);
    cell.accept(&sworn(1, id));
    cell.accept(&sworn(2, id));
    let rejection = cell.state.check(&signature, TimestampMs(cell.now)).unwrap().unwrap_err();
    assert_eq!((rejection.code(), rejection.is_logged()), (RejectionCode::WithdrawalTombstoned, true));
    assert_eq!(cell.refuse(&signature), "WITHDRAWAL_TOMBSTONED");
    assert_eq!(cell.state_of(id), WithdrawalState::Tombstoned);
}

#[test]
fn signature_before_enough_tombstones_is_canonical_and_ends_giving_up() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    cell.accept(&sworn(1, id));
    let signature = cell.signature_of(id);
    cell.accept(&signature);
    assert_eq!(cell.refuse(&sworn(2, id)), "WITHDRAWAL_NOT_TOMBSTONABLE");
    assert_eq!(cell.state_of(id), WithdrawalState::Signed);
}

#[test]
fn replaced_withdrawal_can_be_given_up_and_stays_linked() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 0);
    let transaction = pays(None, &own_address(), 0, 0, gwei(40, 2));
    let request = cell.replacement("k-2", id, "cancel-on-chain", &transaction);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    for node in [1, 2] {
        cell.accept(&sworn(node, id));
    }
    assert_eq!(cell.state_of(id), WithdrawalState::Tombstoned);
    assert_eq!(cell.withdrawal(id).replaced_by, Some(cancelled));
    cell.accept_authorize(cancelled);
    assert!(cell.order(cancelled).is_ok(), "giving the original up does not touch its replacement");
}

#[test]
fn account_nonce_is_not_freed_by_time() {
    let mut cell = Cell::ready();
    let mut short = cell.request("k-1", 10);
    short["expires_at_ms"] = json!(cell.now + 20_000);
    let short = cell.ask(&short);
    cell.accept_authorize(short);
    let next = cell.request("k-2", 10);
    let next = cell.ask(&next);
    cell.now += 60_000;
    assert_eq!(cell.order(short).unwrap_err(), "INTENT_EXPIRED");
    assert_eq!(cell.refuse_authorize(next), "ACCOUNT_NONCE_USED", "a hidden signature may exist");
    // The account is not stuck: a cancellation on chain uses the nonce up.
    let transaction = pays(None, &own_address(), 0, 0, gwei(40, 2));
    let request = cell.replacement("k-3", short, "cancel-on-chain", &transaction);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert!(cell.order(cancelled).is_ok());
}
