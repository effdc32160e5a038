//! Why a signing was refused or failed, whom it is held against, and whom it bans.
//!
//! Owns the reason codes of signing. It must never lose a ban on the way to the node.

use crate::channel::ChannelError;
use crate::fault::{FaultReason, ProtocolFault};
use crate::party::{PartyIndex, Round, SetupError};
use crate::rounds::RoundError;
use crate::share::ShareError;
use crate::sign::BannedPair;

/// A refusal or a failure of a signing session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The task does not describe a session that this node can take part in.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The share is not one of the key to sign with.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Two of the signers are banned from signing together.
    #[error("parties `{}` and `{}` are banned from signing together with this key: choose other signers", pair.by, pair.against)]
    Banned {
        /// The pair.
        pair: BannedPair,
    },
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
    /// A counterparty attacked the reusable state. Store the ban. The session is over.
    #[error("party `{}` attacked the reusable state ({}): store the ban and choose other signers", pair.against, reason.code())]
    Attacked {
        /// The ban to store.
        pair: BannedPair,
        /// What was found.
        reason: FaultReason,
    },
    /// The protocol failed otherwise. The session is over; another attempt starts with a fresh session id.
    #[error("{0}")]
    Protocol(ProtocolFault),
    /// The session failed before.
    #[error("the signing session has failed before ({code}): start a new session")]
    Aborted {
        /// The reason code of that failure.
        code: &'static str,
    },
}

impl SignError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::Share(error) => error.code(),
            Self::Banned { .. } => "SIGNERS_BANNED",
            Self::Channel(error) => error.code(),
            Self::Round(error) => error.code(),
            Self::Malformed { .. } => "MALFORMED_PROTOCOL_MESSAGE",
            Self::Attacked { reason, .. } => reason.code(),
            Self::Protocol(fault) => fault.reason().code(),
            Self::Aborted { .. } => "SIGNING_ABORTED",
        }
    }

    /// The party that is proven, to this node, to have misbehaved in this session.
    #[must_use]
    pub const fn culprit(&self) -> Option<PartyIndex> {
        match self {
            Self::Channel(error) => error.culprit(),
            Self::Malformed { sender, .. } => Some(*sender),
            Self::Attacked { pair, .. } => Some(pair.against),
            Self::Protocol(fault) => fault.culprit(),
            Self::Setup(_) | Self::Share(_) | Self::Banned { .. } | Self::Round(_) | Self::Aborted { .. } => {
                None
            }
        }
    }

    /// The ban that this failure calls for. Store it durably before anything else, and before any reply, and drop every
    /// running session of this key with the banned party: a session knows only the bans it was prepared with.
    #[must_use]
    pub const fn ban(&self) -> Option<BannedPair> {
        match self {
            Self::Attacked { pair, .. } => Some(*pair),
            Self::Setup(_)
            | Self::Share(_)
            | Self::Banned { .. }
            | Self::Channel(_)
            | Self::Round(_)
            | Self::Malformed { .. }
            | Self::Protocol(_)
            | Self::Aborted { .. } => None,
        }
    }

    /// Whether the session is over. Otherwise the machine is as it was, and the round can be delivered again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Channel(_) | Self::Round(_) => false,
            Self::Setup(_)
            | Self::Share(_)
            | Self::Banned { .. }
            | Self::Malformed { .. }
            | Self::Attacked { .. }
            | Self::Protocol(_)
            | Self::Aborted { .. } => true,
        }
    }
}

impl From<ProtocolFault> for SignError {
    fn from(fault: ProtocolFault) -> Self {
        Self::Protocol(fault)
    }
}
