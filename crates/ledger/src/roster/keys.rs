//! Keys of a roster: each speaks for one party, once, and their form in digests and snapshots.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;

use super::Roster;
use crate::rejection::{Rejection, RejectionCode};

/// INVARIANT (G1): one key speaks for one party. A provider's facts never come from the requester's key.
#[derive(Debug, Default)]
pub(super) struct KeySet(BTreeMap<[u8; 32], String>);

/// Why a key cannot be added.
#[derive(Debug)]
enum KeyRefusal {
    Unusable(&'static str),
    UsedBy(String),
}

impl KeySet {
    /// Every key that any of these versions has.
    pub(super) fn of<'a>(history: impl Iterator<Item = &'a Roster>) -> Self {
        let mut set = Self::default();
        for roster in history {
            let mut know = |key: [u8; 32], owner: &str| {
                set.0.entry(key).or_insert_with(|| owner.to_owned());
            };
            for (name, officer) in &roster.officers {
                know(officer.key.ed25519().unwrap_or_default(), name.as_str());
            }
            for (name, contact) in &roster.contacts {
                know(contact.key.ed25519().unwrap_or_default(), name.as_str());
            }
            roster.clients.iter().for_each(|(name, client)| know(client.key.to_bytes(), name.as_str()));
            roster.providers.iter().for_each(|(name, known)| know(known.key.to_bytes(), name.as_str()));
            for node in &roster.nodes {
                know(node.cosigning_key.to_bytes(), node.id.as_str());
                know(node.message_key.to_bytes(), node.id.as_str());
            }
            know(roster.coordinator.log_key.to_bytes(), "coordinator");
            know(roster.coordinator.entry_key.to_bytes(), "coordinator");
            roster.witnesses.iter().for_each(|witness| know(witness.key.to_bytes(), &witness.name));
        }
        set
    }

    /// Adds a public key that parses, is not weak and is not known yet.
    pub(super) fn add(&mut self, bytes: &[u8; 32], owner: &str) -> Result<VerifyingKey, String> {
        self.insert(bytes, owner).map_err(|refusal| match refusal {
            KeyRefusal::Unusable(why) => format!("`{owner}`: {why}"),
            KeyRefusal::UsedBy(other) => format!("`{owner}` and `{other}` share a key"),
        })
    }

    /// The same for a key of a statement, named by its line.
    pub(super) fn add_new(&mut self, line: &str, bytes: &[u8; 32]) -> Result<VerifyingKey, Rejection> {
        self.insert(bytes, line).map_err(|refusal| match refusal {
            KeyRefusal::Unusable(why) => Rejection::new(RejectionCode::FieldInvalid, why).with_field(line),
            KeyRefusal::UsedBy(owner) => {
                let detail = format!("the key is or was used by `{owner}`: generate a new one");
                Rejection::new(RejectionCode::KeyAlreadyUsed, detail).with_field(line)
            }
        })
    }

    fn insert(&mut self, bytes: &[u8; 32], owner: &str) -> Result<VerifyingKey, KeyRefusal> {
        let key =
            VerifyingKey::from_bytes(bytes).map_err(|_| KeyRefusal::Unusable("not an Ed25519 public key"))?;
        if key.is_weak() {
            return Err(KeyRefusal::Unusable("weak Ed25519 public key"));
        }
        match self.0.insert(*bytes, owner.to_owned()) {
            Some(other) => Err(KeyRefusal::UsedBy(other)),
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

/// The same for a key that may be absent.
pub(super) mod as_optional_hex {
    use ed25519_dalek::VerifyingKey;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Hex(#[serde(with = "super::as_hex")] VerifyingKey);

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(in crate::roster) fn serialize<S: Serializer>(
        key: &Option<VerifyingKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        key.map(Hex).serialize(serializer)
    }

    pub(in crate::roster) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<VerifyingKey>, D::Error> {
        Ok(Option::<Hex>::deserialize(deserializer)?.map(|hex| hex.0))
    }
}
