//! The envelope of one message, and the channel set that seals and opens a round at a time.
//!
//! Owns the directional keys and the rule that each is used once for each round. It must never open a round in part:
//! either every peer's message of the round is there and opens, or nothing is consumed. Its key material is
//! serialisable only as part of the sealed key generation state.

use std::collections::BTreeMap;

use core::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::context::SessionContext;
use super::error::ChannelError;
use super::{Incoming, Outgoing, Plaintext};
use crate::encoding::{Reader, Writer, tagged_hash};
use crate::party::{PartyIndex, Round, SessionId};
use crate::rounds::Outbound;

const VERSION: u8 = 1;
const AAD_TAG: &[u8] = b"holdfast/threshold/sealed/v1";

/// One sealed message on its way. The header is in the clear for the courier; all of it is authenticated.
///
/// ```text
/// version 1 | session (32) | round | sender | receiver | ciphertext with tag
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedMessage {
    /// The session.
    pub session: SessionId,
    /// The round that made the message.
    pub round: Round,
    /// Who sealed it, as claimed.
    pub sender: PartyIndex,
    /// Who can open it.
    pub receiver: PartyIndex,
    /// ChaCha20-Poly1305 ciphertext with its tag.
    pub ciphertext: Vec<u8>,
}

impl SealedMessage {
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::default()
            .byte(VERSION)
            .raw(&self.session.0)
            .byte(self.round.0)
            .byte(self.sender.get())
            .byte(self.receiver.get())
            .raw(&self.ciphertext)
            .finish()
    }

    /// Parses a message of at most `max_len` bytes.
    ///
    /// # Errors
    /// [`ChannelError::MessageTooLarge`], [`ChannelError::UnsupportedVersion`] or [`ChannelError::MalformedMessage`].
    pub fn from_bytes(bytes: &[u8], max_len: usize) -> Result<Self, ChannelError> {
        if bytes.len() > max_len {
            return Err(ChannelError::MessageTooLarge { len: bytes.len(), max: max_len });
        }
        let mut reader = Reader::new(bytes);
        match reader.byte() {
            Some(VERSION) => Self::parse(reader).ok_or(ChannelError::MalformedMessage),
            Some(version) => Err(ChannelError::UnsupportedVersion { version }),
            None => Err(ChannelError::MalformedMessage),
        }
    }

    fn parse(mut reader: Reader<'_>) -> Option<Self> {
        Some(Self {
            session: SessionId(reader.array()?),
            round: Round(reader.byte()?),
            sender: PartyIndex::new(reader.byte()?).ok()?,
            receiver: PartyIndex::new(reader.byte()?).ok()?,
            ciphertext: reader.rest().to_vec(),
        })
    }
}

/// Where this node sits in a session: what every protocol step needs to know about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seat {
    /// What the session is about.
    pub context: SessionContext,
    /// This party.
    pub me: PartyIndex,
    /// Hash of all offers, for the transcript.
    pub offers: [u8; 32],
}

#[derive(Serialize, Deserialize)]
pub(super) struct PeerKeys {
    pub(super) send: Zeroizing<[u8; 32]>,
    pub(super) receive: Zeroizing<[u8; 32]>,
}

/// The established channels of one session to all its other parties.
pub struct ChannelSet(ChannelState);

/// What a channel set consists of. Serialisable for the key generation state, and nowhere else.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChannelState {
    seat: Seat,
    peers: BTreeMap<PartyIndex, PeerKeys>,
    /// The last round sealed; 0 before the first.
    sealed: Round,
    /// The last round opened; 0 before the first.
    opened: Round,
}

impl ChannelSet {
    pub(super) fn new(seat: Seat, peers: BTreeMap<PartyIndex, PeerKeys>) -> Self {
        Self(ChannelState { seat, peers, sealed: Round(0), opened: Round(0) })
    }

    /// Seals the messages of `round`, one to each peer.
    ///
    /// # Errors
    /// [`ChannelError::CannotSeal`] if the round was sealed before or `outgoing` is not exactly one message a peer;
    /// [`ChannelError::MessageTooLarge`].
    pub fn seal_round(&mut self, round: Round, outgoing: &Outgoing) -> Result<Vec<Outbound>, ChannelError> {
        self.0.seal_round(round, outgoing)
    }

    /// Opens the messages of `round`: exactly one from each peer, in any order.
    ///
    /// # Errors
    /// A [`ChannelError`] for the first message that is refused. Nothing is consumed by an error, so the courier can
    /// deliver the round again.
    pub fn open_round(&mut self, round: Round, inbound: &[Vec<u8>]) -> Result<Incoming, ChannelError> {
        self.0.open_round(round, inbound)
    }

    pub(crate) fn into_state(self) -> ChannelState {
        self.0
    }
}

impl fmt::Debug for ChannelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChannelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSet")
            .field("session", &self.seat.context.session)
            .field("me", &self.seat.me)
            .field("keys", &"<redacted>")
            .finish_non_exhaustive()
    }
}

impl ChannelState {
    pub(crate) const fn seat(&self) -> &Seat {
        &self.seat
    }

    // INVARIANT (G5): `sealed` only grows, so a directional key never sees one nonce (= round) twice.
    pub(crate) fn seal_round(
        &mut self,
        round: Round,
        outgoing: &Outgoing,
    ) -> Result<Vec<Outbound>, ChannelError> {
        if round <= self.sealed || !outgoing.keys().eq(self.peers.keys()) {
            return Err(ChannelError::CannotSeal { round });
        }
        self.sealed = round;
        outgoing.iter().map(|(to, message)| self.seal(round, *to, message)).collect()
    }

    fn seal(&self, round: Round, to: PartyIndex, message: &Plaintext) -> Result<Outbound, ChannelError> {
        let keys = self.peers.get(&to).ok_or(ChannelError::CannotSeal { round })?;
        let aad = self.associated_data(round, self.seat.me, to);
        let ciphertext = ChaCha20Poly1305::new(Key::from_slice(keys.send.as_slice()))
            .encrypt(&nonce(round), Payload { msg: message.as_bytes(), aad: &aad })
            .map_err(|_| ChannelError::CannotSeal { round })?;
        let sealed = SealedMessage {
            session: self.seat.context.session,
            round,
            sender: self.seat.me,
            receiver: to,
            ciphertext,
        };
        let bytes = sealed.to_bytes();
        let max = self.seat.context.purpose.max_message_len();
        if bytes.len() > max {
            return Err(ChannelError::MessageTooLarge { len: bytes.len(), max });
        }
        Ok(Outbound { to, bytes })
    }

    pub(crate) fn open_round(&mut self, round: Round, inbound: &[Vec<u8>]) -> Result<Incoming, ChannelError> {
        if inbound.len() > self.peers.len() {
            return Err(ChannelError::TooMany { count: inbound.len(), max: self.peers.len() });
        }
        let mut incoming = Incoming::new();
        for bytes in inbound {
            let message = self.admit(round, bytes)?;
            if incoming.contains_key(&message.sender) {
                return Err(ChannelError::DuplicateMessage { sender: message.sender });
            }
            incoming.insert(message.sender, self.open(&message)?);
        }
        if let Some(sender) = self.peers.keys().find(|peer| !incoming.contains_key(peer)) {
            return Err(ChannelError::MissingMessage { sender: *sender });
        }
        self.opened = round;
        Ok(incoming)
    }

    /// The header checks. They tell an operator what went wrong; the seal is what protects.
    fn admit(&self, expected: Round, bytes: &[u8]) -> Result<SealedMessage, ChannelError> {
        let message = SealedMessage::from_bytes(bytes, self.seat.context.purpose.max_message_len())?;
        if message.session != self.seat.context.session {
            return Err(ChannelError::OtherSession);
        }
        if message.receiver != self.seat.me {
            return Err(ChannelError::OtherReceiver { receiver: message.receiver });
        }
        let (sender, round) = (message.sender, message.round);
        if !self.peers.contains_key(&sender) {
            return Err(ChannelError::ForeignSender { sender });
        }
        if round < expected || round <= self.opened {
            return Err(ChannelError::Replayed { sender, round, expected });
        }
        if round > expected {
            return Err(ChannelError::OutOfOrder { sender, round, expected });
        }
        Ok(message)
    }

    fn open(&self, message: &SealedMessage) -> Result<Plaintext, ChannelError> {
        let refused = ChannelError::NotAuthentic { claimed: message.sender };
        let keys = self.peers.get(&message.sender).ok_or_else(|| refused.clone())?;
        let aad = self.associated_data(message.round, message.sender, message.receiver);
        ChaCha20Poly1305::new(Key::from_slice(keys.receive.as_slice()))
            .decrypt(&nonce(message.round), Payload { msg: &message.ciphertext, aad: &aad })
            .map(Plaintext::new)
            .map_err(|_| refused)
    }

    /// Version, the whole session context (cluster, session, epoch, signer set among it), round and direction.
    fn associated_data(&self, round: Round, sender: PartyIndex, receiver: PartyIndex) -> Vec<u8> {
        let context = tagged_hash("holdfast/threshold/context/v1", &[&self.seat.context.encode()]);
        Writer::default()
            .raw(AAD_TAG)
            .byte(VERSION)
            .raw(&context)
            .byte(round.0)
            .byte(sender.get())
            .byte(receiver.get())
            .finish()
    }
}

fn nonce(round: Round) -> Nonce {
    let mut nonce = Nonce::default();
    if let Some(last) = nonce.last_mut() {
        *last = round.0;
    }
    nonce
}
