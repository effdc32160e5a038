//! Rounds 6 to 8: the last checks, and the signature.
//!
//! Owns the only message that is made from the digest. It must never be made before everybody's part of the key was proven
//! and all of them gave the public key.

use std::collections::BTreeMap;

use curv::BigInt;
use curv::arithmetic::Converter;
use holdfast_threshold::channel::{Incoming, Outgoing};
use holdfast_threshold::{FaultReason, PartyIndex, ProtocolFault, Round, SignError, Signature};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{LocalSignature, SignatureRecid};

use super::messages::{KeyPart, Parts, SignaturePart, broadcast, decode_all, remember};
use super::{Desk, panicked, unattributed};
use crate::library::{Point, Scalar, guarded};

/// After round 6: the part of the key is proven.
pub(super) struct Round6 {
    pub(super) desk: Desk,
    pub(super) parts: BTreeMap<PartyIndex, Parts>,
    pub(super) sigma: Scalar,
    pub(super) nonce: Point,
    pub(super) nonce_shares: BTreeMap<PartyIndex, Point>,
    pub(super) own: KeyPart,
}

/// After round 7: the part of the signature is out.
pub(super) struct Round7 {
    desk: Desk,
    nonce_shares: BTreeMap<PartyIndex, Point>,
    key_parts: BTreeMap<PartyIndex, Point>,
    local: LocalSignature,
}

// INVARIANT (G5, G1): the part of the signature is made from the digest that the session was started with, and the nonce
// share is gone with the round's state once it is made.
pub(super) fn seventh(state: Round6, incoming: &Incoming) -> Result<(Round7, Outgoing), SignError> {
    let Round6 { mut desk, parts, sigma, nonce, nonce_shares, own } = state;
    let mut key_parts: BTreeMap<PartyIndex, KeyPart> = decode_all(&desk, Round(6), incoming)?;
    for (sender, message) in &key_parts {
        let committed = &parts.get(sender).ok_or(ProtocolFault::LOCAL)?.sigma;
        let holds = guarded(|| {
            LocalSignature::phase6_verify_proof(
                std::slice::from_ref(&message.point),
                std::slice::from_ref(&message.proof),
                std::slice::from_ref(&nonce),
                std::slice::from_ref(committed),
            )
            .is_ok()
        })
        .unwrap_or(false);
        if !holds {
            return Err(desk.blamed(*sender, FaultReason::ProofVerificationFailed));
        }
    }
    key_parts.insert(desk.brief.me, own);
    remember(&mut desk, Round(6), &key_parts)?;
    let points: Vec<Point> = key_parts.values().map(|message| message.point.clone()).collect();
    let public_key = &desk.local().y_sum_s;
    if !guarded(|| LocalSignature::phase6_check_S_i_sum(public_key, &points).is_ok()).unwrap_or(false) {
        return Err(unattributed(None, FaultReason::GammaUInconsistency));
    }
    let digest = BigInt::from_bytes(&desk.brief.digest);
    let local =
        guarded(|| LocalSignature::phase7_local_sig(&desk.keys.k_i, &digest, &nonce, &sigma, public_key))
            .ok_or_else(panicked)?;
    let outgoing = broadcast(&desk, &local.s_i)?;
    let key_parts = key_parts.into_iter().map(|(party, message)| (party, message.point)).collect();
    Ok((Round7 { desk, nonce_shares, key_parts, local }, outgoing))
}

pub(super) fn eighth(state: Round7, incoming: &Incoming) -> Result<Signature, SignError> {
    let Round7 { desk, nonce_shares, key_parts, local } = state;
    let parts: BTreeMap<PartyIndex, SignaturePart> = decode_all(&desk, Round(7), incoming)?;
    for (sender, part) in &parts {
        let nonce_share = nonce_shares.get(sender).ok_or(ProtocolFault::LOCAL)?;
        let key_part = key_parts.get(sender).ok_or(ProtocolFault::LOCAL)?;
        if !fits(&local, part, nonce_share, key_part) {
            return Err(desk.blamed(*sender, FaultReason::SignatureVerificationFailed));
        }
    }
    let parts: Vec<Scalar> = parts.into_values().collect();
    let signature = guarded(|| local.output_signature(&parts).ok())
        .flatten()
        .ok_or_else(|| unattributed(None, FaultReason::SignatureVerificationFailed))?;
    encode(&signature).ok_or_else(|| ProtocolFault::LOCAL.into())
}

/// Section 3.2 of the paper, phase 7: the part is the digest times the sender's nonce share plus r times its key part.
#[expect(clippy::arithmetic_side_effects, reason = "arithmetic of the group")]
fn fits(local: &LocalSignature, part: &Scalar, nonce_share: &Point, key_part: &Point) -> bool {
    let digest = Scalar::from(&local.m);
    &local.R * part == nonce_share * digest + key_part * &local.r
}

fn encode(signature: &SignatureRecid) -> Option<Signature> {
    let bytes = |scalar: &Scalar| <[u8; 32]>::try_from(&*scalar.to_bytes()).ok();
    Some(Signature { r: bytes(&signature.r)?, s: bytes(&signature.s)?, recovery_id: signature.recid })
}
