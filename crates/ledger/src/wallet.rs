//! Wallets: a threshold key with its public data and its pauses.

use holdfast_chains::{Address, DerivationError, Digest, PublicKey};
use holdfast_policy::{NodeId, OfficerId, TimestampMs, WalletId};
use serde::{Deserialize, Serialize};

use crate::ids::{CeremonyId, StatementDigest};

/// A pause in force. Each is lifted by name, so a pause made during a resume ceremony stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRecord {
    /// The pausing statement.
    pub statement: StatementDigest,
    /// Who paused.
    pub officer: OfficerId,
    /// Since when, by the entry's time.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// A wallet whose key exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// The wallet's name.
    pub id: WalletId,
    /// Engine and generation.
    pub engine: String,
    /// Shares needed to sign.
    pub t: u8,
    /// The committee, in party order: party indices are positions, from 1.
    pub nodes: Vec<NodeId>,
    /// Key epoch; 0 at creation.
    pub epoch: u32,
    /// The joint public key.
    pub public_key: PublicKey,
    /// BIP-32 chain code.
    pub chain_code: Digest,
    /// Verifying share of each party.
    pub verifying_shares: Vec<PublicKey>,
    /// The Ethereum address of the joint public key.
    pub address: Address,
    /// The ceremony that made it.
    pub ceremony: CeremonyId,
    /// Log index of its activation.
    pub index: u64,
    /// Pauses in force; empty means it may pay.
    pub pauses: Vec<PauseRecord>,
    /// The ceremonies that lifted pauses, the oldest first.
    pub resumes: Vec<CeremonyId>,
}

impl Wallet {
    /// Whether any pause is in force.
    pub fn is_paused(&self) -> bool {
        !self.pauses.is_empty()
    }

    /// The public key of a deposit address.
    ///
    /// # Errors
    /// [`DerivationError`] for an index that has none.
    pub fn deposit_key(&self, index: u32) -> Result<PublicKey, DerivationError> {
        self.public_key.derive(&self.chain_code, &deposit_path(index))
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
