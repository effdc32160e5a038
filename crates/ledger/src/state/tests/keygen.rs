//! Attacks on key generation: what a node or the coordinator says about another ceremony, wallet, committee or engine.

use holdfast_policy::WalletId;
use serde_json::{Value, json};

use super::cell::{Cell, assert_names, confirmation, confirmation_with, coordinator};
use crate::*;

fn proposed(cell: &Cell) -> WalletProposal {
    let nodes = cell.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
    WalletProposal { wallet: "hot-1".parse().unwrap(), engine: "test".to_owned(), t: 2, n: 3, nodes }
}

fn generating(cell: &mut Cell) -> CeremonyId {
    let proposal = proposed(cell);
    cell.approved(StatementBody::ProposeWallet(proposal))
}

/// A confirmation of node 1 with other members, signed by node 1.
fn confirmed_otherwise(id: CeremonyId, member: &str, value: Value) -> holdfast_log::Envelope {
    confirmation_with(id, 1, &[(member, value)])
}

fn activation(id: CeremonyId, member: &str, value: Value) -> holdfast_log::Envelope {
    let mut payload = json!({"cluster": "demo-1", "ceremony": id, "wallet": "hot-1", "epoch": 0});
    payload[member] = value;
    coordinator(PayloadKind::EpochActivated, &payload)
}

#[test]
fn confirmation_of_anything_else_than_what_was_approved_is_refused() {
    let mut cell = Cell::new();
    let id = generating(&mut cell);
    let share = super::cell::wallet_public();
    for (member, value, code, field) in [
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH", "cluster"),
        ("ceremony", json!(CeremonyId::of(&StatementDigest::of(b"never"))), "UNKNOWN_CEREMONY", "ceremony"),
        ("node", json!("node-2"), "SIGNER_NOT_AUTHORIZED", "node"),
        ("wallet", json!("hot-2"), "FIELD_INVALID", "wallet"),
        ("epoch", json!(1), "FIELD_INVALID", "wallet"),
        ("engine", json!("backdoored"), "FIELD_INVALID", "engine"),
        ("verifying_shares", json!([share, share]), "FIELD_INVALID", "verifying_shares"),
        ("backup_restored", json!(false), "FIELD_INVALID", "backup_restored"),
    ] {
        let envelope = confirmed_otherwise(id, member, value);
        assert_names(&mut cell, &envelope, code, Some(field));
    }
    cell.accept(&confirmation(id, "hot-1", 1, "aa"));
    assert_names(&mut cell, &confirmation(id, "hot-1", 1, "aa"), "ALREADY_RECORDED", None);
    assert_names(&mut cell, &confirmation(id, "hot-1", 1, "bb"), "ALREADY_RECORDED", None);
}

#[test]
fn activation_of_anything_else_than_what_was_confirmed_is_refused() {
    let mut cell = Cell::new();
    let id = generating(&mut cell);
    for node in 1..=3 {
        cell.accept(&confirmation(id, "hot-1", node, "aa"));
    }
    for (member, value, code, field) in [
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH", "cluster"),
        ("ceremony", json!(CeremonyId::of(&StatementDigest::of(b"never"))), "UNKNOWN_CEREMONY", "ceremony"),
        ("wallet", json!("hot-2"), "FIELD_INVALID", "wallet"),
        ("epoch", json!(1), "FIELD_INVALID", "wallet"),
    ] {
        let envelope = activation(id, member, value);
        assert_names(&mut cell, &envelope, code, Some(field));
    }
    cell.accept(&activation(id, "epoch", json!(0)));
    assert_names(&mut cell, &activation(id, "epoch", json!(0)), "CEREMONY_PHASE", Some("ceremony"));
}

#[test]
fn other_thresholds_and_committees_than_the_clusters_are_refused() {
    let mut cell = Cell::new();
    let honest = proposed(&cell);
    let swapped: Vec<_> = honest.nodes.iter().rev().cloned().collect();
    for (t, n, nodes) in [
        (3, 3, honest.nodes.clone()),
        (2, 2, honest.nodes.clone()),
        (2, 3, honest.nodes[..2].to_vec()),
        (2, 3, swapped),
    ] {
        let proposal = WalletProposal { t, n, nodes, ..honest.clone() };
        let statement = cell.statement("alice", StatementBody::ProposeWallet(proposal));
        assert_names(&mut cell, &statement, "FIELD_INVALID", Some("threshold"));
    }
}

#[test]
fn name_of_a_wallet_is_taken_while_its_key_is_made_and_for_ever_after() {
    let mut cell = Cell::new();
    let first = generating(&mut cell);
    let again = StatementBody::ProposeWallet(proposed(&cell));
    let other =
        StatementBody::ProposeWallet(WalletProposal { wallet: "hot-2".parse().unwrap(), ..proposed(&cell) });
    let statement = cell.statement("bob", again.clone());
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", Some("wallet"));
    for node in 1..=3 {
        cell.accept(&confirmation(first, "hot-1", node, "aa"));
    }
    let statement = cell.statement("bob", again.clone());
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", Some("wallet"));
    cell.accept(&activation(first, "epoch", json!(0)));
    let statement = cell.statement("bob", again);
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", Some("wallet"));
    let statement = cell.statement("bob", other);
    cell.accept(&statement);
}

#[test]
fn second_of_two_ceremonies_for_one_name_makes_no_second_key() {
    // Given two proposals for one name, made before either was approved
    let mut cell = Cell::new();
    let [first, second] = ["alice", "bob"].map(|officer| {
        let statement = cell.statement(officer, StatementBody::ProposeWallet(proposed(&cell)));
        cell.accept(&statement).ceremony.unwrap()
    });
    let approve = |cell: &mut Cell, officer: &str, id| {
        let statement = cell.statement(officer, StatementBody::ApproveCeremony(id));
        cell.submit(&statement)
    };
    // When both are approved and confirmed
    for id in [first, second] {
        for officer in ["alice", "bob"] {
            approve(&mut cell, officer, id);
        }
    }
    for id in [first, second] {
        for node in 1..=3 {
            cell.accept(&confirmation(id, "hot-1", node, "aa"));
        }
    }
    // Then one of them makes the wallet
    cell.accept(&activation(first, "epoch", json!(0)));
    assert_names(&mut cell, &activation(second, "epoch", json!(0)), "ALREADY_EXISTS", Some("wallet"));
    let wallet = cell.state.wallet(&WalletId::new("hot-1").unwrap()).unwrap();
    assert_eq!(wallet.ceremony, first);
}

#[test]
fn approval_of_a_name_that_was_taken_meanwhile_is_refused() {
    let mut cell = Cell::new();
    let late = cell.statement("bob", StatementBody::ProposeWallet(proposed(&cell)));
    let late = cell.accept(&late).ceremony.unwrap();
    cell.create_wallet("hot-1");
    let statement = cell.statement("alice", StatementBody::ApproveCeremony(late));
    cell.accept(&statement);
    let statement = cell.statement("bob", StatementBody::ApproveCeremony(late));
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", Some("wallet"));
}

#[test]
fn ceremony_that_makes_no_key_takes_no_confirmation() {
    let mut cell = Cell::new();
    let entry = cell.whitelist(super::cell::PAYEE, 1_000_000);
    let id = cell.state.ceremonies().find(|c| c.whitelist_entry.as_ref() == Some(&entry)).unwrap().id;
    assert_names(&mut cell, &confirmation(id, "hot-1", 1, "aa"), "CEREMONY_PHASE", Some("ceremony"));
    assert_eq!(cell.state.approved_keygen(&id).unwrap_err().code(), "ORDER_NOT_PERMITTED");
}

#[test]
fn last_node_that_contradicts_fails_the_ceremony_like_any_other() {
    let mut cell = Cell::new();
    let id = generating(&mut cell);
    for (node, transcript) in [(1, "aa"), (2, "aa"), (3, "bb")] {
        cell.accept(&confirmation(id, "hot-1", node, transcript));
    }
    assert_eq!(cell.phase(id), CeremonyPhase::Failed);
    assert_names(&mut cell, &activation(id, "epoch", json!(0)), "CEREMONY_PHASE", Some("ceremony"));
}

#[test]
fn node_of_the_roster_outside_the_committee_confirms_nothing() {
    // Given a committee that is narrower than the roster, as no proposal today can make one
    let mut cell = Cell::new();
    let id = generating(&mut cell);
    let mut ceremony = cell.state.ceremony(&id).unwrap().clone();
    let CeremonyKind::CreateWallet(proposal) = &mut ceremony.kind else { panic!("{ceremony:?}") };
    proposal.nodes.pop();
    cell.state.ceremonies.insert(id, ceremony.into());
    // When the node outside confirms, then it is refused for being outside
    assert_names(&mut cell, &confirmation(id, "hot-1", 3, "aa"), "SIGNER_NOT_AUTHORIZED", Some("node"));
}
