//! What is wrong with the description of a session.
//!
//! Owns the reason codes of set-up. It must never name a limit that the checks do not enforce.

use super::{MAX_PARTIES, PartyIndex};
use crate::engine::EngineId;

/// What is wrong with the description of a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The threshold is outside 2 ..= n.
    #[error("`threshold` {t} of {n} is not possible: t must be at least 2 and at most n")]
    ThresholdOutOfRange {
        /// Wanted signers.
        t: u8,
        /// Committee size.
        n: u8,
    },
    /// Two disjoint signer sets would exist.
    #[error("`threshold` {t} of {n} lets two disjoint groups sign: 2t must be greater than n")]
    NoHonestOverlap {
        /// Wanted signers.
        t: u8,
        /// Committee size.
        n: u8,
    },
    /// More parties than the crate runs.
    #[error("`threshold` names {n} parties: at most {MAX_PARTIES}")]
    TooManyParties {
        /// Committee size.
        n: u8,
    },
    /// A party index outside 1 ..= n.
    #[error("party `{index}` is not in the committee of {n}")]
    PartyOutOfRange {
        /// The index.
        index: u8,
        /// Committee size.
        n: u8,
    },
    /// A party twice in one set.
    #[error("party `{party}` is named twice")]
    DuplicateParty {
        /// The party.
        party: PartyIndex,
    },
    /// A signer set that is not exactly t parties.
    #[error("the signer set has {got} parties: exactly {expected} sign")]
    WrongSignerCount {
        /// The threshold.
        expected: u8,
        /// Parties given.
        got: usize,
    },
    /// This node is not in the set it was asked to take part in.
    #[error("party `{party}` is not in the session's set of parties")]
    NotAParticipant {
        /// This node.
        party: PartyIndex,
    },
    /// An engine that makes keys and takes none over.
    #[error("engine `{engine}` takes over no key: hand it on to another engine")]
    EngineCannotReceive {
        /// The engine.
        engine: EngineId,
    },
    /// The new shares are not of the epoch after that of the old ones.
    #[error("epoch {new} does not follow epoch {old}")]
    EpochOutOfOrder {
        /// The epoch of the key that is handed on.
        old: u32,
        /// The epoch asked for.
        new: u32,
    },
    /// A giver of a resharing without its share.
    #[error("party `{party}` is to give of its share of the key, and has none")]
    NothingToGive {
        /// This node.
        party: PartyIndex,
    },
    /// The cluster name is empty, too long or not printable ASCII.
    #[error("`cluster` must be 1 to 64 printable ASCII characters without spaces")]
    InvalidCluster,
    /// A message key that is not an Ed25519 public key of full order.
    #[error("the message key of party `{party}` is not a usable Ed25519 public key")]
    InvalidMessageKey {
        /// Whose key.
        party: PartyIndex,
    },
    /// Two parties with one message key.
    #[error("parties `{first}` and `{second}` have the same message key")]
    SharedMessageKey {
        /// One of them.
        first: PartyIndex,
        /// The other.
        second: PartyIndex,
    },
    /// No message key for a participant.
    #[error("no message key for party `{party}`: it is needed to check the party's offer")]
    MissingMessageKey {
        /// Whose key.
        party: PartyIndex,
    },
    /// The signing key given does not belong to the roster's key of this party.
    #[error("the message key of this node is not the one the roster has for party `{party}`")]
    ForeignMessageKey {
        /// This node.
        party: PartyIndex,
    },
}

impl SetupError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ThresholdOutOfRange { .. } => "THRESHOLD_OUT_OF_RANGE",
            Self::NoHonestOverlap { .. } => "THRESHOLD_WITHOUT_OVERLAP",
            Self::TooManyParties { .. } => "TOO_MANY_PARTIES",
            Self::PartyOutOfRange { .. } => "PARTY_OUT_OF_RANGE",
            Self::DuplicateParty { .. } => "DUPLICATE_PARTY",
            Self::WrongSignerCount { .. } => "WRONG_SIGNER_COUNT",
            Self::NotAParticipant { .. } => "NOT_A_PARTICIPANT",
            Self::EngineCannotReceive { .. } => "ENGINE_CANNOT_RECEIVE",
            Self::EpochOutOfOrder { .. } => "EPOCH_OUT_OF_ORDER",
            Self::NothingToGive { .. } => "NOTHING_TO_GIVE",
            Self::InvalidCluster => "INVALID_CLUSTER",
            Self::InvalidMessageKey { .. } => "INVALID_MESSAGE_KEY",
            Self::SharedMessageKey { .. } => "SHARED_MESSAGE_KEY",
            Self::MissingMessageKey { .. } => "MISSING_MESSAGE_KEY",
            Self::ForeignMessageKey { .. } => "FOREIGN_MESSAGE_KEY",
        }
    }
}
