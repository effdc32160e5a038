//! The five rounds, in order.
//!
//! Owns what happens between a round's messages and the next. It must never open before everybody has committed: the
//! channel hands over a round only whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use curv::cryptographic_primitives::proofs::sigma_dlog::DLogProof;
use curv::cryptographic_primitives::secret_sharing::feldman_vss::VerifiableSS;
use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::channel::{Incoming, Outgoing, Seat};
use holdfast_threshold::{
    FaultReason, KeygenError, MadeKey, PartyIndex, ProtocolFault, Round, ShareError, tagged_hash,
};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::{Keys, Parameters};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::state_machine::keygen::LocalKey;
use rand::RngCore;
use rand::rngs::OsRng;

use super::check::{feldman, is_computable, is_dealt, opens};
use super::messages::{
    ChainCodePart, Committed, Dealt, Opened, Proven, broadcast, broadcast_hash, decode_all, plaintext,
};
use super::state::{Round1, Round2, Round3, Round4};
use crate::library::{Point, guarded, sec1};
use crate::share::{Gg20Share, slot};

/// The proof of a sender does not hold.
fn blamed(culprit: PartyIndex, reason: FaultReason) -> KeygenError {
    KeygenError::Protocol(ProtocolFault::Blamed { culprit, reason })
}

fn panicked() -> KeygenError {
    let reason = FaultReason::LibraryPanicked;
    KeygenError::Protocol(ProtocolFault::Unattributed { noticed_with: None, reason })
}

const LOCAL: KeygenError = KeygenError::Protocol(ProtocolFault::LOCAL);

/// Makes the keys and commits.
pub(super) fn first(seat: &Seat) -> Result<(Box<Round1>, Outgoing), KeygenError> {
    let index = usize::from(seat.me.get());
    let (keys, (library, opening)) = guarded(|| {
        let keys = Keys::create(index);
        let messages = keys.phase1_broadcast_phase3_proof_of_correct_key_proof_of_correct_h1h2();
        (keys, messages)
    })
    .ok_or_else(panicked)?;
    let mut chain_code = ChainCodePart { value: [0; 32], salt: [0; 32] };
    OsRng.fill_bytes(&mut chain_code.value);
    OsRng.fill_bytes(&mut chain_code.salt);
    let committed = Committed { library, chain_code: chain_code.commitment(seat, seat.me) };
    let outgoing = broadcast(seat, &committed)?;
    let opening = Opened { library: opening, chain_code };
    Ok((Box::new(Round1 { keys, committed, opening }), outgoing))
}

/// Everybody has committed: open.
pub(super) fn second(
    seat: &Seat,
    state: Box<Round1>,
    incoming: &Incoming,
) -> Result<(Box<Round2>, Outgoing), KeygenError> {
    let round = Round(1);
    let Round1 { keys, committed: own, opening } = *state;
    let mut committed: BTreeMap<PartyIndex, Committed> = decode_all(seat, round, incoming)?;
    if let Some((sender, _)) = committed.iter().find(|(_, message)| !is_computable(&message.library)) {
        return Err(KeygenError::Malformed { sender: *sender, round });
    }
    committed.insert(seat.me, own);
    // Who copied whose keys cannot be told, but nobody honest has the same.
    let repeated = committed.values().enumerate().any(|(at, one)| {
        committed.values().skip(at.saturating_add(1)).any(|other| {
            one.library.e.n == other.library.e.n
                || one.library.dlog_statement.N == other.library.dlog_statement.N
                || one.library.com == other.library.com
        })
    });
    if repeated {
        let reason = FaultReason::InvalidInput;
        return Err(KeygenError::Protocol(ProtocolFault::Unattributed { noticed_with: None, reason }));
    }
    let outgoing = broadcast(seat, &opening)?;
    Ok((Box::new(Round2 { keys, committed, opening }), outgoing))
}

/// Everybody has opened: check, and deal the own polynomial.
pub(super) fn third(
    seat: &Seat,
    state: Box<Round2>,
    incoming: &Incoming,
) -> Result<(Box<Round3>, Outgoing), KeygenError> {
    let Round2 { keys, committed, opening } = *state;
    let mut opened: BTreeMap<PartyIndex, Opened> = decode_all(seat, Round(2), incoming)?;
    for (sender, message) in &opened {
        let commitment = committed.get(sender).ok_or(LOCAL)?;
        if message.chain_code.commitment(seat, *sender) != commitment.chain_code {
            return Err(blamed(*sender, FaultReason::CommitmentMismatch));
        }
        if !opens(&keys, &commitment.library, &message.library) {
            return Err(blamed(*sender, FaultReason::ProofVerificationFailed));
        }
    }
    opened.insert(seat.me, opening);

    let threshold = seat.context.threshold;
    let (degree, n) = (u16::from(threshold.t()).saturating_sub(1), u16::from(threshold.n()));
    let (own, values) =
        guarded(|| VerifiableSS::<Secp256k1>::share(degree, n, &keys.u_i)).ok_or_else(panicked)?;
    let polynomial = own.commitments;
    let mut outgoing = Outgoing::new();
    for peer in seat.context.participants.others(seat.me) {
        let value = slot(&values, peer).ok_or(LOCAL)?.clone();
        outgoing.insert(peer, plaintext(&Dealt { polynomial: polynomial.clone(), value })?);
    }
    let value = slot(&values, seat.me).ok_or(LOCAL)?.clone();
    Ok((Box::new(Round3 { keys, committed, opened, polynomial, value }), outgoing))
}

/// Everybody has dealt: check, add up, and prove knowledge of the own share.
pub(super) fn fourth(
    seat: &Seat,
    state: Box<Round3>,
    incoming: &Incoming,
) -> Result<(Box<Round4>, Outgoing), KeygenError> {
    let Round3 { keys, committed, opened, polynomial, value } = *state;
    let threshold = seat.context.threshold;
    let mut dealt: BTreeMap<PartyIndex, Dealt> = decode_all(seat, Round(3), incoming)?;
    for (sender, Dealt { polynomial, value }) in &dealt {
        let start = &opened.get(sender).ok_or(LOCAL)?.library.y_i;
        if !is_dealt(threshold, polynomial, start, value, seat.me) {
            return Err(blamed(*sender, FaultReason::PolynomialInconsistency));
        }
    }
    dealt.insert(seat.me, Dealt { polynomial, value });

    let starts: Vec<Point> = opened.values().map(|opened| opened.library.y_i.clone()).collect();
    let values: Vec<_> = dealt.values().map(|dealt| dealt.value.clone()).collect();
    let polynomials: BTreeMap<_, _> =
        dealt.into_iter().map(|(party, dealt)| (party, dealt.polynomial)).collect();
    let schemes: Vec<_> = polynomials.values().map(|points| feldman(threshold, points)).collect();
    let (shared, proof) = guarded(|| {
        keys.phase2_verify_vss_construct_keypair_phase3_pok_dlog(
            &parameters(seat),
            &starts,
            &values,
            &schemes,
            usize::from(seat.me.get()),
        )
        .ok()
    })
    .flatten()
    .ok_or_else(panicked)?;
    let outgoing = broadcast(seat, &proof)?;
    Ok((Box::new(Round4 { keys, committed, opened, polynomials, shared, proof }), outgoing))
}

/// Everybody has proven: the key.
pub(super) fn fifth(seat: &Seat, state: Round4, incoming: &Incoming) -> Result<MadeKey, KeygenError> {
    let mut proofs: BTreeMap<PartyIndex, Proven> = decode_all(seat, Round(4), incoming)?;
    let threshold = seat.context.threshold;
    let schemes: Vec<_> = state.polynomials.values().map(|points| feldman(threshold, points)).collect();
    let expected = guarded(|| Keys::get_commitments_to_xi(&schemes)).ok_or_else(panicked)?;
    for (sender, proof) in &proofs {
        let holds = slot(&expected, *sender) == Some(&proof.pk)
            && guarded(|| DLogProof::verify(proof).is_ok()).unwrap_or(false);
        if !holds {
            return Err(blamed(*sender, FaultReason::ProofVerificationFailed));
        }
    }
    proofs.insert(seat.me, state.proof.clone());
    let transcript = transcript(seat, &state, &proofs)?;
    let parts: Vec<&[u8]> = state.opened.values().map(|opened| opened.chain_code.value.as_slice()).collect();
    let chain_code = tagged_hash("holdfast/gg20/chain-code/v1", &parts);
    let verifying_shares = proofs
        .iter()
        .map(|(party, proof)| Some((*party, sec1(&proof.pk)?)))
        .collect::<Option<BTreeMap<_, _>>>()
        .ok_or(KeygenError::Share(ShareError::Inconsistent { field: "verifying shares" }))?;
    let share = Gg20Share::new(local_key(seat, state, &proofs, schemes)?, chain_code)?;
    Ok(MadeKey { share: Arc::new(share), verifying_shares, transcript })
}

fn local_key(
    seat: &Seat,
    state: Round4,
    proofs: &BTreeMap<PartyIndex, Proven>,
    schemes: Vec<VerifiableSS<Secp256k1>>,
) -> Result<LocalKey<Secp256k1>, KeygenError> {
    let parameters = parameters(seat);
    let committed: Vec<_> = state.committed.into_values().map(|committed| committed.library).collect();
    Ok(LocalKey {
        paillier_dk: state.keys.dk,
        pk_vec: proofs.values().map(|proof| proof.pk.clone()).collect(),
        y_sum_s: state.shared.y.clone(),
        keys_linear: state.shared,
        paillier_key_vec: committed.iter().map(|message| message.e.clone()).collect(),
        h1_h2_n_tilde_vec: committed.into_iter().map(|message| message.dlog_statement).collect(),
        vss_scheme: slot(&schemes, seat.me).ok_or(LOCAL)?.clone(),
        i: u16::from(seat.me.get()),
        t: parameters.threshold,
        n: parameters.share_count,
    })
}

/// The hash of the offers and of every broadcast of every party, as this party saw them.
fn transcript(
    seat: &Seat,
    state: &Round4,
    proofs: &BTreeMap<PartyIndex, Proven>,
) -> Result<[u8; 32], KeygenError> {
    let mut hashes = vec![seat.offers];
    for party in seat.context.participants.iter() {
        hashes.push(broadcast_hash(Round(1), party, state.committed.get(&party).ok_or(LOCAL)?)?);
        hashes.push(broadcast_hash(Round(2), party, state.opened.get(&party).ok_or(LOCAL)?)?);
        hashes.push(broadcast_hash(Round(3), party, state.polynomials.get(&party).ok_or(LOCAL)?)?);
        hashes.push(broadcast_hash(Round(4), party, proofs.get(&party).ok_or(LOCAL)?)?);
    }
    let parts: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    Ok(tagged_hash("holdfast/gg20/keygen-transcript/v1", &parts))
}

/// The library's threshold is the degree of the polynomial.
fn parameters(seat: &Seat) -> Parameters {
    let threshold = seat.context.threshold;
    Parameters {
        threshold: u16::from(threshold.t()).saturating_sub(1),
        share_count: u16::from(threshold.n()),
    }
}
