//! Attestations of customers' identities: which are taken, and what they are about.

use holdfast_policy::{AttestedIntent, IdentityAttestation, IntentDigest, ReasonCode, TimestampMs};

use super::{Change, State};
use crate::ids::WithdrawalId;
use crate::payload::{IdentityReport, IdentitySubject};
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{IdentityRecord, WithdrawalState};

impl State {
    pub(super) fn admit_identity(
        &self,
        report: &IdentityReport,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        self.check_report(&report.provider, report.sequence, report.observed_at_ms, time)?;
        if report.score > 100 {
            let detail = "a score is 0 to 100";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("score"));
        }
        let named = self.policy().identity().map(|terms| &terms.providers);
        self.check_named(&report.provider, named, "identity")?;
        let change = match &report.subject {
            IdentitySubject::Withdrawal(id) => self.attest_withdrawal(report, id, index, time)?,
            IdentitySubject::WhitelistEntry(id) => self.confirm_whitelist_entry(report, id, index, time)?,
        };
        Ok(Change { sequence: Some((report.provider.clone(), report.sequence)), ..change })
    }

    /// A score that is too low is recorded too: it takes the place of what the provider said before.
    fn attest_withdrawal(
        &self,
        report: &IdentityReport,
        id: &WithdrawalId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let known = self.withdrawal(id).ok_or_else(|| {
            Rejection::new(RejectionCode::UnknownWithdrawal, format!("no withdrawal `{id}`"))
                .with_field("subject")
        })?;
        let state = known.state_at(time);
        match state {
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound
            | WithdrawalState::Authorized => {}
            WithdrawalState::Signed
            | WithdrawalState::Denied
            | WithdrawalState::Cancelled
            | WithdrawalState::Expired
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => {
                let detail = "the withdrawal is closed and waits for no attestation";
                return Err(Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("subject"));
            }
        }
        let about = AttestedIntent {
            client: &known.request.client,
            customer: Some(&known.request.customer),
            intent: IntentDigest::from_bytes(known.request_digest),
        };
        let attestation = match self.attested(report, &about, time) {
            Ok(attestation) => attestation,
            Err((ReasonCode::IdentityScoreTooLow, attestation)) => attestation,
            Err((code, _)) => return Err(refusal(code)),
        };
        let mut withdrawal = known.clone();
        let attestation = not_better(attestation, &withdrawal.attestations);
        withdrawal.attestations.retain(|record| record.attestation.provider != report.provider);
        withdrawal.attestations.push(IdentityRecord { attestation, time, index });
        // What is authorized stays so; it is decided again when it is authorized anew, and by each node when it signs.
        if state != WithdrawalState::Authorized {
            self.redecide(&mut withdrawal, time);
            withdrawal.settle(index);
        }
        Ok(Change::withdrawal(withdrawal))
    }

    /// The attestation, and what is wrong with it under the policy in force.
    ///
    /// INVARIANT (G1): whoever asked cannot attest: no key speaks for two parties of any roster, and the terms refuse a provider
    /// of the client's name.
    pub(super) fn attested(
        &self,
        report: &IdentityReport,
        about: &AttestedIntent<'_>,
        time: TimestampMs,
    ) -> Result<IdentityAttestation, (ReasonCode, IdentityAttestation)> {
        let attestation = IdentityAttestation {
            provider: report.provider.clone(),
            method: report.method.clone(),
            score: report.score,
            session: report.session.clone(),
            customer: report.customer.clone(),
            intent: report.intent,
            // A provider's clock may be ahead by the skew; the log's time is then what counts.
            observed_at: report.observed_at_ms.min(time),
        };
        let checked = match self.policy().identity() {
            Some(terms) => terms.check(&attestation, about, time),
            None => Err(ReasonCode::IdentityProviderNotNamed),
        };
        match checked {
            Ok(()) => Ok(attestation),
            Err(code) => Err((code, attestation)),
        }
    }
}

/// What a provider says about no later moment than it spoke of before never takes its doubt back: the lower score of both, at the
/// later time.
fn not_better(said: IdentityAttestation, before: &[IdentityRecord]) -> IdentityAttestation {
    let known = before.iter().map(|record| &record.attestation).find(|known| known.provider == said.provider);
    match known {
        Some(known) if said.observed_at <= known.observed_at => {
            IdentityAttestation { score: said.score.min(known.score), observed_at: known.observed_at, ..said }
        }
        Some(_) | None => said,
    }
}

pub(super) fn refusal(code: ReasonCode) -> Rejection {
    let field = [
        (ReasonCode::IdentityOtherIntent, "intent"),
        (ReasonCode::IdentityOtherCustomer, "customer"),
        (ReasonCode::IdentityMethodNotNamed, "method"),
        (ReasonCode::IdentityTooOld, "observed_at_ms"),
        (ReasonCode::IdentityScoreTooLow, "score"),
    ];
    let field = field.iter().find(|(known, _)| *known == code).map_or("provider", |(_, field)| field);
    let sentence = code.officer_sentence();
    let detail = sentence.strip_suffix('.').unwrap_or(sentence).replacen("The ", "the ", 1);
    Rejection::new(RejectionCode::Identity(code.code()), detail).with_field(field)
}
