//! Round 1: draw the nonce share, commit to it, start the multiplications (steps 4 to 6 of Protocol 3.6).
//!
//! Owns the birth of the nonce share. It must never start with a share, a signer set or a pair that may not sign.

use std::collections::BTreeMap;
use std::sync::Arc;

use core::fmt;

use dkls23::protocols::signing::{KeepPhase1to2, TransmitPhase1to2, UniqueKeep1to2};

use super::Desk;
use super::messages::{decode_all, encode_all};
use super::round2::Round2;
use crate::channel::{Incoming, Outgoing};
use crate::dkls23::share::Dkls23Share;
use crate::dkls23::{Curve, EngineIndex};
use crate::party::Round;
use crate::sign::{SignBrief, SignError};

/// After round 1: committed to a nonce share. Consumed by [`handle`](Self::handle); never stored.
pub(crate) struct Round1 {
    desk: Desk,
    unique: UniqueKeep1to2<Curve>,
    kept: BTreeMap<EngineIndex, KeepPhase1to2<Curve>>,
}

/// Starts a session.
pub(crate) fn start(brief: SignBrief, share: Arc<Dkls23Share>) -> Result<(Round1, Outgoing), SignError> {
    let desk = Desk::new(brief, share)?;
    let (unique, kept, messages) =
        desk.party().sign_phase1(&desk.data).map_err(|abort| desk.fault(&abort))?;
    let outgoing = encode_all(&messages)?;
    Ok((Round1 { desk, unique, kept }, outgoing))
}

impl Round1 {
    /// Takes the messages of round 1 of every other signer; yields those of round 2.
    ///
    /// # Errors
    /// A [`SignError`]. The state is gone either way.
    // INVARIANT (G5): the nonce share is in `unique`, which moves into the engine here; nothing else holds it.
    pub(crate) fn handle(self, incoming: &Incoming) -> Result<(Round2, Outgoing), SignError> {
        let Self { desk, unique, kept } = self;
        let received = decode_all::<TransmitPhase1to2>(Round(1), desk.me(), incoming)?;
        let (unique, kept, messages) = desk
            .party()
            .sign_phase2(&desk.data, unique, kept, &received)
            .map_err(|abort| desk.fault(&abort))?;
        let outgoing = encode_all(&messages)?;
        Ok((Round2 { desk, unique, kept }, outgoing))
    }
}

impl fmt::Debug for Round1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Round1(<redacted>)")
    }
}
