//! Round 4: add the parts up (step 10 of Protocol 3.6) and verify what comes out.
//!
//! Owns the verification. It must never rely on the engine's own check alone.

use dkls23::protocols::signing::Broadcast3to4;

use super::signature::Signature;
use super::{Desk, SignError};
use crate::engine::Curve;
use crate::fault::{FaultReason, ProtocolFault};

/// With low s (BIP 62, EIP 2), as the engine normalises it.
const NORMALISE: bool = true;

// INVARIANT (G1): the signature is verified by k256's ECDSA, apart from the engine's code, against the key of the share
// and the digest of the task.
pub(super) fn assemble(
    desk: &Desk,
    x_coordinate: &str,
    parts: &[Broadcast3to4<Curve>],
) -> Result<Signature, SignError> {
    let (s, recovery_id) = desk
        .share
        .engine_party()
        .sign_phase4(&desk.data, x_coordinate, parts, NORMALISE)
        .map_err(|abort| desk.fault(&abort))?;
    let signature = Signature { r: scalar(x_coordinate)?, s: scalar(&s)?, recovery_id };
    if signature.verifies(&desk.share.public_key(), &desk.data.message_hash) {
        Ok(signature)
    } else {
        let reason = FaultReason::SignatureVerificationFailed;
        Err(ProtocolFault::Unattributed { noticed_with: None, reason }.into())
    }
}

fn scalar(text: &str) -> Result<[u8; 32], SignError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ProtocolFault::LOCAL)?;
    Ok(bytes)
}
