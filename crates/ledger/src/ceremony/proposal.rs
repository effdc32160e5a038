//! What officers propose about wallets, destinations and the policy. Changes of the roster are in [`crate::RosterProposal`].

use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_policy::{CustomerRef, NodeId, PolicyHash, PolicyVersion, TimestampMs, WalletId};
use serde::{Deserialize, Serialize};

/// A wallet to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletProposal {
    /// The wallet's name.
    pub wallet: WalletId,
    /// Engine and generation.
    pub engine: String,
    /// Shares needed to sign.
    pub t: u8,
    /// Shares that exist.
    pub n: u8,
    /// The committee, in party order.
    pub nodes: Vec<NodeId>,
}

/// A whitelist entry to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhitelistProposal {
    /// Chain of the address.
    pub chain_id: ChainId,
    /// Who may be paid.
    pub address: Address,
    /// In which assets, sorted.
    pub assets: Vec<AssetSymbol>,
    /// The customer it belongs to; `None` is a house entry.
    pub customer: Option<CustomerRef>,
    /// Valid from this time, or from the end of the cooling-off if that is later.
    pub not_before: Option<TimestampMs>,
    /// Valid until just before this time.
    pub expires_at: TimestampMs,
}

/// A policy to be put in force, and the one it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyProposal {
    /// Version of the policy that it replaces; under any other version it is void.
    pub version: PolicyVersion,
    /// SHA-256 of the policy that it replaces.
    pub replaces: PolicyHash,
    /// SHA-256 of the new policy, whose document is in the log already.
    pub policy: PolicyHash,
}
