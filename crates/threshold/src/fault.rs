//! What the engine found wrong, and whom it may be held against.
//!
//! Owns the words in which every engine says so. It must never turn a failure that a hostile courier, a mixed-up epoch or
//! this node itself could have caused into an accusation; and never soften a ban.

use core::fmt;

use crate::party::PartyIndex;

/// An abort of the protocol. Messages reach the engine only after their seal was opened, so a counterparty named here
/// sealed the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolFault {
    /// The counterparty cheated in a way that leaks information about reusable oblivious-transfer state. Never run a
    /// session with it on this key family again: another try can extract the key.
    Ban {
        /// Whom to ban.
        counterparty: PartyIndex,
        /// What was found.
        reason: FaultReason,
    },
    /// The counterparty sent something that no honest party sends. No lasting state was put at risk.
    Blamed {
        /// Who sent it.
        culprit: PartyIndex,
        /// What was found.
        reason: FaultReason,
    },
    /// Some party, or nobody, is at fault. Retry with a new session; if it repeats, with another signer set.
    Unattributed {
        /// The counterparty it was noticed with, if any; not an accusation.
        noticed_with: Option<PartyIndex>,
        /// What was found.
        reason: FaultReason,
    },
}

/// The engine's finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultReason {
    /// A party, a message or a count that the session does not have.
    InvalidInput,
    /// This node's own share or state is damaged.
    InvalidLocalState,
    /// The message belongs to another session, attempt, key or epoch: old and new shares were mixed.
    SessionBindingMismatch,
    /// A zero-knowledge proof does not verify.
    ProofVerificationFailed,
    /// An opened value does not fit its commitment.
    CommitmentMismatch,
    /// The parties' points are not on one polynomial, or not of this key.
    PolynomialInconsistency,
    /// An instance point is the identity.
    TrivialInstancePoint,
    /// The generated key or share is trivial.
    TrivialKey,
    /// The oblivious-transfer consistency check failed.
    OtConsistencyCheckFailed,
    /// The multiplication check failed.
    MultiplicationVerificationFailed,
    /// The check on the instance point's product failed.
    GammaUInconsistency,
    /// The assembled signature does not verify.
    SignatureVerificationFailed,
    /// A sum that must be invertible is zero.
    ZeroDenominator,
    /// The parties saw different broadcasts.
    BroadcastMismatch,
    /// The engine's library gave up without saying why.
    LibraryPanicked,
    /// A finding that this crate's version of the engine does not document.
    Unknown,
}

impl FaultReason {
    /// The stable reason code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "PROTOCOL_INVALID_INPUT",
            Self::InvalidLocalState => "PROTOCOL_INVALID_LOCAL_STATE",
            Self::SessionBindingMismatch => "SESSION_BINDING_MISMATCH",
            Self::ProofVerificationFailed => "PROOF_VERIFICATION_FAILED",
            Self::CommitmentMismatch => "COMMITMENT_MISMATCH",
            Self::PolynomialInconsistency => "POLYNOMIAL_INCONSISTENCY",
            Self::TrivialInstancePoint => "TRIVIAL_INSTANCE_POINT",
            Self::TrivialKey => "TRIVIAL_KEY",
            Self::OtConsistencyCheckFailed => "OT_CONSISTENCY_CHECK_FAILED",
            Self::MultiplicationVerificationFailed => "MULTIPLICATION_VERIFICATION_FAILED",
            Self::GammaUInconsistency => "GAMMA_U_INCONSISTENCY",
            Self::SignatureVerificationFailed => "SIGNATURE_VERIFICATION_FAILED",
            Self::ZeroDenominator => "ZERO_DENOMINATOR",
            Self::BroadcastMismatch => "BROADCAST_MISMATCH",
            Self::LibraryPanicked => "PROTOCOL_LIBRARY_PANICKED",
            Self::Unknown => "PROTOCOL_UNKNOWN_FAULT",
        }
    }
}

impl ProtocolFault {
    /// A fault of this node's own making, such as a state that does not decode.
    pub const LOCAL: Self = Self::Unattributed { noticed_with: None, reason: FaultReason::InvalidLocalState };

    /// What was found.
    #[must_use]
    pub const fn reason(&self) -> FaultReason {
        match self {
            Self::Ban { reason, .. } | Self::Blamed { reason, .. } | Self::Unattributed { reason, .. } => {
                *reason
            }
        }
    }

    /// Who is proven to have misbehaved, to this node.
    #[must_use]
    pub const fn culprit(&self) -> Option<PartyIndex> {
        match self {
            Self::Ban { counterparty, .. } => Some(*counterparty),
            Self::Blamed { culprit, .. } => Some(*culprit),
            Self::Unattributed { .. } => None,
        }
    }
}

impl fmt::Display for ProtocolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.reason().code();
        match self {
            Self::Ban { counterparty, .. } => write!(
                f,
                "party `{counterparty}` attacked the reusable state ({code}): it is banned from this key family until \
                 a complete refresh"
            ),
            Self::Blamed { culprit, .. } => write!(f, "party `{culprit}` broke the protocol ({code})"),
            Self::Unattributed { noticed_with: Some(party), .. } => {
                write!(f, "the protocol failed with party `{party}` ({code}): start a new session")
            }
            Self::Unattributed { noticed_with: None, .. } => {
                write!(
                    f,
                    "the protocol failed ({code}): start a new session, with another signer set if it repeats"
                )
            }
        }
    }
}
