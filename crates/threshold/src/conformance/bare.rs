//! The bare protocols, all parties in one place, so that one of them can be hostile behind an intact seal.
//!
//! Owns the flipping of bits. What arrives is what the engine would see after the channel opened it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::nodes::Nodes;
use crate::channel::{Incoming, Outgoing, Plaintext, Seat};
use crate::engine::{Engine, KeygenProgress, MadeKey, SignProgress, SignProtocol};
use crate::keygen::{KeygenError, confirmed_by_all};
use crate::party::{PartyIndex, Round};
use crate::share::KeyShare;
use crate::sign::{SignError, SignTask, Signature};

/// One bit of the message that `sender` makes in `round` for `victim`: the `part`th of `parts` through it.
#[derive(Debug)]
pub(super) struct Flip {
    round: u8,
    pub(super) sender: PartyIndex,
    pub(super) victim: PartyIndex,
    part: usize,
    parts: usize,
}

impl Flip {
    /// `parts` bits of every message of every round from every sender.
    pub(super) fn all(parties: &[PartyIndex], last_message: u8, parts: usize) -> Vec<Self> {
        let mut flips = Vec::new();
        for round in 1..=last_message {
            for sender in parties {
                let victim = *parties.iter().find(|party| *party != sender).unwrap();
                flips.extend((0..parts).map(|part| Self { round, sender: *sender, victim, part, parts }));
            }
        }
        flips
    }

    fn apply(&self, message: &Plaintext) -> Plaintext {
        let mut bytes = message.as_bytes().to_vec();
        let last = bytes.len() * 8 - 1;
        let bit = if self.parts < 2 { last / 2 } else { self.part * last / (self.parts - 1) };
        bytes[bit / 8] ^= 1 << (bit % 8);
        Plaintext::new(bytes)
    }
}

/// What `to` hears of everybody's messages of a round.
fn heard(sent: &BTreeMap<PartyIndex, Outgoing>, round: u8, to: PartyIndex, flip: Option<&Flip>) -> Incoming {
    let mut incoming = Incoming::new();
    for (sender, messages) in sent {
        let Some(message) = messages.get(&to) else { continue };
        let flipped = flip.filter(|flip| (flip.round, flip.sender, flip.victim) == (round, *sender, to));
        let message = match flipped {
            Some(flip) => flip.apply(message),
            None => Plaintext::new(message.as_bytes().to_vec()),
        };
        incoming.insert(*sender, message);
    }
    incoming
}

/// How each signer ends. A signer that failed is silent from then on, and so everybody ends.
pub(super) fn sign_with(
    task: &SignTask,
    shares: &[Arc<KeyShare>],
    flip: Option<&Flip>,
) -> Vec<(PartyIndex, Result<Signature, SignError>)> {
    let mut running: BTreeMap<PartyIndex, Box<dyn SignProtocol>> = BTreeMap::new();
    let mut sent = BTreeMap::new();
    let mut ended = Vec::new();
    for share in shares {
        let brief = task.brief(share).unwrap();
        let (protocol, outgoing) = Arc::clone(share.secret()).begin_signing(brief).unwrap();
        running.insert(share.party(), protocol);
        sent.insert(share.party(), outgoing);
    }
    for round in 1..=crate::engine::MAX_ROUNDS.0 {
        let mut next = BTreeMap::new();
        for (party, protocol) in std::mem::take(&mut running) {
            let incoming = heard(&sent, round, party, flip);
            if incoming.len() + 1 < shares.len() {
                ended.push((party, Err(SignError::Aborted { code: "MISSING_MESSAGE" })));
                continue;
            }
            match protocol.handle(&incoming) {
                Ok(SignProgress::Continue(protocol, outgoing)) => {
                    running.insert(party, protocol);
                    next.insert(party, outgoing);
                }
                Ok(SignProgress::Signed(signature)) => {
                    let valid = signature.verifies(&shares[0].public_key(), &task.digest);
                    let outcome =
                        if valid { Ok(signature) } else { Err(SignError::Aborted { code: "INVALID" }) };
                    ended.push((party, outcome));
                }
                Err(error) => ended.push((party, Err(error))),
            }
        }
        sent = next;
    }
    assert_eq!(ended.len(), shares.len(), "a signing takes too many rounds");
    ended
}

/// A message and whom it is for.
type Addressed = (PartyIndex, Vec<u8>);

/// A key generation of all parties, with every state and message on the way.
pub(super) struct Generation {
    seats: Vec<Seat>,
    /// `states[k]`, `sent[k]`: after round k + 1 was answered.
    states: Vec<BTreeMap<PartyIndex, Vec<u8>>>,
    sent: Vec<BTreeMap<PartyIndex, Vec<Addressed>>>,
    engine: &'static dyn Engine,
    outcome: Result<BTreeMap<PartyIndex, MadeKey>, KeygenError>,
}

pub(super) fn keygen_with(engine: &'static dyn Engine, nodes: &Nodes, flip: Option<&Flip>) -> Generation {
    let seats: Vec<Seat> =
        nodes.threshold().committee().iter().map(|party| nodes.seat(engine, party)).collect();
    let (mut states, mut sent) = (BTreeMap::new(), BTreeMap::new());
    for seat in &seats {
        let (protocol, outgoing) = engine.begin_keygen(seat).unwrap();
        states.insert(seat.me, protocol.to_bytes().unwrap().to_vec());
        sent.insert(seat.me, plain(&outgoing));
    }
    let empty =
        Generation { seats, states: vec![states], sent: vec![sent], engine, outcome: Ok(BTreeMap::new()) };
    empty.run(1, flip)
}

impl Generation {
    /// The same again from the round of the flip on.
    pub(super) fn again(&self, engine: &'static dyn Engine, flip: &Flip) -> Self {
        let until = usize::from(flip.round);
        let start = Self {
            seats: self.seats.clone(),
            states: self.states[..until].to_vec(),
            sent: self.sent[..until].to_vec(),
            engine,
            outcome: Ok(BTreeMap::new()),
        };
        start.run(flip.round, Some(flip))
    }

    fn run(mut self, from: u8, flip: Option<&Flip>) -> Self {
        for round in from..crate::engine::MAX_ROUNDS.0 {
            match self.step(round, flip) {
                Ok(Some(made)) => {
                    self.outcome = Ok(made);
                    return self;
                }
                Ok(None) => {}
                Err(error) => {
                    self.outcome = Err(error);
                    return self;
                }
            }
        }
        panic!("a key generation takes too many rounds")
    }

    /// One round of all parties, each resumed from its stored state; the victim first.
    fn step(
        &mut self,
        round: u8,
        flip: Option<&Flip>,
    ) -> Result<Option<BTreeMap<PartyIndex, MadeKey>>, KeygenError> {
        let sent: BTreeMap<PartyIndex, Outgoing> = self
            .sent
            .last()
            .unwrap()
            .iter()
            .map(|(party, messages)| {
                (*party, messages.iter().map(|(to, bytes)| (*to, Plaintext::new(bytes.clone()))).collect())
            })
            .collect();
        let (mut states, mut next, mut made) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut seats: Vec<&Seat> = self.seats.iter().collect();
        seats.sort_by_key(|seat| flip.is_none_or(|flip| flip.victim != seat.me));
        for seat in seats {
            let protocol = self.engine.resume_keygen(&self.states.last().unwrap()[&seat.me]).unwrap();
            match protocol.handle(seat, &heard(&sent, round, seat.me, flip))? {
                KeygenProgress::Continue(protocol, outgoing) => {
                    states.insert(seat.me, protocol.to_bytes().unwrap().to_vec());
                    next.insert(seat.me, plain(&outgoing));
                }
                KeygenProgress::Made(key) => {
                    made.insert(seat.me, key);
                }
            }
        }
        if !made.is_empty() {
            assert_eq!(made.len(), self.seats.len(), "all parties need the same number of rounds");
            return Ok(Some(made));
        }
        self.states.push(states);
        self.sent.push(next);
        Ok(None)
    }

    /// The shares, if everybody made a key and everybody's confirmation is the same.
    pub(super) fn confirmed(&mut self) -> Result<Vec<Arc<KeyShare>>, KeygenError> {
        let mut made = std::mem::replace(&mut self.outcome, Ok(BTreeMap::new()))?;
        let keys = self.seats.iter().map(|seat| (seat, made.remove(&seat.me).unwrap())).collect();
        let shares = confirmed_by_all(self.engine, Round(crate::engine::MAX_ROUNDS.0), keys)?;
        Ok(shares.into_iter().map(Arc::new).collect())
    }
}

fn plain(outgoing: &Outgoing) -> Vec<(PartyIndex, Vec<u8>)> {
    outgoing.iter().map(|(to, message)| (*to, message.as_bytes().to_vec())).collect()
}
