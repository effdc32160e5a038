//! Wallets: a threshold key with its public data and its pauses.

use std::fmt;

use holdfast_chains::{Address, DerivationError, Digest, PublicKey};
use holdfast_policy::{
    ClusterId, NodeId, OfficerId, PolicyVersion, RuleId, TimestampMs, TripCause, WalletId,
};
use serde::{Deserialize, Serialize};

use crate::ids::{CeremonyId, StatementDigest, WithdrawalId};

/// A pause in force. Each is lifted by name, so a pause made during a resume ceremony stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRecord {
    /// The pausing statement; for a circuit breaker what stands for one: [`BreakerTrip::digest`].
    pub statement: StatementDigest,
    /// Who paused.
    #[serde(flatten)]
    pub by: PausedBy,
    /// Since when, by the entry's time.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// Who paused a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// An officer, by a statement.
    Officer(OfficerId),
    /// A circuit breaker of the policy, by replay.
    Breaker(BreakerTrip),
}

/// A circuit breaker that tripped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerTrip {
    /// The rule.
    pub rule: RuleId,
    /// The policy in force.
    pub policy_version: PolicyVersion,
    /// The withdrawal that tripped it.
    pub withdrawal: WithdrawalId,
    /// What it counted.
    pub cause: TripCause,
}

impl PausedBy {
    /// The officer, if it was one.
    pub fn officer(&self) -> Option<&OfficerId> {
        match self {
            Self::Officer(officer) => Some(officer),
            Self::Breaker(_) => None,
        }
    }

    /// The circuit breaker, if it was one.
    pub fn breaker(&self) -> Option<&BreakerTrip> {
        match self {
            Self::Officer(_) => None,
            Self::Breaker(trip) => Some(trip),
        }
    }
}

impl fmt::Display for PausedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Officer(officer) => write!(f, "{officer}"),
            Self::Breaker(trip) => write!(f, "{trip}"),
        }
    }
}

impl fmt::Display for BreakerTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, policy_version, withdrawal, cause } = self;
        write!(
            f,
            "circuit breaker {rule} of policy version {policy_version}, tripped by {withdrawal}: {cause}"
        )
    }
}

impl BreakerTrip {
    /// What a resume names it by. Every officer's statement begins otherwise, so it is no statement's digest.
    pub fn digest(&self, cluster: &ClusterId, wallet: &WalletId, index: u64) -> StatementDigest {
        let Self { rule, policy_version, withdrawal, cause: _ } = self;
        let text = format!(
            "holdfast-breaker-trip/v1\ncluster {cluster}\nwallet {wallet}\nrule {rule}\npolicy version {policy_version}\nwithdrawal {withdrawal}\nentry {index}\n"
        );
        StatementDigest::of(text.as_bytes())
    }
}

/// A wallet whose key exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// The wallet's name.
    pub id: WalletId,
    /// Engine and generation of its shares.
    pub engine: String,
    /// Shares needed to sign.
    pub t: u8,
    /// The committee, in party order: party indices are positions, from 1.
    pub nodes: Vec<NodeId>,
    /// Epoch of its shares; 0 at creation, 1 if the key was imported.
    pub epoch: u32,
    /// The joint public key.
    pub public_key: PublicKey,
    /// BIP-32 chain code.
    pub chain_code: Digest,
    /// Verifying share of each party.
    pub verifying_shares: Vec<PublicKey>,
    /// The Ethereum address of the joint public key.
    pub address: Address,
    /// The ceremony that made its key.
    pub ceremony: CeremonyId,
    /// Log index of its activation.
    pub index: u64,
    /// The ceremonies that handed its key on to new shares, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<CeremonyId>,
    /// Chain codes that it had before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_chain_codes: Vec<FormerChainCode>,
    /// Nodes that said that old shares are erased, in the order of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<Erasure>,
    /// Pauses in force; empty means it may pay.
    pub pauses: Vec<PauseRecord>,
    /// The ceremonies that lifted pauses, the oldest first.
    pub resumes: Vec<CeremonyId>,
}

/// A chain code that a migration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerChainCode {
    /// The chain code.
    pub chain_code: Digest,
    /// Log index of the activation that ended it.
    pub until: u64,
}

/// A node's word that it has no share of an epoch any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The node.
    pub node: NodeId,
    /// The incarnation that said it.
    pub incarnation: u32,
    /// The shares of this epoch, and of all before it.
    pub epoch: u32,
    /// Time of its entry.
    pub time: TimestampMs,
    /// Log index of its entry.
    pub index: u64,
}

impl Wallet {
    /// Whether any pause is in force.
    pub fn is_paused(&self) -> bool {
        !self.pauses.is_empty()
    }

    /// The public key of a deposit address, by the chain code that is in force.
    ///
    /// # Errors
    /// [`DerivationError`] for an index that has none.
    pub fn deposit_key(&self, index: u32) -> Result<PublicKey, DerivationError> {
        self.public_key.derive(&self.chain_code, &deposit_path(index))
    }

    /// The chain code that was in force at an entry of the log, after the wallet's activation.
    pub fn chain_code_at(&self, index: u64) -> &Digest {
        let former = self.former_chain_codes.iter().find(|former| index < former.until);
        former.map_or(&self.chain_code, |former| &former.chain_code)
    }

    /// The 1-based party index of a node in this wallet's committee.
    pub fn party_index(&self, node: &NodeId) -> Option<u8> {
        let position = self.nodes.iter().position(|member| member == node)?;
        u8::try_from(position.checked_add(1)?).ok()
    }
}

/// The branch of the key tree that deposit addresses are on.
const DEPOSITS: u32 = 0;

/// BIP-32 path of a deposit address below the wallet's key: `m/0/index`.
pub(crate) fn deposit_path(index: u32) -> [u32; 2] {
    [DEPOSITS, index]
}
