//! Owns what an identity attestation is and when it counts: for exactly one intent of one customer, by a provider and a method
//! that the policy names, young enough and certain enough. It never believes whoever asked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    digest::IntentDigest,
    ids::{ClientId, CustomerRef, IdentityMethod, ProviderId, SessionRef},
    reason::ReasonCode,
    time::{DurationMs, TimestampMs},
};

/// The `[identity]` table of a policy: which attestations count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTerms {
    /// The providers that may attest; at least one.
    pub providers: BTreeSet<ProviderId>,
    /// The methods that prove enough; at least one.
    pub methods: BTreeSet<IdentityMethod>,
    /// The lowest score that counts, 0 to 100.
    pub min_score: u8,
    /// The oldest attestation that counts.
    pub max_age: DurationMs,
}

/// A provider's word that a customer, identified by a method, asked for exactly this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityAttestation {
    /// Who attests.
    pub provider: ProviderId,
    /// How the customer was identified.
    pub method: IdentityMethod,
    /// How sure the provider is, 0 to 100.
    pub score: u8,
    /// The session in which it happened.
    pub session: SessionRef,
    /// Who was identified.
    pub customer: CustomerRef,
    /// What the customer was shown and confirmed.
    pub intent: IntentDigest,
    /// When.
    #[serde(rename = "observed_at_ms")]
    pub observed_at: TimestampMs,
}

/// What an attestation must be about.
#[derive(Debug, Clone, Copy)]
pub struct AttestedIntent<'a> {
    /// The client that asked.
    pub client: &'a ClientId,
    /// The customer it asked for; without one no attestation counts.
    pub customer: Option<&'a CustomerRef>,
    /// What exactly it asked for.
    pub intent: IntentDigest,
}

impl IdentityTerms {
    /// Whether an attestation counts for this intent at this time.
    ///
    /// # Errors
    /// The stable code of the first thing that is wrong with it.
    // INVARIANT (G1, G9): what does not match in every part never counts, whatever its score.
    pub fn check(
        &self,
        attestation: &IdentityAttestation,
        about: &AttestedIntent<'_>,
        at: TimestampMs,
    ) -> Result<(), ReasonCode> {
        let age = at.checked_duration_since(attestation.observed_at);
        if attestation.intent != about.intent {
            Err(ReasonCode::IdentityOtherIntent)
        } else if about.customer != Some(&attestation.customer) {
            Err(ReasonCode::IdentityOtherCustomer)
        } else if attestation.provider.as_str() == about.client.as_str() {
            Err(ReasonCode::IdentityByRequester)
        } else if !self.providers.contains(&attestation.provider) {
            Err(ReasonCode::IdentityProviderNotNamed)
        } else if !self.methods.contains(&attestation.method) {
            Err(ReasonCode::IdentityMethodNotNamed)
        } else if age.is_none_or(|age| age > self.max_age) {
            Err(ReasonCode::IdentityTooOld)
        } else if attestation.score < self.min_score {
            Err(ReasonCode::IdentityScoreTooLow)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> IdentityTerms {
        IdentityTerms {
            providers: BTreeSet::from([ProviderId::new("kyc").unwrap()]),
            methods: BTreeSet::from([IdentityMethod::new("passkey").unwrap()]),
            min_score: 80,
            max_age: DurationMs(1_000),
        }
    }

    fn attestation() -> IdentityAttestation {
        IdentityAttestation {
            provider: ProviderId::new("kyc").unwrap(),
            method: IdentityMethod::new("passkey").unwrap(),
            score: 80,
            session: SessionRef::new("s-1").unwrap(),
            customer: CustomerRef::new("alice").unwrap(),
            intent: IntentDigest::from_bytes([1; 32]),
            observed_at: TimestampMs(5_000),
        }
    }

    fn check(attestation: &IdentityAttestation, at: u64) -> Result<(), &'static str> {
        let (alice, client) = (CustomerRef::new("alice").unwrap(), ClientId::new("pipeline").unwrap());
        let intent = IntentDigest::from_bytes([1; 32]);
        let about = AttestedIntent { client: &client, customer: Some(&alice), intent };
        terms().check(attestation, &about, TimestampMs(at)).map_err(ReasonCode::code)
    }

    #[test]
    fn attestation_that_matches_in_every_part_counts() {
        assert_eq!(check(&attestation(), 5_000), Ok(()));
    }

    #[test]
    fn attestation_that_differs_in_one_part_never_counts() {
        let certain = IdentityAttestation { score: 100, ..attestation() };
        let id = |name: &str| ProviderId::new(name).unwrap();
        for (wrong, code) in [
            (
                IdentityAttestation { intent: IntentDigest::from_bytes([2; 32]), ..certain.clone() },
                "IDENTITY_OTHER_INTENT",
            ),
            (
                IdentityAttestation { customer: CustomerRef::new("bob").unwrap(), ..certain.clone() },
                "IDENTITY_OTHER_CUSTOMER",
            ),
            (IdentityAttestation { provider: id("pipeline"), ..certain.clone() }, "IDENTITY_BY_REQUESTER"),
            (IdentityAttestation { provider: id("other"), ..certain.clone() }, "IDENTITY_PROVIDER_NOT_NAMED"),
            (
                IdentityAttestation { method: IdentityMethod::new("email").unwrap(), ..certain.clone() },
                "IDENTITY_METHOD_NOT_NAMED",
            ),
            (IdentityAttestation { score: 79, ..attestation() }, "IDENTITY_SCORE_TOO_LOW"),
            (IdentityAttestation { observed_at: TimestampMs(5_001), ..certain }, "IDENTITY_TOO_OLD"),
        ] {
            assert_eq!(check(&wrong, 5_000), Err(code));
        }
    }

    #[test]
    fn greatest_age_is_exact_to_the_millisecond() {
        assert_eq!(check(&attestation(), 6_000), Ok(()));
        assert_eq!(check(&attestation(), 6_001), Err("IDENTITY_TOO_OLD"));
    }

    #[test]
    fn withdrawal_without_a_customer_has_no_attestation() {
        let client = ClientId::new("pipeline").unwrap();
        let about =
            AttestedIntent { client: &client, customer: None, intent: IntentDigest::from_bytes([1; 32]) };
        let checked = terms().check(&attestation(), &about, TimestampMs(5_000));
        assert_eq!(checked, Err(ReasonCode::IdentityOtherCustomer));
    }
}
