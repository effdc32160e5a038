//! Round 1: draw a polynomial and send each peer its value (steps 1 and 2 of Protocol 9.1).
//!
//! Owns the start of the session. It must never keep the polynomial: only this party's own value of it.

use dkls23::protocols::dkg::{SessionData, phase1};
use dkls23::protocols::{Parameters, PartyIndex as EngineIndex};
use zeroize::Zeroizing;

use super::messages::{Fragment, encode};
use super::state::Round1;
use crate::channel::{Outgoing, Seat};
use crate::dkls23::{Curve, engine_index};
use crate::encoding::tagged_hash;
use crate::fault::ProtocolFault;
use crate::keygen::KeygenError;
use crate::party::PartyIndex;

pub(crate) fn start(seat: &Seat) -> Result<(Round1, Outgoing), KeygenError> {
    let data = session_data(seat)?;
    let values = Zeroizing::new(phase1::<Curve>(&data));
    let value_for = |party: PartyIndex| {
        let position = usize::from(party.get()).saturating_sub(1);
        values.get(position).copied().map(Zeroizing::new).ok_or(ProtocolFault::LOCAL)
    };
    let mut outgoing = Outgoing::new();
    for peer in seat.context.participants.others(seat.me) {
        outgoing.insert(peer, encode(&Fragment { fragment: value_for(peer)? })?);
    }
    Ok((Round1 { own_fragment: value_for(seat.me)? }, outgoing))
}

/// The engine's description of the session. Its session id covers the whole context, so that nothing of one session
/// verifies in another.
pub(crate) fn session_data(seat: &Seat) -> Result<SessionData, KeygenError> {
    let threshold = seat.context.threshold;
    let parameters =
        Parameters::new(threshold.t(), threshold.n()).map_err(|_| KeygenError::from(ProtocolFault::LOCAL))?;
    let session_id = tagged_hash("holdfast/threshold/dkg-session/v1", &[&seat.context.encode()]);
    Ok(SessionData { parameters, party_index: own_index(seat)?, session_id: session_id.to_vec() })
}

pub(crate) fn own_index(seat: &Seat) -> Result<EngineIndex, KeygenError> {
    index_of(seat.me)
}

pub(crate) fn index_of(party: PartyIndex) -> Result<EngineIndex, KeygenError> {
    engine_index(party).ok_or(KeygenError::Protocol(ProtocolFault::LOCAL))
}
