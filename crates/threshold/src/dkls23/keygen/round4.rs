//! Round 4: check the openings (steps 5 and 6 of Protocol 9.1), make the share, and say what came out.
//!
//! Owns the checks between the peers' openings and a key. It must never make a share of a transcript that it did not
//! see whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use dkls23::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, ProofCommitment, TransmitInitMulPhase3to4,
    TransmitInitZeroSharePhase2to4, TransmitInitZeroSharePhase3to4, phase4,
};
use dkls23::protocols::{PartiesMessage, PublicKeyPackage};
use k256_engine::AffinePoint;
use k256_engine::elliptic_curve::group::GroupEncoding;
use zeroize::Zeroize;

use super::messages::{Commitments, Opened, Openings, broadcast_hash, decode_all};
use super::round1::{index_of, own_index, session_data};
use super::state::Round3;
use crate::channel::{Incoming, Seat};
use crate::dkls23::fault::from_abort;
use crate::dkls23::share::Dkls23Share;
use crate::dkls23::{Curve, EngineIndex, EngineParty, engine_index};
use crate::encoding::tagged_hash;
use crate::engine::MadeKey;
use crate::fault::ProtocolFault;
use crate::keygen::KeygenError;
use crate::party::{PartyIndex, Round};
use crate::public::PointBytes;

pub(crate) fn handle(seat: &Seat, state: &Round3, incoming: &Incoming) -> Result<MadeKey, KeygenError> {
    let (party, verifying_shares, transcript) = complete(seat, state, incoming, |_, _| Ok(()))?;
    Ok(MadeKey { share: Arc::new(Dkls23Share::new(party)?), verifying_shares, transcript })
}

/// The library's party with everybody's verifying share and the transcript. `check` sees every peer's point, which the peer
/// has not proven yet to know the logarithm of.
pub(crate) fn complete(
    seat: &Seat,
    state: &Round3,
    incoming: &Incoming,
    check: impl Fn(PartyIndex, &AffinePoint) -> Result<(), ProtocolFault>,
) -> Result<Completed, KeygenError> {
    let opened = decode_all::<Opened>(Round(3), incoming)?;
    if let Some((sender, _)) = opened.iter().find(|(_, message)| !message.is_well_formed()) {
        return Err(KeygenError::Malformed { sender: *sender, round: Round(3) });
    }
    for (sender, message) in &opened {
        check(*sender, &message.broadcast.proof.point)?;
    }
    let transcript = transcript(seat, state, &opened)?;
    let (party, package) = finish(seat, state, opened)?;
    let verifying_shares = verifying_shares(seat, &package)?;
    Ok((Box::new(party), verifying_shares, transcript))
}

/// Party, verifying shares, transcript.
type Completed = (Box<EngineParty>, BTreeMap<PartyIndex, PointBytes>, [u8; 32]);

/// The hash of the offers and of every broadcast of every party, as this party saw them.
fn transcript(seat: &Seat, state: &Round3, opened: &[(PartyIndex, Opened)]) -> Result<[u8; 32], KeygenError> {
    let mut views: BTreeMap<PartyIndex, (&Commitments, &Openings)> = BTreeMap::new();
    views.insert(seat.me, (&state.own.0, &state.own.1));
    for (sender, message) in opened {
        let committed = state.received.get(sender).ok_or(ProtocolFault::LOCAL)?;
        views.insert(*sender, (&committed.broadcast, &message.broadcast));
    }
    let mut hashes = vec![seat.offers];
    for (sender, (commitments, openings)) in views {
        hashes.push(broadcast_hash(Round(2), sender, commitments)?);
        hashes.push(broadcast_hash(Round(3), sender, openings)?);
    }
    let parts: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    Ok(tagged_hash("holdfast/threshold/keygen-transcript/v1", &parts))
}

/// What the engine's last phase takes, a list for each kind of message.
struct Received {
    proofs: Vec<ProofCommitment<Curve>>,
    zero_commitments: Vec<TransmitInitZeroSharePhase2to4>,
    zero_seeds: Vec<TransmitInitZeroSharePhase3to4>,
    multiplications: Vec<TransmitInitMulPhase3to4<Curve>>,
    chain_commitments: BTreeMap<EngineIndex, BroadcastDerivationPhase2to4>,
    chain_openings: BTreeMap<EngineIndex, BroadcastDerivationPhase3to4>,
}

impl Drop for Received {
    fn drop(&mut self) {
        for seed in &mut self.zero_seeds {
            seed.seed.zeroize();
        }
    }
}

fn finish(
    seat: &Seat,
    state: &Round3,
    opened: Vec<(PartyIndex, Opened)>,
) -> Result<(EngineParty, PublicKeyPackage<Curve>), KeygenError> {
    let me = own_index(seat)?;
    let mut received = Received {
        proofs: vec![state.proof.clone()],
        zero_commitments: Vec::new(),
        zero_seeds: Vec::new(),
        multiplications: Vec::new(),
        chain_commitments: BTreeMap::new(),
        chain_openings: BTreeMap::new(),
    };
    received.chain_code(me, &state.own.0, &state.own.1);
    for (sender, message) in opened {
        received.add(
            index_of(sender)?,
            me,
            state.received.get(&sender).ok_or(ProtocolFault::LOCAL)?,
            message,
        );
    }
    phase4::<Curve>(
        &session_data(seat)?,
        &state.share,
        &received.proofs,
        &state.zero.0,
        &received.zero_commitments,
        &received.zero_seeds,
        &state.multiplication.0,
        &received.multiplications,
        &received.chain_commitments,
        &received.chain_openings,
        |_| String::new(),
    )
    .map_err(|abort| from_abort(seat.me, &abort).into())
}

impl Received {
    fn add(
        &mut self,
        sender: EngineIndex,
        receiver: EngineIndex,
        committed: &super::messages::Committed,
        message: Opened,
    ) {
        let parties = PartiesMessage { sender, receiver };
        let Opened { broadcast, zero_seed, zero_salt, multiplication } = message;
        self.chain_code(sender, &committed.broadcast, &broadcast);
        self.proofs.push(ProofCommitment {
            index: sender,
            proof: broadcast.proof,
            commitment: committed.broadcast.proof,
        });
        self.zero_commitments.push(TransmitInitZeroSharePhase2to4 {
            parties: parties.clone(),
            commitment: committed.zero_seed,
        });
        self.zero_seeds.push(TransmitInitZeroSharePhase3to4 {
            parties: parties.clone(),
            seed: *zero_seed,
            salt: zero_salt,
        });
        self.multiplications.push(TransmitInitMulPhase3to4 {
            parties,
            dlog_proof: multiplication.dlog_proof,
            nonce: multiplication.nonce,
            enc_proofs: multiplication.enc_proofs,
            seed: multiplication.seed,
        });
    }

    fn chain_code(&mut self, sender: EngineIndex, commitments: &Commitments, openings: &Openings) {
        self.chain_commitments.insert(
            sender,
            BroadcastDerivationPhase2to4 { sender_index: sender, cc_commitment: commitments.chain_code },
        );
        self.chain_openings.insert(
            sender,
            BroadcastDerivationPhase3to4 {
                sender_index: sender,
                aux_chain_code: openings.chain_code,
                cc_salt: openings.chain_code_salt.clone(),
            },
        );
    }
}

fn verifying_shares(
    seat: &Seat,
    package: &PublicKeyPackage<Curve>,
) -> Result<BTreeMap<PartyIndex, PointBytes>, KeygenError> {
    let share_of = |holder: PartyIndex| {
        let point = engine_index(holder).and_then(|index| package.verifying_share(index));
        let point = point.ok_or(ProtocolFault::LOCAL)?;
        Ok((holder, point.to_bytes().into()))
    };
    seat.context.participants.iter().map(share_of).collect()
}
