//! What is left of old shares, at which moment, and what happens to who still works with them.

use holdfast_chains::Signature;
use holdfast_ledger::NextChainCode;
use holdfast_proto::v1;
use holdfast_threshold::{BannedPair, EngineId, PartyIndex};

use super::*;
use crate::tables::{BANS, SHARES};
use crate::testing::{Attempt, Cell, TestNode, make_shares, migrate, ready, reason};

fn wallet(cell: &Cell) -> Wallet {
    cell.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap().clone()
}

/// The epochs of the shares in the store, and the names of the backup files.
fn kept(node: &TestNode) -> (Vec<String>, Vec<String>) {
    let records = node.store.scan(SHARES, &[], 100).unwrap();
    let epochs = records.iter().filter_map(|(key, _)| {
        let key = std::str::from_utf8(key).unwrap().strip_suffix("/00")?;
        Some(key.split('/').nth(1).unwrap().to_owned())
    });
    let files = std::fs::read_dir(node.directory.path().join("backups")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    (epochs.collect(), files)
}

async fn signs(cell: &Cell, signers: &[&TestNode], withdrawal: holdfast_ledger::WithdrawalId, session: u8) {
    let attempt = Attempt::prepare(cell, signers, withdrawal, [session; 32]).await.unwrap();
    let digest = cell.state().withdrawal(&withdrawal).unwrap().authorization.as_ref().unwrap().digests[0];
    for v1::EcdsaSignature { r, s } in attempt.run().await.unwrap() {
        let (r, s) = (r.try_into().unwrap(), s.try_into().unwrap());
        Signature::from_scalars(r, s, &digest, &wallet(cell).public_key).unwrap();
    }
}

#[tokio::test]
async fn new_shares_sign_from_the_same_address_and_the_old_ones_and_their_backups_are_gone() {
    let (mut cell, nodes) = ready().await;
    let before = wallet(&cell);
    migrate(&mut cell, &nodes).await;
    let after = wallet(&cell);
    assert_eq!((after.address, after.public_key, after.epoch), (before.address, before.public_key, 1));
    for node in &nodes {
        // The activation is in the log, and this node has not heard of it.
        assert_eq!(kept(node).0, ["0", "1"]);
        node.catch_up(&cell).await;
        let (epochs, backups) = kept(node);
        assert_eq!(epochs, ["1"], "{}", node.name());
        assert!(backups.len() == 1 && backups[0].starts_with("hot-1-1-"), "{backups:?}");
        assert_eq!(node.node.signing.vault.share_of(&before).unwrap_err().code(), "SHARE_MISSING");
    }
    let withdrawal = cell.authorized("k-1", 0);
    signs(&cell, &[&nodes[0], &nodes[2]], withdrawal, 9).await;
}

#[tokio::test]
async fn fresh_chain_code_is_agreed_by_the_nodes_if_the_officers_said_so() {
    let (mut cell, nodes) = ready().await;
    let before = wallet(&cell);
    let ceremony = cell.approve_migration_with(EngineId::Dkls23EcdsaSecp256k1V06, NextChainCode::Fresh);
    for confirmation in make_shares(&cell, &nodes, ceremony, [0x53; 32]).await {
        cell.accept(&confirmation);
    }
    cell.activate(ceremony);
    let after = wallet(&cell);
    assert_eq!((after.address, after.public_key), (before.address, before.public_key));
    assert_ne!(after.chain_code, before.chain_code);
    assert_ne!(after.deposit_key(7).unwrap(), before.deposit_key(7).unwrap());
    for node in &nodes {
        node.catch_up(&cell).await;
    }
    let withdrawal = cell.authorized("k-1", 0);
    signs(&cell, &[&nodes[1], &nodes[2]], withdrawal, 9).await;
}

#[tokio::test]
async fn node_that_stopped_between_the_erasures_ends_them_after_its_start() {
    let (mut cell, mut nodes) = ready().await;
    migrate(&mut cell, &nodes).await;
    // Given a node whose backups are gone and whose old share is not
    let node = nodes.remove(0);
    let after = wallet(&cell);
    let dead = node.node.signing.vault.dead_shares(&after, true).unwrap().unwrap();
    assert_eq!((dead.count(), dead.is_older), (1, true));
    node.node.signing.vault.delete_backups(&after, &dead).unwrap();
    assert_eq!(kept(&node).0, ["0", "1"]);
    // When it is started again and hears of the activation
    let node = node.restart(&cell).await;
    node.catch_up(&cell).await;
    // Then the share goes too, and nothing is left to do
    let (epochs, backups) = kept(&node);
    assert_eq!((epochs, backups.len()), (vec!["1".to_owned()], 1));
    assert!(node.node.signing.vault.dead_shares(&after, true).unwrap().is_none());
}

#[tokio::test]
async fn old_share_stays_while_the_new_one_does_not_open() {
    let (mut cell, nodes) = ready().await;
    migrate(&mut cell, &nodes).await;
    // Given a node that lost its new share
    let records = nodes[0].store.scan_prefix(SHARES, b"hot-1/1/", 10).unwrap();
    let batch = records.iter().fold(Batch::new(), |batch, (key, _)| batch.delete(SHARES, key.as_slice()));
    nodes[0].store.commit(batch).await.unwrap();
    // When it hears of the activation
    nodes[0].catch_up(&cell).await;
    // Then it keeps what it has, signs nothing, and says why
    let (epochs, backups) = kept(&nodes[0]);
    assert_eq!((epochs, backups.len()), (vec!["0".to_owned()], 2));
    let withdrawal = cell.authorized("k-1", 0);
    let refused = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [9; 32]).await;
    assert_eq!(reason(&refused.err().unwrap()), "SHARE_MISSING");
}

#[tokio::test]
async fn shares_of_an_attempt_that_came_to_nothing_are_kept_apart_and_erased() {
    let (mut cell, nodes) = ready().await;
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    // Given an attempt that ended at every node and was not logged, and another one that was
    make_shares(&cell, &nodes, ceremony, [0x51; 32]).await;
    let confirmations = make_shares(&cell, &nodes, ceremony, [0x52; 32]).await;
    for node in &nodes {
        assert_eq!(kept(node).0, ["0", "1", "1"], "no attempt writes over another's share");
    }
    for confirmation in confirmations {
        cell.accept(&confirmation);
    }
    cell.activate(ceremony);
    // Then the shares of the first make the same key, and are gone with the old ones
    for node in &nodes {
        node.catch_up(&cell).await;
        let (epochs, backups) = kept(node);
        assert_eq!((epochs, backups.len()), (vec!["1".to_owned()], 1));
    }
    let withdrawal = cell.authorized("k-1", 0);
    signs(&cell, &[&nodes[1], &nodes[2]], withdrawal, 9).await;
}

#[tokio::test]
async fn shares_of_a_ceremony_that_failed_are_erased_and_the_active_ones_sign() {
    let (mut cell, nodes) = ready().await;
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    let first = make_shares(&cell, &nodes, ceremony, [0x51; 32]).await.remove(0);
    let second = make_shares(&cell, &nodes, ceremony, [0x52; 32]).await.remove(1);
    // Given nodes that confirmed different shares
    cell.accept(&first);
    nodes[0].catch_up(&cell).await;
    nodes[0].node.keep_little().await;
    assert_eq!(kept(&nodes[0]).0, ["0", "1", "1"], "while the ceremony is open nothing goes");
    cell.accept(&second);
    // Then all of the new ones go
    for node in &nodes {
        node.catch_up(&cell).await;
        node.node.keep_little().await;
        let (epochs, backups) = kept(node);
        assert_eq!((epochs, backups.len()), (vec!["0".to_owned()], 1));
    }
    let withdrawal = cell.authorized("k-1", 0);
    signs(&cell, &[&nodes[0], &nodes[1]], withdrawal, 9).await;
}

#[tokio::test]
async fn bans_of_the_old_shares_are_lifted_with_them_and_later_ones_stay() {
    let (mut cell, mut nodes) = ready().await;
    let party = |index| PartyIndex::new(index).unwrap();
    let key = *wallet(&cell).public_key.as_bytes();
    let ban = |key| BannedPair { key, by: party(1), against: party(2) };
    let bans = &nodes[0].node.signing.bans;
    bans.add(ban(key), "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    bans.add(ban([2; 33]), "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    let withdrawal = cell.authorized("k-1", 0);
    let refused = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [8; 32]).await;
    assert_eq!(reason(&refused.err().unwrap()), "SIGNERS_BANNED");
    migrate(&mut cell, &nodes).await;
    nodes[0].catch_up(&cell).await;
    // Lifted in memory and on disk, and only for this key
    assert_eq!(nodes[0].node.signing.bans.all(), [ban([2; 33])]);
    assert_eq!(nodes[0].store.scan(BANS, &[], 10).unwrap().len(), 1);
    signs(&cell, &[&nodes[0], &nodes[1]], withdrawal, 9).await;
    // A ban of the new shares survives whatever comes
    nodes[0].node.signing.bans.add(ban(key), "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    let node = nodes.remove(0).restart(&cell).await;
    node.catch_up(&cell).await;
    assert!(node.node.signing.bans.all().contains(&ban(key)));
}

#[tokio::test]
async fn attempt_that_began_with_old_shares_ends_and_the_next_one_signs_the_same_digest() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let signers = [&nodes[0], &nodes[1]];
    let mut attempt = Attempt::prepare(&cell, &signers, withdrawal, [8; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    migrate(&mut cell, &nodes).await;
    nodes[0].catch_up(&cell).await;
    let refused = attempt.call(&nodes[0], 2).await.unwrap_err();
    assert_eq!(reason(&refused), "SESSION_UNKNOWN");
    signs(&cell, &signers, withdrawal, 9).await;
}
