//! The store's tables, and blobs that are larger than one record may be.
//!
//! Owns the names and keys under which everything durable lies. It must never hold a secret unsealed.

use holdfast_store::{Batch, CommitError, MAX_VALUE_BYTES, StoreError, StoreHandle, Table};

/// Log entries: index (8 bytes, big-endian) to the exact entry.
pub(crate) const ENTRIES: Table = Table::new("entries");
/// Single records about the node itself, by name.
pub(crate) const NODE: Table = Table::new("node");
/// Withdrawal id to the digests it is bound to for ever.
pub(crate) const BINDINGS: Table = Table::new("bindings");
/// Session ids that were used, for ever.
pub(crate) const SESSIONS: Table = Table::new("sessions");
/// Officers' delivered statements: sequence (8 bytes, big-endian) to statement and receipt.
pub(crate) const STATEMENTS: Table = Table::new("statements");
/// Sealed key shares, by wallet, epoch, and public key (first epoch) or verifying share.
pub(crate) const SHARES: Table = Table::new("shares");
/// Key generations: ceremony id to what is public about the newest attempt.
pub(crate) const KEYGENS: Table = Table::new("keygens");
/// The secret state of unfinished key generations, sealed.
pub(crate) const KEYGEN_STATES: Table = Table::new("keygen-states");
/// Pairs of key and party with which no session is run again.
pub(crate) const BANS: Table = Table::new("bans");
/// When the node, or others by their word, held how much of the log: see `witnessed.rs`.
pub(crate) const WITNESSED: Table = Table::new("witnessed");
/// What was refused: sequence (8 bytes, big-endian) to the incident.
pub(crate) const INCIDENTS: Table = Table::new("incidents");

/// Pages of customers' histories and of crowds, by their hashes: see `replica/snapshot.rs`.
pub(crate) const PAGES: Table = Table::new("pages");

/// Every table.
pub(crate) const ALL: [Table; 12] = [
    ENTRIES,
    NODE,
    BINDINGS,
    SESSIONS,
    STATEMENTS,
    SHARES,
    KEYGENS,
    KEYGEN_STATES,
    BANS,
    WITNESSED,
    INCIDENTS,
    PAGES,
];

/// In [`NODE`]: the tip of the replica.
pub(crate) const TIP: &str = "tip";
/// In [`NODE`]: the newest checkpoint note that was verified, for a coordinator that lost its log.
pub(crate) const NOTE: &str = "checkpoint";
/// In [`NODE`]: the evidence of a fork that stopped signing.
pub(crate) const HALT: &str = "halt";
/// In [`NODE`], before a wallet's name: the newest epoch whose earlier shares are erased.
pub(crate) const ERASED: &str = "erased/";
/// In [`NODE`]: a sealed constant that tells a wrong passphrase.
pub(crate) const SEALING_CHECK: &str = "sealing-check";

/// Room for a blob's own header within one record.
const CHUNK_BYTES: usize = MAX_VALUE_BYTES / 2;
/// 8 MiB is also the most that one batch may hold.
const MAX_CHUNKS: usize = 15;

/// A blob that would not fit into one batch.
#[derive(Debug, thiserror::Error)]
#[error("a blob of {bytes} bytes does not fit into one batch")]
pub(crate) struct BlobTooLarge {
    bytes: usize,
}

/// The chunks of a blob under `key/0`, `key/1` and so on; the first one begins with their number.
pub(crate) fn put_blob(batch: Batch, table: Table, key: &str, bytes: &[u8]) -> Result<Batch, BlobTooLarge> {
    let chunks: Vec<&[u8]> = bytes.chunks(CHUNK_BYTES).collect();
    let count = u8::try_from(chunks.len()).ok().filter(|count| usize::from(*count) <= MAX_CHUNKS);
    let count = count.ok_or(BlobTooLarge { bytes: bytes.len() })?;
    let indexed = chunks.into_iter().enumerate();
    Ok(indexed.fold(batch, |batch, (index, chunk)| {
        let value = if index == 0 { [&[count], chunk].concat() } else { chunk.to_vec() };
        batch.put(table, chunk_key(key, index), value)
    }))
}

/// The blob under `key`, if there is one.
pub(crate) fn read_blob(store: &StoreHandle, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(first) = store.read(table, chunk_key(key, 0).as_bytes())? else { return Ok(None) };
    let Some((count, first)) = first.split_first() else { return Ok(None) };
    let mut bytes = first.to_vec();
    for index in 1..usize::from(*count) {
        // A missing chunk leaves a blob that does not unseal.
        bytes.extend(store.read(table, chunk_key(key, index).as_bytes())?.unwrap_or_default());
    }
    Ok(Some(bytes))
}

/// Deletes every chunk that a blob under `key` can have.
pub(crate) fn delete_blob(batch: Batch, table: Table, key: &str) -> Batch {
    (0..MAX_CHUNKS).fold(batch, |batch, index| batch.delete(table, chunk_key(key, index)))
}

/// The error of a batch without expectations, or with one that only this process could break: then nothing more is
/// believed.
pub(crate) fn unconditional(error: CommitError) -> StoreError {
    match error {
        CommitError::ExpectationFailed { .. } => StoreError::Poisoned,
        CommitError::Store(error) => error,
    }
}

fn chunk_key(key: &str, index: usize) -> String {
    format!("{key}/{index:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::StoreConfig;

    #[tokio::test]
    async fn blob_larger_than_a_record_comes_back_whole_and_a_shorter_one_replaces_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &ALL).unwrap();
        let large: Vec<u8> = (0..3 * MAX_VALUE_BYTES).map(|i| i.to_le_bytes()[0]).collect();
        store.commit(put_blob(Batch::new(), KEYGENS, "k", &large).unwrap()).await.unwrap();
        assert!(read_blob(&store, KEYGENS, "k").unwrap() == Some(large));
        store.commit(put_blob(Batch::new(), KEYGENS, "k", b"short").unwrap()).await.unwrap();
        assert_eq!(read_blob(&store, KEYGENS, "k").unwrap(), Some(b"short".to_vec()));
        store.commit(delete_blob(Batch::new(), KEYGENS, "k")).await.unwrap();
        assert_eq!(store.scan(KEYGENS, &[], 10).unwrap(), vec![]);
    }

    #[test]
    fn blob_beyond_one_batch_is_refused() {
        assert!(put_blob(Batch::new(), KEYGENS, "k", &vec![0; 16 * CHUNK_BYTES]).is_err());
    }
}
