//! The last round: say what came out, and compare what everybody saw.
//!
//! Owns the echo of the broadcasts, which no engine's protocol does by itself. It must never send a confirmation for a
//! share that does not fit its own verifying share, and never yield a key on less than n equal confirmations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::KeygenError;
use super::machine::KeygenOutput;
use super::resharing::Resharing;
use crate::channel::{Incoming, Outgoing, Plaintext, Seat};
use crate::encoding::tagged_hash;
use crate::engine::{Engine, Engines, MadeKey};
use crate::party::{PartyIndex, Round};
use crate::public::KeyPublic;
use crate::share::{KeyShare, ShareError};

/// The key, unconfirmed.
#[derive(Serialize, Deserialize)]
pub(super) struct Unconfirmed {
    pub(super) public: KeyPublic,
    pub(super) share: Zeroizing<Vec<u8>>,
    confirmation: [u8; 32],
}

/// What this party made, and its confirmation for every other one. A key that was handed on must be the same as before.
pub(super) fn say(
    engine: &'static dyn Engine,
    seat: &Seat,
    resharing: Option<&Resharing>,
    made: MadeKey,
) -> Result<(Unconfirmed, Outgoing), KeygenError> {
    let MadeKey { share, verifying_shares, transcript } = made;
    let public = KeyPublic {
        engine: engine.id(),
        epoch: seat.context.epoch,
        threshold: seat.context.threshold,
        public_key: share.public_key(),
        chain_code: share.chain_code(),
        transcript,
        verifying_shares,
    };
    if let Some(resharing) = resharing {
        resharing.check_result(&public)?;
    }
    let share = KeyShare::new(engine, seat.context.epoch, transcript, share);
    let complete = public.verifying_shares.keys().copied().eq(seat.context.participants.iter());
    if !complete || share.party() != seat.me || !share.matches(&public) {
        return Err(ShareError::OtherKey.into());
    }
    let confirmation = confirmation(seat, &public);
    let peers = seat.context.participants.others(seat.me);
    let outgoing: BTreeMap<_, _> = peers.map(|peer| (peer, Plaintext::new(confirmation.to_vec()))).collect();
    Ok((Unconfirmed { public, share: share.to_bytes()?, confirmation }, outgoing))
}

// INVARIANT (G3): two honest parties that saw different broadcasts, keys, chain codes or verifying shares hash
// different confirmations, so both stop here, whoever equivocated.
pub(super) fn compare(
    engine: &'static dyn Engine,
    round: Round,
    key: &Unconfirmed,
    incoming: &Incoming,
) -> Result<KeygenOutput, KeygenError> {
    let mut differing: Vec<PartyIndex> = Vec::new();
    for (sender, message) in incoming {
        match <[u8; 32]>::try_from(message.as_bytes()) {
            Ok(confirmation) if confirmation == key.confirmation => {}
            Ok(_) => differing.push(*sender),
            Err(_) => return Err(KeygenError::Malformed { sender: *sender, round }),
        }
    }
    if !differing.is_empty() {
        return Err(KeygenError::Unconfirmed { differing });
    }
    let share = KeyShare::from_bytes(&key.share, &Engines::new([engine]))?;
    Ok(KeygenOutput { public: key.public.clone(), share })
}

/// Everything on which all parties must agree: the session, the key, and the transcript within it.
fn confirmation(seat: &Seat, public: &KeyPublic) -> [u8; 32] {
    tagged_hash("holdfast/threshold/keygen-confirmation/v1", &[&seat.context.encode(), &public.to_bytes()])
}
