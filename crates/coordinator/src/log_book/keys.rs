//! The log's keys: which one signs checkpoints of which size, and those of them that this coordinator holds.
//!
//! Officers decide which key is in force, by entries; the configuration only says where the secrets are. It must never sign
//! with another key than the one that the log itself has in force at that size.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_log::{Checkpoint, CheckpointError, LogSigner, LogVerifier, Origin, SignedCheckpoint};

/// The keys that are configured.
pub(crate) struct LogKeys {
    origin: Origin,
    held: Vec<LogSigner>,
}

/// Which key has been in force from which size on. Derived from the entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyHistory(Vec<(u64, VerifyingKey)>);

impl LogKeys {
    pub(crate) fn new(origin: Origin, keys: Vec<SigningKey>) -> Self {
        let held = keys.into_iter().map(|key| LogSigner::new(origin.clone(), key)).collect();
        Self { origin, held }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether this key's secret is configured.
    pub(crate) fn holds(&self, key: &VerifyingKey) -> bool {
        self.signer(key).is_some()
    }

    /// Signs with the key that is in force at this size, and also with the one before it as long as that is configured, so
    /// that readers who know only the old key can follow. `None` if the key in force is not configured.
    pub(crate) fn sign(
        &self,
        checkpoint: &Checkpoint,
        history: &KeyHistory,
    ) -> Result<Option<SignedCheckpoint>, CheckpointError> {
        let (in_force, before) = history.at(checkpoint.size);
        let Some(signer) = in_force.and_then(|key| self.signer(key)) else { return Ok(None) };
        let signed = signer.sign(checkpoint)?;
        match before.and_then(|key| self.signer(key)) {
            Some(previous) => Ok(Some(previous.sign_too(signed)?)),
            None => Ok(Some(signed)),
        }
    }

    fn signer(&self, key: &VerifyingKey) -> Option<&LogSigner> {
        self.held.iter().find(|signer| signer.verifier().public_key() == key)
    }
}

impl KeyHistory {
    /// Notes the key in force after this many entries.
    pub(crate) fn note(&mut self, size: u64, key: VerifyingKey) {
        if self.0.last().is_none_or(|(_, last)| *last != key) {
            self.0.push((size, key));
        }
    }

    /// From which size on which key has been in force, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &VerifyingKey)> {
        self.0.iter().map(|(size, key)| (*size, key))
    }

    /// The key in force.
    pub(crate) fn newest(&self) -> Option<&VerifyingKey> {
        self.0.last().map(|(_, key)| key)
    }

    /// The key in force at this size, and the one before it.
    fn at(&self, size: u64) -> (Option<&VerifyingKey>, Option<&VerifyingKey>) {
        let mut so_far = self.0.iter().rev().skip_while(|(from, _)| *from > size).map(|(_, key)| key);
        (so_far.next(), so_far.next())
    }

    /// Verifies checkpoints of this size.
    pub(crate) fn verifier_at(&self, size: u64, origin: &Origin) -> Option<LogVerifier> {
        Some(LogVerifier::new(origin.clone(), *self.at(size).0?))
    }

    /// Verifiers of all keys that ever were in force.
    pub(crate) fn all(&self, origin: &Origin) -> impl Iterator<Item = LogVerifier> {
        self.0.iter().map(|(_, key)| LogVerifier::new(origin.clone(), *key))
    }
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKeys").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_log::Hash;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn at(size: u64) -> Checkpoint {
        Checkpoint { origin: origin(), size, root: Hash([3; 32]) }
    }

    fn origin() -> Origin {
        Origin::of_cluster("demo").unwrap()
    }

    fn history() -> KeyHistory {
        let mut history = KeyHistory::default();
        (1..5).for_each(|size| history.note(size, key(1).verifying_key()));
        (5..9).for_each(|size| history.note(size, key(2).verifying_key()));
        history
    }

    #[test]
    fn each_size_is_signed_by_the_key_in_force_at_that_size() {
        let (keys, history) = (LogKeys::new(origin(), vec![key(1), key(2)]), history());
        for (size, seed) in [(1, 1), (4, 1), (5, 2), (100, 2)] {
            let signed = keys.sign(&at(size), &history).unwrap().unwrap();
            signed.verify(&LogVerifier::new(origin(), key(seed).verifying_key())).unwrap();
            signed.verify(&history.verifier_at(size, &origin()).unwrap()).unwrap();
        }
        // The old key signs too, the new one never before its time.
        let late = keys.sign(&at(6), &history).unwrap().unwrap();
        late.verify(&LogVerifier::new(origin(), key(1).verifying_key())).unwrap();
        let early = keys.sign(&at(4), &history).unwrap().unwrap();
        assert!(early.verify(&LogVerifier::new(origin(), key(2).verifying_key())).is_err());
    }

    #[test]
    fn nothing_is_signed_where_the_key_in_force_is_not_configured() {
        let (old, new) = (LogKeys::new(origin(), vec![key(1)]), LogKeys::new(origin(), vec![key(2)]));
        assert!(old.sign(&at(5), &history()).unwrap().is_none());
        assert!(new.sign(&at(4), &history()).unwrap().is_none());
        assert!(new.sign(&at(5), &history()).unwrap().is_some());
        assert!(old.sign(&at(0), &KeyHistory::default()).unwrap().is_none());
    }
}
