//! Keys of a roster: each speaks for one party, and their form in digests and snapshots.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;

/// INVARIANT (G1): one key speaks for one party. A provider's facts never come from the requester's key.
#[derive(Debug, Default)]
pub(super) struct KeySet(BTreeMap<[u8; 32], String>);

impl KeySet {
    /// Adds a public key that parses, is not weak and is not known yet.
    pub(super) fn add(&mut self, bytes: &[u8; 32], owner: &str) -> Result<VerifyingKey, String> {
        let key =
            VerifyingKey::from_bytes(bytes).map_err(|_| format!("`{owner}`: not an Ed25519 public key"))?;
        if key.is_weak() {
            return Err(format!("`{owner}`: weak Ed25519 public key"));
        }
        match self.0.insert(*bytes, owner.to_owned()) {
            Some(other) => Err(format!("`{owner}` and `{other}` share a key")),
            None => Ok(key),
        }
    }
}

/// An Ed25519 public key as 64 hex digits.
pub(super) mod as_hex {
    use ed25519_dalek::VerifyingKey;
    use serde::{Deserializer, Serializer};

    pub(in crate::roster) fn serialize<S: Serializer>(
        key: &VerifyingKey,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        hex::serde::serialize(key.as_bytes(), serializer)
    }

    pub(in crate::roster) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<VerifyingKey, D::Error> {
        let bytes: [u8; 32] = hex::serde::deserialize(deserializer)?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| serde::de::Error::custom("not an Ed25519 public key"))
    }
}
