//! Attacks on a migration: another key under the old name, shares from fewer than t, and words about the wrong epoch.

use holdfast_chains::PublicKey;
use holdfast_policy::{OfficerId, WalletId};
use serde_json::{Value, json};

use super::cell::{
    Cell, assert_names, confirmation_with, coordinator, other_public, signed_statement, wallet_public,
};
use crate::*;

mod erasures;
mod fresh;
mod thieves;

const OLD: &str = "test";
const NEW: &str = "test-2";

fn wallet(cell: &Cell) -> &Wallet {
    cell.state.wallet(&WalletId::new("hot-1").unwrap()).unwrap()
}

fn cell() -> Cell {
    let mut cell = Cell::new();
    cell.create_wallet("hot-1");
    cell
}

fn proposed(cell: &Cell) -> MigrationProposal {
    let wallet = wallet(cell);
    MigrationProposal {
        wallet: wallet.id.clone(),
        from_engine: wallet.engine.clone(),
        engine: NEW.to_owned(),
        from_epoch: wallet.epoch,
        chain_code: NextChainCode::Carried,
        givers: wallet.nodes[..2].to_vec(),
        receivers: wallet.nodes.clone(),
    }
}

fn approved(cell: &mut Cell) -> CeremonyId {
    let proposal = proposed(cell);
    cell.approved(StatementBody::ProposeMigration(proposal))
}

fn new_shares() -> [PublicKey; 3] {
    [11, 12, 13].map(other_public)
}

/// A node's honest confirmation with one member changed.
fn confirmed(id: CeremonyId, node: u8, changed: Option<(&str, Value)>) -> holdfast_log::Envelope {
    let mut members =
        vec![("epoch", json!(1)), ("engine", json!(NEW)), ("verifying_shares", json!(new_shares()))];
    members.extend(changed);
    confirmation_with(id, node, &members)
}

/// A cell whose wallet has shares of epoch 1.
fn migrated() -> Cell {
    let mut cell = cell();
    let id = approved(&mut cell);
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    cell.accept(&activation(id, 1));
    cell
}

fn activation(id: CeremonyId, epoch: u32) -> holdfast_log::Envelope {
    let payload = json!({"cluster": "demo-1", "ceremony": id, "wallet": "hot-1", "epoch": epoch});
    coordinator(PayloadKind::EpochActivated, &payload)
}

#[test]
fn migrated_wallet_keeps_key_children_address_and_pauses() {
    let mut cell = cell();
    let pause = cell.statement("alice", StatementBody::PauseWallet("hot-1".parse().unwrap()));
    cell.accept(&pause);
    let before = wallet(&cell).clone();
    let id = approved(&mut cell);
    for node in 1..=3 {
        assert_eq!(wallet(&cell), &before, "nothing changes before the activation");
        cell.accept(&confirmed(id, node, None));
    }
    assert_eq!(wallet(&cell), &before);
    cell.accept(&activation(id, 1));
    let after = wallet(&cell);
    let expected = Wallet {
        engine: NEW.to_owned(),
        epoch: 1,
        verifying_shares: new_shares().to_vec(),
        migrations: vec![id],
        ..before.clone()
    };
    assert_eq!(*after, expected);
    assert!(after.is_paused());
    assert_eq!(after.deposit_key(7).unwrap(), before.deposit_key(7).unwrap());
    assert_eq!(cell.phase(id), CeremonyPhase::Activated);
}

#[test]
fn other_key_or_chain_code_or_share_that_stays_is_never_confirmed() {
    let mut cell = cell();
    let id = approved(&mut cell);
    let [first, second, _] = new_shares();
    for (member, value) in [
        ("public_key", json!(other_public(9))),
        ("chain_code", json!(format!("0x{}", "22".repeat(32)))),
        ("verifying_shares", json!([first, second, wallet_public()])),
        ("verifying_shares", json!([first, second])),
        ("engine", json!(OLD)),
        ("backup_restored", json!(false)),
    ] {
        let envelope = confirmed(id, 1, Some((member, value)));
        assert_names(&mut cell, &envelope, "FIELD_INVALID", member);
    }
    for epoch in [0, 2] {
        let envelope = confirmed(id, 1, Some(("epoch", json!(epoch))));
        assert_names(&mut cell, &envelope, "FIELD_INVALID", "wallet");
    }
    cell.accept(&confirmed(id, 1, None));
}

#[test]
fn nodes_that_saw_different_shares_end_the_migration_and_the_old_ones_stay() {
    let mut cell = cell();
    let before = wallet(&cell).clone();
    let id = approved(&mut cell);
    cell.accept(&confirmed(id, 1, None));
    let other = [11, 12, 14].map(other_public);
    cell.accept(&confirmed(id, 2, Some(("verifying_shares", json!(other)))));
    assert_eq!(cell.phase(id), CeremonyPhase::Failed);
    assert_eq!(cell.refuse(&activation(id, 1)), "CEREMONY_PHASE");
    assert_eq!(wallet(&cell), &before);
    // Another attempt is another ceremony.
    approved(&mut cell);
}

#[test]
fn activation_needs_every_node_and_names_the_next_epoch() {
    let mut cell = cell();
    let id = approved(&mut cell);
    for node in 1..=2 {
        cell.accept(&confirmed(id, node, None));
        assert_names(&mut cell, &activation(id, 1), "CEREMONY_PHASE", "ceremony");
    }
    cell.accept(&confirmed(id, 3, None));
    for epoch in [0, 2] {
        assert_names(&mut cell, &activation(id, epoch), "FIELD_INVALID", "wallet");
    }
    cell.accept(&activation(id, 1));
    assert_names(&mut cell, &activation(id, 1), "CEREMONY_PHASE", "ceremony");
}

#[test]
fn proposals_about_other_shares_than_the_logs_are_refused() {
    let mut cell = cell();
    let honest = proposed(&cell);
    let [first, second, third] = [0, 1, 2].map(|place| honest.receivers[place].clone());
    let givers = |nodes: &[&holdfast_policy::NodeId]| {
        let givers = nodes.iter().map(|node| (*node).clone()).collect();
        MigrationProposal { givers, ..honest.clone() }
    };
    let outside = "node-9".parse().unwrap();
    for (proposal, field) in [
        (MigrationProposal { from_engine: NEW.to_owned(), ..honest.clone() }, "engine"),
        (MigrationProposal { from_epoch: 1, ..honest.clone() }, "epoch"),
        (MigrationProposal { receivers: honest.receivers[..2].to_vec(), ..honest.clone() }, "receiver"),
        (givers(&[]), "giver"),
        (givers(&[&first]), "giver"),
        (givers(&[&first, &second, &third]), "giver"),
        (givers(&[&first, &first]), "giver"),
        (givers(&[&second, &first]), "giver"),
        (givers(&[&first, &outside]), "giver"),
    ] {
        let statement = cell.statement("alice", StatementBody::ProposeMigration(proposal));
        assert_names(&mut cell, &statement, "FIELD_INVALID", field);
    }
    // New shares of the same engine, given by any t.
    let again = MigrationProposal { engine: OLD.to_owned(), ..givers(&[&first, &third]) };
    let statement = cell.statement("alice", StatementBody::ProposeMigration(again));
    cell.accept(&statement);
}

#[test]
fn wallet_has_one_migration_at_a_time_and_none_of_shares_that_are_gone() {
    let mut cell = cell();
    // Given two proposals, made before either was approved
    let statement = cell.statement("bob", StatementBody::ProposeMigration(proposed(&cell)));
    let late = cell.accept(&statement).ceremony.unwrap();
    let id = approved(&mut cell);
    // When one runs, then the other is not approved, and none is proposed
    let approve = |cell: &mut Cell, officer: &str| {
        let statement = cell.statement(officer, StatementBody::ApproveCeremony(late));
        cell.submit(&statement)
    };
    assert!(matches!(approve(&mut cell, "alice"), Outcome::Admitted(_)));
    let statement = cell.statement("bob", StatementBody::ApproveCeremony(late));
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", "wallet");
    let statement = cell.statement("alice", StatementBody::ProposeMigration(proposed(&cell)));
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", "wallet");
    // And when it is done, the shares that the other was about are gone
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    cell.accept(&activation(id, 1));
    let statement = cell.statement("bob", StatementBody::ApproveCeremony(late));
    assert_names(&mut cell, &statement, "FIELD_INVALID", "engine");
}

#[test]
fn unknown_wallet_is_not_described_and_not_migrated() {
    let cell = cell();
    let proposal = MigrationProposal { wallet: "hot-9".parse().unwrap(), ..proposed(&cell) };
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: OfficerId::new("alice").unwrap(),
        issued_at: cell.state.last_time(),
        expires_at: Some(holdfast_policy::TimestampMs(cell.state.last_time().0 + 1_000)),
        note: String::new(),
        body: StatementBody::ProposeMigration(proposal),
    };
    assert_eq!(cell.state.statement_text(&statement).unwrap_err().field(), Some("wallet"));
}

#[test]
fn officers_sign_what_stays_and_what_comes() {
    let cell = cell();
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: OfficerId::new("alice").unwrap(),
        issued_at: holdfast_policy::TimestampMs(1_763_700_000_004),
        expires_at: Some(holdfast_policy::TimestampMs(1_763_703_600_004)),
        note: String::new(),
        body: StatementBody::ProposeMigration(proposed(&cell)),
    };
    let text = cell.state.statement_text(&statement).unwrap();
    let address = wallet(&cell).address;
    let chain_code = wallet(&cell).chain_code;
    let expected = format!(
        "action: propose to migrate a wallet\nwallet: hot-1\nengine: test\nnew engine: test-2\nepoch: 0\nnew epoch: 1\n\
         chain code: carried\ngiver: node-1\ngiver: node-2\nreceiver: node-1\nreceiver: node-2\nreceiver: node-3\n\
         keeps address: {address}\nkeeps threshold: 2 of 3\nkeeps chain code: {chain_code}\n\
         deposit addresses: every one stays\nofficer: alice\n"
    );
    assert!(text.contains(&expected), "{text}");
    // And whoever approves signs the same lines.
    let mut cell = cell;
    let envelope = signed_statement("alice", &text);
    let id = cell.accept(&envelope).ceremony.unwrap();
    let approval = Statement {
        officer: OfficerId::new("bob").unwrap(),
        body: StatementBody::ApproveCeremony(id),
        ..statement
    };
    let text = cell.state.statement_text(&approval).unwrap();
    let lines =
        expected.replace("action: propose to ", "to: ").replace("officer: alice", "proposed by: alice");
    assert!(text.contains(&lines), "{text}");
}

#[test]
fn nodes_get_the_shares_that_are_handed_on_and_who_gives() {
    let mut cell = cell();
    let created = wallet(&cell).ceremony;
    assert_eq!(cell.state.approved_keygen(&created).unwrap_err().code(), "ORDER_NOT_PERMITTED");
    let id = approved(&mut cell);
    let permit = cell.state.approved_keygen(&id).unwrap();
    assert_eq!((permit.engine(), permit.epoch(), permit.threshold()), (NEW, 1, 2));
    let HandsOn { wallet: held, chain_code, givers } = permit.hands_on().unwrap();
    assert_eq!((held, &givers[..]), (wallet(&cell), &wallet(&cell).nodes[..2]));
    assert_eq!((chain_code, permit.nodes()), (&NextChainCode::Carried, wallet(&cell).nodes.as_slice()));
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    assert_eq!(cell.state.approved_keygen(&id).unwrap_err().code(), "ORDER_NOT_PERMITTED");
}

#[test]
fn quorum_is_that_of_a_new_wallet_unless_genesis_names_another() {
    let mut cell = cell();
    let id = approved(&mut cell);
    let quorum = &cell.state.ceremony(&id).unwrap().quorum;
    assert_eq!(quorum, &cell.state.genesis().document.quorums["create-wallet"]);
    assert_eq!(cell.state.ceremony(&id).unwrap().kind.name(), "migrate-wallet");
}
