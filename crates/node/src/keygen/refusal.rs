//! Why this node does not take part in a key generation.
//!
//! Owns the reason codes of ceremonies that generate a key.

use holdfast_ledger::OrderRefusal;
use holdfast_policy::NodeId;
use holdfast_store::StoreError;
use holdfast_threshold::{KeygenError, SessionId, SetupError};

use crate::imports::ImportError;
use crate::replica::ExtendRefusal;
use crate::tables::BlobTooLarge;
use crate::vault::VaultError;
use crate::witnessed::WitnessedRefusal;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeygenRefusal {
    /// The replica could not be extended or is not sound.
    #[error(transparent)]
    Replica(#[from] ExtendRefusal),
    /// The log does not permit it.
    #[error(transparent)]
    Order(#[from] OrderRefusal),
    /// The officers' statements had expired when they came.
    #[error(transparent)]
    Witnessed(#[from] WitnessedRefusal),
    /// The officers approved an engine that this program does not have.
    #[error("engine `{engine}` is not in this program")]
    UnknownEngine { engine: String },
    /// This node is not in the committee.
    #[error("this node is not in the ceremony's committee")]
    NotInCommittee,
    /// The session id was used before.
    #[error("session `{session}` was used before: start a new one")]
    SessionReused { session: SessionId },
    /// No such session.
    #[error("no key generation runs in session `{session}`")]
    SessionUnknown { session: SessionId },
    /// The session is over, and the round is not the one whose answer is kept.
    #[error("session `{session}` is over: its key is confirmed")]
    Over { session: SessionId },
    /// Too many attempts.
    #[error("too many key generations run, or too many attempts were made at this one")]
    TooMany,
    /// The parties do not fit.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A round failed.
    #[error("{error}")]
    Engine {
        /// What the engine says.
        error: KeygenError,
        /// Who is proven to have caused it.
        culprit: Option<NodeId>,
    },
    /// The share of another deployment is not the one that the officers approved, or not there.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The share could not be kept, backed up or restored.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A state too large for one batch.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
    /// A stored record does not read or cannot be written.
    #[error("the record of a key generation is unreadable: start a new ceremony")]
    Unreadable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<KeygenError> for KeygenRefusal {
    fn from(error: KeygenError) -> Self {
        Self::Engine { error, culprit: None }
    }
}

impl KeygenRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Replica(refusal) => refusal.code(),
            Self::Order(refusal) => refusal.code(),
            Self::Witnessed(refusal) => refusal.code(),
            Self::UnknownEngine { .. } => "ENGINE_UNKNOWN",
            Self::NotInCommittee => "NOT_IN_COMMITTEE",
            Self::SessionReused { .. } => "SESSION_REUSED",
            Self::SessionUnknown { .. } => "SESSION_UNKNOWN",
            Self::Over { .. } => "SESSION_OVER",
            Self::TooMany => "TOO_MANY_SESSIONS",
            Self::Setup(_) => "COMMITTEE_INVALID",
            Self::Engine { error, .. } => engine_code(error),
            Self::Import(error) => error.code(),
            Self::Vault(error) => error.code(),
            Self::TooLarge(_) => "KEYGEN_STATE_TOO_LARGE",
            Self::Unreadable => "KEYGEN_UNREADABLE",
            Self::Store(_) => "STORE_FAILED",
        }
    }
}

fn engine_code(error: &KeygenError) -> &'static str {
    match error {
        KeygenError::Channel(_) | KeygenError::Malformed { .. } | KeygenError::Protocol(_) => {
            "PEER_MESSAGE_INVALID"
        }
        KeygenError::Round(_) => "ROUND_NOT_DUE",
        KeygenError::Setup(_)
        | KeygenError::Share(_)
        | KeygenError::Foreign(_)
        | KeygenError::Unconfirmed { .. }
        | KeygenError::KeyChanged { .. }
        | KeygenError::Aborted { .. }
        | KeygenError::StateMalformed
        | KeygenError::StateUnencodable => error.code(),
    }
}
