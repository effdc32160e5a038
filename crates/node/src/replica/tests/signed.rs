//! Under which key of the log an extension is looked at: the one in force before it speaks about what is known, the one in force
//! after it about what is new.

use holdfast_ledger::RosterChange;

use super::*;

/// The checkpoint of all the cell's entries by this key.
fn signed_by(cell: &Cell, key: &str) -> Vec<u8> {
    let origin = Origin::of_cluster("demo-1").unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size: cell.size(), root: cell.replica.root() };
    LogSigner::new(origin, ed25519(key)).sign(&checkpoint).unwrap().to_bytes()
}

#[tokio::test]
async fn extension_that_rotates_the_logs_key_is_signed_by_the_new_one() {
    // Given a node of a cell whose officers rotate the log's key
    let (mut cell, node) = cell_and_node(6).await;
    let known = cell.size();
    node.node.replicate(cell.extension(6)).await.unwrap();
    let log_key = Some(ed25519("log-2").verifying_key());
    cell.change_roster(RosterChange::ReplaceCoordinatorKeys { log_key, entry_key: None });
    node.clock.set(cell.now);
    // When the entries that do so come under the old key, then they are refused
    let under = |key: &str| Extension { checkpoint: signed_by(&cell, key), ..cell.extension(known) };
    assert_eq!(refused(&node, under("log")).await, "CHECKPOINT_INVALID");
    assert_eq!(node.tip().await, known);
    // And under the new one they are taken
    assert_eq!(node.node.replicate(under("log-2")).await.unwrap().size, cell.size());
}

#[tokio::test]
async fn other_entries_under_the_true_root_are_looked_at_only_if_the_logs_key_signed_it() {
    let (cell, node) = cell_and_node(6).await;
    let damaged = |key: &str| {
        let mut extension = Extension { checkpoint: signed_by(&cell, key), ..cell.extension(3) };
        extension.entries[0].push(b' ');
        extension
    };
    assert_eq!(refused(&node, damaged("entry")).await, "CHECKPOINT_INVALID");
    assert_eq!(refused(&node, damaged("log")).await, "ENTRY_DIFFERS");
    assert_eq!(node.tip().await, 6);
    node.node.replicate(cell.extension(3)).await.unwrap();
}
