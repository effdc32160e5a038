//! The signed envelope, in the manner of DSSE: exact payload bytes, their type, and signatures over both.
//!
//! Owns the JSON form (strict, bounded), the pre-authentication encoding and Ed25519 signatures over it. Never
//! re-encodes a payload, never interprets one, and never decides whose key a `keyid` names: a `keyid` is a
//! hint, and the same one may occur twice, so counting signers is the caller's duty.
//!
//! Stricter than DSSE on purpose: only standard base64, a `keyid` on every signature, no unknown members, so
//! that one envelope has one reading everywhere.

mod wire;

use std::borrow::Cow;
use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;

pub(crate) use wire::{EntryWire, parse_object, render};

/// Largest accepted envelope in bytes; an entry (envelope and time) has the same limit.
pub const MAX_ENVELOPE_BYTES: usize = 65_535;
/// Largest number of signatures on one envelope.
pub const MAX_SIGNATURES: usize = 16;
/// Largest `keyid` in bytes.
pub const MAX_KEY_ID_BYTES: usize = 128;
/// Largest payload type in bytes.
pub const MAX_PAYLOAD_TYPE_BYTES: usize = 128;
/// Largest single signature in bytes (an armored SSH signature has a few hundred).
pub const MAX_SIGNATURE_BYTES: usize = 8_192;

/// What the payload is: encoding, schema and version in one media type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(Cow<'static, str>);

/// Exact payload bytes, their type, and signatures over both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// The bytes that were signed, as received.
    pub payload: Vec<u8>,
    /// 1 to [`MAX_SIGNATURES`] signatures.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope. Its kind (Ed25519 over the PAE, SSHSIG over the payload) is agreed by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// `<role>:<name>`; a hint, not covered by the signature.
    pub key_id: String,
    /// Raw signature bytes.
    pub signature: Vec<u8>,
}

/// Why an envelope was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than [`MAX_ENVELOPE_BYTES`].
    #[error(
        "the envelope has {size} bytes, at most {MAX_ENVELOPE_BYTES} are accepted: refer to large objects by hash"
    )]
    TooLarge {
        /// Bytes received.
        size: usize,
    },
    /// Not one JSON object with exactly the members `payloadType`, `payload` and `signatures`.
    #[error(
        "the envelope must be one JSON object with exactly the members `payloadType`, `payload` and `signatures`"
    )]
    Malformed {
        /// What the JSON parser found.
        #[source]
        source: serde_json::Error,
    },
    /// A member has a value that is not allowed.
    #[error("`{field}` {problem}")]
    Field {
        /// Path of the member, such as `signatures[0].sig`.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The signature is not one of this key over this type and payload.
    #[error("the signature by `{key_id}` does not verify over this payload type and payload")]
    SignatureInvalid {
        /// The signature's `keyid`.
        key_id: String,
    },
}

impl PayloadType {
    /// Checks a payload type: 1 to [`MAX_PAYLOAD_TYPE_BYTES`] printable ASCII characters without spaces.
    pub fn new(text: &str) -> Result<Self, EnvelopeError> {
        if is_payload_type(text) {
            Ok(Self(Cow::Owned(text.to_owned())))
        } else {
            Err(EnvelopeError::field(
                "payloadType",
                "must be 1 to 128 printable ASCII characters without spaces",
            ))
        }
    }

    /// A payload type known when the program is built. Meant for `const`: there, a bad one does not compile.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            is_payload_type(text),
            "a payload type is 1 to 128 printable ASCII characters without spaces"
        );
        Self(Cow::Borrowed(text))
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_payload_type(text: &str) -> bool {
    let mut rest = text.as_bytes();
    if rest.is_empty() || rest.len() > MAX_PAYLOAD_TYPE_BYTES {
        return false;
    }
    while let [first, tail @ ..] = rest {
        if !first.is_ascii_graphic() {
            return false;
        }
        rest = tail;
    }
    true
}

/// DSSE's pre-authentication encoding: what an Ed25519 signature of an envelope covers.
pub fn pae(payload_type: &PayloadType, payload: &[u8]) -> Vec<u8> {
    encode_pae(payload_type.as_str(), payload)
}

fn encode_pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {} {} ", payload_type.len(), payload_type, payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope from its parts, with every bound of [`Envelope::parse`] checked.
    pub fn new(
        payload_type: PayloadType,
        payload: Vec<u8>,
        signatures: Vec<EnvelopeSignature>,
    ) -> Result<Self, EnvelopeError> {
        let envelope = Self { payload_type, payload, signatures };
        envelope.check()?;
        Ok(envelope)
    }

    /// An envelope with one Ed25519 signature over the PAE of type and payload.
    pub fn sign_ed25519(
        payload_type: PayloadType,
        payload: Vec<u8>,
        key_id: &str,
        key: &SigningKey,
    ) -> Result<Self, EnvelopeError> {
        let signature = EnvelopeSignature::sign_ed25519(&payload_type, &payload, key_id, key);
        Self::new(payload_type, payload, vec![signature])
    }

    /// Reads the JSON form. Refuses unknown and duplicate members, trailing bytes, base64 that is not
    /// canonical, empty payloads, and anything outside this module's limits. A stamped entry is no envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { size: bytes.len() });
        }
        let wire: wire::EnvelopeWire<'_> =
            parse_object(bytes).map_err(|source| EnvelopeError::Malformed { source })?;
        wire.body.decode()
    }

    /// The JSON form, which [`Envelope::parse`] reads back to an equal envelope.
    pub fn to_json(&self) -> Vec<u8> {
        render(None, self).into_bytes()
    }

    pub(crate) fn check(&self) -> Result<(), EnvelopeError> {
        if self.payload.is_empty() {
            return Err(EnvelopeError::field("payload", "must not be empty"));
        }
        if self.payload.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { size: self.payload.len() });
        }
        if self.signatures.is_empty() || self.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::field("signatures", "must hold 1 to 16 signatures"));
        }
        for (index, signature) in self.signatures.iter().enumerate() {
            signature.check(index)?;
        }
        Ok(())
    }
}

impl EnvelopeSignature {
    /// Signs the PAE of type and payload.
    pub fn sign_ed25519(payload_type: &PayloadType, payload: &[u8], key_id: &str, key: &SigningKey) -> Self {
        let signature = key.sign(&pae(payload_type, payload)).to_bytes().to_vec();
        Self { key_id: key_id.to_owned(), signature }
    }

    /// Checks that this is a strict Ed25519 signature of `key` over the PAE of type and payload.
    // INVARIANT: the type is under the signature, so a payload cannot be replayed as another kind of
    // statement (G1); strict verification refuses small-order keys, which sign every message.
    pub fn verify_ed25519(
        &self,
        payload_type: &PayloadType,
        payload: &[u8],
        key: &VerifyingKey,
    ) -> Result<(), EnvelopeError> {
        let invalid = || EnvelopeError::SignatureInvalid { key_id: self.key_id.clone() };
        let signature = Signature::from_slice(&self.signature).map_err(|_| invalid())?;
        key.verify_strict(&pae(payload_type, payload), &signature).map_err(|_| invalid())
    }

    fn check(&self, index: usize) -> Result<(), EnvelopeError> {
        let key_id_ok = (1..=MAX_KEY_ID_BYTES).contains(&self.key_id.len())
            && self.key_id.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !key_id_ok {
            return Err(EnvelopeError::field(
                format!("signatures[{index}].keyid"),
                "must be 1 to 128 printable ASCII characters",
            ));
        }
        if !(1..=MAX_SIGNATURE_BYTES).contains(&self.signature.len()) {
            return Err(EnvelopeError::field(
                format!("signatures[{index}].sig"),
                "must be the base64 of 1 to 8192 bytes",
            ));
        }
        Ok(())
    }
}

impl EnvelopeError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "ENVELOPE_TOO_LARGE",
            Self::Malformed { .. } => "ENVELOPE_MALFORMED",
            Self::Field { .. } => "ENVELOPE_FIELD_INVALID",
            Self::SignatureInvalid { .. } => "SIGNATURE_INVALID",
        }
    }

    /// The member at fault, such as `signatures[0].sig`, if one is.
    pub fn field_name(&self) -> Option<&str> {
        match self {
            Self::Field { field, .. } => Some(field),
            Self::TooLarge { .. } | Self::Malformed { .. } | Self::SignatureInvalid { .. } => None,
        }
    }

    fn field(field: impl Into<String>, problem: &'static str) -> Self {
        Self::Field { field: field.into(), problem }
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
