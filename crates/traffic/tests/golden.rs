//! The stream of a seed never changes: SHA-256 of every line of it, in `golden.txt`. A change of these digests is a new
//! generator, and every figure published with the old one must be measured again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use holdfast_traffic::{Parameters, Shift, Traffic};
use sha2::{Digest, Sha256};

fn digest(seed: u64, shift: &str) -> String {
    let parameters = Parameters {
        customers: 5_000,
        attacks_per_kind: 60,
        shift: Shift::parse(shift).unwrap(),
        ..Parameters::default()
    };
    let mut hash = Sha256::new();
    for record in Traffic::new(parameters, seed).unwrap() {
        hash.update(record.to_string());
        hash.update("\n");
    }
    hex::encode(hash.finalize())
}

#[test]
fn streams_are_what_they_were() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden.txt");
    let expected = fs::read_to_string(path).unwrap();
    let cases = [(1, ""), (2, ""), (1, "preset=bull-run,preset=holidays"), (2, "preset=skilled-attackers")];
    let found: String =
        cases.iter().map(|(seed, shift)| format!("{} seed {seed} {shift}\n", digest(*seed, shift))).collect();
    assert_eq!(found, expected, "found:\n{found}");
}
