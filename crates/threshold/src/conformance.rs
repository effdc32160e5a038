//! What every engine must pass, in one suite: the same attacks on each, through the border that a node uses.
//!
//! Owns the expectations. It must never know which engine it runs, and is compiled only for tests (feature `conformance`).
//!
//! | check | shows |
//! |---|---|
//! | [`Suite::any_t_sign`] | every set of t makes a signature that a k256 of another generation verifies and recovers the key from |
//! | [`Suite::fewer_than_t_make_nothing`] | t - 1 parties are no signer set, and a set with a silent member ends without a signature |
//! | [`Suite::exported_data_verifies`] | any t verifying shares give the public key, t - 1 do not, and every share fits its own |
//! | [`Suite::children_are_those_of_bip32`] | derived keys are those that another program derives from public data, and sign |
//! | [`Suite::changes_in_transit_are_noticed`] | a flipped bit of a sealed message of any round and sender accuses nobody and consumes nothing |
//! | [`Suite::a_hostile_signer_gets_no_signature`] | a flipped bit behind the seal, of any round and sender, ends the signing; nobody else is accused |
//! | [`Suite::a_hostile_generator_makes_no_key`] | the same for key generation, up to the confirmations, or up to its own first signing |
//! | [`Suite::is_handed_on_to`] | its keys move to new shares of an engine: same key, same children, any t of the new shares sign |
//! | [`Suite::imported`] | a key of another deployment, from its own files, is one of the engine's |
//! | [`Suite::nothing_shows_a_secret`] | no `Debug` and no error holds bytes but public names |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod bare;
mod nodes;
mod shown;
mod verify;

use std::sync::Arc;

use crate::engine::{Engine, Engines};
use crate::foreign::ForeignShare;
use crate::keygen::{ChainCode, Resharing};
use crate::party::{PartyIndex, Round, SignerSet};
use crate::public::KeyPublic;
use crate::rounds::Outbound;
use crate::share::KeyShare;
use crate::sign::{SignError, SignMachine, SignReply, SignTask};
use bare::{Flip, keygen_with, sign_with};
use nodes::Nodes;

/// A committee of an engine with a key that it generated.
#[derive(Debug)]
pub struct Suite {
    engine: &'static dyn Engine,
    nodes: Nodes,
    public: KeyPublic,
    shares: Vec<Vec<u8>>,
    /// What every type showed of itself while the key was generated.
    shown: Vec<String>,
    /// How many places of each message are flipped.
    flips: usize,
}

const DIGEST: [u8; 32] = [0xd1; 32];

impl Suite {
    /// Generates a key, with every machine dropped and resumed from its stored state after every round. Of each message of
    /// an attack, `flips` bits are flipped, one at a time.
    #[must_use]
    pub fn new(engine: &'static dyn Engine, t: u8, n: u8, flips: usize) -> Self {
        let nodes = Nodes::new(t, n);
        let (public, shares, shown) = nodes.generate(engine);
        Self { engine, nodes, public, shares, shown, flips }
    }

    /// Takes over the key of another deployment: the first of these files is given by party 1, and so on. The files are the old
    /// deployment's own.
    #[must_use]
    pub fn imported(engine: &'static dyn Engine, t: u8, n: u8, files: &[&[u8]]) -> Self {
        let nodes = Nodes::new(t, n);
        let held: Vec<_> = files.iter().map(|file| ForeignShare::from_local_key(file).unwrap()).collect();
        let key = held[0].key().clone();
        let givers = nodes.threshold().committee();
        let givers = givers.iter().zip(held.iter().map(ForeignShare::party));
        let import = Resharing::import(key.clone(), givers).unwrap();
        let (public, shares, shown) = nodes.take_over(engine, &import, &held);
        assert_eq!((public.public_key(), public.epoch().0), (key.public_key(), 1));
        for share in public.verifying_shares().values() {
            assert!(!key.verifying_shares().contains(share), "an old share is still one");
        }
        Self { engine, nodes, public, shares, shown, flips: 1 }
    }

    /// The public key, 33-byte SEC1.
    #[must_use]
    pub fn public_key(&self) -> [u8; 33] {
        self.public.public_key()
    }

    fn share(&self, party: PartyIndex) -> Arc<KeyShare> {
        let bytes = &self.shares[usize::from(party.get()) - 1];
        Arc::new(KeyShare::from_bytes(bytes, &Engines::new([self.engine])).unwrap())
    }

    fn machines(&self, task: &SignTask) -> Vec<(PartyIndex, SignMachine)> {
        let prepare =
            |party| (party, self.nodes.prepare(task, self.share(party), &self.public, party).unwrap());
        task.signers.participants().iter().map(prepare).collect()
    }

    /// The machines about to take round `until`, and what was answered in the round before.
    fn run_until(&self, task: &SignTask, until: u8) -> (Vec<(PartyIndex, SignMachine)>, Vec<Outbound>) {
        let mut machines = self.machines(task);
        let offers: Vec<_> = machines.iter().map(|(_, machine)| machine.offer().to_vec()).collect();
        let mut answers = Vec::new();
        for round in 1..until {
            let mut next = Vec::new();
            for (party, machine) in &mut machines {
                let inbound = if round == 1 { offers.clone() } else { deliver(&answers, *party) };
                match machine.round(Round(round), &inbound).unwrap() {
                    SignReply::Messages(outbound) => next.extend(outbound),
                    SignReply::Signed(_) => panic!("round {round} signs too early"),
                }
            }
            answers = next;
        }
        (machines, answers)
    }

    fn signature(&self, task: &SignTask) {
        let (mut machines, answers) = self.run_until(task, self.last_sign_round().0);
        let mut signatures = Vec::new();
        for (party, machine) in &mut machines {
            let reply = machine.round(machine.last_round(), &deliver(&answers, *party)).unwrap();
            let SignReply::Signed(signature) = reply else { panic!("a signature is due") };
            signatures.push((machine.public_key(), signature));
        }
        assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]), "all signers have one signature");
        let (key, signature) = signatures[0];
        verify::signature(&key, &signature, &task.digest);
    }

    /// The public key, as it may be shown.
    fn names(&self) -> Vec<String> {
        let key = self.public.public_key();
        vec![hex::encode(key), format!("{key:?}")]
    }

    fn last_sign_round(&self) -> Round {
        self.engine.last_round(crate::channel::Purpose::Sign)
    }

    /// Every set of t signs.
    pub fn any_t_sign(&self) {
        for (session, signers) in self.nodes.sets_of(self.public.threshold().t()).into_iter().enumerate() {
            let digest = [u8::try_from(session).unwrap(); 32];
            self.signature(&self.nodes.task(&signers, 0x10 + u8::try_from(session).unwrap(), digest));
        }
    }

    /// t - 1 make nothing.
    pub fn fewer_than_t_make_nothing(&self) {
        let threshold = self.public.threshold();
        for signers in self.nodes.sets_of(threshold.t() - 1) {
            assert_eq!(SignerSet::new(threshold, signers).unwrap_err().code(), "WRONG_SIGNER_COUNT");
        }
        // t are named, and one of them is silent from some round on.
        let signers = self.nodes.sets_of(threshold.t()).remove(0);
        let silent = *signers.last().unwrap();
        for round in 2..=self.last_sign_round().0 {
            let (machines, answers) = self.run_until(&self.nodes.task(&signers, 0x30, DIGEST), round);
            for (party, mut machine) in machines {
                let heard = answers.iter().filter(|out| out.to == party).enumerate();
                let heard: Vec<_> = heard
                    .filter(|(place, _)| {
                        signers.iter().filter(|peer| **peer != party).nth(*place) != Some(&silent)
                    })
                    .map(|(_, out)| out.bytes.clone())
                    .collect();
                let outcome = machine.round(Round(round), &heard);
                if party != silent {
                    assert_eq!(outcome.unwrap_err().code(), "MISSING_MESSAGE", "round {round}");
                }
            }
        }
    }

    /// What is exported verifies the key and every share.
    pub fn exported_data_verifies(&self) {
        let threshold = self.public.threshold();
        let points = |parties: &[PartyIndex]| -> Vec<_> {
            parties.iter().map(|party| (party.get(), self.public.verifying_shares()[party])).collect()
        };
        for parties in self.nodes.sets_of(threshold.t()) {
            assert_eq!(verify::interpolated(&points(&parties)), self.public.public_key());
        }
        for parties in self.nodes.sets_of(threshold.t() - 1) {
            assert_ne!(verify::interpolated(&points(&parties)), self.public.public_key());
        }
        assert_eq!(KeyPublic::from_bytes(&self.public.to_bytes()).as_ref(), Ok(&self.public));
        assert_eq!(self.public.engine(), self.engine.id());
        for party in threshold.committee().iter() {
            let share = self.share(party);
            assert!(share.party() == party && share.matches(&self.public));
            assert_eq!(*share.to_bytes().unwrap(), self.shares[usize::from(party.get()) - 1]);
        }
    }

    /// Children are those of BIP-32 without hardened indices.
    pub fn children_are_those_of_bip32(&self) {
        let signers = self.nodes.sets_of(self.public.threshold().t()).remove(0);
        let path = vec![0, 7];
        let task = SignTask { path: path.clone(), ..self.nodes.task(&signers, 0x40, DIGEST) };
        let machine = self.nodes.prepare(&task, self.share(signers[0]), &self.public, signers[0]).unwrap();
        assert_eq!(machine.public_key(), verify::child(&self.public, &path));
        self.signature(&task);
        let hardened = SignTask { path: vec![1 << 31], ..task };
        let refused = self.nodes.prepare(&hardened, self.share(signers[0]), &self.public, signers[0]);
        assert_eq!(refused.unwrap_err().code(), "SHARE_NO_SUCH_CHILD");
    }

    /// Flipped bits of sealed messages are noticed, accuse nobody and consume nothing.
    pub fn changes_in_transit_are_noticed(&self) {
        let signers = self.nodes.sets_of(self.public.threshold().t()).remove(0);
        for round in 2..=self.last_sign_round().0 {
            let (mut machines, answers) = self.run_until(&self.nodes.task(&signers, 0x50, DIGEST), round);
            for (party, machine) in &mut machines {
                let honest = deliver(&answers, *party);
                for (message, place) in places(&honest, self.flips.max(8)) {
                    let mut flipped = honest.clone();
                    flipped[message][place / 8] ^= 1 << (place % 8);
                    let error = machine.round(Round(round), &flipped).unwrap_err();
                    assert!(matches!(error, SignError::Channel(_)), "bit {place} of round {round}: {error}");
                    assert_eq!((error.is_final(), error.culprit(), error.ban()), (false, None, None));
                }
                assert!(machine.round(Round(round), &honest).is_ok(), "the honest round {round} still runs");
            }
        }
    }

    /// Flipped bits behind the seal end the signing.
    pub fn a_hostile_signer_gets_no_signature(&self) {
        let signers = self.nodes.sets_of(self.public.threshold().t()).remove(0);
        let task = self.nodes.task(&signers, 0x60, DIGEST);
        let shares: Vec<_> = signers.iter().map(|party| self.share(*party)).collect();
        let honest = sign_with(&task, &shares, None);
        for (_, outcome) in &honest {
            verify::signature(&self.public.public_key(), outcome.as_ref().unwrap(), &DIGEST);
        }
        for flip in Flip::all(&signers, self.last_sign_round().0 - 1, self.flips) {
            let outcomes = sign_with(&task, &shares, Some(&flip));
            let (_, outcome) = outcomes.iter().find(|(party, _)| *party == flip.victim).unwrap();
            let error = outcome.as_ref().err().unwrap_or_else(|| panic!("{flip:?} is unchecked"));
            assert!(error.is_final(), "{flip:?}: {error}");
            assert!(error.culprit().is_none_or(|culprit| culprit == flip.sender), "{flip:?}: {error}");
            shown::nothing_but(&self.names(), &format!("{error} {error:?}"));
        }
    }

    /// Flipped bits behind the seal make no key that anybody confirms. What is set up for signing may show only there: then
    /// the key is right, and whoever cheated cannot sign with the one that it cheated.
    pub fn a_hostile_generator_makes_no_key(&self) {
        // Of as many as sign, any values are some polynomial's: only one more makes a changed fragment a lie.
        let nodes = Nodes::new(2, 3);
        let parties: Vec<_> = nodes.threshold().committee().iter().collect();
        let last_message = self.engine.last_round(crate::channel::Purpose::Keygen).0 - 2;
        let mut honest = keygen_with(self.engine, &nodes, None);
        assert!(honest.confirmed().is_ok(), "the honest generation makes a key");
        for flip in Flip::all(&parties, last_message, self.flips.div_ceil(6).max(3)) {
            let error = match honest.again(self.engine, &flip).confirmed() {
                Err(error) => {
                    assert!(error.is_final(), "{flip:?}: {error}");
                    assert!(
                        error.culprit().is_none_or(|culprit| culprit == flip.sender),
                        "{flip:?}: {error}"
                    );
                    format!("{error} {error:?}")
                }
                Ok(shares) => spoilt_signing(&nodes, &shares, &flip),
            };
            shown::nothing_but(&self.names(), &error);
        }
    }

    /// The key moves to new shares of `receiver`, by the first and by the last t parties. The old shares are of no use beside
    /// the new ones.
    pub fn is_handed_on_to(&self, receiver: &'static dyn Engine) {
        let (old, nodes) = (&self.public, &self.nodes);
        let sets = nodes.sets_of(old.threshold().t());
        for givers in [sets.first().unwrap(), sets.last().unwrap()] {
            let resharing = Resharing::new(old.clone(), givers.iter().copied(), ChainCode::Carried).unwrap();
            let held: Vec<_> = givers.iter().map(|giver| self.share(*giver)).collect();
            let (public, shares, shown) = nodes.hand_on(receiver, &resharing, &held);
            assert_eq!((public.public_key(), public.chain_code()), (old.public_key(), old.chain_code()));
            assert_eq!((public.engine(), public.epoch().0), (receiver.id(), old.epoch().0 + 1));
            for (party, share) in public.verifying_shares() {
                assert!(old.verifying_shares().values().all(|other| other != share), "party {party}");
                let task = nodes.task(givers, 0x90, DIGEST);
                let stale = nodes.prepare(&task, self.share(givers[0]), &public, givers[0]);
                assert_eq!(stale.unwrap_err().code(), "SHARE_OF_OTHER_KEY");
            }
            let after = Self { engine: receiver, nodes: nodes.clone(), public, shares, shown, flips: 1 };
            after.any_t_sign();
            after.exported_data_verifies();
            after.children_are_those_of_bip32();
            after.nothing_shows_a_secret();
        }
    }

    /// No type shows a secret.
    pub fn nothing_shows_a_secret(&self) {
        let signers = self.nodes.sets_of(self.public.threshold().t()).remove(0);
        let task = self.nodes.task(&signers, 0x70, DIGEST);
        let public =
            [hex::encode(self.public.public_key()), hex::encode(task.session.0), nodes::SESSION.repeat(32)];
        for text in &self.shown {
            shown::nothing_but(&public, text);
        }
        let share = self.share(signers[0]);
        shown::nothing_but(&public, &format!("{share:?} {share:#?} {:?}", self.public));
        for round in 1..=self.last_sign_round().0 {
            for (_, machine) in self.run_until(&task, round).0 {
                shown::nothing_but(&public, &format!("{machine:?} {machine:#?}"));
            }
        }
        // The search finds what it looks for.
        assert!(shown::finds(&format!("{:?}", &self.shares[0][..64])));
        assert!(shown::finds(&hex::encode(&self.shares[0][..64])));
    }
}

/// How the victim of a changed key generation ends when it signs with the one that changed it.
fn spoilt_signing(nodes: &Nodes, shares: &[Arc<KeyShare>], flip: &Flip) -> String {
    let pair = [flip.sender.min(flip.victim), flip.sender.max(flip.victim)];
    let shares: Vec<_> = shares.iter().filter(|share| pair.contains(&share.party())).cloned().collect();
    let outcomes = sign_with(&nodes.task(&pair, 0x80, DIGEST), &shares, None);
    let (_, outcome) = outcomes.iter().find(|(party, _)| *party == flip.victim).unwrap();
    let error = outcome.as_ref().err().unwrap_or_else(|| panic!("{flip:?} is never noticed"));
    assert!(error.culprit().is_none_or(|culprit| culprit == flip.sender), "{flip:?}: {error}");
    format!("{error} {error:?}")
}

/// The messages for a party, in the order of their senders.
fn deliver(answers: &[Outbound], to: PartyIndex) -> Vec<Vec<u8>> {
    answers.iter().filter(|out| out.to == to).map(|out| out.bytes.clone()).collect()
}

/// Bits spread over the messages, `count` in each.
fn places(messages: &[Vec<u8>], count: usize) -> Vec<(usize, usize)> {
    let bits = |(at, message): (usize, &Vec<u8>)| {
        let length = message.len() * 8;
        (0..count)
            .map(|step| (at, step * (length - 1) / count.max(2).saturating_sub(1).max(1)))
            .collect::<Vec<_>>()
    };
    messages.iter().enumerate().flat_map(bits).collect()
}
