//! The signed note: a checkpoint's body, the log's signature and any number of cosignatures.
//!
//! Keeps lines of unknown keys as they are, as the specification asks, and counts only those that verify.

use std::collections::BTreeSet;

use signed_note::{Note, Signature};

use super::{
    Checkpoint, CheckpointError, Cosignature, CosignatureVerifier, LogVerifier, VerifiedCosignature,
};

/// Largest signed checkpoint in bytes.
pub const MAX_SIGNED_CHECKPOINT_BYTES: usize = 65_536;
/// Largest number of signature lines: the log's and those of the cosigners.
pub const MAX_CHECKPOINT_SIGNATURES: usize = 64;

/// A checkpoint with signature lines. A claim until [`SignedCheckpoint::verify`].
#[derive(Debug, Clone, PartialEq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    pub(super) signatures: Vec<Signature>,
}

impl SignedCheckpoint {
    /// Reads a signed note with a checkpoint as its text, in its one canonical form. Verifies nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let malformed = |problem| CheckpointError::Malformed { problem };
        if bytes.len() > MAX_SIGNED_CHECKPOINT_BYTES {
            return Err(CheckpointError::TooLarge { size: bytes.len() });
        }
        let note = Note::from_bytes(bytes).map_err(|_| malformed("it is not a signed note"))?;
        let checkpoint = Checkpoint::parse_body(note.text())?;
        // The library checks the signature lines and keeps them to itself.
        let lines = bytes
            .strip_prefix(note.text())
            .and_then(|rest| rest.strip_prefix(b"\n"))
            .and_then(|rest| rest.strip_suffix(b"\n"))
            .ok_or(malformed("it is not a signed note"))?;
        let signatures: Vec<Signature> = lines
            .split(|byte| *byte == b'\n')
            .map(Signature::from_bytes)
            .collect::<Result<_, _>>()
            .map_err(|_| malformed("a signature line is not one"))?;
        let signed = Self::new(checkpoint, signatures)?;
        // The library is strict already; this holds `to_bytes` to its promise if it ever is not.
        if signed.to_bytes() != bytes {
            return Err(malformed("it is not in canonical form"));
        }
        Ok(signed)
    }

    pub(super) fn from_log_signature(
        checkpoint: Checkpoint,
        key_id: u32,
        signature: Vec<u8>,
    ) -> Result<Self, CheckpointError> {
        let line = note_line(checkpoint.origin.as_str(), key_id, signature)?;
        Self::new(checkpoint, vec![line])
    }

    fn new(checkpoint: Checkpoint, signatures: Vec<Signature>) -> Result<Self, CheckpointError> {
        if signatures.len() > MAX_CHECKPOINT_SIGNATURES {
            return Err(CheckpointError::TooManySignatures);
        }
        Ok(Self { checkpoint, signatures })
    }

    /// The signed note, byte for byte as it was parsed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.checkpoint.to_body().into_bytes();
        bytes.push(b'\n');
        for signature in &self.signatures {
            bytes.extend_from_slice(&signature.to_bytes());
        }
        bytes
    }

    /// What the note says, not verified. For choosing a verifier, never for a decision.
    pub fn claimed(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks origin and signature of the log, and returns what it states.
    // INVARIANT: a checkpoint is only read after the log's own key signed exactly these bytes (G7). Every line
    // that names the log's key must verify, not merely one of them.
    pub fn verify(&self, log: &LogVerifier) -> Result<Checkpoint, CheckpointError> {
        log.check_origin(&self.checkpoint)?;
        let origin = log.origin();
        let body = self.checkpoint.to_body();
        let mut signed = false;
        for line in &self.signatures {
            if line.name() != origin.as_str() || line.id() != log.key_id() {
                continue;
            }
            if !log.accepts(body.as_bytes(), line.signature()) {
                return Err(CheckpointError::LogSignatureInvalid { origin: origin.clone() });
            }
            signed = true;
        }
        if signed {
            Ok(self.checkpoint.clone())
        } else {
            Err(CheckpointError::LogSignatureMissing { origin: origin.clone() })
        }
    }

    /// The cosignatures by these cosigners, in their order, one for each that cosigned, with its newest time.
    ///
    /// Refuses the whole checkpoint if a line names one of them and does not verify, and refuses cosigners that
    /// share a key. Says nothing about the log's signature: call [`SignedCheckpoint::verify`] too.
    // INVARIANT: one key counts once, whatever names it goes under, because cosignatures do not cover the name;
    // levels of binding (G4) are counts of distinct keys.
    pub fn cosignatures(
        &self,
        cosigners: &[CosignatureVerifier],
    ) -> Result<Vec<VerifiedCosignature>, CheckpointError> {
        check_distinct(cosigners)?;
        let mut verified = Vec::new();
        for cosigner in cosigners {
            verified.extend(self.newest_cosignature(cosigner)?);
        }
        Ok(verified)
    }

    fn newest_cosignature(
        &self,
        cosigner: &CosignatureVerifier,
    ) -> Result<Option<VerifiedCosignature>, CheckpointError> {
        let mut newest: Option<VerifiedCosignature> = None;
        for line in self.signatures.iter().filter(|line| cosigner.is_named_by(line)) {
            let cosignature = Cosignature::from_note(line)
                .map_err(|_| CheckpointError::CosignatureInvalid { name: cosigner.name().clone() })?;
            let verified = cosignature.verify(&self.checkpoint, cosigner)?;
            if newest.as_ref().is_none_or(|newest| newest.time_s < verified.time_s) {
                newest = Some(verified);
            }
        }
        Ok(newest)
    }

    /// Adds the signature lines of the same checkpoint, in place of earlier ones by the same keys.
    pub(super) fn with_lines_of(mut self, other: Self) -> Result<Self, CheckpointError> {
        for line in other.signatures {
            self.signatures.retain(|old| old.name() != line.name() || old.id() != line.id());
            self.signatures.push(line);
        }
        Self::new(self.checkpoint, self.signatures)
    }

    /// Adds a cosignature, in place of earlier ones by the same key. Verify it first: a line that does not
    /// verify makes readers refuse the whole checkpoint.
    pub fn with_cosignature(mut self, cosignature: &Cosignature) -> Result<Self, CheckpointError> {
        let name = cosignature.claimed_name().as_str();
        let line = note_line(name, cosignature.key_id(), cosignature.note_signature())?;
        self.signatures.retain(|old| old.name() != line.name() || old.id() != line.id());
        self.signatures.push(line);
        Self::new(self.checkpoint, self.signatures)
    }
}

fn note_line(name: &str, key_id: u32, signature: Vec<u8>) -> Result<Signature, CheckpointError> {
    Signature::new(name.to_owned(), key_id, signature)
        .map_err(|_| CheckpointError::Malformed { problem: "a signature's name is not a key's name" })
}

fn check_distinct(cosigners: &[CosignatureVerifier]) -> Result<(), CheckpointError> {
    let mut keys = BTreeSet::new();
    for cosigner in cosigners {
        if !keys.insert(cosigner.public_key().to_bytes()) {
            return Err(CheckpointError::CosignersNotDistinct { name: cosigner.name().clone() });
        }
    }
    Ok(())
}
