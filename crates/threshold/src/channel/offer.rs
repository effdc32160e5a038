//! The signed offer of an ephemeral key: its bytes, and the signature over them.
//!
//! Owns the wire format of offers, version 1. It must never hand out an offer's fields as verified: a
//! [`SignedOffer`] from bytes is a claim until [`super::ChannelSet::establish`] has checked it.
//!
//! ```text
//! version 1 | context | party | x25519 public key (32) | Ed25519 signature (64)
//! ```
//!
//! The signature is over the domain string, a zero byte, and everything before the signature.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::context::SessionContext;
use super::error::ChannelError;
use crate::encoding::{Reader, Writer, tagged_hash};
use crate::party::PartyIndex;

/// The longest offer, in bytes.
pub const MAX_OFFER_LEN: usize = 512;
const VERSION: u8 = 1;
const SIGNATURE_LEN: usize = 64;
const DOMAIN: &[u8] = b"holdfast/threshold/ephemeral-offer/v1\0";

/// "In this session I, `party`, use this key."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralOffer {
    /// What the session is about.
    pub context: SessionContext,
    /// Who offers.
    pub party: PartyIndex,
    /// The X25519 public key.
    pub key: [u8; 32],
}

impl EphemeralOffer {
    /// Signs the offer with the party's message key.
    #[must_use]
    pub fn sign(self, message_key: &SigningKey) -> SignedOffer {
        let body = self.encode();
        let signature = message_key.sign(&signed_bytes(&body));
        let bytes = Writer::default().raw(&body).raw(&signature.to_bytes()).finish();
        SignedOffer { offer: self, bytes, signature }
    }

    fn encode(&self) -> Vec<u8> {
        Writer::default()
            .byte(VERSION)
            .raw(&self.context.encode())
            .byte(self.party.get())
            .raw(&self.key)
            .finish()
    }

    /// Identifies the offer in key derivation and transcripts.
    pub(super) fn hash(&self) -> [u8; 32] {
        tagged_hash("holdfast/threshold/offer-hash/v1", &[&self.encode()])
    }
}

/// An offer with its signature, as sent. Not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOffer {
    offer: EphemeralOffer,
    bytes: Vec<u8>,
    signature: Signature,
}

impl SignedOffer {
    /// Parses an offer; its signature is not checked here.
    ///
    /// # Errors
    /// [`ChannelError::OfferTooLarge`] or [`ChannelError::MalformedOffer`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChannelError> {
        if bytes.len() > MAX_OFFER_LEN {
            return Err(ChannelError::OfferTooLarge { len: bytes.len(), max: MAX_OFFER_LEN });
        }
        parse(bytes).map_err(|field| ChannelError::MalformedOffer { field })
    }

    /// The bytes as sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is offered, as claimed.
    #[must_use]
    pub const fn claim(&self) -> &EphemeralOffer {
        &self.offer
    }

    /// Whether `key` signed exactly this offer. Strict verification: no malleable or small-order forms.
    pub(super) fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        key.verify_strict(&signed_bytes(&self.offer.encode()), &self.signature).is_ok()
    }
}

fn parse(bytes: &[u8]) -> Result<SignedOffer, &'static str> {
    let mut reader = Reader::new(bytes);
    if reader.byte() != Some(VERSION) {
        return Err("version");
    }
    let context = SessionContext::decode(&mut reader)?;
    let party = reader.byte().and_then(|index| PartyIndex::new(index).ok()).ok_or("party")?;
    let key = reader.array().ok_or("key")?;
    let signature = Signature::from_bytes(&reader.array::<SIGNATURE_LEN>().ok_or("signature")?);
    reader.finish().ok_or("trailing bytes")?;
    Ok(SignedOffer { offer: EphemeralOffer { context, party, key }, bytes: bytes.to_vec(), signature })
}

fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}
