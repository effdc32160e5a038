//! What is left of old shares, at which moment, and what happens to who still works with them.

use holdfast_chains::Signature;
use holdfast_ledger::NextChainCode;
use holdfast_proto::v1;
use holdfast_threshold::{BannedPair, EngineId, PartyIndex};

use super::*;
use crate::replica::Extension;
use crate::tables::{BANS, KEYGEN_STATES, SHARES};
use crate::testing::{Attempt, Cell, TestNode, make_shares, migrate, prepare_keygen, ready, reason};

mod forks;

const ALL: [u8; 3] = [1, 2, 3];

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
    let files = std::fs::read_dir(backups(node)).into_iter().flatten();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    (epochs.collect(), files)
}

fn backups(node: &TestNode) -> std::path::PathBuf {
    node.directory.path().join("backups")
}

/// The store's records of the wallet's shares of an epoch.
fn records(node: &TestNode, epoch: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    let prefix = format!("hot-1/{epoch}/");
    node.store.scan_prefix(SHARES, prefix.as_bytes(), 10).unwrap()
}

async fn attempt(
    cell: &Cell,
    signers: &[&TestNode],
    withdrawal: holdfast_ledger::WithdrawalId,
    session: u8,
) -> Result<(), String> {
    let attempt = Attempt::prepare(cell, signers, withdrawal, [session; 32]).await;
    let attempt = attempt.map_err(|refused| reason(&refused))?;
    let digest = cell.state().withdrawal(&withdrawal).unwrap().authorization.as_ref().unwrap().digests[0];
    for v1::EcdsaSignature { r, s } in attempt.run().await.unwrap() {
        let (r, s) = (r.try_into().unwrap(), s.try_into().unwrap());
        Signature::from_scalars(r, s, &digest, &wallet(cell).public_key).unwrap();
    }
    Ok(())
}

#[tokio::test]
async fn new_shares_sign_from_the_same_address_and_the_old_ones_and_their_backups_are_gone() {
    let (mut cell, nodes) = ready().await;
    let before = wallet(&cell);
    // Given nodes that have heard of all others, of a log without the activation
    for node in &nodes {
        node.hear(&cell, &ALL).await;
    }
    migrate(&mut cell, &nodes).await;
    let after = wallet(&cell);
    assert_eq!((after.address, after.public_key, after.epoch), (before.address, before.public_key, 1));
    // And a backup of old shares that was not written to its end
    let unfinished = backups(&nodes[0]).join(format!("{}.7.tmp", kept(&nodes[0]).1[0]));
    std::fs::write(&unfinished, "half of it").unwrap();
    for node in &nodes {
        // When a node has the activation, and when all others but one have
        node.catch_up(&cell).await;
        node.hear(&cell, &[node.number, node.number % 3 + 1]).await;
        assert_eq!(kept(node).0, ["0", "1"]);
        assert!(!node.node.retirement.is_settled(&after));
        // Then the old shares go only when the last one has, too
        node.hear(&cell, &ALL).await;
        let (epochs, backups) = kept(node);
        assert_eq!(epochs, ["1"], "{}", node.name());
        assert!(backups.len() == 1 && backups[0].starts_with("hot-1-1-"), "{backups:?}");
        assert!(node.node.retirement.is_settled(&after));
        let next = Wallet { epoch: after.epoch + 1, ..after.clone() };
        assert!(!node.node.retirement.is_settled(&next), "nothing was looked at since those became active");
        assert_eq!(node.node.signing.vault.share_of(&before).unwrap_err().code(), "SHARE_MISSING");
    }
    let withdrawal = cell.authorized("k-1", 0);
    attempt(&cell, &[&nodes[0], &nodes[2]], withdrawal, 9).await.unwrap();
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
        // A node needs no word of its own.
        let others: Vec<u8> = ALL.into_iter().filter(|number| *number != node.number).collect();
        node.hear(&cell, &others).await;
        assert_eq!(kept(node).0, ["1"]);
    }
    let withdrawal = cell.authorized("k-1", 0);
    attempt(&cell, &[&nodes[1], &nodes[2]], withdrawal, 9).await.unwrap();
}

#[tokio::test]
async fn node_that_stopped_between_the_erasures_ends_them_after_its_start() {
    let (mut cell, mut nodes) = ready().await;
    migrate(&mut cell, &nodes).await;
    // Given a node whose backups are gone and whose old share is not
    let node = nodes.remove(0);
    let after = wallet(&cell);
    let dead = node.node.signing.vault.dead_shares(&after, Which::Replaced).unwrap().unwrap();
    assert_eq!(dead.count(), 1);
    node.node.signing.vault.delete_backups(&dead).unwrap();
    assert_eq!((kept(&node).0, kept(&node).1.len()), (vec!["0".to_owned(), "1".to_owned()], 1));
    // When it is started again, without what it heard of the others, nothing goes
    let node = node.restart(&cell).await;
    node.catch_up(&cell).await;
    assert_eq!(kept(&node).0, ["0", "1"]);
    // And when it hears of them again, the share goes too, and nothing is left to do; the operator has moved the backups away
    std::fs::remove_dir_all(backups(&node)).unwrap();
    node.hear(&cell, &ALL).await;
    assert_eq!(kept(&node), (vec!["1".to_owned()], vec![]));
    assert!(node.node.signing.vault.dead_shares(&after, Which::Replaced).unwrap().is_none());
}

#[tokio::test]
async fn old_share_stays_while_the_new_one_does_not_open_from_the_disk() {
    let (mut cell, nodes) = ready().await;
    migrate(&mut cell, &nodes).await;
    // Given a node that has its new share in memory, and no longer on disk
    let node = &nodes[0];
    node.node.signing.vault.share_of(&wallet(&cell)).unwrap();
    let lost = records(node, 1);
    let batch = lost.iter().fold(Batch::new(), |batch, (key, _)| batch.delete(SHARES, key.as_slice()));
    node.store.commit(batch).await.unwrap();
    // When it hears that all have the activation, then it keeps what it has, and says nothing
    node.hear(&cell, &ALL).await;
    assert_eq!((kept(node).0, kept(node).1.len()), (vec!["0".to_owned()], 2));
    assert!(node.node.erasures().await.is_empty());
    // The same with the old share in the place of the new one
    let old = records(node, 0).remove(0).1;
    let restored = |value: Vec<u8>| Batch::new().put(SHARES, lost[0].0.as_slice(), value);
    node.store.commit(restored(old)).await.unwrap();
    node.node.keep_little().await;
    assert_eq!((kept(node).0, kept(node).1.len()), (vec!["0".to_owned(), "1".to_owned()], 2));
    // When its new share is back, the old one goes: also if a try failed before
    node.store.commit(restored(lost[0].1.clone())).await.unwrap();
    node.node.keep_little().await;
    assert_eq!((kept(node).0, kept(node).1.len()), (vec!["1".to_owned()], 1));
}

#[tokio::test]
async fn shares_and_states_of_attempts_that_came_to_nothing_are_kept_apart_and_erased() {
    let (mut cell, nodes) = ready().await;
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    // Given an attempt that ended at every node and was not logged, another one that was, and a third that only began
    make_shares(&cell, &nodes, ceremony, [0x51; 32]).await;
    let confirmations = make_shares(&cell, &nodes, ceremony, [0x52; 32]).await;
    for node in &nodes {
        prepare_keygen(&cell, node, ceremony, [0x53; 32]).await.unwrap();
        assert_eq!(kept(node).0, ["0", "1", "1"], "no attempt writes over another's share");
        let state = node.store.scan(KEYGEN_STATES, &[], 10).unwrap();
        assert!(!state.is_empty(), "what a giver gives is in it");
    }
    for confirmation in confirmations {
        cell.accept(&confirmation);
    }
    cell.activate(ceremony);
    // Then the shares of the first make the same key, and are gone with the old ones; and so is the state of the third
    for node in &nodes {
        node.hear(&cell, &ALL).await;
        let (epochs, backups) = kept(node);
        assert_eq!((epochs, backups.len()), (vec!["1".to_owned()], 1));
        assert_eq!(node.store.scan(KEYGEN_STATES, &[], 10).unwrap(), []);
        let late = prepare_keygen(&cell, node, ceremony, [0x54; 32]).await.unwrap_err();
        assert_eq!(reason(&late), "ORDER_NOT_PERMITTED");
    }
    let withdrawal = cell.authorized("k-1", 0);
    attempt(&cell, &[&nodes[1], &nodes[2]], withdrawal, 9).await.unwrap();
}

#[tokio::test]
async fn shares_and_states_of_a_ceremony_that_failed_are_erased_and_the_active_ones_sign() {
    let (mut cell, nodes) = ready().await;
    // Given nodes that looked through their shares before
    nodes[0].node.keep_little().await;
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    let first = make_shares(&cell, &nodes, ceremony, [0x51; 32]).await.remove(0);
    let second = make_shares(&cell, &nodes, ceremony, [0x52; 32]).await.remove(1);
    // And that confirmed different shares, and began again
    prepare_keygen(&cell, &nodes[0], ceremony, [0x53; 32]).await.unwrap();
    cell.accept(&first);
    nodes[0].catch_up(&cell).await;
    nodes[0].node.keep_little().await;
    assert_eq!(kept(&nodes[0]).0, ["0", "1", "1"], "while the ceremony is open nothing goes");
    assert!(!nodes[0].store.scan(KEYGEN_STATES, &[], 10).unwrap().is_empty());
    cell.accept(&second);
    // Then all of the new ones go
    for node in &nodes {
        node.catch_up(&cell).await;
        node.node.keep_little().await;
        let (epochs, backups) = kept(node);
        assert_eq!((epochs, backups.len()), (vec!["0".to_owned()], 1));
        assert_eq!(node.store.scan(KEYGEN_STATES, &[], 10).unwrap(), []);
    }
    let withdrawal = cell.authorized("k-1", 0);
    attempt(&cell, &[&nodes[0], &nodes[1]], withdrawal, 9).await.unwrap();
}

/// Between choosing what is due and the key's turn the log goes on.
#[tokio::test]
async fn what_was_due_before_the_log_went_on_is_erased_no_more() {
    let (mut cell, nodes) = ready().await;
    let (node, before) = (&nodes[0].node, wallet(&cell));
    // Given shares of an attempt, due before the ceremony was approved
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    for confirmation in make_shares(&cell, &nodes, ceremony, [0x51; 32]).await {
        cell.accept(&confirmation);
    }
    nodes[0].catch_up(&cell).await;
    node.erase(before.clone(), Which::Unused).await.unwrap();
    assert_eq!(kept(&nodes[0]).0, ["0", "1"], "they are being made");
    // And due while the shares before them were the active ones
    cell.activate(ceremony);
    nodes[0].catch_up(&cell).await;
    node.erase(before, Which::Unused).await.unwrap();
    assert_eq!(kept(&nodes[0]).0, ["0", "1"], "they are the active ones");
}

#[tokio::test]
async fn bans_of_the_old_shares_are_lifted_with_them_and_those_of_the_new_ones_stay() {
    let (mut cell, mut nodes) = ready().await;
    let party = |index| PartyIndex::new(index).unwrap();
    let key = *wallet(&cell).public_key.as_bytes();
    let ban = |key, against| BannedPair { key, by: party(1), against: party(against) };
    let bans = &nodes[0].node.signing.bans;
    bans.add(ban(key, 2), 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    bans.add(ban([2; 33], 2), 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    let withdrawal = cell.authorized("k-1", 0);
    let signers = [&nodes[0], &nodes[1]];
    assert_eq!(attempt(&cell, &signers, withdrawal, 7).await.unwrap_err(), "SIGNERS_BANNED");
    migrate(&mut cell, &nodes).await;
    nodes[0].catch_up(&cell).await;
    // While the old state lives, so does its ban
    assert_eq!(attempt(&cell, &signers, withdrawal, 8).await.unwrap_err(), "SIGNERS_BANNED");
    // When a party attacks the new state before the old one is erased
    bans.add(ban(key, 3), 1, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    nodes[0].hear(&cell, &ALL).await;
    // Then in memory and on disk the old ban of this key is lifted, and nothing else
    assert_eq!(bans.all(), [ban([2; 33], 2), ban(key, 3)]);
    assert_eq!(nodes[0].store.scan(BANS, &[], 10).unwrap().len(), 2);
    attempt(&cell, &signers, withdrawal, 9).await.unwrap();
    let node = nodes.remove(0).restart(&cell).await;
    node.hear(&cell, &ALL).await;
    assert!(node.node.signing.bans.all().contains(&ban(key, 3)));
}

#[tokio::test]
async fn ban_stays_while_the_state_that_it_protects_cannot_be_erased() {
    let (mut cell, nodes) = ready().await;
    let party = |index| PartyIndex::new(index).unwrap();
    let ban = BannedPair { key: *wallet(&cell).public_key.as_bytes(), by: party(1), against: party(2) };
    let bans = &nodes[0].node.signing.bans;
    bans.add(ban, 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    migrate(&mut cell, &nodes).await;
    // Given an old backup that cannot be deleted: something else has its name
    let old = backups(&nodes[0]).join(&kept(&nodes[0]).1[0]);
    std::fs::remove_file(&old).unwrap();
    std::fs::create_dir(&old).unwrap();
    nodes[0].hear(&cell, &ALL).await;
    nodes[0].node.keep_little().await;
    // Then old share and ban are both there
    assert_eq!((kept(&nodes[0]).0, bans.all()), (vec!["0".to_owned(), "1".to_owned()], vec![ban]));
    assert!(!nodes[0].node.retirement.is_settled(&wallet(&cell)));
    std::fs::remove_dir(&old).unwrap();
    nodes[0].node.keep_little().await;
    assert_eq!((kept(&nodes[0]).0, bans.all()), (vec!["1".to_owned()], vec![]));
}

#[tokio::test]
async fn attempt_that_began_with_old_shares_ends_and_the_next_one_signs_the_same_digest() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let signers = [&nodes[0], &nodes[1]];
    let mut old = Attempt::prepare(&cell, &signers, withdrawal, [8; 32]).await.unwrap();
    old.round(1).await.unwrap();
    migrate(&mut cell, &nodes).await;
    nodes[0].catch_up(&cell).await;
    assert_eq!(reason(&old.call(&nodes[0], 2).await.unwrap_err()), "PERMIT_CHANGED");
    // An attempt with new shares does not wait for the old ones' end
    attempt(&cell, &signers, withdrawal, 9).await.unwrap();
    nodes[1].hear(&cell, &ALL).await;
    assert_eq!(reason(&old.call(&nodes[1], 2).await.unwrap_err()), "SESSION_UNKNOWN");
}
