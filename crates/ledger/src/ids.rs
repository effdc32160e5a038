//! Identifiers that the ledger derives from content, so that nobody chooses them.

use std::fmt;
use std::str::FromStr;

use holdfast_policy::{LegalOrderId, WhitelistEntryId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::codec::{Decode, Encode, Input, Malformed};

/// An identifier text that is not in its canonical form.
#[derive(Debug, thiserror::Error)]
#[error("`{input}` is not {expected}")]
pub struct IdError {
    input: String,
    expected: &'static str,
}

macro_rules! impl_id_codec {
    ($($name:ident),+) => {$(
        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
        }

        impl Decode for $name {
            fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
                Decode::decode(input).map(Self)
            }
        }
    )+};
}

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            fn derive(domain: &str, parts: &[&[u8]]) -> Self {
                Self(derive_id(domain, parts))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = || IdError { input: text.chars().take(80).collect(), expected: $expected };
                let digits = text.strip_prefix($prefix).ok_or_else(error)?;
                if digits.chars().any(|c| c.is_ascii_uppercase()) {
                    return Err(error());
                }
                let mut bytes = [0; 16];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| error())?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

derived_id! {
    /// A withdrawal: derived from cluster, client and idempotency key, so that the same key is the same withdrawal.
    WithdrawalId, "w-", "a withdrawal id (`w-` and 32 hex digits)"
}

derived_id! {
    /// A ceremony: derived from the statement that proposed it.
    CeremonyId, "c-", "a ceremony id (`c-` and 32 hex digits)"
}

impl_id_codec!(WithdrawalId, CeremonyId);

macro_rules! sha256_digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            #[allow(dead_code, reason = "not every digest is made outside this file")]
            pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The digest's 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error =
                    || IdError { input: text.chars().take(80).collect(), expected: "64 lower-case hex digits" };
                if text.chars().any(|c| c.is_ascii_uppercase()) {
                    return Err(error());
                }
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| error())?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

sha256_digest! {
    /// SHA-256 of an officer's exact statement bytes; a statement acts at most once.
    StatementDigest
}

sha256_digest! {
    /// SHA-256 over one version of the roster.
    RosterDigest
}

sha256_digest! {
    /// SHA-256 chain over everything the log made of the state so far; see [`crate::State::digest`].
    StateDigest
}

sha256_digest! {
    /// SHA-256 of a legal order's document, or of what the order says.
    DocumentDigest
}

impl_id_codec!(StatementDigest, StateDigest, DocumentDigest);

impl WithdrawalId {
    /// The id of the withdrawal that `client` asks for under `idempotency_key`.
    pub fn of(cluster: &str, client: &str, idempotency_key: &str) -> Self {
        Self::derive(
            "holdfast/withdrawal-id/v1",
            &[cluster.as_bytes(), client.as_bytes(), idempotency_key.as_bytes()],
        )
    }
}

impl CeremonyId {
    /// The id of the ceremony that the statement with this digest proposes.
    pub fn of(statement: &StatementDigest) -> Self {
        Self::derive("holdfast/ceremony-id/v1", &[&statement.0])
    }
}

/// The id of the whitelist entry that this ceremony adds: the ceremony's digits under another letter.
pub(crate) fn whitelist_entry_id(ceremony: &CeremonyId) -> Option<WhitelistEntryId> {
    WhitelistEntryId::new(format!("e-{}", hex::encode(ceremony.0))).ok()
}

/// The id of the whitelist entry that a client asks for by the request with this digest.
pub fn requested_entry_id(request: &[u8; 32]) -> Option<WhitelistEntryId> {
    let id = derive_id("holdfast/whitelist-entry-id/v1", &[request]);
    WhitelistEntryId::new(format!("e-{}", hex::encode(id))).ok()
}

/// The ceremony that added the whitelist entry with this id.
pub(crate) fn whitelist_entry_ceremony(entry: &WhitelistEntryId) -> Option<CeremonyId> {
    format!("c-{}", entry.as_str().strip_prefix("e-")?).parse().ok()
}

/// The id of the order with this digest: another document, demand or reference is another order.
pub(crate) fn legal_order_id(order: &DocumentDigest) -> Option<LegalOrderId> {
    LegalOrderId::new(format!("o-{}", hex::encode(derive_id("holdfast/legal-order-id/v2", &[&order.0])))).ok()
}

impl DocumentDigest {
    /// Digest of a document's exact bytes.
    pub fn of(document: &[u8]) -> Self {
        Self(Sha256::digest(document).into())
    }
}

impl StatementDigest {
    /// Digest of a statement's exact bytes.
    pub fn of(statement: &[u8]) -> Self {
        Self(Sha256::digest(statement).into())
    }
}

/// First 16 bytes of SHA-256 over length-prefixed parts: no two part lists share an encoding.
fn derive_id(domain: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withdrawal_ids_do_not_collide_across_part_borders() {
        assert_ne!(WithdrawalId::of("c", "ab", "c"), WithdrawalId::of("c", "a", "bc"));
    }

    #[test]
    fn ids_round_trip_and_refuse_upper_case() {
        let id = WithdrawalId::of("c", "a", "k");
        assert_eq!(id.to_string().parse::<WithdrawalId>().unwrap(), id);
        let upper = format!("w-{}", id.to_string().strip_prefix("w-").unwrap().to_uppercase());
        assert_ne!(upper, id.to_string(), "there is a letter in it");
        assert!(upper.parse::<WithdrawalId>().is_err());
        assert!("w-00".parse::<WithdrawalId>().is_err());
        assert!(id.to_string().parse::<CeremonyId>().is_err());
    }

    #[test]
    fn digests_round_trip_and_refuse_upper_case() {
        let digest = StatementDigest::of(b"pause");
        assert_eq!(digest.to_string().parse::<StatementDigest>().unwrap(), digest);
        let upper = digest.to_string().to_uppercase();
        assert_ne!(upper, digest.to_string(), "there is a letter in it");
        assert!(upper.parse::<StatementDigest>().is_err());
        assert!("00".parse::<StatementDigest>().is_err());
    }
}
