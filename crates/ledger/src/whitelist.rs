//! Requests for whitelist entries: what a client asked for, and how its customer confirmed it.

use holdfast_policy::{IdentityAttestation, IntentDigest, TimestampMs, WhitelistEntryId};

use crate::payload::WhitelistRequest;

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedEntry {
    /// The entry's id, derived from the request.
    pub id: WhitelistEntryId,
    /// What was asked for.
    pub request: WhitelistRequest,
    /// SHA-256 of the exact request payload: what the customer confirms.
    pub intent: IntentDigest,
    /// Time of the request's entry.
    pub time: TimestampMs,
    /// Its log index.
    pub index: u64,
    /// What became of it, time aside.
    pub phase: RequestPhase,
}

/// What became of a request for a whitelist entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestPhase {
    /// It waits for its customer.
    Open,
    /// The customer confirmed it: the whitelist has the entry.
    Confirmed(Box<WhitelistConfirmation>),
    /// Its client took it back, or an officer revoked it.
    Ended,
}

/// How a customer confirmed an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitelistConfirmation {
    /// What was attested.
    pub attestation: IdentityAttestation,
    /// The attestation was too old from just after this time on, by the policy then in force.
    pub good_until: TimestampMs,
    /// Time of its entry: the cooling-off began there.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

impl RequestedEntry {
    /// Whether it waits for its customer at this time.
    pub fn is_open_at(&self, now: TimestampMs) -> bool {
        self.phase == RequestPhase::Open && now < self.request.confirm_by_ms
    }

    /// How its customer confirmed it, if so.
    pub fn confirmation(&self) -> Option<&WhitelistConfirmation> {
        match &self.phase {
            RequestPhase::Confirmed(confirmation) => Some(confirmation),
            RequestPhase::Open | RequestPhase::Ended => None,
        }
    }
}
