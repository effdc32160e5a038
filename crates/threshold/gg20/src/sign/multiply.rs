//! Rounds 1 to 3: the nonce share, encrypted, and multiplied with every peer's mask and key share.
//!
//! Owns the birth of the nonce share and the checks of the multiplications. It must never go on with a peer whose
//! multiplication failed.

use std::collections::BTreeMap;

use curv::BigInt;
use holdfast_threshold::channel::{Incoming, Outgoing};
use holdfast_threshold::{FaultReason, PartyIndex, ProtocolFault, Round, SignError};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::SignKeys;
use multi_party_ecdsa::utilities::mta::{MessageA, MessageB};

use super::messages::{Encrypted, Mask, Multiplied, Parts, broadcast, decode_all, remember, to_one};
use super::nonce::Round3;
use super::{Desk, panicked, position};
use crate::library::{Scalar, guarded};

/// After round 1: the nonce share is drawn and encrypted.
pub(super) struct Round1 {
    desk: Desk,
    randomness: BigInt,
    encrypted: Encrypted,
    mask: Mask,
}

/// After round 2: everybody's encryptions, and this party's side of each multiplication.
pub(super) struct Round2 {
    pub(super) desk: Desk,
    pub(super) randomness: BigInt,
    pub(super) encrypted: BTreeMap<PartyIndex, Encrypted>,
    pub(super) mask: Mask,
    masks: Vec<Scalar>,
    keys: Vec<Scalar>,
}

pub(super) fn first(desk: Desk) -> Result<(Round1, Outgoing), SignError> {
    let own = desk.paillier(desk.brief.me)?;
    let rings = &desk.local().h1_h2_n_tilde_vec;
    let ((commitment, mask), (nonce, randomness)) =
        guarded(|| (desk.keys.phase1_broadcast(), MessageA::a(&desk.keys.k_i, own, rings)))
            .ok_or_else(panicked)?;
    let encrypted = Encrypted { nonce, mask: commitment };
    let outgoing = broadcast(&desk, &encrypted)?;
    Ok((Round1 { desk, randomness, encrypted, mask }, outgoing))
}

pub(super) fn second(state: Round1, incoming: &Incoming) -> Result<(Round2, Outgoing), SignError> {
    let Round1 { mut desk, randomness, encrypted: own, mask } = state;
    let mut encrypted: BTreeMap<PartyIndex, Encrypted> = decode_all(&desk, Round(1), incoming)?;
    encrypted.insert(desk.brief.me, own);
    remember(&mut desk, Round(1), &encrypted)?;
    let (mut masks, mut keys, mut outgoing) = (Vec::new(), Vec::new(), Outgoing::new());
    for peer in desk.brief.counterparties() {
        let nonce = &encrypted.get(&peer).ok_or(ProtocolFault::LOCAL)?.nonce;
        let (mask, mask_part) = multiply(&desk, peer, &desk.keys.gamma_i, nonce)?;
        let (key, key_part) = multiply(&desk, peer, &desk.keys.w_i, nonce)?;
        outgoing.insert(peer, to_one(&desk, Multiplied { mask, key })?);
        masks.push(mask_part);
        keys.push(key_part);
    }
    Ok((Round2 { desk, randomness, encrypted, mask, masks, keys }, outgoing))
}

/// This party's answer to a peer's encrypted nonce share, once the range proofs hold, and its own part of the product.
fn multiply(
    desk: &Desk,
    peer: PartyIndex,
    with: &Scalar,
    nonce: &MessageA,
) -> Result<(MessageB, Scalar), SignError> {
    let rings = &desk.local().h1_h2_n_tilde_vec;
    let key = desk.paillier(peer)?;
    let answered = guarded(|| MessageB::b(with, key, nonce.clone(), rings).ok()).flatten();
    let (answer, part, _, _) =
        answered.ok_or_else(|| desk.banned(peer, FaultReason::ProofVerificationFailed))?;
    Ok((answer, part))
}

pub(super) fn third(state: Round2, incoming: &Incoming) -> Result<(Round3, Outgoing), SignError> {
    let Round2 { desk, randomness, encrypted, mask, masks, keys } = state;
    let multiplied: BTreeMap<PartyIndex, Multiplied> = decode_all(&desk, Round(2), incoming)?;
    let signers = desk.signers();
    let local = desk.local();
    let shares =
        guarded(|| SignKeys::g_w_vec(&local.pk_vec, &signers, &local.vss_scheme)).ok_or_else(panicked)?;
    let (mut mask_alphas, mut key_alphas) = (Vec::new(), Vec::new());
    for (sender, message) in &multiplied {
        let failed = || desk.banned(*sender, FaultReason::MultiplicationVerificationFailed);
        let place = signers.iter().position(|signer| *signer == position(*sender));
        let share = place.and_then(|place| shares.get(place)).ok_or(ProtocolFault::LOCAL)?;
        mask_alphas.push(alpha(&desk, &message.mask).ok_or_else(failed)?);
        key_alphas.push(alpha(&desk, &message.key).ok_or_else(failed)?);
        // What was multiplied with is the share that belongs to the key.
        if message.key.b_proof.pk != *share {
            return Err(failed());
        }
    }
    let (delta, sigma, (point, blinding, proof)) = guarded(|| {
        let delta = desk.keys.phase2_delta_i(&mask_alphas, &masks);
        let sigma = desk.keys.phase2_sigma_i(&key_alphas, &keys);
        let committed = SignKeys::phase3_compute_t_i(&sigma);
        (delta, sigma, committed)
    })
    .ok_or_else(panicked)?;
    let parts = Parts { delta, sigma: point, proof };
    let outgoing = broadcast(&desk, &parts)?;
    let answers = multiplied.into_iter().map(|(sender, message)| (sender, message.mask)).collect();
    Ok((Round3 { desk, randomness, encrypted, mask, answers, parts, sigma, blinding }, outgoing))
}

/// This party's part of a product, if the peer's answer is consistent.
fn alpha(desk: &Desk, answer: &MessageB) -> Option<Scalar> {
    let (dk, nonce) = (&desk.local().paillier_dk, &desk.keys.k_i);
    guarded(|| answer.verify_proofs_get_alpha(dk, nonce).ok()).flatten().map(|(alpha, _)| alpha)
}
