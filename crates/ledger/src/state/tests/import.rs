//! Attacks on an import: public data that is no key's, a key that is a wallet already, other givers, other results.

use holdfast_chains::PublicKey;
use holdfast_policy::WalletId;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::sec1::ToEncodedPoint as _;
use k256::{ProjectivePoint, Scalar};
use serde_json::{Value, json};

use super::cell::{Cell, assert_names, confirmation_with, coordinator, other_public, wallet_public};
use crate::*;

const ENGINE: &str = "test";
/// Of the wallet that every test's cell has: its key's secret is 32 of these.
const OF_WALLET: u8 = 7;

/// The value at x of constant + 11x + 13x² + ..., times the generator.
fn value(constant: u8, t: u8, x: u64) -> PublicKey {
    let constant = Scalar::from_repr([constant; 32].into()).unwrap();
    let further = [11_u64, 13].into_iter().take(usize::from(t) - 1).map(Scalar::from);
    let coefficients: Vec<Scalar> = std::iter::once(constant).chain(further).collect();
    let scalar = coefficients.iter().rev().fold(Scalar::ZERO, |sum, next| sum * Scalar::from(x) + next);
    let point = (ProjectivePoint::GENERATOR * scalar).to_affine();
    PublicKey::from_sec1(point.to_encoded_point(true).as_bytes()).unwrap()
}

fn old_key(constant: u8, t: u8, n: u64) -> OldKey {
    let verifying_shares = (1..=n).map(|x| value(constant, t, x)).collect();
    OldKey { t, public_key: value(constant, t, 0), verifying_shares }
}

/// A cell with the wallet `hot-1`.
fn cell() -> Cell {
    let mut cell = Cell::new();
    cell.create_wallet("hot-1");
    cell
}

/// The key with this constant, 2 of 5, given by node-1 and node-3.
fn proposed(cell: &Cell, constant: u8) -> ImportProposal {
    let nodes: Vec<_> = cell.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
    ImportProposal {
        givers: vec![
            ImportGiver { node: nodes[0].clone(), party: 5 },
            ImportGiver { node: nodes[2].clone(), party: 2 },
        ],
        wallet: WalletProposal {
            wallet: WalletId::new("old-1").unwrap(),
            engine: ENGINE.to_owned(),
            t: 2,
            n: 3,
            nodes,
        },
        old: old_key(constant, 2, 5),
    }
}

fn body(proposal: ImportProposal) -> StatementBody {
    StatementBody::ProposeImport(Box::new(proposal))
}

fn approved(cell: &mut Cell) -> CeremonyId {
    let proposal = proposed(cell, 9);
    cell.approved(body(proposal))
}

/// A node's honest confirmation with one member changed.
fn confirmed(id: CeremonyId, node: u8, changed: Option<(&str, Value)>) -> holdfast_log::Envelope {
    let shares = [21, 22, 23].map(other_public);
    let mut members = vec![
        ("wallet", json!("old-1")),
        ("epoch", json!(1)),
        ("public_key", json!(value(9, 2, 0))),
        ("verifying_shares", json!(shares)),
    ];
    members.extend(changed);
    confirmation_with(id, node, &members)
}

fn activation(id: CeremonyId, wallet: &str, epoch: u32) -> holdfast_log::Envelope {
    let payload = json!({"cluster": "demo-1", "ceremony": id, "wallet": wallet, "epoch": epoch});
    coordinator(PayloadKind::EpochActivated, &payload)
}

#[track_caller]
fn assert_not_proposed(cell: &mut Cell, proposal: ImportProposal, code: &str, field: &str) {
    let statement = cell.statement("alice", body(proposal));
    assert_names(cell, &statement, code, field);
}

/// Of one party each share is the key; who checks more than sixteen works for a stranger.
#[test]
fn key_of_fewer_than_two_or_more_than_sixteen_parties_is_none() {
    assert!(!old_key(9, 1, 3).is_sound());
    assert!(old_key(9, 2, 2).is_sound() && old_key(9, 2, 16).is_sound());
    assert!(!old_key(9, 2, 17).is_sound());
}

#[test]
fn imported_wallet_has_the_key_that_the_officers_saw() {
    let mut cell = cell();
    let id = approved(&mut cell);
    let permit = cell.state.approved_keygen(&id).unwrap();
    assert_eq!((permit.engine(), permit.epoch(), permit.threshold()), (ENGINE, 1, 2));
    assert_eq!(permit.imports(), Some(&proposed(&cell, 9)));
    assert_eq!(permit.hands_on(), None);
    for node in 1..=3 {
        assert!(cell.state.wallet(&"old-1".parse().unwrap()).is_none());
        cell.accept(&confirmed(id, node, None));
    }
    assert_eq!(cell.refuse(&activation(id, "old-1", 0)), "FIELD_INVALID");
    cell.accept(&activation(id, "old-1", 1));
    let wallet = cell.state.wallet(&"old-1".parse().unwrap()).unwrap().clone();
    let key = value(9, 2, 0);
    assert_eq!((wallet.public_key, wallet.address, wallet.epoch), (key, key.address(), 1));
    assert_eq!((wallet.t, wallet.nodes.len(), wallet.ceremony), (2, 3, id));
    assert_eq!(cell.state.import_of(&wallet), Some(&proposed(&cell, 9)));
    let read = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    assert_eq!(read.import_of(read.wallet(&wallet.id).unwrap()), Some(&proposed(&cell, 9)));
    let made_here = cell.state.wallet(&"hot-1".parse().unwrap()).unwrap();
    assert_eq!(cell.state.import_of(made_here), None);
}

#[test]
fn other_key_or_share_than_what_was_approved_is_never_confirmed() {
    let mut cell = cell();
    let id = approved(&mut cell);
    let [first, second] = [21, 22].map(other_public);
    for (member, value) in [
        ("public_key", json!(wallet_public())),
        ("verifying_shares", json!([first, second, value(9, 2, 4)])),
        ("verifying_shares", json!([first, second])),
        ("engine", json!("test-2")),
        ("backup_restored", json!(false)),
    ] {
        let envelope = confirmed(id, 1, Some((member, value)));
        assert_names(&mut cell, &envelope, "FIELD_INVALID", member);
    }
    for (member, value) in [("epoch", json!(0)), ("epoch", json!(2)), ("wallet", json!("hot-1"))] {
        let envelope = confirmed(id, 1, Some((member, value)));
        assert_names(&mut cell, &envelope, "FIELD_INVALID", "wallet");
    }
    cell.accept(&confirmed(id, 1, None));
    // The chain code is new; nodes that mean different ones end it.
    let other = ("chain_code", json!(format!("0x{}", "22".repeat(32))));
    cell.accept(&confirmed(id, 2, Some(other)));
    assert_eq!(cell.phase(id), CeremonyPhase::Failed);
}

#[test]
fn key_of_a_wallet_is_not_imported_a_second_time() {
    let mut cell = cell();
    // The key of a wallet that was made here.
    let proposal = proposed(&cell, OF_WALLET);
    assert_eq!(proposal.old.public_key, wallet_public());
    assert_not_proposed(&mut cell, proposal, "ALREADY_EXISTS", "old public key");
    // Two proposals under two names: the second is refused at the latest when the first is approved, whoever comes first.
    let second = ImportProposal {
        wallet: WalletProposal { wallet: "old-2".parse().unwrap(), ..proposed(&cell, 9).wallet },
        ..proposed(&cell, 9)
    };
    let statement = cell.statement("alice", body(second.clone()));
    let late = cell.accept(&statement).ceremony.unwrap();
    let statement = cell.statement("alice", StatementBody::ApproveCeremony(late));
    cell.accept(&statement);
    let id = approved(&mut cell);
    let statement = cell.statement("bob", StatementBody::ApproveCeremony(late));
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", "old public key");
    assert_not_proposed(&mut cell, second.clone(), "ALREADY_EXISTS", "old public key");
    // Another key does not wait for this one.
    let other = ImportProposal { old: old_key(8, 2, 5), ..second.clone() };
    let statement = cell.statement("alice", body(other));
    cell.accept(&statement);
    // And when the first is a wallet.
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    cell.accept(&activation(id, "old-1", 1));
    let statement = cell.statement("bob", StatementBody::ApproveCeremony(late));
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", "old public key");
    assert_not_proposed(&mut cell, second, "ALREADY_EXISTS", "old public key");
}

#[test]
fn creation_that_takes_the_name_of_an_import_keeps_neither_name_nor_key_for_ever() {
    for confirmations in [3, 2] {
        let mut cell = cell();
        // Given a creation and an import of one name, the import confirmed by so many nodes
        let create = StatementBody::ProposeWallet(proposed(&cell, 9).wallet);
        let create = cell.statement("alice", create);
        let create = cell.accept(&create).ceremony.unwrap();
        let import = approved(&mut cell);
        for node in 1..=confirmations {
            cell.accept(&confirmed(import, node, None));
        }
        // When the creation is the first to become active
        for officer in ["alice", "bob"] {
            let approval = cell.statement(officer, StatementBody::ApproveCeremony(create));
            cell.accept(&approval);
        }
        for node in 1..=3 {
            let made = [("wallet", json!("old-1")), ("public_key", json!(other_public(40)))];
            cell.accept(&confirmation_with(create, node, &made));
        }
        cell.accept(&activation(create, "old-1", 0));
        // Then the import makes nothing any more, and its key comes under another name
        assert_ne!(cell.refuse(&activation(import, "old-1", 1)), "");
        assert_eq!(cell.state.approved_keygen(&import).unwrap_err().code(), "ORDER_NOT_PERMITTED");
        assert_eq!(cell.state.shares_in_making().count(), 0);
        let mut again = proposed(&cell, 9);
        again.wallet.wallet = "old-2".parse().unwrap();
        cell.approved(body(again));
        assert_eq!(cell.state.shares_in_making().count(), 1);
    }
}

#[test]
fn import_over_a_wallet_that_exists_or_is_being_made_is_refused() {
    let mut cell = cell();
    for name in ["hot-1", "old-1"] {
        let mut proposal = proposed(&cell, 9);
        proposal.wallet.wallet = name.parse().unwrap();
        if name == "old-1" {
            approved(&mut cell);
        }
        assert_not_proposed(&mut cell, proposal, "ALREADY_EXISTS", "wallet");
    }
    let create = StatementBody::ProposeWallet(proposed(&cell, 9).wallet);
    let statement = cell.statement("alice", create);
    assert_names(&mut cell, &statement, "ALREADY_EXISTS", "wallet");
}

#[test]
fn public_data_that_is_no_key_s_is_refused() {
    let mut cell = cell();
    let honest = old_key(9, 2, 5);
    let with = |change: &dyn Fn(&mut OldKey)| {
        let mut old = honest.clone();
        change(&mut old);
        old
    };
    let wrong = [
        with(&|old| old.public_key = other_public(33)),
        with(&|old| old.verifying_shares.swap(0, 4)),
        // A share that no giver uses, and one that a giver uses.
        with(&|old| old.verifying_shares[3] = other_public(33)),
        with(&|old| old.verifying_shares[4] = other_public(33)),
        with(&|old| old.t = 1),
        old_key(9, 3, 5),
    ];
    for (place, old) in wrong.into_iter().enumerate() {
        // The last is a sound key of which fewer give than it takes.
        let field = if place == 5 { "giver" } else { "old share" };
        let proposal = ImportProposal { old, ..proposed(&cell, 9) };
        assert_not_proposed(&mut cell, proposal, "FIELD_INVALID", field);
    }
}

#[test]
fn other_givers_than_t_nodes_each_as_another_old_party_are_refused() {
    let mut cell = cell();
    let [first, third] = <[ImportGiver; 2]>::try_from(proposed(&cell, 9).givers).unwrap();
    let as_party = |giver: &ImportGiver, party| ImportGiver { party, ..giver.clone() };
    let stranger = ImportGiver { node: "node-9".parse().unwrap(), party: 2 };
    for givers in [
        vec![],
        vec![first.clone()],
        vec![third.clone(), first.clone()],
        vec![first.clone(), as_party(&first, 2)],
        vec![first.clone(), as_party(&third, 5)],
        vec![first.clone(), as_party(&third, 0)],
        vec![first.clone(), as_party(&third, 6)],
        vec![first.clone(), stranger],
    ] {
        let proposal = ImportProposal { givers, ..proposed(&cell, 9) };
        assert_not_proposed(&mut cell, proposal, "FIELD_INVALID", "giver");
    }
    // Nor another committee than the cluster's.
    let mut proposal = proposed(&cell, 9);
    proposal.wallet.nodes.pop();
    assert_not_proposed(&mut cell, proposal, "FIELD_INVALID", "threshold");
    let mut proposal = proposed(&cell, 9);
    proposal.wallet.t = 3;
    assert_not_proposed(&mut cell, proposal, "FIELD_INVALID", "threshold");
    // Three of five of the old committee give to two of three.
    let mut proposal = ImportProposal { old: old_key(9, 3, 5), ..proposed(&cell, 9) };
    let second = ImportGiver { node: proposal.wallet.nodes[1].clone(), party: 1 };
    proposal.givers.insert(1, second);
    cell.approved(body(proposal));
}

#[test]
fn officers_read_the_address_and_that_old_shares_outlive_the_import() {
    let mut cell = cell();
    let proposal = proposed(&cell, 9);
    let address = proposal.old.public_key.address();
    let statement = cell.statement("alice", body(proposal));
    let text = String::from_utf8(statement.payload.clone()).unwrap();
    let expected = format!(
        "giver: node-1 as old party 5\ngiver: node-3 as old party 2\naddress: {address}\nbeware: WHOEVER RAN THE OLD DEPLOYMENT \
         MAY STILL HOLD 2 OLD SHARES AND PAY FROM THIS ADDRESS WITHOUT THIS CLUSTER\nbeware: only moving the funds to a wallet \
         that was made here ends that\nofficer: alice\n"
    );
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("old threshold: 2 of 5\nold public key: "));
    // A text that counts its shares wrongly is none.
    let counted = text.replace("old threshold: 2 of 5", "old threshold: 2 of 4");
    assert_eq!(Statement::parse(counted.as_bytes()).unwrap_err().field(), Some("old threshold"));
    // Whoever approves reads the same.
    let id = cell.accept(&statement).ceremony.unwrap();
    let approval = cell.statement("bob", StatementBody::ApproveCeremony(id));
    let text = String::from_utf8(approval.payload).unwrap();
    assert!(text.contains("to: import a wallet\n") && text.contains("beware: WHOEVER RAN"), "{text}");
    assert!(text.contains(&format!("address: {address}\n")), "{text}");
}

#[test]
fn quorum_is_that_of_a_new_wallet_unless_genesis_names_another() {
    let mut cell = cell();
    let id = approved(&mut cell);
    let ceremony = cell.state.ceremony(&id).unwrap();
    assert_eq!(ceremony.quorum, cell.state.genesis().document.quorums["create-wallet"]);
    assert_eq!(ceremony.kind.name(), "import-wallet");
}
