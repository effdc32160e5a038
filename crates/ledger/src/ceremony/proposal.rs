//! What officers propose about wallets, destinations and the policy. Changes of the roster are in [`crate::RosterProposal`].

use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_policy::{
    BacktestDigest, CustomerRef, DeltaHash, DiffDigest, ListHash, ListId, NodeId, PolicyHash, PolicyVersion,
    TimestampMs, WalletId,
};
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

/// What becomes of the chain code, of which every deposit address is derived, when a key is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextChainCode {
    /// It stays, and so does every deposit address.
    Carried,
    /// The nodes agree on a new one: every deposit address changes.
    Fresh,
}

impl NextChainCode {
    /// The word in statements.
    pub fn as_str(self) -> &'static str {
        match self {
            NextChainCode::Carried => "carried",
            NextChainCode::Fresh => "fresh",
        }
    }

    /// The choice with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [NextChainCode::Carried, NextChainCode::Fresh].into_iter().find(|choice| choice.as_str() == word)
    }
}

/// A wallet's key to be handed on to new shares, of another engine or of the same: key and address stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationProposal {
    /// The wallet's name.
    pub wallet: WalletId,
    /// Engine and generation of the shares that there are.
    pub from_engine: String,
    /// Engine and generation of the new shares.
    pub engine: String,
    /// Epoch of the shares that there are; the new ones have the next.
    pub from_epoch: u32,
    /// Whether deposit addresses stay.
    pub chain_code: NextChainCode,
    /// Exactly t nodes of the committee, in its order.
    pub givers: Vec<NodeId>,
    /// All of the committee, in its order.
    pub receivers: Vec<NodeId>,
}

impl MigrationProposal {
    /// The epoch of the new shares.
    pub fn epoch(&self) -> u32 {
        self.from_epoch.saturating_add(1)
    }
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
    /// Digest of what differs between the two. The ledger compares it.
    pub diff: DiffDigest,
    /// What the new policy would have decided about the logged history. The ledger cannot tell: every officer's tool derives
    /// it again from a replay of its own and refuses to sign another one.
    pub backtest: BacktestClaim,
}

/// The result of a backtest, as a proposal claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacktestClaim {
    /// How many entries of the log it is over, from the first one on.
    pub size: u64,
    /// Digest of the whole result.
    pub digest: BacktestDigest,
    /// Withdrawals that were decided.
    pub decided: u64,
    /// Those that would have been decided otherwise.
    pub flips: u64,
    /// Customers of those.
    pub customers: u64,
    /// How many were held when they were asked for.
    pub held: Before,
    /// How many were denied when they were asked for.
    pub denied: Before,
}

/// Two numbers of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// By the policies that were in force.
    pub before: u64,
    /// By the proposed one.
    pub after: u64,
}

/// The next version of a screening list, and the one it replaces. Its addresses are in the log already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreeningProposal {
    /// The list.
    pub list: ListId,
    /// The version that it replaces, 0 for a new list; under any other version it is void.
    pub version: u64,
    /// SHA-256 of that version; none for a new list.
    pub replaces: Option<ListHash>,
    /// SHA-256 of the next version.
    pub result: ListHash,
    /// SHA-256 over the addresses that come and go.
    pub delta: DeltaHash,
    /// How many come.
    pub added: u64,
    /// How many go: any makes it a matter of the larger quorum.
    pub removed: u64,
}
