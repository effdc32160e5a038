//! The public API alone, as a node uses it: generate, store, load, sign, and verify with a k256 that shares nothing
//! with the engine.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers may panic")]
#![allow(clippy::arithmetic_side_effects, reason = "test helpers count small numbers")]

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{
    ClusterId, DKLS23, Engines, Epoch, KeyPublic, KeyShare, KeygenMachine, KeygenReply, KeygenTask, Outbound,
    PartyIndex, Round, SessionId, SignMachine, SignReply, SignTask, Signature, SignerSet, Threshold,
};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{Signature as Plain, VerifyingKey};
use rand::rngs::OsRng;

fn deliver(answers: &[Vec<Outbound>], to: PartyIndex) -> Vec<Vec<u8>> {
    answers.iter().flatten().filter(|out| out.to == to).map(|out| out.bytes.clone()).collect()
}

struct Nodes {
    threshold: Threshold,
    keys: Vec<SigningKey>,
    message_keys: MessageKeys,
}

impl Nodes {
    fn new(t: u8, n: u8) -> Self {
        let threshold = Threshold::new(t, n).unwrap();
        let keys: Vec<SigningKey> = (0..n).map(|_| SigningKey::generate(&mut OsRng)).collect();
        let committee = threshold.committee();
        let pairs = committee.iter().zip(keys.iter().map(|key| key.verifying_key().to_bytes()));
        let message_keys = MessageKeys::new(pairs).unwrap();
        Self { threshold, keys, message_keys }
    }

    fn key(&self, party: PartyIndex) -> &SigningKey {
        &self.keys[usize::from(party.get()) - 1]
    }

    /// The public data, and every party's share as the node would seal it.
    fn generate(&self) -> (KeyPublic, Vec<Vec<u8>>) {
        let parties: Vec<PartyIndex> = self.threshold.committee().iter().collect();
        let prepare = |party: &PartyIndex| {
            let task = KeygenTask {
                cluster: ClusterId::new("test").unwrap(),
                session: SessionId([1; 32]),
                epoch: Epoch(1),
                threshold: self.threshold,
                party: *party,
                ceremony: [2; 32],
                message_keys: self.message_keys.clone(),
            };
            KeygenMachine::prepare(&DKLS23, task, self.key(*party), &mut OsRng).unwrap()
        };
        let mut machines: Vec<KeygenMachine> = parties.iter().map(prepare).collect();
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let mut answers: Vec<Vec<Outbound>> = Vec::new();
        let mut outputs = Vec::new();
        for round in 1..=machines[0].last_round().0 {
            let mut next = Vec::new();
            for (machine, party) in machines.iter_mut().zip(&parties) {
                let input = if round == 1 { offers.clone() } else { deliver(&answers, *party) };
                let (_stored, held) = machine.round(Round(round), &input).unwrap().into_parts();
                match held.release_after_stored() {
                    KeygenReply::Messages(outbound) => next.push(outbound),
                    KeygenReply::Finished(output) => outputs.push(output),
                }
            }
            answers = next;
        }
        let public = outputs[0].public.clone();
        assert!(outputs.iter().all(|output| output.public == public && output.share.matches(&public)));
        (public, outputs.iter().map(|output| output.share.to_bytes().unwrap().to_vec()).collect())
    }

    fn sign(&self, public: &KeyPublic, shares: &[Vec<u8>], signers: &[u8], digest: [u8; 32]) -> Signature {
        let parties: Vec<PartyIndex> = signers.iter().map(|i| PartyIndex::new(*i).unwrap()).collect();
        let prepare = |party: &PartyIndex| {
            let task = SignTask {
                cluster: ClusterId::new("test").unwrap(),
                session: SessionId([3; 32]),
                signers: SignerSet::new(self.threshold, parties.clone()).unwrap(),
                authorization: [4; 32],
                path: Vec::new(),
                digest,
                message_keys: self.message_keys.clone(),
                bans: Vec::new(),
            };
            let engines = Engines::only(&DKLS23);
            let share = KeyShare::from_bytes(&shares[usize::from(party.get()) - 1], &engines).unwrap();
            SignMachine::prepare(task, Arc::new(share), public, self.key(*party), &mut OsRng).unwrap()
        };
        let mut machines: Vec<SignMachine> = parties.iter().map(prepare).collect();
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let mut answers: Vec<Vec<Outbound>> = Vec::new();
        let mut signatures = Vec::new();
        for round in 1..=machines[0].last_round().0 {
            let mut next = Vec::new();
            for (machine, party) in machines.iter_mut().zip(&parties) {
                let input = if round == 1 { offers.clone() } else { deliver(&answers, *party) };
                match machine.round(Round(round), &input).unwrap() {
                    SignReply::Messages(outbound) => next.push(outbound),
                    SignReply::Signed(signature) => signatures.push(signature),
                }
            }
            answers = next;
        }
        assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]));
        signatures[0]
    }
}

fn generate_and_sign(t: u8, n: u8, signer_sets: &[&[u8]]) {
    let nodes = Nodes::new(t, n);
    let (public, shares) = nodes.generate();
    let key = VerifyingKey::from_sec1_bytes(&public.public_key()).unwrap();
    for (index, signers) in signer_sets.iter().enumerate() {
        let digest = [u8::try_from(index).unwrap(); 32];
        let signature = nodes.sign(&public, &shares, signers, digest);
        let plain = Plain::from_scalars(signature.r, signature.s).unwrap();
        key.verify_prehash(&digest, &plain).unwrap();
        assert!(plain.normalize_s().is_none(), "s is low");
        assert!(key.verify_prehash(&[0xff; 32], &plain).is_err());
    }
}

#[test]
fn two_of_three_generate_and_any_two_sign() {
    generate_and_sign(2, 3, &[&[1, 2], &[1, 3], &[2, 3], &[3, 1]]);
}

#[test]
fn three_of_five_generate_and_sign() {
    generate_and_sign(3, 5, &[&[1, 2, 3], &[1, 3, 5], &[5, 4, 2]]);
}
