//! Owns the hashes this crate hands out: of a policy document, of a screening list, of a hold, of an intent. Each is its own type, so
//! that an approval of one thing cannot be presented as an approval of another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Text that is not a SHA-256 hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} must be 64 lower-case hex digits")]
pub struct DigestError {
    /// Which hash was expected, in words.
    pub kind: &'static str,
}

impl DigestError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        "INVALID_DIGEST"
    }
}

macro_rules! digests {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// The hash from its 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = DigestError;
            fn from_str(text: &str) -> Result<Self, DigestError> {
                decode(text).map(Self).ok_or(DigestError { kind: $kind })
            }
        }

        impl TryFrom<String> for $name {
            type Error = DigestError;
            fn try_from(text: String) -> Result<Self, DigestError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                hex::encode(digest.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )+};
}

digests! {
    /// SHA-256 over the exact bytes of a policy document; `sha256sum policy.toml` prints the same.
    PolicyHash = "policy hash";
    /// SHA-256 over the one form of a screening list; `sha256sum` of the file that `holdfast screening show --text` writes
    /// prints the same.
    ListHash = "screening list hash";
    /// SHA-256 over what an update adds to a screening list and removes from it.
    DeltaHash = "screening delta hash";
    /// SHA-256 over the canonical encoding of why a withdrawal is held and whose approvals it needs.
    HoldDigest = "hold digest";
    /// SHA-256 over the canonical text of what differs between two policy documents.
    DiffDigest = "policy diff digest";
    /// SHA-256 over the canonical form of what another policy would have decided about the logged history.
    BacktestDigest = "backtest digest";
    /// SHA-256 over the exact bytes of what somebody asked for: a withdrawal request, a request for a whitelist entry.
    IntentDigest = "intent digest";
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn decode(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 32];
    // Refuses every other length than 64 digits.
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_and_bytes_round_trip() {
        let hash: PolicyHash = EMPTY.parse().unwrap();
        assert_eq!(hash.as_bytes(), &sha256(b""));
        assert_eq!(hash.to_string(), EMPTY);
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{EMPTY}\""));
        assert_eq!(serde_json::from_str::<PolicyHash>(&format!("\"{EMPTY}\"")).unwrap(), hash);
    }

    #[test]
    fn only_one_spelling_of_a_hash_is_accepted() {
        let upper = EMPTY.to_uppercase();
        let prefixed = format!("0x{EMPTY}");
        for text in [
            "",
            &EMPTY[..63],
            &EMPTY[..62],
            &format!("{EMPTY}00"),
            &upper,
            &prefixed,
            &EMPTY.replace('e', "g"),
        ] {
            assert_eq!(text.parse::<HoldDigest>(), Err(DigestError { kind: "hold digest" }), "{text}");
        }
    }
}
