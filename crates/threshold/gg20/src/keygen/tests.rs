//! Numbers with which the library would end the process, and other lies of round 1 and 2.

use std::os::unix::process::ExitStatusExt;
use std::sync::OnceLock;

use curv::BigInt;
use curv::arithmetic::{BasicOps, Modulo, One, Zero};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{
    KeyGenBroadcastMessage1, KeyGenDecommitMessage1, Keys,
};

use super::check::{is_computable, opens};
use crate::library::{Point, decode, encode, guarded};

struct Party {
    keys: Keys,
    committed: KeyGenBroadcastMessage1,
    opened: KeyGenDecommitMessage1,
}

/// Prime numbers take long to find: one party for all tests.
fn party() -> &'static Party {
    static PARTY: OnceLock<Party> = OnceLock::new();
    PARTY.get_or_init(|| {
        let keys = Keys::create(1);
        let (committed, opened) = keys.phase1_broadcast_phase3_proof_of_correct_key_proof_of_correct_h1h2();
        Party { keys, committed, opened }
    })
}

fn changed(change: impl FnOnce(&mut KeyGenBroadcastMessage1)) -> KeyGenBroadcastMessage1 {
    let mut message = party().committed.clone();
    change(&mut message);
    message
}

#[test]
fn numbers_that_the_library_cannot_compute_with_never_reach_it() {
    assert!(is_computable(&party().committed));
    let negative = |number: &BigInt| BigInt::zero() - number;
    let changes: [(&str, KeyGenBroadcastMessage1); 14] = [
        // GMP ends the process when it divides by zero.
        ("Paillier modulus of zero", changed(|message| message.e.n = BigInt::zero())),
        ("ring modulus of zero", changed(|message| message.dlog_statement.N = BigInt::zero())),
        ("even modulus", changed(|message| message.e.n = &message.e.n + BigInt::one())),
        ("negative modulus", changed(|message| message.e.n = negative(&message.e.n))),
        ("short modulus", changed(|message| message.e.n = &message.e.n >> 2)),
        ("long ring modulus", changed(|message| message.dlog_statement.N = message.dlog_statement.N.pow(2))),
        // The library asserts that these are units.
        ("h1 of zero", changed(|message| message.dlog_statement.g = BigInt::zero())),
        (
            "h2 that is the modulus",
            changed(|message| {
                message.dlog_statement.ni = message.dlog_statement.N.clone();
            }),
        ),
        // It takes the first eleven without counting.
        ("too few roots", changed(|message| message.correct_key_proof.sigma_vec.truncate(10))),
        (
            "too many roots",
            changed(|message| {
                message.correct_key_proof.sigma_vec.push(BigInt::one());
            }),
        ),
        (
            "root beyond the modulus",
            changed(|message| {
                message.correct_key_proof.sigma_vec[0] = message.e.n.clone();
            }),
        ),
        // A negative exponent panics, a long one takes hours.
        (
            "negative exponent",
            changed(|message| {
                message.composite_dlog_proof_base_h1.y = negative(&message.composite_dlog_proof_base_h1.y);
            }),
        ),
        (
            "long exponent",
            changed(|message| {
                message.composite_dlog_proof_base_h2.y = BigInt::one() << 100_000;
            }),
        ),
        ("long commitment", changed(|message| message.com = BigInt::one() << 300)),
    ];
    for (what, message) in changes {
        assert!(!is_computable(&message), "{what}");
    }
}

/// Why those numbers are looked at first: this is no panic, and nothing catches it.
#[test]
fn a_modulus_of_zero_ends_the_process() {
    const ALONE: &str = "HOLDFAST_GG20_DIVIDES_BY_ZERO";
    if std::env::var_os(ALONE).is_some() {
        let divided = guarded(|| BigInt::mod_pow(&BigInt::one(), &BigInt::one(), &BigInt::zero()));
        panic!("still here: {divided:?}");
    }
    let own_name = "keygen::tests::a_modulus_of_zero_ends_the_process";
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", own_name])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert_eq!(ended.status.signal(), Some(8), "SIGFPE was expected: {ended:?}");
}

#[test]
fn openings_and_proofs_that_do_not_hold_are_noticed() {
    let Party { keys, committed, opened } = party();
    assert!(opens(keys, committed, opened));
    let other = KeyGenDecommitMessage1 { y_i: Point::generator().to_point(), ..opened.clone() };
    assert!(!opens(keys, committed, &other));
    let neutral = KeyGenDecommitMessage1 { y_i: Point::zero(), ..opened.clone() };
    assert!(!opens(keys, committed, &neutral));
    let root = changed(|message| message.correct_key_proof.sigma_vec[3] = BigInt::one());
    let ring = changed(|message| message.composite_dlog_proof_base_h1.x = BigInt::one());
    let swapped = changed(|message| {
        std::mem::swap(&mut message.dlog_statement.g, &mut message.dlog_statement.ni);
    });
    for message in [root, ring, swapped] {
        assert!(is_computable(&message) && !opens(keys, &message, opened));
    }
}

#[test]
fn a_broadcast_has_one_encoding() {
    let bytes = encode(&party().committed).unwrap();
    assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
    assert!(decode::<KeyGenBroadcastMessage1>(&bytes).is_some());
    // Decimal numbers can be written in more than one way; the library reads them all, or panics.
    let text = encode(&party().committed.e).unwrap();
    for (from, to) in [(0, b'+'), (0, b'-'), (0, b' '), (1, 0), (1, b'x')] {
        let mut other = text.to_vec();
        let digits = text.len() - 600;
        other[digits - from] = to;
        assert!(decode::<paillier::EncryptionKey>(&other).is_none(), "{to}");
    }
}
