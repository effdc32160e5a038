//! What a `dkls23` key generation must remember between two rounds, and its one encoding.
//!
//! Owns the secrets of an unfinished key generation and is the only file that serialises them. It must never print
//! them and wipes them on drop. The node seals the encoding before it stores it.

use std::collections::BTreeMap;

use core::fmt;

use dkls23::protocols::dkg::{
    KeepInitMulPhase3to4, KeepInitZeroSharePhase2to3, KeepInitZeroSharePhase3to4, ProofCommitment,
    UniqueKeepDerivationPhase2to3,
};
use k256_engine::Scalar;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::messages::{Commitments, Committed, Openings};
use crate::dkls23::reshare::{self, Dealt};
use crate::dkls23::{Curve, EngineIndex};
use crate::party::PartyIndex;

/// The protocol's state after the round it is named for was answered: three of a key generation, then three of a resharing. The
/// order of the variants is part of the format.
#[derive(Serialize, Deserialize)]
pub(crate) enum Session {
    Round1(Round1),
    Round2(Box<Round2>),
    Round3(Box<Round3>),
    Dealt(Box<Dealt>),
    Committed(Box<reshare::Committed>),
    Opened(Box<reshare::Opened>),
}

/// After round 1: what this party kept of its own polynomial.
#[derive(Serialize, Deserialize)]
pub(crate) struct Round1 {
    pub(crate) own_fragment: Zeroizing<Scalar>,
}

/// After round 2: the secret share, and commitments made but not opened.
#[derive(Serialize, Deserialize)]
pub(crate) struct Round2 {
    pub(crate) share: Zeroizing<Scalar>,
    pub(crate) proof: ProofCommitment<Curve>,
    pub(crate) zero: ZeroSeeds,
    pub(crate) chain_code: ChainCodeSecret,
    pub(crate) broadcast: Commitments,
}

/// After round 3: everybody's commitments, and the set-up that the openings complete.
#[derive(Serialize, Deserialize)]
pub(crate) struct Round3 {
    pub(crate) share: Zeroizing<Scalar>,
    pub(crate) proof: ProofCommitment<Curve>,
    pub(crate) zero: OwnSeeds,
    pub(crate) multiplication: MultiplicationKeep,
    pub(crate) own: (Commitments, Openings),
    pub(crate) received: BTreeMap<PartyIndex, Committed>,
}

/// The zero-share seeds this party committed to, with their salts.
#[derive(Serialize, Deserialize)]
pub(crate) struct ZeroSeeds(pub(crate) BTreeMap<EngineIndex, KeepInitZeroSharePhase2to3>);

/// The same, after they were sent.
#[derive(Serialize, Deserialize)]
pub(crate) struct OwnSeeds(pub(crate) BTreeMap<EngineIndex, KeepInitZeroSharePhase3to4>);

/// The set-up of the multiplications with each peer.
#[derive(Serialize, Deserialize)]
pub(crate) struct MultiplicationKeep(pub(crate) BTreeMap<EngineIndex, KeepInitMulPhase3to4<Curve>>);

/// This party's contribution to the chain code.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChainCodeSecret(pub(crate) UniqueKeepDerivationPhase2to3);

// The engine's keep types do not wipe themselves.
impl Drop for ZeroSeeds {
    fn drop(&mut self) {
        for keep in self.0.values_mut() {
            keep.seed.zeroize();
            keep.salt.zeroize();
        }
    }
}

impl Drop for OwnSeeds {
    fn drop(&mut self) {
        for keep in self.0.values_mut() {
            keep.seed.zeroize();
        }
    }
}

impl Drop for MultiplicationKeep {
    fn drop(&mut self) {
        for keep in self.0.values_mut() {
            keep.ot_sender.s.zeroize();
            keep.nonce.zeroize();
            keep.ot_receiver.seed.zeroize();
            keep.correlation.zeroize();
            keep.vec_r.zeroize();
        }
    }
}

impl Drop for ChainCodeSecret {
    fn drop(&mut self) {
        self.0.aux_chain_code.zeroize();
        self.0.cc_salt.zeroize();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Round1(_) => "Round1(<redacted>)",
            Self::Round2(_) => "Round2(<redacted>)",
            Self::Round3(_) => "Round3(<redacted>)",
            Self::Dealt(_) => "Dealt(<redacted>)",
            Self::Committed(_) => "Committed(<redacted>)",
            Self::Opened(_) => "Opened(<redacted>)",
        })
    }
}
