//! Oaths of three nodes, through the service layer, and sweeps signed by children of the wallet's key.

use holdfast_ledger::{Outcome, WithdrawalState};
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_server::NodeService as _;
use tonic::{Code, Request, Status};

use super::*;
use crate::CrashPoint;
use crate::testing::{Attempt, Cell, TestNode, ready, reason, sign, sign_prepare_request};

async fn ask(
    cell: &Cell,
    node: &TestNode,
    withdrawal: WithdrawalId,
) -> Result<v1::TombstoneResponse, Status> {
    node.clock.set(cell.now);
    let replication = sign_prepare_request(cell, node.tip().await, withdrawal, [1; 32], &[]).replication;
    let request = v1::TombstoneRequest { withdrawal_id: withdrawal.to_string(), replication };
    Ok(node.api().tombstone(Request::new(request)).await?.into_inner())
}

fn log(cell: &mut Cell, sworn: &v1::TombstoneResponse) {
    let envelope = Envelope::parse(&sworn.envelope).unwrap();
    assert!(matches!(cell.log(&envelope), Outcome::Admitted(_)));
}

#[tokio::test]
async fn oaths_of_enough_nodes_end_a_withdrawal() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    for node in &nodes[..2] {
        let sworn = ask(&cell, node, withdrawal).await.unwrap();
        let again = ask(&cell, node, withdrawal).await.unwrap();
        assert_eq!(sworn.envelope, again.envelope, "the same question, the same oath");
        log(&mut cell, &sworn);
    }
    let state = cell.state().withdrawal(&withdrawal).unwrap().logged_state();
    assert_eq!(state, WithdrawalState::Tombstoned);
    let refused = ask(&cell, &nodes[2], withdrawal).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "ORDER_NOT_PERMITTED")
    );
}

#[tokio::test]
async fn node_signs_nothing_that_it_swore_off_before_or_after_it_is_logged() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let sworn = ask(&cell, &nodes[0], withdrawal).await.unwrap();
    let signers = [&nodes[0], &nodes[1]];
    let refused = Attempt::prepare(&cell, &signers, withdrawal, [10; 32]).await.map(|_| ()).unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "SWORN_OFF"));
    let first = nodes.remove(0).restart(&cell).await;
    let signers = [&first, &nodes[0]];
    let refused = Attempt::prepare(&cell, &signers, withdrawal, [11; 32]).await.map(|_| ()).unwrap_err();
    assert_eq!(reason(&refused), "SWORN_OFF", "after a restart, too");
    log(&mut cell, &sworn);
    let refused = Attempt::prepare(&cell, &signers, withdrawal, [12; 32]).await.map(|_| ()).unwrap_err();
    assert_eq!(reason(&refused), "SWORN_OFF");
    // The other two still can: one oath ends nothing
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [13; 32]).await.unwrap();
}

#[tokio::test]
async fn restored_node_keeps_an_oath_that_only_the_log_remembers() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let sworn = ask(&cell, &nodes[0], withdrawal).await.unwrap();
    log(&mut cell, &sworn);
    // Given the same node with an empty disk
    let restored = TestNode::open(&cell, 1).await;
    let signers = [&restored, &nodes[1]];
    let refused = Attempt::prepare(&cell, &signers, withdrawal, [10; 32]).await.map(|_| ()).unwrap_err();
    assert_eq!(reason(&refused), "SWORN_OFF");
}

#[tokio::test]
async fn oath_is_written_once_however_often_it_is_asked_for() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    for _ in 0..3 {
        ask(&cell, &nodes[0], withdrawal).await.unwrap();
    }
    assert_eq!(nodes[0].probe.at(&[CrashPoint::BeforeOath]).len(), 1);
}

#[tokio::test]
async fn oath_in_the_middle_of_an_attempt_stops_its_last_message() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    attempt.round(2).await.unwrap();
    ask(&cell, &nodes[0], withdrawal).await.unwrap();
    let refused = attempt.call(&nodes[0], 3).await.unwrap_err();
    assert_eq!(reason(&refused), "SWORN_OFF");
}

#[tokio::test]
async fn oath_after_the_last_message_is_refused() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    for round in 1..=3 {
        attempt.round(round).await.unwrap();
    }
    // Given a signature that a hostile coordinator keeps to itself
    let hidden = attempt.finish().await.unwrap();
    assert_eq!(hidden.len(), 2);
    for node in &nodes[..2] {
        let refused = ask(&cell, node, withdrawal).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::FailedPrecondition, "TOMBSTONE_REFUSED")
        );
    }
    // When one forgets everything but its disk
    let first = nodes.remove(0).restart(&cell).await;
    let refused = ask(&cell, &first, withdrawal).await.unwrap_err();
    assert_eq!(reason(&refused), "TOMBSTONE_REFUSED");
    // Then the one node that took no part is not enough
    let sworn = ask(&cell, &nodes[1], withdrawal).await.unwrap();
    log(&mut cell, &sworn);
    let state = cell.state().withdrawal(&withdrawal).unwrap().logged_state();
    assert_eq!(state, WithdrawalState::Authorized);
}

#[tokio::test]
async fn attempt_that_a_crash_ended_may_have_released() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    let first = nodes.remove(0).restart(&cell).await;
    assert_eq!(reason(&ask(&cell, &first, withdrawal).await.unwrap_err()), "TOMBSTONE_REFUSED");
    ask(&cell, &nodes[0], withdrawal).await.unwrap();
}

#[tokio::test]
async fn oath_needs_the_authorization_in_the_nodes_own_log() {
    let (mut cell, nodes) = ready().await;
    let before = cell.size();
    let withdrawal = cell.authorized("k-1", 0);
    let unknown = WithdrawalId::of("demo-1", "pipeline", "never");
    assert_eq!(reason(&ask(&cell, &nodes[0], unknown).await.unwrap_err()), "ORDER_UNKNOWN");
    let extension = cell.extension_to(before, before);
    let replication = v1::Replication {
        from_index: extension.from_index,
        entries: extension.entries,
        checkpoint: extension.checkpoint,
        ..v1::Replication::default()
    };
    let request =
        v1::TombstoneRequest { withdrawal_id: withdrawal.to_string(), replication: Some(replication) };
    nodes[1].clock.set(cell.now);
    let refused = nodes[1].api().tombstone(Request::new(request)).await.unwrap_err();
    assert_eq!(reason(&refused), "ORDER_UNKNOWN");
    let malformed = v1::TombstoneRequest { withdrawal_id: "w-1".to_owned(), replication: None };
    let refused = nodes[1].api().tombstone(Request::new(malformed)).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID");
}
