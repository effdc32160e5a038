//! Proofs that the log permits a node to act now. Signing and key generation take them as arguments, so a path that
//! skips the checks does not compile: only [`crate::State`] makes them.

use holdfast_chains::{Digest, PublicKey};
use holdfast_policy::{ClientId, ClusterId, DurationMs, NodeId, WalletId};

use crate::ceremony::{ImportProposal, NextChainCode};
use crate::ids::{CeremonyId, WithdrawalId};
use crate::payload::Tombstone;
use crate::wallet::Wallet;

/// The log permits signing this digest now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedWithdrawal {
    pub(crate) withdrawal: WithdrawalId,
    pub(crate) wallet: WalletId,
    pub(crate) epoch: u32,
    pub(crate) public_key: PublicKey,
    pub(crate) derivation_path: Vec<u32>,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) threshold: u8,
    pub(crate) digests: Vec<Digest>,
    pub(crate) digest: Digest,
    pub(crate) authorization_index: u64,
    pub(crate) waited: Option<Waited>,
}

/// A time that the policy wants to have passed since an entry, which is all that releases the withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The log index of the first request.
    pub since: u64,
    /// How long.
    pub at_least: DurationMs,
}

impl AuthorizedWithdrawal {
    /// The withdrawal.
    pub fn withdrawal(&self) -> WithdrawalId {
        self.withdrawal
    }

    /// The wallet whose key signs.
    pub fn wallet(&self) -> &WalletId {
        &self.wallet
    }

    /// The key epoch to use.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The public key that signs: the wallet's, or the one at [`AuthorizedWithdrawal::derivation_path`] below it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// BIP-32 path below the wallet's key, never hardened; empty for the wallet's own key.
    pub fn derivation_path(&self) -> &[u32] {
        &self.derivation_path
    }

    /// The committee, in party order.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// How many of them sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// All digests of the authorization.
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// The one to sign.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Log index of the authorization.
    pub fn authorization_index(&self) -> u64 {
        self.authorization_index
    }

    /// What must have been waited for; the entry's own time, by which this was found so, is the coordinator's word.
    pub fn waited(&self) -> Option<Waited> {
        self.waited
    }
}

/// The log permits swearing never to sign this withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstonable {
    pub(crate) cluster: ClusterId,
    pub(crate) withdrawal: WithdrawalId,
}

impl Tombstonable {
    /// The withdrawal.
    pub fn withdrawal(&self) -> WithdrawalId {
        self.withdrawal
    }

    /// The oath of this node, to be signed with its message key.
    pub fn oath(&self, node: NodeId, incarnation: u32) -> Tombstone {
        Tombstone { cluster: self.cluster.clone(), node, incarnation, withdrawal: self.withdrawal }
    }
}

/// The log permits making shares of this wallet's key: of a key that is generated, of the one that there is, or of one that comes from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedKeygen {
    pub(crate) ceremony: CeremonyId,
    pub(crate) wallet: WalletId,
    pub(crate) engine: String,
    pub(crate) epoch: u32,
    pub(crate) threshold: u8,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) hands_on: Option<HandsOn>,
    pub(crate) imports: Option<ImportProposal>,
}

/// A key that is handed on to new shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandsOn {
    /// The wallet as the log has it, with the shares that there are.
    pub wallet: Wallet,
    /// Whether its chain code stays.
    pub chain_code: NextChainCode,
    /// Who gives: exactly t of the committee, in its order.
    pub givers: Vec<NodeId>,
}

impl ApprovedKeygen {
    /// The approved ceremony.
    pub fn ceremony(&self) -> CeremonyId {
        self.ceremony
    }

    /// The wallet whose shares are made.
    pub fn wallet(&self) -> &WalletId {
        &self.wallet
    }

    /// The engine that the officers approved.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The epoch of the shares to make.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Shares needed to sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The committee, in party order.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The wallet's key that is handed on; `None` if one is generated or imported.
    pub fn hands_on(&self) -> Option<&HandsOn> {
        self.hands_on.as_ref()
    }

    /// The key of another deployment that is taken over; `None` if one is generated or handed on.
    pub fn imports(&self) -> Option<&ImportProposal> {
        self.imports.as_ref()
    }
}

/// Why a node must not act now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// The log does not know the withdrawal or ceremony.
    #[error("the log knows no `{0}`")]
    Unknown(String),
    /// It is not in the state that permits this.
    #[error("the log does not permit it: `{0}`")]
    NotPermitted(String),
    /// The authorization is ahead of this node's clock by more than the permitted skew.
    #[error("the authorization is {ahead_ms} ms ahead of this node's clock")]
    AheadOfClock {
        /// By how much, ms.
        ahead_ms: u64,
    },
    /// The authorization is too old; it must be renewed.
    #[error("the authorization is {age_ms} ms old, it must be renewed")]
    AuthorizationTooOld {
        /// Its age by this node's clock, ms.
        age_ms: u64,
    },
    /// The intent has expired by this node's clock.
    #[error("the intent has expired")]
    IntentExpired,
    /// The client's key has expired by this node's clock.
    #[error("the client's key has expired")]
    ClientExpired,
    /// An officer revoked the client.
    #[error("client `{0}` is revoked")]
    ClientRevoked(ClientId),
    /// A pause is in force.
    #[error("wallet `{0}` is paused")]
    WalletPaused(WalletId),
    /// This node's own evaluation, now, does not allow it.
    #[error("this node's own evaluation does not allow it: {0}")]
    PolicyRefuses(String),
    /// The bound transaction does not decode to the intent, or its digest is another.
    #[error("the transaction is not what was authorized: {0}")]
    TransactionMismatch(String),
    /// So many nodes derived another state from the same log that fewer than t can agree with this one.
    #[error("this node's state differs from that of {}: stop it and compare programs and logs", list(.0))]
    StateDiverged(Vec<NodeId>),
}

impl OrderRefusal {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            OrderRefusal::Unknown(_) => "ORDER_UNKNOWN",
            OrderRefusal::NotPermitted(_) => "ORDER_NOT_PERMITTED",
            OrderRefusal::AheadOfClock { .. } => "AUTHORIZATION_AHEAD_OF_CLOCK",
            OrderRefusal::AuthorizationTooOld { .. } => "AUTHORIZATION_TOO_OLD",
            OrderRefusal::IntentExpired => "INTENT_EXPIRED",
            OrderRefusal::ClientExpired => "CLIENT_EXPIRED",
            OrderRefusal::ClientRevoked(_) => "CLIENT_REVOKED",
            OrderRefusal::WalletPaused(_) => "WALLET_PAUSED",
            OrderRefusal::PolicyRefuses(_) => "POLICY_REFUSES",
            OrderRefusal::TransactionMismatch(_) => "TRANSACTION_MISMATCH",
            OrderRefusal::StateDiverged(_) => "STATE_DIVERGED",
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ")
}
