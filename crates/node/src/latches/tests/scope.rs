//! What a latch stops, and nothing beside it.

use super::*;

#[tokio::test]
async fn pause_of_another_wallet_stops_nothing_of_this_one() {
    // Given a pause of a wallet that this node was not shown
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let text = String::from_utf8(cell.pause("alice").payload).unwrap();
    let pause = signed_statement("alice", &text.replace("wallet: hot-1", "wallet: hot-2"));
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    assert_eq!(receipt_of(&nodes[0], &receipt).scope, LatchScope::Wallet(WalletId::new("hot-2").unwrap()));
    // Then it is in force, and what the other wallet pays is signed
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
}
