//! What happened to a withdrawal after its authorization.

use holdfast_chains::Digest;
use holdfast_policy::{NodeId, TimestampMs};
use serde::Serialize;

use crate::payload::ChainOutcome;

/// What its client reported about a signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeRecord {
    /// What became of it.
    pub outcome: ChainOutcome,
    /// Hash of the signed transaction.
    pub transaction_hash: Digest,
    /// The block, if there is one.
    pub block_number: Option<u64>,
    /// When the client saw it, by its own clock.
    pub observed_at: TimestampMs,
    /// Time of its entry.
    pub time: TimestampMs,
    /// Log index of its entry.
    pub index: u64,
}

/// One node's oath never to sign a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TombstoneRecord {
    /// The node.
    pub node: NodeId,
    /// The incarnation that swore; another one is not bound and does not count.
    pub incarnation: u32,
    /// Time of its entry.
    pub time: TimestampMs,
    /// Log index of its entry.
    pub index: u64,
}
