//! Cosignatures (C2SP tlog-cosignature v1, type 0x04): "at this time, this is the largest tree of this log that I
//! have checked".
//!
//! Owns the signed message and its line. Never decides whether to cosign: the caller compares roots first, and
//! never cosigns a tip that is not an extension of its last one.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::{Checkpoint, CheckpointError};
use crate::note_key::{KeyKind, KeyName, NoteKeyError};

/// Latest time that a cosignature can carry, in seconds since the Unix epoch.
pub const MAX_TIME_S: u64 = 0x7fff_ffff_ffff_ffff;

const TIME_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 64;

/// Cosigns checkpoints under one name.
pub struct Cosigner {
    name: KeyName,
    key: SigningKey,
}

/// Verifies one cosigner's cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignatureVerifier {
    name: KeyName,
    key: VerifyingKey,
    key_id: u32,
}

/// A cosignature as received: a claim until [`Cosignature::verify`] or [`super::SignedCheckpoint::cosignatures`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    name: KeyName,
    key_id: u32,
    time_s: u64,
    signature: [u8; SIGNATURE_BYTES],
}

/// Proof that a cosigner cosigned the checkpoint that it was verified with. Only verification makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCosignature {
    /// Who cosigned.
    pub name: KeyName,
    /// When, by the cosigner's clock, in seconds since the Unix epoch.
    pub time_s: u64,
}

impl Cosigner {
    /// A cosigner with this name. Its key must not be any other cosigner's, for cosignatures do not cover names.
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        Self { name, key }
    }

    /// Cosigns a checkpoint at `time_s` seconds since the Unix epoch.
    pub fn cosign(&self, checkpoint: &Checkpoint, time_s: u64) -> Result<Cosignature, CheckpointError> {
        checkpoint.check()?;
        if time_s > MAX_TIME_S {
            return Err(CheckpointError::TimeOutOfRange { time_s });
        }
        let key_id = KeyKind::Cosigner.key_id(&self.name, &self.key.verifying_key());
        let signature = self.key.sign(signed_message(checkpoint, time_s).as_bytes()).to_bytes();
        Ok(Cosignature { name: self.name.clone(), key_id, time_s, signature })
    }

    /// The matching verifier.
    pub fn verifier(&self) -> CosignatureVerifier {
        CosignatureVerifier::new(self.name.clone(), self.key.verifying_key())
    }
}

/// What a cosignature signs: a header line, a time line, and the checkpoint's body.
// INVARIANT: the header keeps a cosignature from being taken for a log's signature, and the time is under the
// signature, so that witnessed delays and the bound on a missing tail rest on the cosigner's clock (G4, G7).
fn signed_message(checkpoint: &Checkpoint, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{}", checkpoint.to_body())
}

impl CosignatureVerifier {
    /// A verifier for the cosigner with this name and public key.
    pub fn new(name: KeyName, key: VerifyingKey) -> Self {
        let key_id = KeyKind::Cosigner.key_id(&name, &key);
        Self { name, key, key_id }
    }

    /// Reads `<name>+<key id>+<base64>` with type byte 0x04.
    pub fn parse(vkey: &str) -> Result<Self, NoteKeyError> {
        let (name, key) = KeyKind::Cosigner.parse_vkey(vkey)?;
        Ok(Self::new(name, key))
    }

    /// The verifier key string.
    pub fn vkey(&self) -> String {
        KeyKind::Cosigner.render_vkey(&self.name, &self.key)
    }

    /// The cosigner's name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The cosigner's public key.
    pub fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    pub(super) fn is_named_by(&self, line: &signed_note::Signature) -> bool {
        line.name() == self.name.as_str() && line.id() == self.key_id
    }
}

impl Cosignature {
    /// Reads a note signature line, with its newline, in its one canonical form.
    pub fn parse(line: &[u8]) -> Result<Self, CheckpointError> {
        let malformed = |problem| CheckpointError::CosignatureMalformed { problem };
        if line.len() > 512 {
            return Err(malformed("the line is too long"));
        }
        let content = line.strip_suffix(b"\n").ok_or(malformed("the line must end in a newline"))?;
        let signature = signed_note::Signature::from_bytes(content)
            .map_err(|_| malformed("the line must be `— <name> <base64 of key id, time and signature>`"))?;
        let cosignature = Self::from_note(&signature)?;
        if cosignature.to_line().as_bytes() != line {
            return Err(malformed("the line is not in canonical form"));
        }
        Ok(cosignature)
    }

    pub(super) fn from_note(line: &signed_note::Signature) -> Result<Self, CheckpointError> {
        let malformed = |problem| CheckpointError::CosignatureMalformed { problem };
        let name = KeyName::new(line.name()).map_err(|_| malformed("the name is not a key's name"))?;
        let (time, signature) = line
            .signature()
            .split_first_chunk::<TIME_BYTES>()
            .ok_or(malformed("the signature must have 72 bytes"))?;
        let signature = signature.try_into().map_err(|_| malformed("the signature must have 72 bytes"))?;
        let time_s = u64::from_be_bytes(*time);
        if time_s > MAX_TIME_S {
            return Err(CheckpointError::TimeOutOfRange { time_s });
        }
        Ok(Self { name, key_id: line.id(), time_s, signature })
    }

    /// The note signature line, with its newline.
    pub fn to_line(&self) -> String {
        let parts = [&self.key_id.to_be_bytes(), self.note_signature().as_slice()].concat();
        format!("— {} {}\n", self.name, crate::encoding::to_base64(&parts))
    }

    /// Checks that this is a cosignature by `verifier`'s cosigner over `checkpoint`.
    pub fn verify(
        &self,
        checkpoint: &Checkpoint,
        verifier: &CosignatureVerifier,
    ) -> Result<VerifiedCosignature, CheckpointError> {
        if self.name != verifier.name || self.key_id != verifier.key_id {
            let (expected, found) = (verifier.name.clone(), self.name.clone());
            return Err(CheckpointError::CosignerMismatch { expected, found });
        }
        let message = signed_message(checkpoint, self.time_s);
        verifier
            .key
            .verify_strict(message.as_bytes(), &Signature::from_bytes(&self.signature))
            .map_err(|_| CheckpointError::CosignatureInvalid { name: self.name.clone() })?;
        Ok(VerifiedCosignature { name: self.name.clone(), time_s: self.time_s })
    }

    /// The cosigner that it names, not verified.
    pub fn claimed_name(&self) -> &KeyName {
        &self.name
    }

    /// The time that it names, not verified, in seconds since the Unix epoch.
    pub fn claimed_time_s(&self) -> u64 {
        self.time_s
    }

    pub(super) fn key_id(&self) -> u32 {
        self.key_id
    }

    /// Time (8 bytes, big-endian) and signature, as the note carries them.
    pub(super) fn note_signature(&self) -> Vec<u8> {
        [self.time_s.to_be_bytes().as_slice(), self.signature.as_slice()].concat()
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").field("name", &self.name).field("key", &"<redacted>").finish()
    }
}
