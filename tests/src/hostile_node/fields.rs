//! Where the fields of each plaintext are, by the engine's own types, so that each can be hit by name.

use dkls23::protocols::PartiesMessage;
use dkls23::utilities::ot::extension::{OTEDataToSender, OteNonce};
use dkls23::utilities::proofs::{DLogProof, EncProof};
use k256_engine::{AffinePoint, Scalar, Secp256k1};
use serde::de::DeserializeOwned;

use super::control::Phase;

type Hash = [u8; 32];
/// Yields how many bytes a field takes at the front.
type Measure = fn(&[u8]) -> usize;
type Field = (&'static str, Measure);

/// Every field of every message of a key generation, with its round.
pub const KEYGEN_FIELDS: &[(u8, &str)] = &[
    (1, "fragment"),
    (2, "proof-commitment"),
    (2, "chain-code-commitment"),
    (2, "zero-seed-commitment"),
    (3, "proof-point"),
    (3, "proof-commitments"),
    (3, "proof-responses"),
    (3, "chain-code"),
    (3, "chain-code-salt"),
    (3, "zero-seed"),
    (3, "zero-salt"),
    (3, "dlog-proof"),
    (3, "nonce"),
    (3, "encryption-proofs"),
    (3, "ot-seed"),
    (4, "confirmation"),
];

/// Every field of every message of a signature, with its round.
pub const SIGN_FIELDS: &[(u8, &str)] = &[
    (1, "parties"),
    (1, "session-binding"),
    (1, "commitment"),
    (1, "ot-nonce"),
    (1, "ot-matrix"),
    (1, "ot-check"),
    (2, "parties"),
    (2, "session-binding"),
    (2, "gamma-u"),
    (2, "gamma-v"),
    (2, "psi"),
    (2, "public-share"),
    (2, "instance-point"),
    (2, "salt"),
    (2, "tau"),
    (2, "ote-salt"),
    (2, "verify-r"),
    (2, "verify-u"),
    (2, "gamma-sender"),
    (3, "u"),
    (3, "w"),
];

fn layout(phase: Phase, round: u8) -> Vec<Field> {
    let hash: Measure = measure::<Hash>;
    let scalar: Measure = measure::<Scalar>;
    let point: Measure = measure::<AffinePoint>;
    let bytes: Measure = measure::<Vec<u8>>;
    match (phase, round) {
        (Phase::Keygen, 1) => vec![("fragment", scalar)],
        (Phase::Keygen, 2) => {
            vec![("proof-commitment", hash), ("chain-code-commitment", hash), ("zero-seed-commitment", hash)]
        }
        (Phase::Keygen, 3) => vec![
            ("proof-point", point),
            ("proof-commitments", measure::<Vec<AffinePoint>>),
            ("proof-responses", measure::<Vec<(Vec<u8>, Scalar)>>),
            ("chain-code", hash),
            ("chain-code-salt", bytes),
            ("zero-seed", hash),
            ("zero-salt", bytes),
            ("dlog-proof", measure::<DLogProof<Secp256k1>>),
            ("nonce", scalar),
            ("encryption-proofs", measure::<Vec<EncProof<Secp256k1>>>),
            ("ot-seed", rest),
        ],
        (Phase::Keygen, 4) => vec![("confirmation", hash)],
        (Phase::Sign, 1) => vec![
            ("parties", measure::<PartiesMessage>),
            ("session-binding", hash),
            ("commitment", hash),
            ("ot-nonce", measure::<OteNonce>),
            ("ot-matrix", matrix),
            ("ot-check", rest),
        ],
        (Phase::Sign, 2) => vec![
            ("parties", measure::<PartiesMessage>),
            ("session-binding", hash),
            ("gamma-u", point),
            ("gamma-v", point),
            ("psi", scalar),
            ("public-share", point),
            ("instance-point", point),
            ("salt", bytes),
            ("tau", measure::<Vec<Vec<Scalar>>>),
            ("ote-salt", measure::<OteNonce>),
            ("verify-r", hash),
            ("verify-u", measure::<Vec<Scalar>>),
            ("gamma-sender", rest),
        ],
        (Phase::Sign, 3) => vec![("u", scalar), ("w", scalar)],
        (_, other) => panic!("no plaintext is sent in round {other}"),
    }
}

/// Flips one bit in the middle of a field.
pub(super) fn flip(phase: Phase, round: u8, plaintext: &mut [u8], field: &str) {
    let mut start = 0;
    for (name, measure) in layout(phase, round) {
        let length = measure(&plaintext[start..]);
        if name == field {
            // Never in a length at the front: the message shall decode.
            plaintext[start + length / 2] ^= 1;
            return;
        }
        start += length;
    }
    panic!("round {round} has no field `{field}`");
}

fn measure<T: DeserializeOwned>(bytes: &[u8]) -> usize {
    let (_, rest) = postcard::take_from_bytes::<T>(bytes).unwrap();
    bytes.len() - rest.len()
}

fn rest(bytes: &[u8]) -> usize {
    bytes.len()
}

/// The matrix of the extension has an encoding of its own: measured by what comes after it.
fn matrix(bytes: &[u8]) -> usize {
    // The nonce that precedes it has any value here.
    let nonce = postcard::to_allocvec(&OteNonce::default()).unwrap();
    let whole: Vec<u8> = [&nonce, bytes].concat();
    let message: OTEDataToSender = postcard::from_bytes(&whole).unwrap();
    let check = postcard::to_allocvec(&(message.verify_x, &message.verify_t)).unwrap();
    bytes.len() - check.len()
}
