//! The engine's signing messages as bytes.
//!
//! Owns the check that a message says the same about its sender and receiver as its seal does. It must never let an
//! engine message through in another party's name.

use dkls23::protocols::PartiesMessage;
use dkls23::protocols::signing::{TransmitPhase1to2, TransmitPhase2to3};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::{Incoming, Outgoing, Plaintext};
use crate::dkls23::{Curve, engine_index, party_of};
use crate::encoding::{decode_exact, encode_secret};
use crate::fault::ProtocolFault;
use crate::party::{PartyIndex, Round};
use crate::sign::SignError;

/// A message of the engine to one receiver.
pub(super) trait Addressed: Serialize + DeserializeOwned {
    fn parties(&self) -> &PartiesMessage;
}

impl Addressed for TransmitPhase1to2 {
    fn parties(&self) -> &PartiesMessage {
        &self.parties
    }
}

impl Addressed for TransmitPhase2to3<Curve> {
    fn parties(&self) -> &PartiesMessage {
        &self.parties
    }
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Plaintext, SignError> {
    encode_secret(&[], message).map(Plaintext::from).map_err(|_| SignError::from(ProtocolFault::LOCAL))
}

/// The engine's messages, each for its receiver.
pub(super) fn encode_all<T: Addressed>(messages: &[T]) -> Result<Outgoing, SignError> {
    messages
        .iter()
        .map(|message| {
            let to = party_of(message.parties().receiver).ok_or(ProtocolFault::LOCAL)?;
            Ok((to, encode(message)?))
        })
        .collect()
}

pub(super) fn decode<T: Serialize + DeserializeOwned>(
    round: Round,
    sender: PartyIndex,
    message: &Plaintext,
) -> Result<T, SignError> {
    decode_exact(&[], message.as_bytes()).ok_or(SignError::Malformed { sender, round })
}

/// All messages of a round, decoded. What does not decode, or speaks for somebody else, is its sender's doing.
pub(super) fn decode_all<T: Addressed>(
    round: Round,
    me: PartyIndex,
    incoming: &Incoming,
) -> Result<Vec<T>, SignError> {
    incoming
        .iter()
        .map(|(sender, message)| {
            let decoded: T = decode(round, *sender, message)?;
            let parties = decoded.parties();
            let honest =
                Some(parties.sender) == engine_index(*sender) && Some(parties.receiver) == engine_index(me);
            if honest { Ok(decoded) } else { Err(SignError::Malformed { sender: *sender, round }) }
        })
        .collect()
}
