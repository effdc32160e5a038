//! What the parties tell each other, and how large it may be.
//!
//! Owns the plaintexts inside the seals. It must never carry a sender or a receiver: those come from the seal.

use std::collections::BTreeMap;

use curv::cryptographic_primitives::proofs::sigma_dlog::DLogProof;
use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::channel::{Incoming, Outgoing, Plaintext, Seat};
use holdfast_threshold::{KeygenError, PartyIndex, ProtocolFault, Round, Threshold, tagged_hash};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{
    KeyGenBroadcastMessage1, KeyGenDecommitMessage1,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::library::{Hash, Point, Scalar, encode, message};

/// Round 1, the same to everybody: public keys with proofs, and commitments.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Committed {
    pub(super) library: KeyGenBroadcastMessage1,
    pub(super) chain_code: [u8; 32],
}

/// Round 2, the same to everybody: the openings.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) library: KeyGenDecommitMessage1,
    pub(super) chain_code: ChainCodePart,
}

/// A party's contribution to the chain code, with the salt of its commitment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainCodePart {
    pub(super) value: [u8; 32],
    pub(super) salt: [u8; 32],
}

/// Round 3: the polynomial in the exponent, the same to everybody, and its value for the receiver.
#[derive(Serialize, Deserialize)]
pub(super) struct Dealt {
    pub(super) polynomial: Vec<Point>,
    pub(super) value: Scalar,
}

/// Round 4, the same to everybody.
pub(super) type Proven = DLogProof<Secp256k1, Hash>;

/// The longest honest messages have 9.5 KB, 0.2 KB, 0.1 KB and 60 bytes a coefficient, and 0.3 KB.
pub(super) fn max_len(round: Round, threshold: Threshold) -> usize {
    match round.0 {
        1 => 16 * 1024,
        3 => usize::from(threshold.t()).saturating_mul(128).saturating_add(512),
        _ => 1024,
    }
}

impl ChainCodePart {
    pub(super) fn commitment(&self, seat: &Seat, party: PartyIndex) -> [u8; 32] {
        let parts: [&[u8]; 4] = [&seat.context.encode(), &[party.get()], &self.value, &self.salt];
        tagged_hash("holdfast/gg20/chain-code-commitment/v1", &parts)
    }
}

/// The same message for every peer.
pub(super) fn broadcast<T: Serialize>(seat: &Seat, message: &T) -> Result<Outgoing, KeygenError> {
    let peers = seat.context.participants.others(seat.me);
    peers.map(|peer| Ok((peer, plaintext(message)?))).collect()
}

pub(super) fn plaintext<T: Serialize>(message: &T) -> Result<Plaintext, KeygenError> {
    encode(message).map(Plaintext::from).ok_or(KeygenError::Protocol(ProtocolFault::LOCAL))
}

/// All messages of a round, decoded. What does not decode is its sender's doing: the seal was opened.
pub(super) fn decode_all<T: Serialize + DeserializeOwned>(
    seat: &Seat,
    round: Round,
    incoming: &Incoming,
) -> Result<BTreeMap<PartyIndex, T>, KeygenError> {
    let max = max_len(round, seat.context.threshold);
    let decode = |(sender, plaintext): (&PartyIndex, &Plaintext)| {
        let decoded = message(plaintext, max).ok_or(KeygenError::Malformed { sender: *sender, round })?;
        Ok((*sender, decoded))
    };
    incoming.iter().map(decode).collect()
}

/// Identifies what a party broadcast. Decoding is canonical, so equal values have equal hashes.
pub(super) fn broadcast_hash<T: Serialize>(
    round: Round,
    sender: PartyIndex,
    value: &T,
) -> Result<[u8; 32], KeygenError> {
    let bytes = encode(value).ok_or(KeygenError::Protocol(ProtocolFault::LOCAL))?;
    Ok(tagged_hash("holdfast/gg20/broadcast/v1", &[&[round.0, sender.get()], &bytes]))
}
