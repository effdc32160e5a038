//! Round 3: the parts of the signature (steps 8 and 9 of Protocol 3.6).
//!
//! Owns the last state of a session. It must never yield a signature that did not verify.

use core::fmt;

use dkls23::protocols::signing::Broadcast3to4;

use super::messages::decode;
use super::signature::Signature;
use super::{Desk, SignError, round4};
use crate::channel::Incoming;
use crate::engine::Curve;
use crate::party::Round;

/// After round 3: sent the own part. Consumed by [`handle`](Self::handle); never stored.
pub struct Round3 {
    pub(super) desk: Desk,
    pub(super) x_coordinate: String,
    pub(super) own_part: Broadcast3to4<Curve>,
}

impl Round3 {
    /// Takes the parts of every other signer; yields the signature.
    ///
    /// # Errors
    /// A [`SignError`]; a wrong part shows only in the sum, so it accuses nobody.
    pub fn handle(self, incoming: &Incoming) -> Result<Signature, SignError> {
        let Self { desk, x_coordinate, own_part } = self;
        let mut parts = vec![own_part];
        for (sender, message) in incoming {
            parts.push(decode(Round(3), *sender, message)?);
        }
        round4::assemble(&desk, &x_coordinate, &parts)
    }
}

impl fmt::Debug for Round3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Round3(<redacted>)")
    }
}
