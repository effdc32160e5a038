//! What is checked of a peer before its numbers reach the library, and what the library checks of one peer.
//!
//! Owns the attribution: every function here is about one sender. It must never check two at once.

use curv::BigInt;
use curv::arithmetic::{BitManipulation, NumberTests};
use curv::cryptographic_primitives::secret_sharing::feldman_vss::{ShamirSecretSharing, VerifiableSS};
use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::{PartyIndex, Threshold};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{
    KeyGenBroadcastMessage1, KeyGenDecommitMessage1, Keys, Parameters,
};
use paillier::EncryptionKey;

use crate::library::{Point, Scalar, guarded, is_modulus, is_residue, is_unit};

/// How many roots the library's proof of a correct Paillier key has.
const ROOTS: usize = 11;
const HASH_BITS: usize = 256;
/// The response of the library's proof for the ring: 512 bits of randomness, or a hash times a secret below the modulus.
const RESPONSE_BITS: usize = 2048 + HASH_BITS + 1;

/// Whether the numbers are such that the library can compute with them.
// INVARIANT: every number that GMP divides by, and every exponent, passed here.
pub(super) fn is_computable(message: &KeyGenBroadcastMessage1) -> bool {
    let KeyGenBroadcastMessage1 {
        e: EncryptionKey { n, nn: _ },
        dlog_statement: ring,
        com,
        correct_key_proof,
        composite_dlog_proof_base_h1: first,
        composite_dlog_proof_base_h2: second,
    } = message;
    let bounded = |number: &BigInt, bits: usize| !BigInt::is_negative(number) && number.bit_length() <= bits;
    is_modulus(n)
        && is_modulus(&ring.N)
        && is_unit(&ring.g, &ring.N)
        && is_unit(&ring.ni, &ring.N)
        && bounded(com, HASH_BITS)
        && correct_key_proof.sigma_vec.len() == ROOTS
        && correct_key_proof.sigma_vec.iter().all(|root| is_residue(root, n))
        && [first, second]
            .iter()
            .all(|proof| is_residue(&proof.x, &ring.N) && bounded(&proof.y, RESPONSE_BITS))
}

/// Whether the opening fits the commitment and the library's proofs hold. The library checks lists: this is one of one.
pub(super) fn opens(
    keys: &Keys,
    committed: &KeyGenBroadcastMessage1,
    opened: &KeyGenDecommitMessage1,
) -> bool {
    if opened.y_i.is_zero() || opened.blind_factor.bit_length() > HASH_BITS {
        return false;
    }
    let alone = Parameters { threshold: 0, share_count: 1 };
    guarded(|| {
        keys.phase1_verify_com_phase3_verify_correct_key_verify_dlog_phase2_distribute(
            &alone,
            std::slice::from_ref(opened),
            std::slice::from_ref(committed),
        )
        .is_ok()
    })
    .unwrap_or(false)
}

/// Whether the value is the polynomial's at this party, and the polynomial is one of t coefficients that starts at the
/// sender's point.
pub(super) fn is_dealt(
    threshold: Threshold,
    polynomial: &[Point],
    start: &Point,
    value: &Scalar,
    me: PartyIndex,
) -> bool {
    polynomial.len() == usize::from(threshold.t())
        && polynomial.first() == Some(start)
        && guarded(|| feldman(threshold, polynomial).validate_share(value, u16::from(me.get())).is_ok())
            .unwrap_or(false)
}

/// The library's form of a polynomial. Its threshold is the degree.
pub(super) fn feldman(threshold: Threshold, polynomial: &[Point]) -> VerifiableSS<Secp256k1> {
    VerifiableSS {
        parameters: ShamirSecretSharing {
            threshold: u16::from(threshold.t()).saturating_sub(1),
            share_count: u16::from(threshold.n()),
        },
        commitments: polynomial.to_vec(),
    }
}
