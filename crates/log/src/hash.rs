//! SHA-256 hashes of the log: leaves, interior nodes and roots, as RFC 6962 section 2.1 defines them.
//!
//! Owns domain separation between leaf and node and the text forms of a hash. Never hashes anything without
//! one of the two prefixes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::encoding;

/// A SHA-256 hash. `Display` and serde use lower-case hex; C2SP texts use [`Hash::to_base64`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; Self::LEN]);

/// Why a text is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HashError {
    /// Not 64 lower-case hex digits.
    #[error("a hash in hex must be 64 lower-case hex digits")]
    Hex,
    /// Not the canonical base64 of 32 bytes.
    #[error("a hash in base64 must be the padded standard encoding of 32 bytes")]
    Base64,
}

impl Hash {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The root of the tree without leaves: the SHA-256 of nothing.
    pub const EMPTY_TREE: Self = Self(tlog_tiles::EMPTY_HASH.0);

    /// The leaf hash of an entry's exact bytes: `SHA-256(0x00 || entry)`.
    pub fn leaf(entry: &[u8]) -> Self {
        tlog_tiles::record_hash(entry).into()
    }

    /// The hash of an interior node: `SHA-256(0x01 || left || right)`.
    pub fn node(left: Self, right: Self) -> Self {
        tlog_tiles::node_hash(left.into(), right.into()).into()
    }

    /// Standard, padded base64, as in checkpoints and proofs.
    pub fn to_base64(&self) -> String {
        encoding::to_base64(&self.0)
    }

    /// Reads canonical standard base64.
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        let bytes = encoding::from_base64(text).ok_or(HashError::Base64)?;
        bytes.try_into().map(Self).map_err(|_| HashError::Base64)
    }

    /// Lower-case hex.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads lower-case hex.
    pub fn from_hex(text: &str) -> Result<Self, HashError> {
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError::Hex)?;
        let hash = Self(bytes);
        if hash.to_hex() == text { Ok(hash) } else { Err(HashError::Hex) }
    }
}

impl HashError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hex | Self::Base64 => "HASH_MALFORMED",
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::from_hex(text)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<tlog_tiles::Hash> for Hash {
    fn from(hash: tlog_tiles::Hash) -> Self {
        Self(hash.0)
    }
}

impl From<Hash> for tlog_tiles::Hash {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip_and_have_one_spelling() {
        let hash = Hash::leaf(b"entry");
        assert_eq!(Hash::from_hex(&hash.to_hex()), Ok(hash));
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(hash.to_hex().parse(), Ok(hash));
        assert_eq!(Hash::from_hex(&hash.to_hex().to_uppercase()), Err(HashError::Hex));
        assert_eq!(Hash::from_hex("ab"), Err(HashError::Hex));
        assert_eq!(Hash::from_base64("aGk="), Err(HashError::Base64));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{hash}\""));
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
    }

    #[test]
    fn leaf_and_node_are_separate_domains() {
        let (left, right) = (Hash::leaf(b"a"), Hash::leaf(b"b"));
        let concatenated = [left.0, right.0].concat();
        assert_ne!(Hash::leaf(&concatenated), Hash::node(left, right));
        assert_ne!(Hash::node(left, right), Hash::node(right, left));
    }
}
