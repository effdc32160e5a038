//! Attacks on what nodes say about old shares: said too early, for another, twice, or by a copy of the node.

use serde_json::json;

use super::super::cell::{Cell, erased, erased_with};
use super::super::incarnations::keys;
use super::*;

fn said_by(cell: &Cell, epoch: u32) -> Vec<String> {
    cell.state.erased_by(wallet(cell), epoch).iter().map(ToString::to_string).collect()
}

#[test]
fn log_shows_which_nodes_have_erased_the_shares_of_an_epoch() {
    let mut cell = migrated();
    assert!(said_by(&cell, 0).is_empty());
    for node in [3, 1] {
        cell.accept(&erased(node, 1, 0));
    }
    assert_eq!(said_by(&cell, 0), ["node-1", "node-3"]);
    cell.accept(&erased(2, 1, 0));
    assert_eq!(said_by(&cell, 0), ["node-1", "node-2", "node-3"]);
    let said = &wallet(&cell).erasures[0];
    assert_eq!((said.node.as_str(), said.epoch, said.time.0), ("node-3", 0, cell.now - 2));
}

#[test]
fn shares_that_sign_or_are_yet_to_come_are_not_erased() {
    let mut cell = cell();
    assert_names(&mut cell, &erased(1, 1, 0), "FIELD_INVALID", "epoch");
    let id = approved(&mut cell);
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
        assert_names(&mut cell, &erased(1, 1, 0), "FIELD_INVALID", "epoch");
    }
    cell.accept(&activation(id, 1));
    for epoch in [1, 2, u32::MAX] {
        assert_names(&mut cell, &erased(1, 1, epoch), "FIELD_INVALID", "epoch");
    }
    cell.accept(&erased(1, 1, 0));
}

#[test]
fn each_node_speaks_for_itself_and_once() {
    let mut cell = migrated();
    let payload =
        json!({"cluster": "demo-1", "node": "node-2", "incarnation": 1, "wallet": "hot-1", "epoch": 0});
    let by_another = erased_with(1, &payload);
    assert_eq!(cell.refuse(&by_another), "SIGNER_NOT_AUTHORIZED");
    cell.accept(&erased(1, 1, 0));
    assert_eq!(cell.refuse(&erased(1, 1, 0)), "ALREADY_RECORDED");
    assert_eq!(said_by(&cell, 0), ["node-1"]);
    assert!(said_by(&cell, 1).is_empty(), "nothing is said of what comes after");
}

#[test]
fn node_outside_the_committee_has_nothing_to_say() {
    let mut cell = migrated();
    let mut of_two = wallet(&cell).clone();
    of_two.nodes.truncate(2);
    cell.state.wallets.insert(of_two.id.clone(), std::sync::Arc::new(of_two));
    assert_names(&mut cell, &erased(3, 1, 0), "SIGNER_NOT_AUTHORIZED", "node");
    cell.accept(&erased(2, 1, 0));
}

#[test]
fn word_for_another_cell_or_wallet_or_incarnation_is_refused() {
    let mut cell = migrated();
    let word = |member: &str, value: Value| {
        let mut payload =
            json!({"cluster": "demo-1", "node": "node-1", "incarnation": 1, "wallet": "hot-1", "epoch": 0});
        payload[member] = value;
        erased_with(1, &payload)
    };
    assert_names(&mut cell, &word("cluster", json!("demo-2")), "CLUSTER_MISMATCH", "cluster");
    assert_names(&mut cell, &word("wallet", json!("hot-9")), "UNKNOWN_WALLET", "wallet");
    for incarnation in [0, 2] {
        assert_names(&mut cell, &word("incarnation", json!(incarnation)), "FIELD_INVALID", "incarnation");
    }
}

#[test]
fn node_that_was_restored_says_it_again() {
    let mut cell = migrated();
    cell.accept(&erased(2, 1, 0));
    // Given a restore, from a copy that may have the old share
    cell.change_roster(keys(2, "cosign-2b", "message-2b", 1));
    assert!(said_by(&cell, 0).is_empty());
    assert_eq!(cell.unauthentic(&erased(2, 2, 0)), "ENVELOPE_SIGNATURE_INVALID");
}
