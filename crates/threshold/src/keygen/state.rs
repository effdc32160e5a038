//! What a key generation must remember between two rounds, and its one encoding, version 1.
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

use super::error::KeygenError;
use super::machine::KeygenTask;
use super::messages::{Commitments, Committed, Openings};
use crate::channel::ChannelState;
use crate::encoding::{decode_exact, encode_secret};
use crate::engine::{Curve, EngineIndex};
use crate::party::PartyIndex;
use crate::public::KeyPublic;
use crate::rounds::RoundLog;

const HEADER: &[u8; 5] = b"HFKG\x01";
/// 16 parties: two rounds of answers of at most 1 MiB a peer, and the state of round 3.
const MAX_STATE_LEN: usize = 64 * 1024 * 1024;

/// The whole machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) task: KeygenTask,
    pub(super) offer: Vec<u8>,
    pub(super) log: RoundLog,
    pub(super) stage: Stage,
}

/// How far the machine is. The order of the variants is part of the format: new ones go last.
#[derive(Serialize, Deserialize)]
pub(super) enum Stage {
    /// The offer is made.
    Offered { secret: Zeroizing<[u8; 32]> },
    /// The rounds are running.
    Running { channel: Box<ChannelState>, session: Session },
    /// The key is made.
    Finished { public: KeyPublic, share: Zeroizing<Vec<u8>> },
    /// The session failed.
    Aborted { code: String },
}

/// The protocol's state after the round it is named for was answered. The order of the variants is part of the format.
#[derive(Serialize, Deserialize)]
pub(super) enum Session {
    Round1(Round1),
    Round2(Box<Round2>),
    Round3(Box<Round3>),
    Round4(Round4),
}

/// After round 1: what this party kept of its own polynomial.
#[derive(Serialize, Deserialize)]
pub(super) struct Round1 {
    pub(super) own_fragment: Zeroizing<Scalar>,
}

/// After round 2: the secret share, and commitments made but not opened.
#[derive(Serialize, Deserialize)]
pub(super) struct Round2 {
    pub(super) share: Zeroizing<Scalar>,
    pub(super) proof: ProofCommitment<Curve>,
    pub(super) zero: ZeroSeeds,
    pub(super) chain_code: ChainCodeSecret,
    pub(super) broadcast: Commitments,
}

/// After round 3: everybody's commitments, and the set-up that the openings complete.
#[derive(Serialize, Deserialize)]
pub(super) struct Round3 {
    pub(super) share: Zeroizing<Scalar>,
    pub(super) proof: ProofCommitment<Curve>,
    pub(super) zero: OwnSeeds,
    pub(super) multiplication: MultiplicationKeep,
    pub(super) own: (Commitments, Openings),
    pub(super) received: BTreeMap<PartyIndex, Committed>,
}

/// After round 4: the key, unconfirmed.
#[derive(Serialize, Deserialize)]
pub(super) struct Round4 {
    pub(super) public: KeyPublic,
    pub(super) share: Zeroizing<Vec<u8>>,
    pub(super) confirmation: [u8; 32],
}

/// The zero-share seeds this party committed to, with their salts.
#[derive(Serialize, Deserialize)]
pub(super) struct ZeroSeeds(pub(super) BTreeMap<EngineIndex, KeepInitZeroSharePhase2to3>);

/// The same, after they were sent.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnSeeds(pub(super) BTreeMap<EngineIndex, KeepInitZeroSharePhase3to4>);

/// The set-up of the multiplications with each peer.
#[derive(Serialize, Deserialize)]
pub(super) struct MultiplicationKeep(pub(super) BTreeMap<EngineIndex, KeepInitMulPhase3to4<Curve>>);

/// This party's contribution to the chain code.
#[derive(Serialize, Deserialize)]
pub(super) struct ChainCodeSecret(pub(super) UniqueKeepDerivationPhase2to3);

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

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered { .. } => f.write_str("Offered(<redacted>)"),
            Self::Running { session, .. } => session.fmt(f),
            Self::Finished { public, .. } => f.debug_tuple("Finished").field(public).finish_non_exhaustive(),
            Self::Aborted { code } => write!(f, "Aborted({code})"),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Round1(_) => "Round1(<redacted>)",
            Self::Round2(_) => "Round2(<redacted>)",
            Self::Round3(_) => "Round3(<redacted>)",
            Self::Round4(_) => "Round4(<redacted>)",
        })
    }
}

impl Saved {
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError> {
        encode_secret(HEADER, self).map_err(|_| KeygenError::StateUnencodable)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, KeygenError> {
        if bytes.len() > MAX_STATE_LEN {
            return Err(KeygenError::StateMalformed);
        }
        decode_exact(HEADER, bytes).ok_or(KeygenError::StateMalformed)
    }
}
