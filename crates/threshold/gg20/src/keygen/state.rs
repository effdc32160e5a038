//! What a GG20 key generation must remember between two rounds.
//!
//! Owns the secrets of an unfinished key generation and is the only file that serialises them. Scalars wipe themselves;
//! the primes are GMP's and cannot be wiped. The library's `Debug` shows them, so nothing here has one.

use std::collections::BTreeMap;

use holdfast_threshold::PartyIndex;
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{Keys, SharedKeys};
use serde::{Deserialize, Serialize};

use super::messages::{Committed, Opened, Proven};
use crate::library::{Point, Scalar};

/// The state after the round it is named for was answered.
#[derive(Serialize, Deserialize)]
pub(super) enum Session {
    Round1(Box<Round1>),
    Round2(Box<Round2>),
    Round3(Box<Round3>),
    Round4(Box<Round4>),
}

/// After round 1: the own keys, committed to.
#[derive(Serialize, Deserialize)]
pub(super) struct Round1 {
    pub(super) keys: Keys,
    pub(super) committed: Committed,
    pub(super) opening: Opened,
}

/// After round 2: everybody's commitments.
#[derive(Serialize, Deserialize)]
pub(super) struct Round2 {
    pub(super) keys: Keys,
    pub(super) committed: BTreeMap<PartyIndex, Committed>,
    pub(super) opening: Opened,
}

/// After round 3: everybody's keys, and the own polynomial dealt.
#[derive(Serialize, Deserialize)]
pub(super) struct Round3 {
    pub(super) keys: Keys,
    pub(super) committed: BTreeMap<PartyIndex, Committed>,
    pub(super) opened: BTreeMap<PartyIndex, Opened>,
    pub(super) polynomial: Vec<Point>,
    pub(super) value: Scalar,
}

/// After round 4: the share, unproven by the others.
#[derive(Serialize, Deserialize)]
pub(super) struct Round4 {
    pub(super) keys: Keys,
    pub(super) committed: BTreeMap<PartyIndex, Committed>,
    pub(super) opened: BTreeMap<PartyIndex, Opened>,
    pub(super) polynomials: BTreeMap<PartyIndex, Vec<Point>>,
    pub(super) shared: SharedKeys,
    pub(super) proof: Proven,
}
