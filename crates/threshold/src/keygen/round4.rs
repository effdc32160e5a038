//! Round 4: check the openings (steps 5 and 6 of Protocol 9.1), make the share, and say what came out.
//!
//! Owns the checks between the peers' openings and a key. It must never send a confirmation for a share that does not
//! fit its own verifying share.

use std::collections::BTreeMap;

use dkls23::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, ProofCommitment, TransmitInitMulPhase3to4,
    TransmitInitZeroSharePhase2to4, TransmitInitZeroSharePhase3to4, phase4,
};
use dkls23::protocols::{PartiesMessage, PublicKeyPackage};
use k256_engine::elliptic_curve::group::GroupEncoding;
use zeroize::Zeroize;

use super::error::KeygenError;
use super::messages::{Commitments, Confirmation, Opened, Openings, broadcast_hash, decode_all, encode};
use super::round1::{index_of, own_index, session_data};
use super::state::{Round3, Round4};
use crate::channel::{Incoming, Outgoing, Seat};
use crate::encoding::tagged_hash;
use crate::engine::{Curve, EngineIndex, EngineParty, engine_index};
use crate::fault::ProtocolFault;
use crate::party::{PartyIndex, Round};
use crate::public::KeyPublic;
use crate::share::{KeyShare, ShareError};

pub(super) fn handle(
    seat: &Seat,
    state: Box<Round3>,
    incoming: &Incoming,
) -> Result<(Round4, Outgoing), KeygenError> {
    let opened = decode_all::<Opened>(Round(3), incoming)?;
    if let Some((sender, _)) = opened.iter().find(|(_, message)| !message.is_well_formed()) {
        return Err(KeygenError::Malformed { sender: *sender, round: Round(3) });
    }
    let transcript = transcript(seat, &state, &opened)?;
    let (party, package) = finish(seat, &state, opened)?;

    let public = key_public(seat, &party, &package, transcript)?;
    let share = KeyShare::new(seat.context.epoch, transcript, Box::new(party))?;
    if share.party() != seat.me || !share.matches(&public) {
        return Err(ShareError::OtherKey.into());
    }
    let confirmation = confirmation(seat, &public);
    let mut outgoing = Outgoing::new();
    for peer in seat.context.participants.others(seat.me) {
        outgoing.insert(peer, encode(&Confirmation { hash: confirmation })?);
    }
    Ok((Round4 { public, share: share.to_bytes()?, confirmation }, outgoing))
}

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
    .map_err(|abort| ProtocolFault::from_abort(seat.me, &abort).into())
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

fn key_public(
    seat: &Seat,
    party: &EngineParty,
    package: &PublicKeyPackage<Curve>,
    transcript: [u8; 32],
) -> Result<KeyPublic, KeygenError> {
    let mut verifying_shares = BTreeMap::new();
    for holder in seat.context.participants.iter() {
        let point = engine_index(holder)
            .and_then(|index| package.verifying_share(index))
            .ok_or(ProtocolFault::LOCAL)?;
        verifying_shares.insert(holder, point.to_bytes().into());
    }
    Ok(KeyPublic {
        engine: seat.context.engine,
        epoch: seat.context.epoch,
        threshold: seat.context.threshold,
        public_key: package.verifying_key().to_bytes().into(),
        chain_code: party.derivation_data.chain_code,
        transcript,
        verifying_shares,
    })
}

/// Everything on which all parties must agree: the session, the key, and the transcript within it.
fn confirmation(seat: &Seat, public: &KeyPublic) -> [u8; 32] {
    tagged_hash("holdfast/threshold/keygen-confirmation/v1", &[&seat.context.encode(), &public.to_bytes()])
}
