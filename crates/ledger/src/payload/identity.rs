//! An identity provider's word that a customer, identified by a method, asked for exactly one thing.

use std::fmt;
use std::str::FromStr;

use holdfast_policy::{
    ClusterId, CustomerRef, IdentityMethod, IntentDigest, ProviderId, SessionRef, TimestampMs,
    WhitelistEntryId,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::WithdrawalId;

/// Sequence numbers are shared with the provider's other reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The provider that identified the customer.
    pub provider: ProviderId,
    /// 1 for the provider's first report, then one more each time: a dropped report is noticed.
    pub sequence: u64,
    /// Who was identified.
    pub customer: CustomerRef,
    /// What the customer was shown.
    pub subject: IdentitySubject,
    /// SHA-256 of the exact payload of the client's request for it.
    pub intent: IntentDigest,
    /// How the customer was identified.
    pub method: IdentityMethod,
    /// How sure the provider is, 0 to 100.
    pub score: u8,
    /// The session in which it happened.
    pub session: SessionRef,
    /// When it happened.
    pub observed_at_ms: TimestampMs,
}

/// What an attestation is about: the id of a withdrawal or of a whitelist entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySubject {
    /// A withdrawal.
    Withdrawal(WithdrawalId),
    /// A whitelist entry that a client asked for.
    WhitelistEntry(WhitelistEntryId),
}

impl fmt::Display for IdentitySubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withdrawal(id) => id.fmt(f),
            Self::WhitelistEntry(id) => id.fmt(f),
        }
    }
}

impl FromStr for IdentitySubject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Withdrawal(id));
        }
        let entry = text.parse().ok().filter(|_| text.starts_with("e-"));
        entry.map(Self::WhitelistEntry).ok_or("must be the id of a withdrawal or of a whitelist entry")
    }
}

impl Serialize for IdentitySubject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdentitySubject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
