//! The evidence of a fork: a checkpoint that the log's key signed and that contradicts this node's entries.
//!
//! Owns the stored form, version 1. It is kept so that people can look at it, and so that a restart forgets nothing.

use holdfast_policy::TimestampMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const FORMAT: u32 = 1;

/// Why this node stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkEvidence {
    format: u32,
    /// Size of the contradicting checkpoint.
    pub(crate) size: u64,
    /// The first entry that was another, if entries came with it.
    pub(crate) index: Option<u64>,
    /// The contradicting checkpoint note.
    pub(crate) checkpoint: String,
    /// When it came, by this node's clock.
    pub(crate) seen_at_ms: TimestampMs,
}

impl ForkEvidence {
    pub(super) fn new(size: u64, index: Option<u64>, note: &[u8], seen_at_ms: TimestampMs) -> Self {
        let checkpoint = String::from_utf8_lossy(note).into_owned();
        Self { format: FORMAT, size, index, checkpoint, seen_at_ms }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Evidence that does not read is evidence all the same.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Self::new(0, None, b"unreadable evidence", TimestampMs(0)))
    }

    /// What an operator names to say that this evidence, and no other, was looked at.
    pub(crate) fn id_of(record: &[u8]) -> String {
        hex::encode(Sha256::digest(record)).chars().take(16).collect()
    }
}
