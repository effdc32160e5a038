//! Keys that the real library of another deployment made become keys of `dkls23`: any t of the new committee sign with them, and
//! the old shares are of no use beside the new ones.
//!
//! The files are in `fixtures/foreign`; the crate `holdfast-gg20` made them with `multi-party-ecdsa` itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers may panic")]

use holdfast_threshold::conformance::Suite;
use holdfast_threshold::{DKLS23, ForeignKey, ForeignShare};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../fixtures/foreign/", $name)).as_slice()
    };
}

const TWO_OF_THREE: [&[u8]; 3] =
    [file!("gg20-2-of-3.share1.json"), file!("gg20-2-of-3.share2.json"), file!("gg20-2-of-3.share3.json")];
const THREE_OF_FIVE: [&[u8]; 3] =
    [file!("gg20-3-of-5.share2.json"), file!("gg20-3-of-5.share3.json"), file!("gg20-3-of-5.share5.json")];

fn key(files: &[&[u8]], parties: &[u8]) -> ForeignKey {
    let shares: Vec<_> = files.iter().map(|file| ForeignShare::from_local_key(file).unwrap()).collect();
    assert_eq!(shares.iter().map(|share| share.party().get()).collect::<Vec<_>>(), parties);
    assert!(shares.iter().all(|share| share.key() == shares[0].key()), "all files say the same key");
    shares[0].key().clone()
}

fn is_a_key(suite: &Suite, old: &ForeignKey) {
    assert_eq!(suite.public_key(), old.public_key());
    suite.any_t_sign();
    suite.exported_data_verifies();
    suite.children_are_those_of_bip32();
    suite.nothing_shows_a_secret();
}

#[test]
fn two_of_three_become_two_of_three() {
    let old = key(&TWO_OF_THREE, &[1, 2, 3]);
    is_a_key(&Suite::imported(&DKLS23, 2, 3, &TWO_OF_THREE[..2]), &old);
    // Party 3 of the old committee gives as party 1 here.
    is_a_key(&Suite::imported(&DKLS23, 2, 3, &[TWO_OF_THREE[2], TWO_OF_THREE[0]]), &old);
}

#[test]
fn three_of_five_become_two_of_three_and_three_of_five() {
    let old = key(&THREE_OF_FIVE, &[2, 3, 5]);
    is_a_key(&Suite::imported(&DKLS23, 2, 3, &THREE_OF_FIVE), &old);
    is_a_key(&Suite::imported(&DKLS23, 3, 5, &THREE_OF_FIVE), &old);
}

#[test]
fn two_of_three_become_three_of_five() {
    let old = key(&TWO_OF_THREE, &[1, 2, 3]);
    is_a_key(&Suite::imported(&DKLS23, 3, 5, &[TWO_OF_THREE[1], TWO_OF_THREE[2]]), &old);
}
