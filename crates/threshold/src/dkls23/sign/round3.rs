//! Round 3: the parts of the signature (steps 8 and 9 of Protocol 3.6).
//!
//! Owns the last state of a session, and the sum of the parts. What comes out is verified by [`crate::sign`].

use core::fmt;

use dkls23::protocols::signing::Broadcast3to4;

use super::Desk;
use super::messages::decode;
use crate::channel::Incoming;
use crate::dkls23::Curve;
use crate::fault::ProtocolFault;
use crate::party::Round;
use crate::sign::{SignError, Signature};

/// With low s (BIP 62, EIP 2), as the library normalises it.
const NORMALISE: bool = true;

/// After round 3: sent the own part. Consumed by [`handle`](Self::handle); never stored.
pub(crate) struct Round3 {
    pub(super) desk: Desk,
    pub(super) x_coordinate: String,
    pub(super) own_part: Broadcast3to4<Curve>,
}

impl Round3 {
    /// Takes the parts of every other signer; yields the signature.
    ///
    /// # Errors
    /// A [`SignError`]; a wrong part shows only in the sum, so it accuses nobody.
    pub(crate) fn handle(self, incoming: &Incoming) -> Result<Signature, SignError> {
        let Self { desk, x_coordinate, own_part } = self;
        let mut parts = vec![own_part];
        for (sender, message) in incoming {
            parts.push(decode(Round(3), *sender, message)?);
        }
        let (s, recovery_id) = desk
            .party()
            .sign_phase4(&desk.data, &x_coordinate, &parts, NORMALISE)
            .map_err(|abort| desk.fault(&abort))?;
        Ok(Signature { r: scalar(&x_coordinate)?, s: scalar(&s)?, recovery_id })
    }
}

fn scalar(text: &str) -> Result<[u8; 32], SignError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ProtocolFault::LOCAL)?;
    Ok(bytes)
}

impl fmt::Debug for Round3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Round3(<redacted>)")
    }
}
