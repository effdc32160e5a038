//! What the signers tell each other, and how large it may be.
//!
//! Owns the plaintexts inside the seals. It must never carry a sender or a receiver: those come from the seal. The bounds
//! keep every exponent so short that a hostile message costs well under a second.

use std::collections::BTreeMap;

use curv::cryptographic_primitives::proofs::sigma_correct_homomorphic_elgamal_enc::HomoELGamalProof;
use curv::cryptographic_primitives::proofs::sigma_valid_pedersen::PedersenProof;
use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::channel::{Incoming, Outgoing, Plaintext};
use holdfast_threshold::{PartyIndex, ProtocolFault, Round, SignError, tagged_hash};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{
    SignBroadcastPhase1, SignDecommitPhase1,
};
use multi_party_ecdsa::utilities::mta::{MessageA, MessageB};
use multi_party_ecdsa::utilities::zk_pdl_with_slack::PDLwSlackProof;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Desk;
use crate::library::{Hash, Point, Scalar, encode, message};

/// A message with what its sender had seen before it.
#[derive(Serialize, Deserialize)]
struct Said<T> {
    seen: [u8; 32],
    body: T,
}

/// Round 1, broadcast.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Encrypted {
    pub(super) nonce: MessageA,
    pub(super) mask: SignBroadcastPhase1,
}

/// Round 2, to one receiver.
#[derive(Serialize, Deserialize)]
pub(super) struct Multiplied {
    pub(super) mask: MessageB,
    pub(super) key: MessageB,
}

/// Round 3, broadcast.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Parts {
    pub(super) delta: Scalar,
    pub(super) sigma: Point,
    pub(super) proof: PedersenProof<Secp256k1, Hash>,
}

/// Round 4, broadcast.
pub(super) type Mask = SignDecommitPhase1;

/// Round 5, broadcast: the nonce share in the exponent of R, and a proof for each other signer.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NonceShare {
    pub(super) point: Point,
    pub(super) proofs: Vec<PDLwSlackProof>,
}

/// Round 6, broadcast.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeyPart {
    pub(super) point: Point,
    pub(super) proof: HomoELGamalProof<Secp256k1, Hash>,
}

/// Round 7, broadcast.
pub(super) type SignaturePart = Scalar;

/// The longest honest messages: 1.1 KB a party, 2.1 KB, 0.6 KB, 0.2 KB, 2 KB a signer, 0.4 KB, 0.1 KB.
fn max_len(desk: &Desk, round: Round) -> usize {
    let threshold = desk.share.threshold_of();
    let each = |count: u8, bytes: usize| usize::from(count).saturating_mul(bytes).saturating_add(1024);
    match round.0 {
        1 => each(threshold.n(), 1536),
        2 => 4096,
        5 => each(threshold.t(), 3072),
        _ => 2048,
    }
}

pub(super) fn to_one<T: Serialize>(desk: &Desk, body: T) -> Result<Plaintext, SignError> {
    let said = Said { seen: desk.seen, body };
    encode(&said).map(Plaintext::from).ok_or_else(|| ProtocolFault::LOCAL.into())
}

/// The same message for every other signer.
pub(super) fn broadcast<T: Serialize + Clone>(desk: &Desk, body: &T) -> Result<Outgoing, SignError> {
    desk.brief.counterparties().map(|peer| Ok((peer, to_one(desk, body.clone())?))).collect()
}

/// All messages of a round, decoded and made after the same broadcasts as this party saw. What does not decode is its
/// sender's doing: the seal was opened.
pub(super) fn decode_all<T: Serialize + DeserializeOwned>(
    desk: &Desk,
    round: Round,
    incoming: &Incoming,
) -> Result<BTreeMap<PartyIndex, T>, SignError> {
    let max = max_len(desk, round);
    let mut bodies = BTreeMap::new();
    let mut all_seen = BTreeMap::new();
    for (sender, plaintext) in incoming {
        let Said { seen, body } =
            message(plaintext, max).ok_or(SignError::Malformed { sender: *sender, round })?;
        all_seen.insert(*sender, seen);
        bodies.insert(*sender, body);
    }
    desk.check_seen(&all_seen)?;
    Ok(bodies)
}

/// Adds everybody's broadcasts of a round to what this party has seen.
pub(super) fn remember<T: Serialize>(
    desk: &mut Desk,
    round: Round,
    all: &BTreeMap<PartyIndex, T>,
) -> Result<(), SignError> {
    let mut hashes = vec![desk.seen, [round.0; 32]];
    for (sender, body) in all {
        let bytes = encode(body).ok_or(ProtocolFault::LOCAL)?;
        hashes.push(tagged_hash("holdfast/gg20/broadcast/v1", &[&[round.0, sender.get()], &bytes]));
    }
    let parts: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    desk.seen = tagged_hash("holdfast/gg20/seen/v1", &parts);
    Ok(())
}
