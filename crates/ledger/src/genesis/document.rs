//! The genesis document's members, as written. Parsed strictly; what they mean is checked in [`super::check`].

use std::collections::BTreeMap;

use holdfast_chains::Asset;
use holdfast_policy::{
    ClientId, ClusterId, ListId, NodeId, OfficerId, ProviderId, RoleName, TimestampMs, WalletId,
};
use serde::{Deserialize, Serialize};

/// How many officers of each role an act needs; one person fills one role.
pub type Quorum = BTreeMap<RoleName, u32>;

/// The document's members, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisDocument {
    /// Format version, 1.
    pub version: u32,
    /// Version of the rules by which entries are applied; must be known to every node.
    pub rules_version: u32,
    /// The cell's id; a random part keeps two cells apart.
    pub cluster: ClusterId,
    /// When the document was made.
    pub created_at_ms: TimestampMs,
    /// How far a node's clock may be behind an authorization's time.
    pub max_clock_skew_ms: u64,
    /// The committee's threshold.
    pub threshold: ThresholdEntry,
    /// Officers with roles and SSH keys.
    pub officers: Vec<OfficerEntry>,
    /// Withdrawal pipelines.
    pub clients: Vec<ClientEntry>,
    /// Providers of facts.
    pub providers: Vec<ProviderEntry>,
    /// Signer nodes, in committee order: party indices are positions, from 1.
    pub nodes: Vec<NodeEntry>,
    /// The coordinator's keys.
    pub coordinator: CoordinatorEntry,
    /// Outside witnesses of the log; may be empty.
    pub witnesses: Vec<WitnessEntry>,
    /// Cosignatures of outside witnesses without which no node signs a withdrawal; at most as many as there are.
    pub witnesses_required: u8,
    /// Asset registry.
    pub assets: Vec<Asset>,
    /// Who must approve what: `create-wallet`, `add-whitelist-entry`, `resume-wallet`, `change-roster`, `change-policy`, and
    /// where they differ from the last one `tighten-policy`, `extend-screening-list`, `reduce-screening-list`.
    pub quorums: BTreeMap<String, Quorum>,
    /// The first policy, TOML text.
    pub policy: String,
    /// The first screening lists, in full.
    pub screening_lists: Vec<ScreeningListEntry>,
}

/// t of n with 2t > n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdEntry {
    /// Shares needed to sign.
    pub t: u8,
    /// Shares that exist.
    pub n: u8,
    /// How many nodes may be hostile together with the coordinator, at most t - 1: tombstones need n - t + 1 + f nodes, and
    /// above 0 a node signs only with a checkpoint that more than (n + f) / 2 nodes cosigned.
    pub f: u8,
}

/// An outside witness of the log: sees checkpoints only, and cosigns what is consistent with what it saw before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessEntry {
    /// The name of its key in signed notes.
    pub name: String,
    /// Its Ed25519 cosigning key, hex.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
}

/// An officer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficerEntry {
    /// The officer's name.
    pub name: OfficerId,
    /// Roles the officer may act in.
    pub roles: Vec<RoleName>,
    /// One line in OpenSSH format.
    pub ssh_public_key: String,
}

/// A client of the withdrawal API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// The client's name, also in its TLS certificate.
    pub name: ClientId,
    /// Ed25519, hex.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
    /// Wallets it may ask to pay from.
    pub wallets: Vec<WalletId>,
    /// From this time on its key is void.
    pub expires_at_ms: TimestampMs,
}

/// A provider of facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// The provider's name.
    pub name: ProviderId,
    /// Ed25519, hex; never a client's key.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
}

/// A signer node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// The node's name, also in its TLS certificate.
    pub name: NodeId,
    /// Who runs it.
    pub operator: String,
    /// On whose infrastructure.
    pub provider: String,
    /// Where.
    pub region: String,
    /// Ed25519 key that cosigns checkpoints, hex.
    #[serde(with = "hex::serde")]
    pub cosigning_key: [u8; 32],
    /// Ed25519 key that signs messages, confirmations and receipts, hex.
    #[serde(with = "hex::serde")]
    pub message_key: [u8; 32],
}

/// The coordinator's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorEntry {
    /// Ed25519 key that signs checkpoints, hex.
    #[serde(with = "hex::serde")]
    pub log_key: [u8; 32],
    /// Ed25519 key that signs the coordinator's own entries, hex.
    #[serde(with = "hex::serde")]
    pub entry_key: [u8; 32],
}

/// An asset of the registry (see [`Asset`]).
pub type AssetEntry = Asset;

/// A screening list in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningListEntry {
    /// The name that policies use.
    pub id: ListId,
    /// Where it comes from.
    pub source: String,
    /// Its date, `YYYY-MM-DD`.
    pub as_of: String,
    /// The exact text: one address a line, any case.
    pub text: String,
}
