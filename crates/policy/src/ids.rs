//! Owns the names of things: wallets, clients, officers, rules. It never lets a name through that could be a path, a
//! control character or something that looks like another name in upper case.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use thiserror::Error;

use crate::digest::sha256;

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// A name that is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{kind} must be 1 to 64 characters of `a-z`, `0-9`, `.`, `_` or `-`, and start with a letter or digit"
)]
pub struct IdError {
    /// Which kind of id was expected, in words.
    pub kind: &'static str,
}

impl IdError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        "INVALID_ID"
    }
}

/// Built-in rules have ids with this prefix; documents may not use it.
pub(crate) const RESERVED_RULE_PREFIX: &str = "builtin.";

// Shared text: names are cloned far more often than they are made.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a name: 1 to 64 characters of `[a-z0-9._-]`, the first a letter or digit.
            pub fn new(name: impl AsRef<str>) -> Result<Self, IdError> {
                let name = name.as_ref();
                if is_valid(name) { Ok(Self(name.into())) } else { Err(IdError { kind: $kind }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $kind))
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(name: &str) -> Result<Self, IdError> {
                Self::new(name)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// A wallet: one threshold key and the addresses it controls.
    WalletId = "wallet id";
    /// A registered client: the software that asks for signatures.
    ClientId = "client id";
    /// A security officer.
    OfficerId = "officer id";
    /// A provider of signed reports (sessions, scores, prices).
    ProviderId = "provider id";
    /// A keyed pseudonym of a customer; never a name or an account number.
    CustomerRef = "customer reference";
    /// A keyed pseudonym of a customer's device; never a serial number.
    DeviceRef = "device reference";
    /// A role of officers, as named in the roster.
    RoleName = "role name";
    /// A rule of the policy document.
    RuleId = "rule id";
    /// A tier of wallets: hot, warm, cold.
    TierId = "tier id";
    /// A signer node.
    NodeId = "node id";
    /// A cluster: one log, one coordinator group, one committee.
    ClusterId = "cluster id";
    /// A whitelist entry.
    WhitelistEntryId = "whitelist entry id";
    /// A way to prove who somebody is, as an identity provider names it: `passkey`, `face-match`.
    IdentityMethod = "identity method";
    /// A provider's keyed pseudonym of one session of a customer.
    SessionRef = "session reference";
    /// A screening list.
    ListId = "screening list id";
    /// An agency that may demand things by law.
    AgencyId = "agency id";
    /// A person or desk of an agency, with a key.
    ContactId = "contact id";
    /// A legal order.
    LegalOrderId = "legal order id";
    /// What a destination is exposed to, in the words of the provider that says so: `sanctions`, `mixer`.
    ExposureCategory = "exposure category";
}

/// A device in statistics: the first eight bytes of the SHA-256 of its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub [u8; 8]);

impl DeviceRef {
    /// The key in statistics.
    pub fn key(&self) -> DeviceKey {
        let [a, b, c, d, e, f, g, h, ..] = sha256(self.as_str().as_bytes());
        DeviceKey([a, b, c, d, e, f, g, h])
    }
}

impl RuleId {
    /// The id of a rule that no document can name, because it always applies.
    pub(crate) fn builtin(name: &'static str) -> Self {
        Self(format!("{RESERVED_RULE_PREFIX}{name}").into())
    }
}

// An id may become a file name or part of a URI: the first character keeps out `.`, `..` and things like options.
fn is_valid(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    name.len() <= MAX_ID_BYTES
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_are_accepted() {
        for name in ["hot-1", "ofac-eth", "a", "0", "cust.7f_3", &"z".repeat(MAX_ID_BYTES)] {
            assert_eq!(WalletId::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_could_be_confused_or_be_paths_are_refused() {
        let long = "a".repeat(MAX_ID_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "-flag",
            "_x",
            "Hot-1",
            "hot 1",
            "hot/1",
            "hot\n",
            "hot\u{0430}",
            "hot\0",
            &long,
        ] {
            assert_eq!(WalletId::new(name), Err(IdError { kind: "wallet id" }), "{name:?}");
        }
    }

    #[test]
    fn deserialization_checks_like_the_constructor() {
        assert_eq!(serde_json::from_str::<ClientId>("\"pipeline\"").unwrap().as_str(), "pipeline");
        assert!(serde_json::from_str::<ClientId>("\"Pipeline\"").is_err());
        assert!(serde_json::from_str::<ClientId>("7").is_err());
    }

    #[test]
    fn the_error_names_the_kind_and_not_the_value() {
        let shown = OfficerId::new("EVIL\u{1b}[2J").unwrap_err().to_string();
        assert!(shown.starts_with("officer id must be"), "{shown}");
        assert!(!shown.contains("EVIL"), "{shown}");
    }
}
