//! Key ceremonies against nodes that are away, forget, and come back, and against restarts of the coordinator.

use std::time::Duration;

use holdfast_policy::WalletId;

use super::*;
use crate::testing::{Behaviour, Cell};

fn run(cell: &Cell) {
    cell.replicate();
    tokio::spawn(Ceremonies::new(cell.parts.clone()).run(cell.stop.subscribe()));
}

async fn is_active(cell: &Cell) -> bool {
    let reader = cell.parts.book.read().await.unwrap();
    reader.state().wallet(&WalletId::new("hot-1").unwrap()).is_some()
}

async fn active(cell: &Cell, id: &CeremonyId) {
    for _ in 0..1_000 {
        if is_active(cell).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no wallet: {:?}", cell.parts.progress.ceremony(id));
}

async fn blocked_by(cell: &Cell, id: &CeremonyId) -> Vec<String> {
    for _ in 0..500 {
        if let Some(live) = cell.parts.progress.ceremony(id).filter(|live| !live.blocked_by.is_empty()) {
            return live.blocked_by.iter().map(ToString::to_string).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody blocks it");
}

#[tokio::test]
async fn approved_ceremony_ends_with_an_active_wallet_and_keeps_nothing() {
    let cell = Cell::new().await;
    run(&cell);
    let id = cell.propose_wallet().await;
    active(&cell, &id).await;
    let store = cell.parts.book.store();
    for _ in 0..100 {
        let kept = store.scan(crate::log_book::schema::KEYGEN_ROUNDS, &[], 10).unwrap();
        if kept.is_empty() && cell.parts.progress.ceremony(&id).is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("rounds are still kept");
}

#[tokio::test]
async fn migration_ends_with_new_shares_and_what_nodes_say_of_the_old_ones_is_logged() {
    let cell = Cell::new().await;
    run(&cell);
    let created = cell.propose_wallet().await;
    active(&cell, &created).await;
    // Given a node that is away, the ceremony waits for it by name
    cell.fakes[2].behave(Behaviour::DiesInRound(2));
    let id = cell.propose_migration().await;
    assert_eq!(blocked_by(&cell, &id).await, ["node-3"]);
    cell.fakes[2].behave(Behaviour::Honest);
    for _ in 0..1_000 {
        let reader = cell.parts.book.read().await.unwrap();
        let wallet = reader.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap();
        if wallet.epoch == 1 && reader.state().erased_by(wallet, 0).len() == 3 {
            assert_eq!(wallet.migrations, [id]);
            return;
        }
        drop(reader);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", cell.parts.progress.ceremony(&id));
}

#[tokio::test]
async fn node_that_is_away_blocks_the_ceremony_by_name_until_it_is_back() {
    for round in [0, 1, 3, 5] {
        let cell = Cell::new().await;
        let away = if round == 0 { Behaviour::Down } else { Behaviour::DiesInRound(round) };
        cell.fakes[1].behave(away);
        run(&cell);
        let id = cell.propose_wallet().await;
        assert_eq!(blocked_by(&cell, &id).await, ["node-2"], "round {round}");
        assert!(!is_active(&cell).await);
        cell.fakes[1].behave(Behaviour::Honest);
        active(&cell, &id).await;
        // No round was delivered twice to a node that had answered it.
        assert_eq!(cell.fakes[0].keygen_calls(), [1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn coordinator_that_is_restarted_goes_on_where_it_stopped() {
    // Given a generation that stopped before the last round
    let cell = Cell::new().await;
    cell.fakes[2].behave(Behaviour::DiesInRound(4));
    run(&cell);
    let id = cell.propose_wallet().await;
    assert_eq!(blocked_by(&cell, &id).await, ["node-3"]);
    while cell.fakes[0].keygen_calls().len() < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    // When another coordinator finds its log, and the same nodes
    let (fakes, now) = (cell.fakes.clone(), cell.clock.now());
    let dir = cell.shut_down().await;
    fakes[2].behave(Behaviour::Honest);
    let mut cell = Cell::open(dir, now).await;
    let clients = fakes.iter().map(|fake| (fake.name(), fake.client()));
    cell.parts.nodes = Arc::new(crate::nodes::Nodes::new(clients));
    run(&cell);
    // Then it asks nobody for what it has
    active(&cell, &id).await;
    assert_eq!(fakes[0].keygen_calls(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn engine_with_other_rounds_is_known_again_after_a_restart() {
    // Given a generation of six rounds that stopped in the fifth
    let cell = Cell::new().await;
    cell.fakes.iter().for_each(|fake| fake.has_rounds(6, 8));
    cell.fakes[2].behave(Behaviour::DiesInRound(5));
    run(&cell);
    let id = cell.propose_wallet().await;
    assert_eq!(blocked_by(&cell, &id).await, ["node-3"]);
    assert_eq!(cell.parts.progress.ceremony(&id).unwrap().of, 6);
    while cell.fakes[0].keygen_calls().len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    // When another coordinator finds its log, and nodes that would not be asked again how many there are
    let (fakes, now) = (cell.fakes.clone(), cell.clock.now());
    let dir = cell.shut_down().await;
    fakes[2].behave(Behaviour::MiscountsRounds);
    let mut cell = Cell::open(dir, now).await;
    let clients = fakes.iter().map(|fake| (fake.name(), fake.client()));
    cell.parts.nodes = Arc::new(crate::nodes::Nodes::new(clients));
    run(&cell);
    active(&cell, &id).await;
    assert_eq!(fakes[0].keygen_calls(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn nodes_that_do_not_agree_on_the_rounds_make_no_key_until_they_do() {
    let cell = Cell::new().await;
    cell.fakes[1].behave(Behaviour::MiscountsRounds);
    run(&cell);
    let id = cell.propose_wallet().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!is_active(&cell).await);
    assert!(cell.fakes.iter().all(|fake| fake.keygen_calls().is_empty()));
    cell.fakes[1].behave(Behaviour::Honest);
    active(&cell, &id).await;
}

#[tokio::test]
async fn attempt_that_a_node_forgot_is_followed_by_another_one() {
    let cell = Cell::new().await;
    cell.fakes[0].behave(Behaviour::Refuses("SESSION_UNKNOWN"));
    run(&cell);
    let id = cell.propose_wallet().await;
    blocked_by(&cell, &id).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    cell.fakes[0].behave(Behaviour::Honest);
    active(&cell, &id).await;
}

#[tokio::test]
async fn ceremony_that_needs_no_key_is_left_alone() {
    let cell = Cell::ready().await;
    run(&cell);
    let id = cell.whitelist_payee().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cell.parts.progress.ceremony(&id), None);
    assert!(cell.fakes.iter().all(|fake| fake.keygen_calls().is_empty()));
}
