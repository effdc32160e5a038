//! Round 2: add the fragments to the share, and commit (step 3 of Protocol 9.1).
//!
//! Owns the moment the secret share comes into being. It must never let the proof out: only the commitment to it.

use dkls23::protocols::dkg::phase2;
use k256_engine::Scalar;
use zeroize::Zeroizing;

use super::messages::{Commitments, Committed, Fragment, decode_all, encode};
use super::round1::session_data;
use super::state::{ChainCodeSecret, Round1, Round2, ZeroSeeds};
use crate::channel::{Incoming, Outgoing, Seat};
use crate::dkls23::{Curve, party_of};
use crate::fault::ProtocolFault;
use crate::keygen::KeygenError;
use crate::party::Round;

pub(crate) fn handle(
    seat: &Seat,
    state: Round1,
    incoming: &Incoming,
) -> Result<(Box<Round2>, Outgoing), KeygenError> {
    let received = decode_all::<Fragment>(Round(1), incoming)?;
    let mut fragments: Zeroizing<Vec<Scalar>> =
        Zeroizing::new(Vec::with_capacity(received.len().saturating_add(1)));
    fragments.push(*state.own_fragment);
    fragments.extend(received.iter().map(|(_, message)| *message.fragment));
    commit(seat, &fragments)
}

/// Adds the values up to the share, and commits to what follows from it.
pub(crate) fn commit(seat: &Seat, fragments: &[Scalar]) -> Result<(Box<Round2>, Outgoing), KeygenError> {
    let (share, proof, zero, zero_commitments, chain_code, chain_code_commitment) =
        phase2::<Curve>(&session_data(seat)?, fragments);

    let broadcast = Commitments { proof: proof.commitment, chain_code: chain_code_commitment.cc_commitment };
    let mut outgoing = Outgoing::new();
    for commitment in zero_commitments {
        let peer = party_of(commitment.parties.receiver).ok_or(ProtocolFault::LOCAL)?;
        let message = Committed { broadcast: broadcast.clone(), zero_seed: commitment.commitment };
        outgoing.insert(peer, encode(&message)?);
    }
    let next = Round2 {
        share: Zeroizing::new(share),
        proof,
        zero: ZeroSeeds(zero),
        chain_code: ChainCodeSecret(chain_code),
        broadcast,
    };
    Ok((Box::new(next), outgoing))
}
