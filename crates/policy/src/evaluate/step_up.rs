//! Owns the step-up: whether the customer's identity is attested for exactly this withdrawal, and how it is reported. It
//! never asks for one; rules do.

use super::finding::{Finding, Speaker};
use crate::{
    decision::RuleKind,
    facts::WithdrawalFacts,
    identity::{AttestedIntent, IdentityAttestation, IdentityTerms},
    ids::RuleId,
    reason::ReasonCode,
    time::TimestampMs,
};

/// The attestation that counts, or what is wrong with the newest one.
#[derive(Clone, Copy)]
pub(super) enum StepUp<'a> {
    Attested(&'a IdentityAttestation),
    Refused { newest: &'a IdentityAttestation, code: ReasonCode },
    Absent,
}

impl<'a> StepUp<'a> {
    pub(super) fn find(
        terms: Option<&IdentityTerms>,
        withdrawal: &'a WithdrawalFacts,
        at: TimestampMs,
    ) -> Self {
        let newest = withdrawal.attestations.iter().max_by_key(|attestation| attestation.observed_at);
        // INVARIANT (G9): a policy that says nothing about identity accepts no attestation.
        let (Some(newest), Some(terms)) = (newest, terms) else { return Self::Absent };
        let check = |attestation: &IdentityAttestation| {
            let customer = withdrawal.customer.as_ref();
            let about = AttestedIntent { client: &withdrawal.client, customer, intent: withdrawal.intent };
            terms.check(attestation, &about, at)
        };
        let counting = withdrawal.attestations.iter().filter(|attestation| check(attestation).is_ok());
        match (counting.max_by_key(|attestation| attestation.observed_at), check(newest)) {
            (Some(counting), _) => Self::Attested(counting),
            (None, Err(code)) => Self::Refused { newest, code },
            (None, Ok(())) => Self::Absent,
        }
    }

    pub(super) fn attested(self) -> Option<&'a IdentityAttestation> {
        match self {
            Self::Attested(attestation) => Some(attestation),
            Self::Refused { .. } | Self::Absent => None,
        }
    }

    /// For the merged hold.
    pub(super) fn report(self, required: bool) -> Finding<'static> {
        let speaker = Speaker { kind: RuleKind::StepUp, rule: &RuleId::builtin("step-up") };
        let about = |attestation: &IdentityAttestation| {
            let IdentityAttestation { provider, method, score, observed_at, .. } = attestation;
            format!("`{provider}` attested by `{method}` with score {score} at {observed_at}")
        };
        match self {
            _ if !required => speaker.does_not_apply(ReasonCode::NotApplicable, "no rule steps up"),
            Self::Attested(attestation) => speaker.passes(ReasonCode::StepUpComplete, about(attestation)),
            Self::Refused { newest, code } => speaker.waits_for_step_up(code, about(newest)),
            Self::Absent => speaker.waits_for_step_up(ReasonCode::StepUpMissing, "nobody attested"),
        }
    }
}
