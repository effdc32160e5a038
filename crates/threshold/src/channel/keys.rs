//! The keys of the channel: the roster's Ed25519 message keys and this node's X25519 ephemeral.
//!
//! Owns the ephemeral secret. It must never print or copy it, and must never hold two parties with one message key.

use std::collections::BTreeMap;

use core::fmt;

use ed25519_dalek::VerifyingKey;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::party::{Participants, PartyIndex, SetupError};

/// The Ed25519 message key of every party, from the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(PartyIndex, [u8; 32])>", into = "Vec<(PartyIndex, [u8; 32])>")]
pub struct MessageKeys(BTreeMap<PartyIndex, VerifyingKey>);

impl MessageKeys {
    /// Checks that each key is a point of full order, that no party is named twice and that no two parties share a key.
    ///
    /// # Errors
    /// A [`SetupError`] naming the party.
    pub fn new(keys: impl IntoIterator<Item = (PartyIndex, [u8; 32])>) -> Result<Self, SetupError> {
        let mut checked: BTreeMap<PartyIndex, VerifyingKey> = BTreeMap::new();
        for (party, bytes) in keys {
            let key = VerifyingKey::from_bytes(&bytes)
                .ok()
                .filter(|key| !key.is_weak())
                .ok_or(SetupError::InvalidMessageKey { party })?;
            if let Some((first, _)) = checked.iter().find(|(other, seen)| **other != party && **seen == key) {
                return Err(SetupError::SharedMessageKey { first: *first, second: party });
            }
            if checked.insert(party, key).is_some() {
                return Err(SetupError::DuplicateParty { party });
            }
        }
        Ok(Self(checked))
    }

    /// The key of `party`.
    pub(crate) fn of(&self, party: PartyIndex) -> Option<&VerifyingKey> {
        self.0.get(&party)
    }

    /// Refuses a session in which this node does not take part, in which a participant's key is unknown, or for which
    /// this node holds another key than the roster says.
    pub(crate) fn check(
        &self,
        participants: &Participants,
        me: PartyIndex,
        my_key: &VerifyingKey,
    ) -> Result<(), SetupError> {
        if !participants.contains(me) {
            return Err(SetupError::NotAParticipant { party: me });
        }
        if let Some(party) = participants.iter().find(|party| self.of(*party).is_none()) {
            return Err(SetupError::MissingMessageKey { party });
        }
        if self.of(me) != Some(my_key) {
            return Err(SetupError::ForeignMessageKey { party: me });
        }
        Ok(())
    }
}

impl From<MessageKeys> for Vec<(PartyIndex, [u8; 32])> {
    fn from(keys: MessageKeys) -> Self {
        keys.0.into_iter().map(|(party, key)| (party, key.to_bytes())).collect()
    }
}

impl TryFrom<Vec<(PartyIndex, [u8; 32])>> for MessageKeys {
    type Error = SetupError;

    fn try_from(keys: Vec<(PartyIndex, [u8; 32])>) -> Result<Self, Self::Error> {
        Self::new(keys)
    }
}

/// This node's X25519 secret of one session. Wiped on drop.
pub struct EphemeralSecret(StaticSecret);

impl EphemeralSecret {
    /// Draws a fresh secret.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        Self(StaticSecret::random_from_rng(rng))
    }

    /// The public key to offer.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    pub(crate) fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(StaticSecret::from(**bytes))
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The shared secret, unless the peer's key has low order: then it would not depend on this node's secret.
    pub(super) fn agree(&self, peer: [u8; 32]) -> Option<SharedSecret> {
        let shared = self.0.diffie_hellman(&PublicKey::from(peer));
        shared.was_contributory().then_some(shared)
    }
}

impl ZeroizeOnDrop for EphemeralSecret {}

impl fmt::Debug for EphemeralSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralSecret(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use rand::rngs::OsRng;

    fn party(index: u8) -> PartyIndex {
        PartyIndex::new(index).unwrap()
    }

    #[test]
    fn shared_weak_and_repeated_message_keys_are_refused() {
        let key = SigningKey::generate(&mut OsRng).verifying_key().to_bytes();
        let other = SigningKey::generate(&mut OsRng).verifying_key().to_bytes();
        assert!(MessageKeys::new([(party(1), key), (party(2), other)]).is_ok());
        assert_eq!(
            MessageKeys::new([(party(1), key), (party(2), key)]),
            Err(SetupError::SharedMessageKey { first: party(1), second: party(2) })
        );
        assert_eq!(
            MessageKeys::new([(party(1), key), (party(1), other)]),
            Err(SetupError::DuplicateParty { party: party(1) })
        );
        // The neutral element: every message verifies under it in lax libraries.
        let mut neutral = [0_u8; 32];
        neutral[0] = 1;
        assert_eq!(
            MessageKeys::new([(party(1), neutral)]),
            Err(SetupError::InvalidMessageKey { party: party(1) })
        );
    }

    #[test]
    fn low_order_points_do_not_agree() {
        let secret = EphemeralSecret::generate(&mut OsRng);
        assert!(secret.agree([0; 32]).is_none());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(secret.agree(one).is_none());
        assert!(secret.agree(EphemeralSecret::generate(&mut OsRng).public_key()).is_some());
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = EphemeralSecret::generate(&mut OsRng);
        assert_eq!(format!("{secret:?}"), "EphemeralSecret(<redacted>)");
    }
}
