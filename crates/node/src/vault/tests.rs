//! Shares at rest: whose they are, what opens them, and what a backup is worth.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::node::OpenError;
use crate::testing::{Cell, TestNode, ready};

use super::*;

fn wallet(cell: &Cell) -> Wallet {
    cell.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap().clone()
}

fn code_of(node: &TestNode, wallet: &Wallet) -> &'static str {
    node.node.signing.vault.share_of(wallet).unwrap_err().code()
}

/// Key and value of the only share record of a node.
fn record(node: &TestNode) -> (Vec<u8>, Vec<u8>) {
    let records = node.store.scan(SHARES, &[], 10).unwrap();
    assert_eq!(records.len(), 1);
    records.into_iter().next().unwrap()
}

#[tokio::test]
async fn share_of_the_logs_wallet_is_handed_out() {
    let (cell, nodes) = ready().await;
    for node in &nodes {
        let held = node.node.signing.vault.share_of(&wallet(&cell)).unwrap();
        assert_eq!(held.share.party().get(), node.number);
        assert!(held.share.matches(&held.public));
        let shown = format!("{held:?} {:?}", node.node);
        assert!(shown.contains("<redacted>") && shown.len() < 20_000, "{shown}");
    }
}

#[tokio::test]
async fn wrong_passphrase_does_not_start_the_node() {
    let (cell, mut nodes) = ready().await;
    let refused = nodes.remove(0).try_restart(&cell, b"wrong horse battery staple").await.err();
    assert!(matches!(refused, Some(OpenError::Vault(VaultError::WrongPassphrase))), "{refused:?}");
}

#[tokio::test]
async fn share_of_another_node_does_not_open() {
    let (cell, nodes) = ready().await;
    // Given a node whose record was replaced by another node's
    let ((key, _), (_, stolen)) = (record(&nodes[0]), record(&nodes[1]));
    nodes[0].store.commit(Batch::new().put(SHARES, key, stolen)).await.unwrap();
    assert_eq!(code_of(&nodes[0], &wallet(&cell)), "SEALED_UNDER_OTHER_SALT");
}

#[tokio::test]
async fn tampered_and_missing_shares_are_refused() {
    let (cell, nodes) = ready().await;
    let (key, value) = record(&nodes[0]);
    for (position, code) in
        [(1, "SHARE_DAMAGED"), (9, "SHARE_DAMAGED"), (value.len() - 1, "SEALED_NOT_AUTHENTIC")]
    {
        let mut tampered = value.clone();
        tampered[position] ^= 1;
        nodes[0].store.commit(Batch::new().put(SHARES, key.clone(), tampered)).await.unwrap();
        assert_eq!(code_of(&nodes[0], &wallet(&cell)), code, "byte {position}");
    }
    nodes[0].store.commit(Batch::new().delete(SHARES, key)).await.unwrap();
    assert_eq!(code_of(&nodes[0], &wallet(&cell)), "SHARE_MISSING");
}

#[tokio::test]
async fn share_is_used_only_for_the_wallet_that_the_log_describes() {
    let (cell, nodes) = ready().await;
    let vault = &nodes[0].node.signing.vault;
    let honest = wallet(&cell);
    vault.share_of(&honest).unwrap();
    let mut swapped = honest.clone();
    swapped.verifying_shares.swap(0, 1);
    let mut reordered = honest.clone();
    reordered.nodes.swap(0, 1);
    let others = [
        Wallet { t: 3, ..honest.clone() },
        Wallet { engine: "other".to_owned(), ..honest.clone() },
        Wallet { chain_code: holdfast_chains::Digest([0; 32]), ..honest.clone() },
        swapped,
        reordered,
    ];
    for other in others {
        assert_eq!(vault.share_of(&other).unwrap_err().code(), "SHARE_OF_OTHER_KEY", "{other:?}");
    }
}

#[tokio::test]
async fn share_of_one_epoch_is_not_used_in_another() {
    let (cell, nodes) = ready().await;
    let vault = &nodes[0].node.signing.vault;
    let next = Wallet { epoch: 1, ..wallet(&cell) };
    assert_eq!(vault.share_of(&next).unwrap_err().code(), "SHARE_MISSING");
    // Also if somebody puts it where the other one should be
    let key = format!("{}/00", vault.key_of(&next).unwrap());
    let (_, old) = record(&nodes[0]);
    nodes[0].store.commit(Batch::new().put(SHARES, key, old)).await.unwrap();
    assert_eq!(vault.share_of(&next).unwrap_err().code(), "SHARE_OF_OTHER_KEY");
}

#[tokio::test]
async fn backup_file_is_private_and_restores_the_share() {
    let (cell, nodes) = ready().await;
    let backups = nodes[0].directory.path().join("backups");
    let files: Vec<_> = std::fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(&backups)), (0o600, 0o700));
    assert!(files[0].file_name().unwrap().to_str().unwrap().starts_with("hot-1-0-"));
    // Given a node that lost its record
    let (key, _) = record(&nodes[0]);
    nodes[0].store.commit(Batch::new().delete(SHARES, key)).await.unwrap();
    assert_eq!(code_of(&nodes[0], &wallet(&cell)), "SHARE_MISSING");
    // When the backup is put back
    let bytes = std::fs::read(&files[0]).unwrap();
    let backup = SealedShare::from_bytes(&bytes).unwrap();
    let key = record_key(&wallet(&cell).id, &backup.public, PartyIndex::new(1).unwrap());
    let batch = tables::put_blob(Batch::new(), SHARES, &key, &bytes).unwrap();
    nodes[0].store.commit(batch).await.unwrap();
    // Then the share is there again
    nodes[0].node.signing.vault.share_of(&wallet(&cell)).unwrap();
}

#[tokio::test]
async fn damaged_share_gets_no_restore_proof() {
    let (cell, nodes) = ready().await;
    let held = nodes[0].node.signing.vault.share_of(&wallet(&cell)).unwrap();
    let (key, mut value) = record(&nodes[0]);
    let last = value.len() - 1;
    value[last] ^= 1;
    nodes[0].store.commit(Batch::new().put(SHARES, key, value)).await.unwrap();
    let vault = Arc::clone(&nodes[0].node.signing.vault);
    let refused = vault.back_up(&wallet(&cell).id, &held.public, held.share.party()).unwrap_err();
    assert_eq!(refused.code(), "SEALED_NOT_AUTHENTIC");
}

#[tokio::test]
async fn keygen_states_open_only_for_their_own_ceremony() {
    let (_, nodes) = ready().await;
    let vault = &nodes[0].node.signing.vault;
    let sealed = vault.seal_state("c-1", b"state").unwrap();
    assert_eq!(vault.open_state("c-1", &sealed).unwrap().as_slice(), b"state");
    assert_eq!(vault.open_state("c-2", &sealed).unwrap_err().code(), "SEALED_NOT_AUTHENTIC");
}
