//! The log's key: Ed25519 note signatures (type 0x01) over checkpoint bodies.
//!
//! The secret key never leaves [`LogSigner`], which cannot be copied or printed and is wiped when dropped.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::{Checkpoint, CheckpointError, Origin, SignedCheckpoint};
use crate::note_key::{KeyKind, NoteKeyError};

/// Signs checkpoints of one log.
pub struct LogSigner {
    origin: Origin,
    key: SigningKey,
}

/// Verifies the log's signature on checkpoints of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerifier {
    origin: Origin,
    key: VerifyingKey,
    key_id: u32,
}

impl LogSigner {
    /// A signer for the log with this origin, which is also the name of its key.
    pub fn new(origin: Origin, key: SigningKey) -> Self {
        Self { origin, key }
    }

    /// Signs a checkpoint of this log. Refuses those of other logs.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<SignedCheckpoint, CheckpointError> {
        checkpoint.check()?;
        let verifier = self.verifier();
        verifier.check_origin(checkpoint)?;
        let signature = self.key.sign(checkpoint.to_body().as_bytes()).to_bytes().to_vec();
        SignedCheckpoint::from_log_signature(checkpoint.clone(), verifier.key_id, signature)
    }

    /// Adds this key's signature to a checkpoint that another key of the same log signed, so that those who know only one
    /// of the two can verify it.
    pub fn sign_too(&self, signed: SignedCheckpoint) -> Result<SignedCheckpoint, CheckpointError> {
        let own = self.sign(signed.claimed())?;
        signed.with_lines_of(own)
    }

    /// The matching verifier.
    pub fn verifier(&self) -> LogVerifier {
        LogVerifier::new(self.origin.clone(), self.key.verifying_key())
    }
}

impl LogVerifier {
    /// A verifier for the log with this origin and public key.
    pub fn new(origin: Origin, key: VerifyingKey) -> Self {
        let key_id = KeyKind::Log.key_id(origin.key_name(), &key);
        Self { origin, key, key_id }
    }

    /// Reads `<origin>+<key id>+<base64>`, the form that Go's `sumdb/note` and C2SP tools use.
    pub fn parse(vkey: &str) -> Result<Self, NoteKeyError> {
        let (name, key) = KeyKind::Log.parse_vkey(vkey)?;
        Ok(Self::new(Origin(name), key))
    }

    /// The verifier key string.
    pub fn vkey(&self) -> String {
        KeyKind::Log.render_vkey(self.origin.key_name(), &self.key)
    }

    /// The log it verifies.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The log's public key.
    pub fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    pub(super) fn key_id(&self) -> u32 {
        self.key_id
    }

    pub(super) fn check_origin(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        if checkpoint.origin == self.origin {
            return Ok(());
        }
        let (expected, found) = (self.origin.clone(), checkpoint.origin.clone());
        Err(CheckpointError::OriginMismatch { expected, found })
    }

    /// Whether `signature` is this key's strict Ed25519 signature over a note's text.
    pub(super) fn accepts(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSigner").field("origin", &self.origin).field("key", &"<redacted>").finish()
    }
}
