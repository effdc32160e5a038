//! Why this node does not sign.
//!
//! Owns the reason codes of the withdrawal path.

use holdfast_ledger::{OrderRefusal, WithdrawalId};
use holdfast_policy::NodeId;
use holdfast_threshold::{SessionId, SetupError, SignError};

use super::{MAX_SESSIONS, SESSION_TTL_MS};
use crate::bans::BanError;
use crate::cosigned::CosignedRefusal;
use crate::guard::GuardRefusal;
use crate::latches::{DeliverRefusal, Latched};
use crate::replica::ExtendRefusal;
use crate::vault::VaultError;
use crate::witnessed::WitnessedRefusal;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignRefusal {
    /// The replica could not be extended or is not sound.
    #[error(transparent)]
    Replica(#[from] ExtendRefusal),
    /// The latches could not be brought up to date.
    #[error(transparent)]
    Latches(#[from] DeliverRefusal),
    /// An officer stopped it at this node.
    #[error(transparent)]
    Latched(#[from] Latched),
    /// The log does not permit it.
    #[error(transparent)]
    Order(#[from] OrderRefusal),
    /// What permits it came too late, or too short a time ago, by this node's own clock.
    #[error(transparent)]
    Witnessed(#[from] WitnessedRefusal),
    /// Too few others are shown to hold the same history.
    #[error(transparent)]
    Cosigned(#[from] CosignedRefusal),
    /// The signer set is not one.
    #[error("the signers cannot sign together: {0}")]
    Signers(&'static str),
    /// The parties do not fit.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The safety database refuses.
    #[error(transparent)]
    Guard(#[from] GuardRefusal),
    /// The share is not here or not right.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The list of bans failed.
    #[error(transparent)]
    Bans(#[from] BanError),
    /// Engine and log derive different keys for a deposit address.
    #[error("the engine derives another key for this deposit address than the log does")]
    ChildDiffers,
    /// This node swore never to sign it.
    #[error("this node swore never to sign withdrawal `{withdrawal}`")]
    SwornOff { withdrawal: WithdrawalId },
    /// The log permits something else than when the attempt began.
    #[error("the log permits something else than when this attempt began: start a new one")]
    PermitChanged,
    /// A round failed.
    #[error("{error}")]
    Engine {
        /// What the engine says.
        error: SignError,
        /// Who is proven to have caused it.
        culprit: Option<NodeId>,
    },
    /// No such attempt, or its time is over.
    #[error(
        "no attempt is in progress in session `{session}`: it was never opened, is over, or took more than {SESSION_TTL_MS} ms"
    )]
    SessionUnknown { session: SessionId },
    /// Another call works on it.
    #[error("another call works on session `{session}`")]
    SessionBusy { session: SessionId },
    /// Too many attempts.
    #[error("{MAX_SESSIONS} attempts are in progress: try again later")]
    TooManySessions,
    /// The computation was interrupted.
    #[error("the computation was interrupted: start a new attempt")]
    Interrupted,
}

impl From<SignError> for SignRefusal {
    fn from(error: SignError) -> Self {
        Self::Engine { error, culprit: None }
    }
}

impl SignRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Replica(refusal) => refusal.code(),
            Self::Latches(refusal) => refusal.code(),
            Self::Latched(_) => "LATCHED",
            Self::Order(refusal) => refusal.code(),
            Self::Witnessed(refusal) => refusal.code(),
            Self::Cosigned(refusal) => refusal.code(),
            Self::Signers(_) | Self::Setup(_) => "SIGNERS_INVALID",
            Self::Guard(refusal) => refusal.code(),
            Self::Vault(error) => error.code(),
            Self::Bans(_) => "BANS_UNREADABLE",
            Self::ChildDiffers => "CHILD_KEY_DIFFERS",
            Self::SwornOff { .. } => "SWORN_OFF",
            Self::PermitChanged => "PERMIT_CHANGED",
            Self::Engine { error, .. } => engine_code(error),
            Self::SessionUnknown { .. } => "SESSION_UNKNOWN",
            Self::SessionBusy { .. } => "SESSION_BUSY",
            Self::TooManySessions => "TOO_MANY_SESSIONS",
            Self::Interrupted => "SIGNING_INTERRUPTED",
        }
    }

    /// Whether it is the ordinary course of things, and not something that people should look at.
    pub(crate) fn is_ordinary(&self) -> bool {
        match self {
            Self::Replica(refusal) => refusal.is_ordinary(),
            Self::SessionUnknown { .. } | Self::SessionBusy { .. } => true,
            Self::Latches(_)
            | Self::Latched(_)
            | Self::Order(_)
            | Self::Witnessed(_)
            | Self::Cosigned(_)
            | Self::Signers(_)
            | Self::Setup(_)
            | Self::Guard(_)
            | Self::Vault(_)
            | Self::Bans(_)
            | Self::ChildDiffers
            | Self::SwornOff { .. }
            | Self::PermitChanged
            | Self::Engine { .. }
            // An honest coordinator never has that many attempts under way.
            | Self::TooManySessions
            | Self::Interrupted => false,
        }
    }
}

fn engine_code(error: &SignError) -> &'static str {
    match error {
        SignError::Channel(_)
        | SignError::Malformed { .. }
        | SignError::Attacked { .. }
        | SignError::Protocol(_) => "PEER_MESSAGE_INVALID",
        SignError::Round(_) => "ROUND_NOT_DUE",
        SignError::Setup(_) => "SIGNERS_INVALID",
        SignError::Share(_) | SignError::Banned { .. } | SignError::Aborted { .. } => error.code(),
    }
}
