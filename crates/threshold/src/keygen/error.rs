//! Why a key generation was refused or failed.
//!
//! Owns the reason codes of the key generation. A failure here costs a ceremony, never a key: nothing reusable exists
//! before round 5 is over.

use crate::channel::ChannelError;
use crate::fault::ProtocolFault;
use crate::foreign::ForeignError;
use crate::party::{PartyIndex, Round, SetupError};
use crate::rounds::RoundError;
use crate::share::ShareError;

/// A refusal or a failure of a key generation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeygenError {
    /// The task does not describe a session that this node can take part in.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An offer or a sealed message was refused. The machine is unchanged: deliver the round again.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The round is not due, or was answered for another input. The machine is unchanged.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// An authentic message does not decode. The session is over.
    #[error("party `{sender}` sent a malformed message in round {round}")]
    Malformed {
        /// Its sender.
        sender: PartyIndex,
        /// The round that made the message.
        round: Round,
    },
    /// The protocol failed. The session is over.
    #[error("{0}")]
    Protocol(ProtocolFault),
    /// The share made is not whole. The session is over.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The share of another deployment is not the one to be given.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// The parties did not all see the same key and the same broadcasts. The session is over.
    #[error("the parties saw different keys or broadcasts: {} differ from this node", list(differing))]
    Unconfirmed {
        /// Whose confirmation differs from this node's; not an accusation, any party may have equivocated.
        differing: Vec<PartyIndex>,
    },
    /// The key that came out of a resharing is not the one that went in. The session is over.
    #[error("the `{part}` of the new shares is not that of the key that was to be handed on")]
    KeyChanged {
        /// What differs.
        part: &'static str,
    },
    /// The session failed before.
    #[error("the key generation has failed before ({code}): start a new session")]
    Aborted {
        /// The reason code of that failure.
        code: String,
    },
    /// The stored state is not one of this version.
    #[error("the stored key generation state is not of a version that this node knows, or is damaged")]
    StateMalformed,
    /// The state cannot be encoded.
    #[error("the key generation state cannot be encoded")]
    StateUnencodable,
}

impl KeygenError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::Channel(error) => error.code(),
            Self::Round(error) => error.code(),
            Self::Malformed { .. } => "MALFORMED_PROTOCOL_MESSAGE",
            Self::Protocol(fault) => fault.reason().code(),
            Self::Share(error) => error.code(),
            Self::Foreign(error) => error.code(),
            Self::Unconfirmed { .. } => "KEYGEN_UNCONFIRMED",
            Self::KeyChanged { .. } => "KEY_CHANGED",
            Self::Aborted { .. } => "KEYGEN_ABORTED",
            Self::StateMalformed => "KEYGEN_STATE_MALFORMED",
            Self::StateUnencodable => "KEYGEN_STATE_UNENCODABLE",
        }
    }

    /// The party that is proven, to this node, to have misbehaved.
    #[must_use]
    pub const fn culprit(&self) -> Option<PartyIndex> {
        match self {
            Self::Channel(error) => error.culprit(),
            Self::Malformed { sender, .. } => Some(*sender),
            Self::Protocol(fault) => fault.culprit(),
            Self::Setup(_)
            | Self::Round(_)
            | Self::Share(_)
            | Self::Foreign(_)
            | Self::Unconfirmed { .. }
            | Self::KeyChanged { .. }
            | Self::Aborted { .. }
            | Self::StateMalformed
            | Self::StateUnencodable => None,
        }
    }

    /// Whether the session is over. Otherwise the machine is as it was, and the round can be delivered again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Channel(_) | Self::Round(_) | Self::StateUnencodable => false,
            Self::Setup(_)
            | Self::Malformed { .. }
            | Self::Protocol(_)
            | Self::Share(_)
            | Self::Foreign(_)
            | Self::Unconfirmed { .. }
            | Self::KeyChanged { .. }
            | Self::Aborted { .. }
            | Self::StateMalformed => true,
        }
    }
}

impl From<ProtocolFault> for KeygenError {
    fn from(fault: ProtocolFault) -> Self {
        Self::Protocol(fault)
    }
}

fn list(parties: &[PartyIndex]) -> String {
    parties.iter().map(|party| format!("`{party}`")).collect::<Vec<_>>().join(", ")
}
