//! The tables and keys of the coordinator's store. A stored format never changes its meaning: a new one gets a new name.

use holdfast_log::Envelope;
use holdfast_store::Table;
use sha2::{Digest as _, Sha256};

/// Entries by index: the exact bytes that are hashed.
pub(crate) const ENTRIES: Table = Table::new("entries");
/// Signed checkpoints by [`LOG_CHECKPOINT`] and [`COSIGNED_CHECKPOINT`].
pub(crate) const CHECKPOINTS: Table = Table::new("checkpoints");
/// Where a payload was logged first, by [`payload_key`].
pub(crate) const PAYLOADS: Table = Table::new("payloads");
/// Withdrawals as they were after an entry, by its index: derived, written anew when the log is replayed.
pub(crate) const WITHDRAWAL_EVENTS: Table = Table::new("withdrawal-events");
/// Ceremonies as they were after an entry, by its index: derived as well.
pub(crate) const CEREMONY_EVENTS: Table = Table::new("ceremony-events");
/// What an entry was about and what came of it, by its index: derived as well, for searches.
pub(crate) const FOUND: Table = Table::new("found");
/// What nodes answered in the rounds of a key generation, until its wallet is active.
pub(crate) const KEYGEN_ROUNDS: Table = Table::new("keygen-rounds");

/// Cosigned checkpoints kept over time, by tree size: the time of keeping (8 bytes) and the note.
pub(crate) const EVIDENCE: Table = Table::new("evidence");

/// Withdrawals that were given up, by their ids, as long as they are open.
pub(crate) const GIVEN_UP: Table = Table::new("given-up");

/// Pages of customers' histories and of crowds, by their hashes: see `snapshot.rs`.
pub(crate) const PAGES: Table = Table::new("pages");

/// All of them.
pub(crate) const TABLES: [Table; 10] = [
    ENTRIES,
    CHECKPOINTS,
    PAYLOADS,
    WITHDRAWAL_EVENTS,
    CEREMONY_EVENTS,
    FOUND,
    KEYGEN_ROUNDS,
    EVIDENCE,
    GIVEN_UP,
    PAGES,
];

/// The checkpoint of the whole log, written together with its last entry.
pub(crate) const LOG_CHECKPOINT: &[u8] = b"log";
/// The newest checkpoint that enough nodes cosigned.
pub(crate) const COSIGNED_CHECKPOINT: &[u8] = b"cosigned";

/// Size that the log has to reach before it may go on: nodes hold that much of it, see `seeding.rs`.
pub(crate) const SEEDING: &[u8] = b"seeding";

/// Size of the tree whose full tiles are durable as files.
pub(crate) const TILES: &[u8] = b"tiles";

/// Big-endian, so that the order of keys is the order of the log.
pub(crate) fn index_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// The index of a key in this form.
pub(crate) fn index_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// SHA-256 over the envelope's payload type, a zero byte (which no type contains) and its payload.
pub(crate) fn payload_key(envelope: &Envelope) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(envelope.payload_type.as_str());
    hasher.update([0]);
    hasher.update(&envelope.payload);
    hasher.finalize().into()
}
