//! What the library's aborts mean, and on whom they fall.
//!
//! Owns the translation. It must never turn a failure that a hostile courier, a mixed-up epoch or this node itself could
//! have caused into an accusation; and never soften a ban.

use dkls23::protocols::{Abort, AbortKind, AbortReason};

use crate::dkls23::{EngineIndex, party_of};
use crate::fault::{FaultReason, ProtocolFault};
use crate::party::PartyIndex;

/// The fault of an abort. Messages reach the library only after their seal was opened, so a counterparty named here sealed
/// the message itself.
pub(crate) fn from_abort(me: PartyIndex, abort: &Abort) -> ProtocolFault {
    let (reason, blame) = classify(&abort.reason);
    match &abort.kind {
        AbortKind::BanCounterparty(index) => match party_of(*index).filter(|party| *party != me) {
            Some(counterparty) => ProtocolFault::Ban { counterparty, reason },
            None => ProtocolFault::Unattributed { noticed_with: None, reason },
        },
        AbortKind::Recoverable => match blame {
            Blame::Sender(index) => match party_of(index).filter(|party| *party != me) {
                Some(culprit) => ProtocolFault::Blamed { culprit, reason },
                None => ProtocolFault::Unattributed { noticed_with: None, reason },
            },
            Blame::Nobody(index) => {
                ProtocolFault::Unattributed { noticed_with: index.and_then(party_of), reason }
            }
        },
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
        let fault = from_abort(party(1), &Abort::ban(engine(1), engine(2), reason));
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
        assert_eq!(from_abort(party(1), &bad).culprit(), None);
        let mixed =
            Abort::recoverable(engine(1), AbortReason::SessionBindingMismatch { counterparty: engine(3) });
        let fault = from_abort(party(1), &mixed);
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
        assert_eq!(from_abort(party(1), &own).culprit(), None);
        let other =
            Abort::recoverable(engine(1), AbortReason::ProofVerificationFailed { counterparty: engine(2) });
        assert_eq!(from_abort(party(1), &other).culprit(), Some(party(2)));
    }
}
