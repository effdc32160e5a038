//! GG20 passes what every engine must pass. Paillier arithmetic is slow, so few bits are flipped.

use std::sync::OnceLock;

use holdfast_gg20::GG20;
use holdfast_threshold::DKLS23;
use holdfast_threshold::conformance::Suite;

fn suite() -> &'static Suite {
    static SUITE: OnceLock<Suite> = OnceLock::new();
    SUITE.get_or_init(|| Suite::new(&GG20, 2, 3, 3))
}

#[test]
fn any_t_sign() {
    suite().any_t_sign();
}

#[test]
fn fewer_than_t_make_nothing() {
    suite().fewer_than_t_make_nothing();
}

#[test]
fn exported_data_verifies() {
    suite().exported_data_verifies();
}

#[test]
fn children_are_those_of_bip32() {
    suite().children_are_those_of_bip32();
}

#[test]
fn changes_in_transit_are_noticed() {
    suite().changes_in_transit_are_noticed();
}

#[test]
fn a_hostile_signer_gets_no_signature() {
    suite().a_hostile_signer_gets_no_signature();
}

#[test]
fn a_hostile_generator_makes_no_key() {
    suite().a_hostile_generator_makes_no_key();
}

#[test]
fn a_key_of_two_of_three_moves_to_dkls23() {
    suite().is_handed_on_to(&DKLS23);
}

#[test]
fn a_key_of_three_of_five_moves_to_dkls23() {
    Suite::new(&GG20, 3, 5, 1).is_handed_on_to(&DKLS23);
}

#[test]
fn nothing_shows_a_secret() {
    suite().nothing_shows_a_secret();
}
