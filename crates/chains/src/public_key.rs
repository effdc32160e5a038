//! A wallet's public key on secp256k1.
//!
//! Only points on the curve exist as values. Must never hold a private key.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use k256::ecdsa::VerifyingKey;
use thiserror::Error;

use crate::ethereum::Address;
use crate::fixed_hex::{self, HexError};
use crate::serde_text::text_value;

/// SEC1 tags of a compressed point: even and odd y. The third 33-byte form, `05` (compact), is not accepted.
const COMPRESSED_TAGS: [u8; 2] = [0x02, 0x03];

/// A secp256k1 public key. Text and JSON form: its 33-byte SEC1 compressed encoding, 66 lower-case digits, no `0x`.
#[derive(Clone, Copy)]
pub struct PublicKey {
    sec1: [u8; 33],
    // INVARIANT: the point that `sec1` encodes (`from_sec1` is the only constructor), so that verifying cannot fail
    // for want of a key (G1).
    point: VerifyingKey,
}

impl PublicKey {
    /// Reads 66 lower-case digits without `0x`.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        Self::from_sec1(&fixed_hex::parse_bare::<33>(text)?)
    }

    /// Reads a SEC1 compressed point; points off the curve and other encodings are refused.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let sec1: [u8; 33] = bytes.try_into().map_err(|_| PublicKeyError::Length { found: bytes.len() })?;
        if !sec1.first().is_some_and(|tag| COMPRESSED_TAGS.contains(tag)) {
            return Err(PublicKeyError::NotCompressed);
        }
        let point = VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| PublicKeyError::NotOnCurve)?;
        Ok(Self { sec1, point })
    }

    /// The SEC1 compressed encoding.
    pub fn as_bytes(&self) -> &[u8; 33] {
        &self.sec1
    }

    /// The key's Ethereum address: the last 20 bytes of keccak-256 over the uncompressed point without its tag.
    pub fn address(&self) -> Address {
        Address::from_alloy(alloy_primitives::Address::from_public_key(&self.point))
    }

    pub(crate) fn verifying_key(&self) -> &VerifyingKey {
        &self.point
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.sec1 == other.sec1
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sec1.cmp(&other.sec1)
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sec1.hash(state);
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.sec1))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

text_value!(PublicKey, PublicKeyError, "a SEC1 compressed secp256k1 key as 66 lower-case digits");

/// Why bytes or a text are not a public key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublicKeyError {
    /// The text is not 66 lower-case digits.
    #[error(transparent)]
    Hex(#[from] HexError),
    /// Not 33 bytes.
    #[error("public key must be 33 bytes (SEC1 compressed), found {found}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// The first byte is not `02` or `03`.
    #[error("public key must start with `02` or `03` (SEC1 compressed)")]
    NotCompressed,
    /// No point of secp256k1 has this x coordinate.
    #[error("public key is not a point of secp256k1")]
    NotOnCurve,
}

impl PublicKeyError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hex(_) | Self::Length { .. } | Self::NotCompressed => "PUBLIC_KEY_MALFORMED",
            Self::NotOnCurve => "PUBLIC_KEY_NOT_ON_CURVE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of private key 1, and its well-known address.
    const GENERATOR: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const GENERATOR_ADDRESS: &str = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf";

    #[test]
    fn address_of_the_generator_is_the_published_one() {
        let key = PublicKey::parse(GENERATOR).unwrap();

        assert_eq!(key.address().to_string(), GENERATOR_ADDRESS);
        assert_eq!(key.to_string(), GENERATOR);
        assert_eq!(serde_json::from_str::<PublicKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
    }

    #[test]
    fn negated_point_is_another_key_with_another_address() {
        let key = PublicKey::parse(GENERATOR).unwrap();
        let negated = PublicKey::parse(&GENERATOR.replacen("02", "03", 1)).unwrap();

        assert_ne!(key, negated);
        assert_ne!(key.address(), negated.address());
    }

    #[test]
    fn point_off_the_curve_is_refused() {
        // x = 5 has no y on secp256k1.
        let text = format!("02{}05", "00".repeat(31));
        assert_eq!(PublicKey::parse(&text), Err(PublicKeyError::NotOnCurve));
        // x at or above the field's prime.
        let text = format!("02{}", "ff".repeat(32));
        assert_eq!(PublicKey::parse(&text), Err(PublicKeyError::NotOnCurve));
    }

    #[test]
    fn encodings_other_than_compressed_are_refused() {
        let compact = GENERATOR.replacen("02", "05", 1);
        assert_eq!(PublicKey::parse(&compact), Err(PublicKeyError::NotCompressed));
        assert_eq!(PublicKey::from_sec1(&[0]), Err(PublicKeyError::Length { found: 1 }), "point at infinity");
        assert_eq!(PublicKey::from_sec1(&[4; 65]), Err(PublicKeyError::Length { found: 65 }), "uncompressed");
        assert!(matches!(PublicKey::parse(&format!("0x{GENERATOR}")), Err(PublicKeyError::Hex(_))));
        assert!(matches!(PublicKey::parse(&GENERATOR.to_uppercase()), Err(PublicKeyError::Hex(_))));
    }
}
