//! Round 3: everybody has committed, so open (step 4 of Protocol 9.1) and set up the multiplications.
//!
//! Owns the library's first open duty. It must never run before the commitments of all peers are here.

use std::collections::BTreeMap;

use dkls23::protocols::dkg::{TransmitInitMulPhase3to4, TransmitInitZeroSharePhase3to4, phase3};
use zeroize::{Zeroize, Zeroizing};

use super::messages::{Committed, Multiplication, Opened, Openings, decode_all, encode};
use super::round1::session_data;
use super::state::{MultiplicationKeep, OwnSeeds, Round2, Round3};
use crate::channel::{Incoming, Outgoing, Seat};
use crate::dkls23::{Curve, party_of};
use crate::fault::ProtocolFault;
use crate::keygen::KeygenError;
use crate::party::{PartyIndex, Round};

// INVARIANT (G3): the channel opens a round only when every peer's message of it is there, so the proof and the chain
// code contribution leave this node after all commitments have arrived. A party that has seen another's opening can no
// longer choose its own.
pub(crate) fn handle(
    seat: &Seat,
    state: Box<Round2>,
    incoming: &Incoming,
) -> Result<(Box<Round3>, Outgoing), KeygenError> {
    let received: BTreeMap<PartyIndex, Committed> =
        decode_all::<Committed>(Round(2), incoming)?.into_iter().collect();
    let Round2 { share, proof, zero, chain_code, broadcast } = *state;

    let (own_seeds, seeds, multiplication, set_ups, chain_code_opening) =
        phase3::<Curve>(&session_data(seat)?, &zero.0, &chain_code.0);

    let openings = Openings {
        proof: proof.proof.clone(),
        chain_code: chain_code_opening.aux_chain_code,
        chain_code_salt: chain_code_opening.cc_salt,
    };
    let outgoing = address(&openings, seeds, set_ups)?;
    let next = Round3 {
        share,
        proof,
        zero: OwnSeeds(own_seeds),
        multiplication: MultiplicationKeep(multiplication),
        own: (broadcast, openings),
        received,
    };
    Ok((Box::new(next), outgoing))
}

/// One message a peer, from the engine's two lists of one entry a peer.
fn address(
    openings: &Openings,
    seeds: Vec<TransmitInitZeroSharePhase3to4>,
    set_ups: Vec<TransmitInitMulPhase3to4<Curve>>,
) -> Result<Outgoing, KeygenError> {
    let mut seeds: BTreeMap<_, _> = seeds.into_iter().map(|seed| (seed.parties.receiver, seed)).collect();
    let mut outgoing = Outgoing::new();
    for set_up in set_ups {
        let receiver = set_up.parties.receiver;
        let mut seed = seeds.remove(&receiver).ok_or(ProtocolFault::LOCAL)?;
        let message = Opened {
            broadcast: openings.clone(),
            zero_seed: Zeroizing::new(seed.seed),
            zero_salt: core::mem::take(&mut seed.salt),
            multiplication: Multiplication::from(set_up),
        };
        seed.seed.zeroize();
        outgoing.insert(party_of(receiver).ok_or(ProtocolFault::LOCAL)?, encode(&message)?);
    }
    Ok(outgoing)
}
