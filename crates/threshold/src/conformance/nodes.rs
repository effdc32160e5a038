//! Nodes with message keys, as the suite drives them.
//!
//! Owns the honest runs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use rand::rngs::OsRng;

use crate::channel::{MessageKeys, Purpose, Seat, SessionContext};
use crate::encoding::tagged_hash;
use crate::engine::{Engine, Engines};
use crate::foreign::ForeignShare;
use crate::keygen::{KeygenMachine, KeygenReply, KeygenTask, Resharing};
use crate::party::{ClusterId, Epoch, PartyIndex, Round, SessionId, SignerSet, Threshold};
use crate::public::KeyPublic;
use crate::rounds::Outbound;
use crate::share::KeyShare;
use crate::sign::{SignError, SignMachine, SignTask};

/// A byte of the session id of the suite's key generation, as it is shown.
pub(super) const SESSION: &str = "5e";

#[derive(Clone, Debug)]
pub(super) struct Nodes {
    threshold: Threshold,
    keys: Vec<SigningKey>,
    message_keys: MessageKeys,
}

impl Nodes {
    pub(super) fn new(t: u8, n: u8) -> Self {
        let threshold = Threshold::new(t, n).unwrap();
        let keys: Vec<SigningKey> = (0..n).map(|_| SigningKey::generate(&mut OsRng)).collect();
        let pairs = threshold.committee();
        let pairs = pairs.iter().zip(keys.iter().map(|key| key.verifying_key().to_bytes()));
        let message_keys = MessageKeys::new(pairs).unwrap();
        Self { threshold, keys, message_keys }
    }

    pub(super) const fn threshold(&self) -> Threshold {
        self.threshold
    }

    fn key(&self, party: PartyIndex) -> &SigningKey {
        &self.keys[usize::from(party.get()) - 1]
    }

    /// Every set of `size` parties.
    pub(super) fn sets_of(&self, size: u8) -> Vec<Vec<PartyIndex>> {
        let parties: Vec<_> = self.threshold.committee().iter().collect();
        let masks = 0..1_u32 << parties.len();
        masks
            .filter(|mask| mask.count_ones() == u32::from(size))
            .map(|mask| {
                let chosen = parties.iter().enumerate().filter(|(place, _)| mask & (1 << place) != 0);
                chosen.map(|(_, party)| *party).collect()
            })
            .collect()
    }

    pub(super) fn task(&self, signers: &[PartyIndex], session: u8, digest: [u8; 32]) -> SignTask {
        SignTask {
            cluster: ClusterId::new("test").unwrap(),
            session: SessionId([session; 32]),
            signers: SignerSet::new(self.threshold, signers.iter().copied()).unwrap(),
            authorization: [0xa7; 32],
            path: Vec::new(),
            digest,
            message_keys: self.message_keys.clone(),
            bans: Vec::new(),
        }
    }

    pub(super) fn prepare(
        &self,
        task: &SignTask,
        share: Arc<KeyShare>,
        public: &KeyPublic,
        party: PartyIndex,
    ) -> Result<SignMachine, SignError> {
        SignMachine::prepare(task.clone(), share, public, self.key(party), &mut OsRng)
    }

    fn keygen_task(&self, party: PartyIndex) -> KeygenTask {
        KeygenTask {
            cluster: ClusterId::new("test").unwrap(),
            session: SessionId([0x5e; 32]),
            epoch: Epoch(1),
            threshold: self.threshold,
            party,
            ceremony: [0xce; 32],
            message_keys: self.message_keys.clone(),
        }
    }

    /// Where a party sits in a key generation without a channel.
    pub(super) fn seat(&self, engine: &dyn Engine, party: PartyIndex) -> Seat {
        let context = SessionContext {
            engine: engine.id(),
            cluster: ClusterId::new("test").unwrap(),
            purpose: Purpose::Keygen,
            session: SessionId([0x5e; 32]),
            epoch: Epoch(1),
            threshold: self.threshold,
            participants: self.threshold.committee(),
            binding: [0xce; 32],
        };
        Seat { context, me: party, offers: tagged_hash("test", &[]) }
    }

    /// The key and everybody's stored share, and what all types showed of themselves on the way.
    pub(super) fn generate(&self, engine: &'static dyn Engine) -> (KeyPublic, Vec<Vec<u8>>, Vec<String>) {
        let prepare = |party| {
            KeygenMachine::prepare(engine, self.keygen_task(party), self.key(party), &mut OsRng).unwrap()
        };
        self.finish(engine, self.threshold.committee().iter().map(prepare).collect())
    }

    /// The same key with new shares of `engine`, given by the holders of these.
    pub(super) fn hand_on(
        &self,
        engine: &'static dyn Engine,
        resharing: &Resharing,
        shares: &[Arc<KeyShare>],
    ) -> (KeyPublic, Vec<Vec<u8>>, Vec<String>) {
        let epoch = Epoch(shares[0].epoch().0 + 1);
        let prepare = |party| {
            let task = KeygenTask { epoch, ..self.keygen_task(party) };
            let held = shares.iter().find(|share| share.party() == party).map(Arc::as_ref);
            let (key, resharing) = (self.key(party), resharing.clone());
            KeygenMachine::prepare_resharing(engine, task, resharing, held, key, &mut OsRng).unwrap()
        };
        self.finish(engine, self.threshold.committee().iter().map(prepare).collect())
    }

    /// The key of another deployment, given by the holders of these shares: the first by party 1, and so on.
    pub(super) fn take_over(
        &self,
        engine: &'static dyn Engine,
        import: &Resharing,
        held: &[ForeignShare],
    ) -> (KeyPublic, Vec<Vec<u8>>, Vec<String>) {
        let prepare = |party: PartyIndex| {
            let (task, key, import) = (self.keygen_task(party), self.key(party), import.clone());
            let held = held.get(usize::from(party.get()) - 1);
            KeygenMachine::prepare_import(engine, task, import, held, key, &mut OsRng).unwrap()
        };
        self.finish(engine, self.threshold.committee().iter().map(prepare).collect())
    }

    /// Runs the machines to their key, each dropped and resumed from its stored state after every round.
    fn finish(
        &self,
        engine: &'static dyn Engine,
        machines: Vec<KeygenMachine>,
    ) -> (KeyPublic, Vec<Vec<u8>>, Vec<String>) {
        let (engines, parties) = (Engines::new([engine]), self.threshold.committee());
        let offers: Vec<_> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let mut states: Vec<Vec<u8>> =
            machines.iter().map(|machine| machine.export().unwrap().to_vec()).collect();
        let (mut answers, mut shown): (Vec<Outbound>, _) = (Vec::new(), Vec::new());
        let (mut publics, mut shares) = (Vec::new(), Vec::new());
        for round in 1..=machines[0].last_round().0 {
            let mut next = Vec::new();
            for (party, state) in parties.iter().zip(&mut states) {
                let inbound = if round == 1 { offers.clone() } else { super::deliver(&answers, party) };
                let mut machine = KeygenMachine::resume(state, &engines).unwrap();
                let step = machine.round(Round(round), &inbound).unwrap();
                shown.push(format!("{machine:?} {machine:#?} {step:?}"));
                let (stored, held) = step.into_parts();
                *state = stored.to_vec();
                match held.release_after_stored() {
                    KeygenReply::Messages(outbound) => next.extend(outbound),
                    KeygenReply::Finished(output) => {
                        shown.push(format!("{output:?}"));
                        publics.push(output.public);
                        shares.push(output.share.to_bytes().unwrap().to_vec());
                    }
                }
            }
            answers = next;
        }
        assert!(publics.windows(2).all(|pair| pair[0] == pair[1]), "all parties have one key");
        (publics.remove(0), shares, shown)
    }
}
