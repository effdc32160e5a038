//! Round 2: open the nonce share and answer the multiplications (step 7 of Protocol 3.6).
//!
//! Owns the state in which the key share is split for this signer set. It must never survive its one use.

use std::collections::BTreeMap;

use core::fmt;

use dkls23::protocols::signing::{KeepPhase2to3, TransmitPhase2to3, UniqueKeep2to3};

use super::Desk;
use super::messages::{decode_all, encode};
use super::round3::Round3;
use crate::channel::{Incoming, Outgoing};
use crate::dkls23::{Curve, EngineIndex};
use crate::party::Round;
use crate::sign::SignError;

/// After round 2: opened the nonce share. Consumed by [`handle`](Self::handle); never stored.
pub(crate) struct Round2 {
    pub(super) desk: Desk,
    pub(super) unique: UniqueKeep2to3<Curve>,
    pub(super) kept: BTreeMap<EngineIndex, KeepPhase2to3<Curve>>,
}

impl Round2 {
    /// Takes the messages of round 2 of every other signer; yields this party's part of the signature, the same for
    /// every other signer.
    ///
    /// # Errors
    /// A [`SignError`]. The state is gone either way.
    // INVARIANT (G5, G1): the part of the signature is made from the digest that the session was started with, and the
    // nonce share is gone once it is made.
    pub(crate) fn handle(self, incoming: &Incoming) -> Result<(Round3, Outgoing), SignError> {
        let Self { desk, unique, kept } = self;
        let received = decode_all::<TransmitPhase2to3<Curve>>(Round(2), desk.me(), incoming)?;
        let (x_coordinate, own_part) = desk
            .party()
            .sign_phase3(&desk.data, unique, kept, &received)
            .map_err(|abort| desk.fault(&abort))?;
        let outgoing = incoming.keys().map(|peer| Ok((*peer, encode(&own_part)?)));
        let outgoing = outgoing.collect::<Result<Outgoing, SignError>>()?;
        Ok((Round3 { desk, x_coordinate, own_part }, outgoing))
    }
}

impl fmt::Debug for Round2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Round2(<redacted>)")
    }
}
