//! Choosing signers, following nodes, and noticing those that hold another log.

use std::time::Duration;

use holdfast_ledger::StatementBody;
use holdfast_log::SignedCheckpoint;

use super::*;
use crate::testing::{Behaviour, Cell};

fn committee() -> Vec<NodeId> {
    (1..=3).map(|i| NodeId::new(format!("node-{i}")).unwrap()).collect()
}

fn avoiding(node: Option<&NodeId>) -> Suspicion {
    let mut suspicion = Suspicion::default();
    if let Some(node) = node {
        suspicion.learn(&BTreeSet::from([node.clone()]), &Spoilt::By(node.clone()));
    }
    suspicion
}

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..400 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about");
}

#[tokio::test]
async fn nodes_get_every_entry_and_their_cosignatures_are_gathered() {
    // Given three nodes that hold the genesis entry only
    let cell = Cell::ready().await;
    let size = cell.size().await;
    // When they are followed
    cell.replicate();
    // Then all hold the log and a checkpoint of it is cosigned by all of them
    until(|| cell.fakes.iter().all(|fake| fake.size() == size)).await;
    let best = cell.parts.cosigned.covering(size - 1, Duration::from_secs(5)).await.unwrap();
    assert_eq!(best.claimed().size, size);
    until(|| cell.parts.nodes.links().all(|link| link.health().cosigned_at_s.is_some())).await;
    assert!(cell.parts.nodes.links().all(|link| link.health().is_sound()));
}

#[tokio::test]
async fn newest_checkpoint_of_each_node_is_known_also_of_one_that_fell_behind() {
    let cell = Cell::ready().await;
    cell.replicate();
    let links = || cell.parts.nodes.links().all(|link| link.health().is_sound());
    until(links).await;
    let early = cell.size().await;
    until(|| shown(&cell) == vec![(early, 3)]).await;
    // When one falls behind
    cell.fakes[2].behave(Behaviour::Down);
    let pause = StatementBody::PauseWallet("hot-1".parse().unwrap());
    cell.accept(cell.statement("carol", pause).await).await;
    // Then what the others hold is shown, and what it held last
    until(|| shown(&cell) == vec![(early + 1, 2), (early, 3)]).await;
}

/// Sizes of the newest checkpoints, with how many nodes cosigned each.
fn shown(cell: &Cell) -> Vec<(u64, usize)> {
    let newest = cell.parts.cosigned.newest_of_each();
    let lines =
        |note: &SignedCheckpoint| String::from_utf8(note.to_bytes()).unwrap().matches("\u{2014} ").count();
    newest.iter().map(|note| (note.claimed().size, lines(note).saturating_sub(1))).collect()
}

#[tokio::test]
async fn cosigned_checkpoint_survives_a_restart() {
    let cell = Cell::ready().await;
    cell.replicate();
    let persisting =
        tokio::spawn(Arc::clone(&cell.parts.cosigned).persist(cell.clock.clock(), cell.stop.subscribe()));
    let size = cell.size().await;
    cell.parts.cosigned.covering(size - 1, Duration::from_secs(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let now = cell.clock.now();
    let dir = cell.shut_down().await;
    persisting.await.unwrap();
    // When the coordinator starts again and no node answers
    let reopened = Cell::open(dir, now).await;
    // Then proofs can still be made
    assert_eq!(reopened.parts.cosigned.best().unwrap().claimed().size, size);
}

#[tokio::test]
async fn node_with_another_root_is_noticed_and_never_chosen() {
    let cell = Cell::ready().await;
    cell.fakes[0].behave(Behaviour::ShowsOtherRoot);
    cell.replicate();
    let nodes = &cell.parts.nodes;
    until(|| nodes.link(&committee()[0]).unwrap().health().estranged).await;
    until(|| committee()[1..].iter().all(|node| nodes.link(node).unwrap().health().is_sound())).await;
    let tip = cell.size().await;
    for _ in 0..20 {
        let chosen = nodes.choose(&committee(), 2, &avoiding(None), tip);
        assert_eq!(chosen, Choice::Signers(committee()[1..].to_vec()));
    }
    assert_eq!(
        nodes.choose(&committee(), 3, &avoiding(None), tip),
        Choice::Missing(committee()[..1].to_vec())
    );
}

#[tokio::test]
async fn silent_node_is_missing_until_it_is_back() {
    let cell = Cell::ready().await;
    cell.fakes[2].behave(Behaviour::Down);
    cell.replicate();
    let nodes = &cell.parts.nodes;
    until(|| committee()[..2].iter().all(|node| nodes.link(node).unwrap().health().is_sound())).await;
    let tip = cell.size().await;
    assert_eq!(
        nodes.choose(&committee(), 3, &avoiding(None), tip),
        Choice::Missing(committee()[2..].to_vec())
    );
    cell.fakes[2].behave(Behaviour::Honest);
    until(|| matches!(nodes.choose(&committee(), 3, &avoiding(None), tip), Choice::Signers(_))).await;
}

#[tokio::test]
async fn avoided_node_is_chosen_only_if_nobody_else_is_left() {
    let cell = Cell::ready().await;
    cell.replicate();
    let nodes = &cell.parts.nodes;
    until(|| nodes.links().all(|link| link.health().is_sound())).await;
    let tip = cell.size().await;
    let avoid = avoiding(Some(&committee()[1]));
    for _ in 0..20 {
        let expected = vec![committee()[0].clone(), committee()[2].clone()];
        assert_eq!(nodes.choose(&committee(), 2, &avoid, tip), Choice::Signers(expected));
    }
    assert_eq!(nodes.choose(&committee(), 3, &avoid, tip), Choice::Signers(committee()));
}

#[tokio::test]
async fn statement_delivered_to_a_node_is_logged_once() {
    // Given an officer's pause that only one node knows
    let cell = Cell::ready().await;
    let pause = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap())).await;
    cell.fakes[0].deliver(pause.to_json());
    let before = cell.size().await;
    // When the nodes are followed
    cell.replicate();
    // Then the log contains it, once
    let book = Arc::clone(&cell.parts.book);
    let mut tip = book.tip();
    tokio::time::timeout(Duration::from_secs(5), tip.wait_for(|size| *size > before)).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(cell.size().await, before + 1);
    assert!(book.read().await.unwrap().state().wallet(&"hot-1".parse().unwrap()).unwrap().is_paused());
}

#[tokio::test]
async fn pause_delivered_before_its_wallet_is_active_is_logged_as_soon_as_it_is() {
    use holdfast_ledger::StatementBody;
    // Given a pause of a wallet that the log does not know yet
    let ready = Cell::ready().await;
    let pause = ready.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap())).await;
    let cell = Cell::new().await;
    cell.fakes[0].deliver(pause.to_json());
    cell.replicate();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // When the wallet becomes active
    cell.make_ready().await;
    // Then it is paused within seconds
    let wallet = "hot-1".parse().unwrap();
    for _ in 0..80 {
        if cell.parts.book.read().await.unwrap().state().wallet(&wallet).unwrap().is_paused() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the pause is not logged");
}
