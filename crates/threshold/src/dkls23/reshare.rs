//! Taking a key over: a `dkls23` key generation whose polynomial starts at a key that exists, whatever engine it is of.
//!
//! Owns what differs from a key generation, and the attribution: who dealt something else than its share of the old key, and
//! who opened something else than what it was dealt. The share, the multiplication set-up and the echo of the key are those of
//! [`super::keygen`] and [`crate::keygen`].
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all parties | a giver: its polynomial's commitments (broadcast), its value for the receiver; others: nothing |
//! | 2 | those | hash of the commitments seen (echo), and what round 2 of a key generation sends |
//! | 3 | those | what round 3 of a key generation sends |
//! | 4 | the openings | the key, for the confirmation |
//!
//! Everybody checks a dealt value against the commitments (Feldman), and the first commitment against the giver's weighted
//! verifying share of the old key: so a wrong value and a wrong start are their sender's doing. Once all commitments are the
//! same everywhere, the new verifying share of each party follows from them: a party that opens another point shows it
//! itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use dkls23::protocols::dkg::phase1;
use k256_engine::{AffinePoint, Scalar};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Curve;
use super::keygen::messages::{broadcast_hash, decode_all, encode};
use super::keygen::round1::session_data;
use super::keygen::state::{Round2, Round3, Session};
use super::keygen::{round2, round3, round4};
use super::polynomial::{self, Polynomial};
use super::share::Dkls23Share;
use crate::channel::{Incoming, Outgoing, Plaintext, Seat};
use crate::encoding::{concat_secret, tagged_hash};
use crate::engine::{KeygenProtocol, MadeKey};
use crate::fault::{FaultReason, ProtocolFault};
use crate::keygen::{KeygenError, Resharing};
use crate::party::{PartyIndex, Round};

/// More than the deal of the largest committee encodes to: 16 commitments of about 35 bytes, and the value.
const MAX_DEAL_LEN: usize = 1024;

/// After round 1: what this party dealt itself, if it gives.
#[derive(Serialize, Deserialize)]
pub(crate) struct Dealt {
    resharing: Resharing,
    own: Option<Deal>,
}

/// After round 2.
#[derive(Serialize, Deserialize)]
pub(crate) struct Committed {
    keygen: Box<Round2>,
    view: View,
}

/// After round 3.
#[derive(Serialize, Deserialize)]
pub(crate) struct Opened {
    keygen: Box<Round3>,
    view: View,
}

/// Round 1, from a giver to one receiver.
#[derive(Serialize, Deserialize)]
struct Deal {
    /// The same to everybody.
    commitments: Vec<AffinePoint>,
    value: Zeroizing<Scalar>,
}

/// What the deals say to everybody, as this party saw them.
#[derive(Serialize, Deserialize)]
struct View {
    hash: [u8; 32],
    /// The verifying share that each party has after this.
    shares: BTreeMap<PartyIndex, AffinePoint>,
    /// The chain code that stays.
    chain_code: Option<[u8; 32]>,
}

pub(crate) fn begin(
    seat: &Seat,
    resharing: &Resharing,
    contribution: Option<&Zeroizing<[u8; 32]>>,
) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
    let (state, outgoing) = first(seat, resharing, contribution)?;
    Ok((Box::new(Session::Dealt(Box::new(state))), outgoing))
}

fn first(
    seat: &Seat,
    resharing: &Resharing,
    contribution: Option<&Zeroizing<[u8; 32]>>,
) -> Result<(Dealt, Outgoing), KeygenError> {
    // Whether this party gives was settled when the session was prepared.
    if contribution.is_some() != resharing.givers().contains(seat.me) {
        return Err(ProtocolFault::LOCAL.into());
    }
    let polynomial = contribution.map(|constant| draw(seat, constant)).transpose()?;
    let deal_for = |party: PartyIndex| {
        let deal = |polynomial: &Polynomial| Deal {
            commitments: polynomial.commitments(),
            value: polynomial.value_for(party),
        };
        polynomial.as_ref().map(deal)
    };
    let mut outgoing = Outgoing::new();
    for peer in seat.context.participants.others(seat.me) {
        outgoing.insert(peer, encode(&deal_for(peer))?);
    }
    Ok((Dealt { resharing: resharing.clone(), own: deal_for(seat.me) }, outgoing))
}

/// A fresh polynomial of degree t - 1 that starts at `constant`. The values of the library's own random polynomial at t - 1
/// places are as many independent random scalars.
fn draw(seat: &Seat, constant: &[u8; 32]) -> Result<Polynomial, KeygenError> {
    let random = Zeroizing::new(phase1::<Curve>(&session_data(seat)?));
    let degree = usize::from(seat.context.threshold.t()).saturating_sub(1);
    let polynomial = random.get(..degree).and_then(|further| Polynomial::starting_at(constant, further));
    polynomial.ok_or_else(|| ProtocolFault::LOCAL.into())
}

/// Everybody has dealt: check, add up, and commit.
pub(super) fn second(
    seat: &Seat,
    state: Dealt,
    incoming: &Incoming,
) -> Result<(Box<Committed>, Outgoing), KeygenError> {
    let Dealt { resharing, own } = state;
    let mut deals = received(seat, &resharing, incoming)?;
    if let Some(own) = own {
        deals.insert(seat.me, own);
    }
    let mut values = Zeroizing::new(Vec::with_capacity(deals.len()));
    values.extend(deals.values().map(|deal| *deal.value));
    let view = view(seat, &resharing, &deals)?;
    let (keygen, outgoing) = round2::commit(seat, &values)?;
    let echoed = |(peer, message): (PartyIndex, Plaintext)| {
        (peer, Plaintext::from(concat_secret(&[&view.hash, message.as_bytes()])))
    };
    let outgoing = outgoing.into_iter().map(echoed).collect();
    Ok((Box::new(Committed { keygen, view }), outgoing))
}

/// The deals of all other givers, each checked.
// INVARIANT (G3, G6): what is added up to the new shares is, giver by giver, what the giver holds of the old key; a giver that
// deals anything else is named by whoever got it.
fn received(
    seat: &Seat,
    resharing: &Resharing,
    incoming: &Incoming,
) -> Result<BTreeMap<PartyIndex, Deal>, KeygenError> {
    let malformed = |sender| KeygenError::Malformed { sender, round: Round(1) };
    if let Some((sender, _)) = incoming.iter().find(|(_, deal)| deal.as_bytes().len() > MAX_DEAL_LEN) {
        return Err(malformed(*sender));
    }
    let mut deals = BTreeMap::new();
    for (sender, deal) in decode_all::<Option<Deal>>(Round(1), incoming)? {
        if deal.is_some() != resharing.givers().contains(sender) {
            return Err(malformed(sender));
        }
        let Some(deal) = deal else { continue };
        if !is_dealt(seat, resharing, sender, &deal)? {
            let reason = FaultReason::PolynomialInconsistency;
            return Err(ProtocolFault::Blamed { culprit: sender, reason }.into());
        }
        deals.insert(sender, deal);
    }
    Ok(deals)
}

/// Whether a deal is one of t coefficients that starts at the giver's contribution, with this party's value of it.
fn is_dealt(
    seat: &Seat,
    resharing: &Resharing,
    giver: PartyIndex,
    deal: &Deal,
) -> Result<bool, ProtocolFault> {
    let (place, held) = resharing.place_of(giver).ok_or(ProtocolFault::LOCAL)?;
    let start = polynomial::contribution_point(place, resharing.places(), &held);
    let start = start.ok_or(ProtocolFault::LOCAL)?;
    Ok(deal.commitments.len() == usize::from(seat.context.threshold.t())
        && deal.commitments.first() == Some(&start)
        && polynomial::is_value(&deal.commitments, seat.me, &deal.value))
}

fn view(seat: &Seat, resharing: &Resharing, deals: &BTreeMap<PartyIndex, Deal>) -> Result<View, KeygenError> {
    let hashes = deals.iter().map(|(giver, deal)| broadcast_hash(Round(1), *giver, &deal.commitments));
    let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    let share_of = |party| {
        let dealt = deals.values().map(|deal| deal.commitments.as_slice());
        (party, polynomial::sum_of_values(dealt, party))
    };
    Ok(View {
        hash: tagged_hash("holdfast/threshold/deals/v1", &parts),
        shares: seat.context.participants.iter().map(share_of).collect(),
        chain_code: resharing.carried(),
    })
}

/// Everybody has committed: compare what was dealt, and open.
// INVARIANT (G3): nobody is held against commitments that it may not have seen: a giver that dealt differently to two parties
// must not make one of them accuse the other.
pub(super) fn third(
    seat: &Seat,
    state: Committed,
    incoming: &Incoming,
) -> Result<(Box<Opened>, Outgoing), KeygenError> {
    let Committed { keygen, view } = state;
    let (mut differing, mut commitments) = (Vec::new(), Incoming::new());
    for (sender, message) in incoming {
        let (seen, rest) = message
            .as_bytes()
            .split_first_chunk::<32>()
            .ok_or(KeygenError::Malformed { sender: *sender, round: Round(2) })?;
        if *seen != view.hash {
            differing.push(*sender);
        }
        commitments.insert(*sender, Plaintext::new(rest.to_vec()));
    }
    if !differing.is_empty() {
        return Err(KeygenError::Unconfirmed { differing });
    }
    let (keygen, outgoing) = round3::handle(seat, keygen, &commitments)?;
    Ok((Box::new(Opened { keygen, view }), outgoing))
}

/// Everybody has opened: the key.
pub(super) fn fourth(seat: &Seat, state: &Opened, incoming: &Incoming) -> Result<MadeKey, KeygenError> {
    let Opened { keygen, view } = state;
    let dealt = |sender: PartyIndex, point: &AffinePoint| {
        if view.shares.get(&sender) == Some(point) {
            return Ok(());
        }
        Err(ProtocolFault::Blamed { culprit: sender, reason: FaultReason::PolynomialInconsistency })
    };
    let (mut party, verifying_shares, transcript) = round4::complete(seat, keygen, incoming, dealt)?;
    if let Some(chain_code) = view.chain_code {
        party.derivation_data.chain_code = chain_code;
    }
    let transcript = tagged_hash("holdfast/threshold/resharing-transcript/v1", &[&transcript, &view.hash]);
    Ok(MadeKey { share: Arc::new(Dkls23Share::new(party)?), verifying_shares, transcript })
}

#[cfg(test)]
mod tests;
