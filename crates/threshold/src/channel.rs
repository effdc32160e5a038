//! Sealed messages between the nodes of one session, through a courier that is not trusted.
//!
//! Owns the per-session key agreement and the envelope. It must never let a message be opened by anyone but its
//! receiver, in any session, round or direction but its own, and must never blame a party for what the courier could
//! have done.
//!
//! 1. Every party draws an X25519 ephemeral for the session and signs an [`EphemeralOffer`] with its Ed25519 message
//!    key. The offer names everything the session is about ([`SessionContext`]).
//! 2. [`ChannelSet::establish`] takes the signed offers of all parties and refuses any that does not agree in every
//!    field. Each pair of parties gets two directional keys: HKDF-SHA256 over the X25519 secret, with the hashes of
//!    both offers as info.
//! 3. A round's messages are sealed with ChaCha20-Poly1305, nonce = round number, and the context as associated data.
//!
//! A sender seals at most one message a round to a receiver, so key and nonce never repeat. An envelope that does not
//! open is no evidence against its sender: the courier may have changed it. What opens was sealed by the sender, or by
//! the receiver itself, so it is evidence to the receiver and to nobody else.

mod context;
mod error;
mod establish;
mod keys;
mod offer;
mod sealed;

use std::collections::BTreeMap;

use core::fmt;

use zeroize::Zeroizing;

pub use context::{Purpose, SessionContext};
pub use error::ChannelError;
pub use keys::{EphemeralSecret, MessageKeys};
pub use offer::{EphemeralOffer, MAX_OFFER_LEN, SignedOffer};
pub use sealed::{ChannelSet, SealedMessage, Seat};

pub(crate) use sealed::ChannelState;

use crate::party::PartyIndex;

/// A protocol message before sealing or after opening. It may hold shares or nonces of the protocol: wiped on drop,
/// never printed.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Takes over the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for Plaintext {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext(<redacted>)")
    }
}

/// The messages of one round to the other parties, by receiver.
pub type Outgoing = BTreeMap<PartyIndex, Plaintext>;
/// The messages of one round from the other parties, by authenticated sender.
pub type Incoming = BTreeMap<PartyIndex, Plaintext>;
