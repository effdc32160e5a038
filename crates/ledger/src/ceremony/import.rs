//! A key that another deployment holds, and what officers propose about it.

use holdfast_chains::PublicKey;
use holdfast_policy::NodeId;
use serde::{Deserialize, Serialize};

use super::WalletProposal;

/// Most parties of an old committee.
pub(crate) const MAX_OLD_PARTIES: usize = 16;

/// A key of another deployment that becomes a wallet's: new shares of it for the cluster's committee, given by holders of old ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProposal {
    /// The wallet to be created, with engine and committee of the new shares.
    pub wallet: WalletProposal,
    /// The key, as the old deployment has it.
    pub old: OldKey,
    /// Who gives: exactly `old.t` nodes of the committee, in its order.
    pub givers: Vec<ImportGiver>,
}

/// The public half of a key that others made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldKey {
    /// Shares needed to sign.
    pub t: u8,
    /// The joint public key.
    pub public_key: PublicKey,
    /// The verifying share of each party, in order: as many as there are parties.
    pub verifying_shares: Vec<PublicKey>,
}

/// A node that has the file of a party of the old committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportGiver {
    /// The node.
    pub node: NodeId,
    /// Whose share it has: a party of the old committee, from 1.
    pub party: u8,
}

impl OldKey {
    /// Shares that exist.
    pub fn n(&self) -> u8 {
        u8::try_from(self.verifying_shares.len()).unwrap_or(u8::MAX)
    }

    /// Whether this can be the public half of a key: the shares lie on one polynomial that gives it.
    pub fn is_sound(&self) -> bool {
        let n = self.verifying_shares.len();
        (2..=n.min(MAX_OLD_PARTIES)).contains(&usize::from(self.t))
            && n <= MAX_OLD_PARTIES
            && self.public_key.is_shared_by(self.t, &self.verifying_shares)
    }
}
