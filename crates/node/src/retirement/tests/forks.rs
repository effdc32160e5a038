//! A coordinator that shows nodes different logs, so that each erases what the others need.

use super::*;

/// Hears the cell's log, and of others that they cosigned another one.
async fn hears(node: &TestNode, cell: &Cell, own: &[u8], other: &Cell, cosigners: &[u8]) {
    node.hear(cell, own).await;
    let evidence = vec![other.cosigned(cosigners), cell.cosigned(own)];
    node.node.replicate(Extension { evidence, ..cell.extension(node.tip().await) }).await.unwrap();
    node.node.keep_little().await;
}

#[tokio::test]
async fn two_logs_in_which_different_attempts_became_active_make_nobody_erase_the_old_shares() {
    let (mut cell, nodes) = ready().await;
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    let first = make_shares(&cell, &nodes, ceremony, [0x51; 32]).await;
    let second = make_shares(&cell, &nodes, ceremony, [0x52; 32]).await;
    // Given two logs, both as the log's key would sign them
    let mut fork = cell.clone();
    for (cell, confirmations) in [(&mut cell, first), (&mut fork, second)] {
        confirmations.iter().for_each(|confirmation| {
            cell.accept(confirmation);
        });
        cell.activate(ceremony);
    }
    assert_ne!(wallet(&cell).verifying_shares, wallet(&fork).verifying_shares);
    // When nodes 1 and 2 are shown one, and node 3 the other
    hears(&nodes[0], &cell, &[1, 2], &fork, &[3]).await;
    hears(&nodes[1], &cell, &[1, 2], &fork, &[3]).await;
    hears(&nodes[2], &fork, &[3], &cell, &[1, 2]).await;
    // Then all still have the shares that sign together
    for node in &nodes {
        assert_eq!(
            (kept(node).0, kept(node).1.len()),
            (vec!["0".to_owned(), "1".to_owned(), "1".to_owned()], 3)
        );
    }
}

#[tokio::test]
async fn log_in_which_the_ceremony_failed_beside_one_in_which_it_did_not_ends_no_old_share() {
    let (mut cell, nodes) = ready().await;
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    let first = make_shares(&cell, &nodes, ceremony, [0x51; 32]).await;
    let second = make_shares(&cell, &nodes, ceremony, [0x52; 32]).await;
    let mut fork = cell.clone();
    fork.accept(&first[0]);
    fork.accept(&second[1]);
    for confirmation in &first {
        cell.accept(confirmation);
    }
    cell.activate(ceremony);
    hears(&nodes[0], &cell, &[1, 2], &fork, &[3]).await;
    hears(&nodes[2], &fork, &[3], &cell, &[1, 2]).await;
    // The node that was shown the failure has no new ones left: all the more the others need the old ones
    assert_eq!(kept(&nodes[0]).0, ["0", "1", "1"]);
    assert_eq!(kept(&nodes[2]).0, ["0"]);
}
