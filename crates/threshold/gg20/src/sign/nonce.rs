//! Rounds 4 to 6: the nonce point, and proofs that everybody's share of it is the one that was encrypted.
//!
//! Owns the agreement on R. It must never use a mask that does not open its commitment.

use std::collections::BTreeMap;

use curv::BigInt;
use curv::arithmetic::Converter;
use curv::cryptographic_primitives::commitments::hash_commitment::HashCommitment;
use curv::cryptographic_primitives::commitments::traits::Commitment;
use curv::cryptographic_primitives::proofs::sigma_valid_pedersen::PedersenProof;
use holdfast_threshold::channel::{Incoming, Outgoing};
use holdfast_threshold::{FaultReason, PartyIndex, ProtocolFault, Round, SignError};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::LocalSignature;
use multi_party_ecdsa::utilities::mta::MessageB;

use super::messages::{Encrypted, KeyPart, Mask, NonceShare, Parts, broadcast, decode_all, remember};
use super::part::Round6;
use super::{Desk, panicked, position, unattributed};
use crate::derive::plus;
use crate::library::{Hash, Point, Scalar, guarded};

/// After round 3: multiplied; the parts are out.
pub(super) struct Round3 {
    pub(super) desk: Desk,
    pub(super) randomness: BigInt,
    pub(super) encrypted: BTreeMap<PartyIndex, Encrypted>,
    pub(super) mask: Mask,
    /// What each peer multiplied the own nonce share with its mask into.
    pub(super) answers: BTreeMap<PartyIndex, MessageB>,
    pub(super) parts: Parts,
    pub(super) sigma: Scalar,
    pub(super) blinding: Scalar,
}

/// After round 4: the own mask is open.
pub(super) struct Round4 {
    desk: Desk,
    randomness: BigInt,
    encrypted: BTreeMap<PartyIndex, Encrypted>,
    mask: Mask,
    answers: BTreeMap<PartyIndex, MessageB>,
    parts: BTreeMap<PartyIndex, Parts>,
    sigma: Scalar,
    blinding: Scalar,
    inverse: Scalar,
}

/// After round 5: R is known.
pub(super) struct Round5 {
    desk: Desk,
    encrypted: BTreeMap<PartyIndex, Encrypted>,
    parts: BTreeMap<PartyIndex, Parts>,
    sigma: Scalar,
    blinding: Scalar,
    nonce: Point,
    own: NonceShare,
}

pub(super) fn fourth(state: Round3, incoming: &Incoming) -> Result<(Round4, Outgoing), SignError> {
    let Round3 { mut desk, randomness, encrypted, mask, answers, parts: own, sigma, blinding } = state;
    let mut parts: BTreeMap<PartyIndex, Parts> = decode_all(&desk, Round(3), incoming)?;
    for (sender, message) in &parts {
        let holds = message.sigma == message.proof.com
            && !message.sigma.is_zero()
            && guarded(|| PedersenProof::verify(&message.proof).is_ok()).unwrap_or(false);
        if !holds {
            return Err(desk.blamed(*sender, FaultReason::ProofVerificationFailed));
        }
    }
    parts.insert(desk.brief.me, own);
    remember(&mut desk, Round(3), &parts)?;
    let sum = parts.values().fold(Scalar::zero(), |sum, message| plus(&sum, &message.delta));
    let inverse = sum.invert().ok_or_else(|| unattributed(None, FaultReason::ZeroDenominator))?;
    let outgoing = broadcast(&desk, &mask)?;
    Ok((Round4 { desk, randomness, encrypted, mask, answers, parts, sigma, blinding, inverse }, outgoing))
}

pub(super) fn fifth(state: Round4, incoming: &Incoming) -> Result<(Round5, Outgoing), SignError> {
    let Round4 { mut desk, randomness, encrypted, mask, answers, parts, sigma, blinding, inverse } = state;
    let mut masks: BTreeMap<PartyIndex, Mask> = decode_all(&desk, Round(4), incoming)?;
    for (sender, opened) in &masks {
        let committed = &encrypted.get(sender).ok_or(ProtocolFault::LOCAL)?.mask.com;
        let multiplied = &answers.get(sender).ok_or(ProtocolFault::LOCAL)?.b_proof.pk;
        if opened.g_gamma_i.is_zero() || !opens(opened, committed) || *multiplied != opened.g_gamma_i {
            return Err(desk.blamed(*sender, FaultReason::CommitmentMismatch));
        }
    }
    masks.insert(desk.brief.me, mask);
    remember(&mut desk, Round(4), &masks)?;
    let nonce = nonce_point(&masks, &inverse);
    if nonce.is_zero() {
        return Err(unattributed(None, FaultReason::TrivialInstancePoint));
    }
    let own = nonce_share(&desk, &encrypted, &nonce, &randomness)?;
    let outgoing = broadcast(&desk, &own)?;
    Ok((Round5 { desk, encrypted, parts, sigma, blinding, nonce, own }, outgoing))
}

/// Whether the mask is the one that was committed to.
fn opens(opened: &Mask, committed: &BigInt) -> bool {
    let point = BigInt::from_bytes(&opened.g_gamma_i.to_bytes(true));
    let again = guarded(|| {
        HashCommitment::<Hash>::create_commitment_with_user_defined_randomness(&point, &opened.blind_factor)
    });
    again.as_ref() == Some(committed)
}

/// R: the sum of the masks, divided by the nonce times the mask.
#[expect(clippy::arithmetic_side_effects, reason = "arithmetic of the group")]
fn nonce_point(masks: &BTreeMap<PartyIndex, Mask>, inverse: &Scalar) -> Point {
    masks.values().fold(Point::zero(), |sum, mask| sum + &mask.g_gamma_i) * inverse
}

/// The own share of the nonce in the exponent of R, with a proof for each other signer that it is the encrypted one.
#[expect(clippy::arithmetic_side_effects, reason = "arithmetic of the group")]
fn nonce_share(
    desk: &Desk,
    encrypted: &BTreeMap<PartyIndex, Encrypted>,
    nonce: &Point,
    randomness: &BigInt,
) -> Result<NonceShare, SignError> {
    let me = desk.brief.me;
    let cipher = &encrypted.get(&me).ok_or(ProtocolFault::LOCAL)?.nonce.c;
    let (key, share) = (desk.paillier(me)?, &desk.keys.k_i);
    let point = nonce * share;
    let mut proofs = Vec::new();
    for peer in desk.brief.counterparties() {
        let ring = desk.ring(peer)?;
        let proof =
            guarded(|| LocalSignature::phase5_proof_pdl(&point, nonce, cipher, key, share, randomness, ring));
        proofs.push(proof.ok_or_else(panicked)?);
    }
    Ok(NonceShare { point, proofs })
}

pub(super) fn sixth(state: Round5, incoming: &Incoming) -> Result<(Round6, Outgoing), SignError> {
    let Round5 { mut desk, encrypted, parts, sigma, blinding, nonce, own } = state;
    let mut shares: BTreeMap<PartyIndex, NonceShare> = decode_all(&desk, Round(5), incoming)?;
    let signers = desk.signers();
    for (sender, message) in &shares {
        let cipher = &encrypted.get(sender).ok_or(ProtocolFault::LOCAL)?.nonce.c;
        let key = desk.paillier(*sender)?;
        let rings = &desk.local().h1_h2_n_tilde_vec;
        let place =
            signers.iter().position(|signer| *signer == position(*sender)).ok_or(ProtocolFault::LOCAL)?;
        let (proofs, point) = (&message.proofs, &message.point);
        let holds = !point.is_zero()
            && guarded(|| {
                LocalSignature::phase5_verify_pdl(proofs, point, &nonce, cipher, key, rings, &signers, place)
                    .is_ok()
            })
            .unwrap_or(false);
        if !holds {
            return Err(desk.banned(*sender, FaultReason::ProofVerificationFailed));
        }
    }
    shares.insert(desk.brief.me, own);
    remember(&mut desk, Round(5), &shares)?;
    let points: Vec<Point> = shares.values().map(|message| message.point.clone()).collect();
    if !guarded(|| LocalSignature::phase5_check_R_dash_sum(&points).is_ok()).unwrap_or(false) {
        return Err(unattributed(None, FaultReason::GammaUInconsistency));
    }
    let committed = &parts.get(&desk.brief.me).ok_or(ProtocolFault::LOCAL)?.sigma;
    let (point, proof) = guarded(|| {
        LocalSignature::phase6_compute_S_i_and_proof_of_consistency(&nonce, committed, &sigma, &blinding)
    })
    .ok_or_else(panicked)?;
    let own = KeyPart { point, proof };
    let outgoing = broadcast(&desk, &own)?;
    let nonce_shares = shares.into_iter().map(|(party, message)| (party, message.point)).collect();
    Ok((Round6 { desk, parts, sigma, nonce, nonce_shares, own }, outgoing))
}
