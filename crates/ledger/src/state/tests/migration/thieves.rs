//! A migration is a way to every key: what a thief would try with it.

use holdfast_policy::TimestampMs;

use super::super::cell::confirmation;
use super::super::incarnations::keys;
use super::*;

#[test]
fn proposer_alone_moves_nothing_however_often_it_approves() {
    let mut cell = cell();
    let proposal = proposed(&cell);
    let id = cell.proposed("alice", StatementBody::ProposeMigration(proposal));
    assert_eq!(cell.approve("alice", id), CeremonyPhase::Proposed);
    let again = cell.statement("alice", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&again), "ALREADY_APPROVED");
    // Nor with somebody who has no say in it.
    let carol = cell.statement("carol", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&carol), "SIGNER_NOT_AUTHORIZED");
    assert_eq!(cell.phase(id), CeremonyPhase::Proposed);
    assert_eq!(cell.state.approved_keygen(&id).unwrap_err().code(), "ORDER_NOT_PERMITTED");
    assert_eq!(cell.refuse(&confirmed(id, 1, None)), "CEREMONY_PHASE");
    let proposal = cell.statement("carol", StatementBody::ProposeMigration(proposed(&cell)));
    assert_eq!(cell.refuse(&proposal), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn approved_migration_is_of_its_epoch_and_is_not_replayed_for_the_next() {
    let mut cell = cell();
    // Given two proposals of shares of the same engine, so that only the epoch tells them from later ones
    let proposal = MigrationProposal { engine: OLD.to_owned(), ..proposed(&cell) };
    let first = cell.statement("alice", StatementBody::ProposeMigration(proposal.clone()));
    cell.now += 1;
    let kept = cell.statement("bob", StatementBody::ProposeMigration(proposal));
    let id = cell.accept(&first).ceremony.unwrap();
    cell.approve("alice", id);
    let approval = cell.statement("bob", StatementBody::ApproveCeremony(id));
    cell.accept(&approval);
    let confirmations = [1, 2, 3].map(|node| confirmed(id, node, Some(("engine", json!(OLD)))));
    for confirmation in &confirmations {
        cell.accept(confirmation);
    }
    cell.accept(&activation(id, 1));
    // When epoch 1 is active, then nothing of it makes another one
    assert_eq!(cell.refuse(&first), "STATEMENT_ALREADY_USED");
    assert_names(&mut cell, &kept, "FIELD_INVALID", "epoch");
    assert_eq!(cell.refuse(&approval), "STATEMENT_ALREADY_USED");
    for confirmation in &confirmations {
        assert_eq!(cell.refuse(confirmation), "CEREMONY_PHASE");
    }
    assert_eq!(cell.refuse(&activation(id, 1)), "CEREMONY_PHASE");
    assert_eq!(wallet(&cell).epoch, 1);
}

#[test]
fn words_of_another_cell_count_for_nothing_here() {
    let mut cell = cell();
    let mut statement = Statement {
        cluster: "demo-2".parse().unwrap(),
        officer: OfficerId::new("alice").unwrap(),
        issued_at: cell.state.last_time(),
        expires_at: Some(TimestampMs(cell.state.last_time().0 + 60_000)),
        note: String::new(),
        body: StatementBody::ProposeMigration(proposed(&cell)),
    };
    let text = cell.state.statement_text(&statement).unwrap();
    assert_names(&mut cell, &signed_statement("alice", &text), "CLUSTER_MISMATCH", "cluster");
    statement.cluster = cell.state.cluster().clone();
    let text = cell.state.statement_text(&statement).unwrap();
    let id = cell.accept(&signed_statement("alice", &text)).ceremony.unwrap();
    cell.approve("alice", id);
    cell.approve("bob", id);
    let foreign = confirmed(id, 1, Some(("cluster", json!("demo-2"))));
    assert_names(&mut cell, &foreign, "CLUSTER_MISMATCH", "cluster");
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    let payload = json!({"cluster": "demo-2", "ceremony": id, "wallet": "hot-1", "epoch": 1});
    let foreign = coordinator(PayloadKind::EpochActivated, &payload);
    assert_names(&mut cell, &foreign, "CLUSTER_MISMATCH", "cluster");
}

#[test]
fn one_ceremony_confirms_and_activates_nothing_of_another() {
    let mut cell = cell();
    cell.create_wallet("hot-2");
    let id = approved(&mut cell);
    // Another wallet's name on this ceremony
    for node in 1..=3 {
        let other = confirmed(id, node, Some(("wallet", json!("hot-2"))));
        assert_names(&mut cell, &other, "FIELD_INVALID", "wallet");
    }
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    let payload = json!({"cluster": "demo-1", "ceremony": id, "wallet": "hot-2", "epoch": 1});
    assert_names(&mut cell, &coordinator(PayloadKind::EpochActivated, &payload), "FIELD_INVALID", "wallet");
    // And a ceremony that made a wallet's key once makes no shares of it again
    let created = wallet(&cell).ceremony;
    assert_eq!(cell.refuse(&confirmed(created, 1, None)), "CEREMONY_PHASE");
    assert_eq!(cell.refuse(&activation(created, 1)), "CEREMONY_PHASE");
}

#[test]
fn pause_that_comes_while_shares_are_made_outlives_the_activation() {
    let mut cell = cell();
    let id = approved(&mut cell);
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    let pause = cell.statement("alice", StatementBody::PauseWallet("hot-1".parse().unwrap()));
    cell.accept(&pause);
    let paused = wallet(&cell).pauses.clone();
    cell.accept(&activation(id, 1));
    assert_eq!(wallet(&cell).pauses, paused);
    assert!(wallet(&cell).is_paused());
}

#[test]
fn name_whose_key_is_still_being_made_is_not_migrated_and_not_stolen() {
    let mut cell = Cell::new();
    let first = cell.wallet_proposal("hot-1");
    let creating = cell.approved(first);
    let proposal = MigrationProposal {
        wallet: "hot-1".parse().unwrap(),
        from_engine: OLD.to_owned(),
        engine: NEW.to_owned(),
        from_epoch: 0,
        chain_code: NextChainCode::Carried,
        givers: ["node-1", "node-2"].map(|node| node.parse().unwrap()).to_vec(),
        receivers: ["node-1", "node-2", "node-3"].map(|node| node.parse().unwrap()).to_vec(),
    };
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: OfficerId::new("alice").unwrap(),
        issued_at: cell.state.last_time(),
        expires_at: Some(TimestampMs(cell.state.last_time().0 + 60_000)),
        note: String::new(),
        body: StatementBody::ProposeMigration(proposal),
    };
    assert_eq!(cell.refuse(&signed_statement("alice", &statement.render(&[]))), "UNKNOWN_WALLET");
    assert_eq!(cell.phase(creating), CeremonyPhase::Approved);
    assert_eq!(cell.state.shares_in_making().count(), 1);
}

#[test]
fn second_creation_that_can_never_be_active_does_not_stop_migrations_for_ever() {
    let mut cell = Cell::new();
    // Given two creations of one name, both approved and confirmed
    let (alice, bob) = (cell.wallet_proposal("hot-1"), cell.wallet_proposal("hot-1"));
    let ids = [cell.proposed("alice", alice), cell.proposed("bob", bob)];
    for id in ids {
        cell.approve("alice", id);
        cell.approve("bob", id);
        for node in 1..=3 {
            cell.accept(&confirmation(id, "hot-1", node, "aa"));
        }
    }
    cell.accept(&activation(ids[0], 0));
    assert_eq!(cell.refuse(&activation(ids[1], 0)), "ALREADY_EXISTS");
    assert_eq!(cell.phase(ids[1]), CeremonyPhase::Confirmed);
    // Then the wallet's shares can move all the same
    assert_eq!(cell.state.shares_in_making().count(), 0);
    approved(&mut cell);
    assert_eq!(cell.state.shares_in_making().count(), 1);
}

#[test]
fn node_that_got_new_keys_ends_a_migration_with_its_confirmations() {
    let mut cell = cell();
    let id = approved(&mut cell);
    for node in 1..=3 {
        cell.accept(&confirmed(id, node, None));
    }
    let before = wallet(&cell).clone();
    cell.change_roster(keys(2, "cosign-2b", "message-2b", 1));
    assert_eq!(cell.phase(id), CeremonyPhase::Superseded);
    assert_eq!(cell.refuse(&activation(id, 1)), "CEREMONY_PHASE");
    assert_eq!(wallet(&cell), &before);
    assert_eq!(cell.state.shares_in_making().count(), 0);
}

#[test]
fn migration_that_was_not_finished_in_time_takes_no_late_word() {
    const WEEKS: u64 = 15 * 86_400_000;
    let mut cell = cell();
    let id = approved(&mut cell);
    cell.accept(&confirmed(id, 1, None));
    cell.now += WEEKS;
    // The log knows what time it is by its entries
    assert_eq!(cell.refuse(&activation(id, 1)), "CEREMONY_PHASE");
    assert_eq!(cell.refuse(&confirmed(id, 2, None)), "CEREMONY_PHASE");
    // Another takes its place, and only the other's words count
    let next = approved(&mut cell);
    assert_ne!(id, next);
    assert_eq!(cell.refuse(&confirmed(id, 3, None)), "CEREMONY_PHASE");
    for node in 1..=3 {
        cell.accept(&confirmed(next, node, None));
    }
    assert_eq!(cell.refuse(&activation(id, 1)), "CEREMONY_PHASE");
    cell.accept(&activation(next, 1));
}
