//! What is said about a withdrawal after it was authorized: what became of its transaction, and oaths never to sign it.

use holdfast_chains::Digest;
use holdfast_policy::{ClientId, ClusterId, NodeId, TimestampMs};
use serde::{Deserialize, Serialize};

use crate::ids::WithdrawalId;

/// What a client saw of a signed transaction. History only: it never frees an amount or an account nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The client that asked for the withdrawal.
    pub client: ClientId,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// What became of its transaction.
    pub outcome: ChainOutcome,
    /// Hash of the withdrawal's own signed transaction.
    pub transaction_hash: Digest,
    /// The block; required for `confirmed` and `reorganised`, absent for `broadcast` and `dropped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_number: Option<u64>,
    /// When the client saw it, by its own clock.
    pub observed_at_ms: TimestampMs,
}

/// What became of a signed transaction on its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainOutcome {
    /// Handed to the network.
    Broadcast,
    /// In a block, as deep as the client wants it.
    Confirmed,
    /// Gone from the network's memory without a block.
    Dropped,
    /// Another transaction with the same account nonce is in a block.
    Replaced,
    /// Was in a block that the chain has left.
    Reorganised,
}

/// A node's oath: "I released no final-round message for this withdrawal and never will".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Its incarnation in the roster: a restored copy cannot keep another one's oath.
    pub incarnation: u32,
    /// The withdrawal that it will never sign.
    pub withdrawal: WithdrawalId,
}
