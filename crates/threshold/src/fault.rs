//! What the engine found wrong, and whom it may be held against.
//!
//! Owns the translation of the engine's aborts. It must never turn a failure that a hostile courier, a mixed-up epoch
//! or this node itself could have caused into an accusation; and never soften a ban.

use core::fmt;

use dkls23::protocols::{Abort, AbortKind, AbortReason};

use crate::engine::{EngineIndex, party_of};
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
            Self::Unknown => "PROTOCOL_UNKNOWN_FAULT",
        }
    }
}

impl ProtocolFault {
    /// A fault of this node's own making, such as a state that does not decode.
    pub(crate) const LOCAL: Self =
        Self::Unattributed { noticed_with: None, reason: FaultReason::InvalidLocalState };

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

    pub(crate) fn from_abort(me: PartyIndex, abort: &Abort) -> Self {
        let (reason, blame) = classify(&abort.reason);
        match &abort.kind {
            AbortKind::BanCounterparty(index) => match party_of(*index).filter(|party| *party != me) {
                Some(counterparty) => Self::Ban { counterparty, reason },
                None => Self::Unattributed { noticed_with: None, reason },
            },
            AbortKind::Recoverable => match blame {
                Blame::Sender(index) => match party_of(index).filter(|party| *party != me) {
                    Some(culprit) => Self::Blamed { culprit, reason },
                    None => Self::Unattributed { noticed_with: None, reason },
                },
                Blame::Nobody(index) => Self::Unattributed { noticed_with: index.and_then(party_of), reason },
            },
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

/// On whom a recoverable abort falls.
enum Blame {
    /// The sealed content that this party sent is wrong by itself.
    Sender(EngineIndex),
    /// Nobody; the counterparty is named only as the place where it showed.
    Nobody(Option<EngineIndex>),
}

fn classify(reason: &AbortReason) -> (FaultReason, Blame) {
    match reason {
        AbortReason::ProofVerificationFailed { counterparty } => {
            (FaultReason::ProofVerificationFailed, Blame::Sender(*counterparty))
        }
        AbortReason::CommitmentMismatch { counterparty }
        | AbortReason::ZeroShareDecommitFailed { counterparty }
        | AbortReason::ChainCodeCommitmentFailed { party: counterparty } => {
            (FaultReason::CommitmentMismatch, Blame::Sender(*counterparty))
        }
        AbortReason::TrivialInstancePoint { counterparty } => {
            (FaultReason::TrivialInstancePoint, Blame::Sender(*counterparty))
        }
        AbortReason::OtConsistencyCheckFailed { counterparty } => {
            (FaultReason::OtConsistencyCheckFailed, Blame::Sender(*counterparty))
        }
        AbortReason::MultiplicationVerificationFailed { counterparty, .. } => {
            (FaultReason::MultiplicationVerificationFailed, Blame::Sender(*counterparty))
        }
        AbortReason::GammaUInconsistency { counterparty } => {
            (FaultReason::GammaUInconsistency, Blame::Sender(*counterparty))
        }
        AbortReason::SessionBindingMismatch { counterparty } => {
            (FaultReason::SessionBindingMismatch, Blame::Nobody(Some(*counterparty)))
        }
        AbortReason::InvalidLocalState { counterparty, .. }
        | AbortReason::MissingMulState { counterparty } => {
            (FaultReason::InvalidLocalState, Blame::Nobody(Some(*counterparty)))
        }
        AbortReason::PolynomialInconsistency => (FaultReason::PolynomialInconsistency, Blame::Nobody(None)),
        AbortReason::TrivialPublicKey | AbortReason::TrivialKeyShare => {
            (FaultReason::TrivialKey, Blame::Nobody(None))
        }
        AbortReason::SignatureVerificationFailed => {
            (FaultReason::SignatureVerificationFailed, Blame::Nobody(None))
        }
        AbortReason::ZeroDenominator => (FaultReason::ZeroDenominator, Blame::Nobody(None)),
        AbortReason::InvalidPartyIndex { .. }
        | AbortReason::WrongCounterpartyCount { .. }
        | AbortReason::DuplicateCounterparty { .. }
        | AbortReason::SelfInCounterparties
        | AbortReason::MisroutedMessage { .. }
        | AbortReason::UnexpectedSender { .. }
        | AbortReason::DuplicateSender { .. }
        | AbortReason::WrongMessageCount { .. }
        | AbortReason::MissingMessageFromParty { .. }
        | AbortReason::MissingCommittedPoint { .. }
        | AbortReason::LagrangeCoefficientFailed
        | AbortReason::InvalidXCoordinateHex
        | AbortReason::PhaseCalledOutOfOrder { .. }
        | AbortReason::InvalidHex { .. } => (FaultReason::InvalidInput, Blame::Nobody(None)),
        // The engine's enum is open; a finding we do not know blames nobody by itself (a ban still bans).
        _ => (FaultReason::Unknown, Blame::Nobody(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(index: u8) -> EngineIndex {
        EngineIndex::new(index).unwrap()
    }

    fn party(index: u8) -> PartyIndex {
        PartyIndex::new(index).unwrap()
    }

    #[test]
    fn a_ban_names_the_counterparty_whatever_the_reason() {
        let reason =
            AbortReason::MultiplicationVerificationFailed { counterparty: engine(2), detail: String::new() };
        let fault = ProtocolFault::from_abort(party(1), &Abort::ban(engine(1), engine(2), reason));
        assert_eq!(
            fault,
            ProtocolFault::Ban {
                counterparty: party(2),
                reason: FaultReason::MultiplicationVerificationFailed
            }
        );
        assert_eq!(fault.culprit(), Some(party(2)));
    }

    #[test]
    fn a_bad_signature_and_a_binding_mismatch_accuse_nobody() {
        let bad = Abort::recoverable(engine(1), AbortReason::SignatureVerificationFailed);
        assert_eq!(ProtocolFault::from_abort(party(1), &bad).culprit(), None);
        let mixed =
            Abort::recoverable(engine(1), AbortReason::SessionBindingMismatch { counterparty: engine(3) });
        let fault = ProtocolFault::from_abort(party(1), &mixed);
        assert_eq!(fault.culprit(), None);
        assert_eq!(
            fault,
            ProtocolFault::Unattributed {
                noticed_with: Some(party(3)),
                reason: FaultReason::SessionBindingMismatch
            }
        );
    }

    #[test]
    fn a_node_never_accuses_itself() {
        let own =
            Abort::recoverable(engine(1), AbortReason::ProofVerificationFailed { counterparty: engine(1) });
        assert_eq!(ProtocolFault::from_abort(party(1), &own).culprit(), None);
        let other =
            Abort::recoverable(engine(1), AbortReason::ProofVerificationFailed { counterparty: engine(2) });
        assert_eq!(ProtocolFault::from_abort(party(1), &other).culprit(), Some(party(2)));
    }
}
