//! When a snapshot is due.

use holdfast_server::snapshot::SNAPSHOT_EVERY;

use super::*;

#[tokio::test]
async fn snapshot_is_due_after_as_many_entries_as_are_said_and_not_before() {
    let (mut cell, node) = with_snapshot().await;
    cell.fill(3);
    node.catch_up(&cell).await;
    let due = async |every| {
        let picture = node.node.snapshots.due(&*node.node.replica.read().await, every);
        picture.map(|picture| picture.size())
    };
    assert_eq!((due(3).await, due(4).await), (Some(cell.size()), None));
    assert!(cell.size() < SNAPSHOT_EVERY);
    assert_eq!(due(SNAPSHOT_EVERY).await, None);
}

#[tokio::test]
async fn replica_that_does_not_know_what_its_disk_holds_is_not_written_down() {
    let (_, node) = with_snapshot().await;
    let due = async || node.node.snapshots.due(&*node.node.replica.read().await, 0).is_some();
    assert!(due().await);
    // Given a memory that may be ahead of the disk
    node.node.replica.apply_in_memory_for_tests(&[]).await;
    assert!(!due().await);
}
