//! What the parties tell each other in the three message rounds.
//!
//! Owns the plaintexts inside the seals. It must never carry a sender or a receiver: those come from the seal, so that
//! nobody can speak for another party. A broadcast is sent to each peer and hashed into the transcript by all.

use dkls23::protocols::dkg::TransmitInitMulPhase3to4;
use dkls23::utilities::hashes::HashOutput;
use dkls23::utilities::ot::base::Seed as OtSeed;
use dkls23::utilities::proofs::{DLogProof, EncProof};
use k256_engine::Scalar;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::channel::{Incoming, Plaintext};
use crate::dkls23::Curve;
use crate::encoding::{decode_exact, encode_secret, tagged_hash};
use crate::fault::ProtocolFault;
use crate::keygen::KeygenError;
use crate::party::{PartyIndex, Round};

/// The salts of the engine's commitments have this length.
const SALT_LEN: usize = 64;

/// Round 1: the value of the sender's polynomial at the receiver.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fragment {
    pub(crate) fragment: Zeroizing<Scalar>,
}

/// Round 2, the same to everybody.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Commitments {
    pub(crate) proof: HashOutput,
    pub(crate) chain_code: HashOutput,
}

/// Round 2, to one receiver.
#[derive(Serialize, Deserialize)]
pub(crate) struct Committed {
    pub(crate) broadcast: Commitments,
    pub(crate) zero_seed: HashOutput,
}

/// Round 3, the same to everybody.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Openings {
    pub(crate) proof: DLogProof<Curve>,
    pub(crate) chain_code: [u8; 32],
    pub(crate) chain_code_salt: Vec<u8>,
}

/// Round 3, to one receiver.
#[derive(Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) broadcast: Openings,
    pub(crate) zero_seed: Zeroizing<[u8; 32]>,
    pub(crate) zero_salt: Vec<u8>,
    pub(crate) multiplication: Multiplication,
}

/// Round 3: the set-up of the two-party multiplication, in both directions.
#[derive(Serialize, Deserialize)]
pub(crate) struct Multiplication {
    pub(crate) dlog_proof: DLogProof<Curve>,
    pub(crate) nonce: Scalar,
    pub(crate) enc_proofs: Vec<EncProof<Curve>>,
    pub(crate) seed: OtSeed,
}

impl Opened {
    /// Salts of the one length that the engine makes; anything else is malformed.
    pub(crate) fn is_well_formed(&self) -> bool {
        self.broadcast.chain_code_salt.len() == SALT_LEN && self.zero_salt.len() == SALT_LEN
    }
}

impl From<TransmitInitMulPhase3to4<Curve>> for Multiplication {
    fn from(message: TransmitInitMulPhase3to4<Curve>) -> Self {
        let TransmitInitMulPhase3to4 { parties: _, dlog_proof, nonce, enc_proofs, seed } = message;
        Self { dlog_proof, nonce, enc_proofs, seed }
    }
}

/// A message as bytes.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Plaintext, KeygenError> {
    encode_secret(&[], message).map(Plaintext::from).map_err(|_| KeygenError::from(ProtocolFault::LOCAL))
}

/// All messages of a round, decoded. A message that does not decode is its sender's doing: the seal was opened.
pub(crate) fn decode_all<T: Serialize + DeserializeOwned>(
    round: Round,
    incoming: &Incoming,
) -> Result<Vec<(PartyIndex, T)>, KeygenError> {
    incoming
        .iter()
        .map(|(sender, message)| {
            decode_exact(&[], message.as_bytes())
                .map(|decoded| (*sender, decoded))
                .ok_or(KeygenError::Malformed { sender: *sender, round })
        })
        .collect()
}

/// Identifies what a party broadcast in a round. Decoding is canonical, so equal values have equal hashes.
pub(crate) fn broadcast_hash<T: Serialize>(
    round: Round,
    sender: PartyIndex,
    broadcast: &T,
) -> Result<[u8; 32], KeygenError> {
    let bytes = encode_secret(&[], broadcast).map_err(|_| KeygenError::from(ProtocolFault::LOCAL))?;
    Ok(tagged_hash("holdfast/threshold/broadcast/v1", &[&[round.0, sender.get()], &bytes]))
}
