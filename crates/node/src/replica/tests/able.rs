//! Whether a node can go on: its disk takes writes, and it knows what the disk holds.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn node_whose_store_takes_no_writes_any_more_is_not_able() {
    let (_, node) = cell_and_node(3).await;
    assert!(node.node.replica.is_able().await);
    node.store.close().await.unwrap();
    assert!(!node.node.replica.is_able().await);
}

#[tokio::test]
async fn node_whose_memory_may_be_ahead_of_its_disk_is_not_able_however_well_its_store_is() {
    let (_, node) = cell_and_node(3).await;
    node.node.replica.apply_in_memory_for_tests(&[]).await;
    assert!(node.store.is_healthy());
    assert!(!node.node.replica.is_able().await);
}

#[tokio::test]
async fn looking_for_moments_to_forget_waits_for_no_message_that_is_leaving_while_there_are_few() {
    let (_, node) = cell_and_node(3).await;
    // Given a message that is leaving
    let leaving = node.node.replica.read().await;
    let forgetting = node.node.replica.forget_moments();
    tokio::time::timeout(Duration::from_secs(20), forgetting).await.unwrap().unwrap();
    drop(leaving);
}
