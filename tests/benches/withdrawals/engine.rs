//! The bare engine: the same protocol and the same sealed messages, both signers in this process, nothing else.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{
    ClusterId, Epoch, KeyPublic, KeyShare, KeygenMachine, KeygenReply, KeygenTask, Outbound, PartyIndex,
    Round, SessionId, SignMachine, SignReply, SignTask, SignerSet, Threshold,
};
use rand::RngCore as _;
use rand::rngs::OsRng;

pub(crate) struct Engine {
    threshold: Threshold,
    keys: Vec<SigningKey>,
    message_keys: MessageKeys,
    public: KeyPublic,
    shares: Vec<Arc<KeyShare>>,
}

impl Engine {
    /// Generates a 2-of-3 key.
    pub(crate) fn generate() -> Self {
        let threshold = Threshold::new(2, 3).unwrap();
        let parties: Vec<PartyIndex> = threshold.committee().iter().collect();
        let keys: Vec<SigningKey> = parties.iter().map(|_| SigningKey::generate(&mut OsRng)).collect();
        let pairs = parties.iter().zip(&keys).map(|(party, key)| (*party, key.verifying_key().to_bytes()));
        let message_keys = MessageKeys::new(pairs).unwrap();
        let mut machines: Vec<KeygenMachine> = parties
            .iter()
            .zip(&keys)
            .map(|(party, key)| {
                let task = KeygenTask {
                    cluster: cluster(),
                    session: SessionId([1; 32]),
                    epoch: Epoch(0),
                    threshold,
                    party: *party,
                    ceremony: [2; 32],
                    message_keys: message_keys.clone(),
                };
                KeygenMachine::prepare(task, key, &mut OsRng).unwrap()
            })
            .collect();
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let (mut answers, mut outputs) = (Vec::new(), Vec::new());
        for round in 1..=5 {
            let mut next = Vec::new();
            for (machine, party) in machines.iter_mut().zip(&parties) {
                let input = if round == 1 { offers.clone() } else { inbox(&answers, *party) };
                let (_stored, held) = machine.round(Round(round), &input).unwrap().into_parts();
                match held.release_after_stored() {
                    KeygenReply::Messages(outbound) => next.push(outbound),
                    KeygenReply::Finished(output) => outputs.push(*output),
                }
            }
            answers = next;
        }
        let public = outputs.first().unwrap().public.clone();
        let shares = outputs.into_iter().map(|output| Arc::new(output.share)).collect();
        Self { threshold, keys, message_keys, public, shares }
    }

    /// One signature by the first two parties.
    pub(crate) fn sign(&self, digest: [u8; 32]) {
        let mut session = [0; 32];
        OsRng.fill_bytes(&mut session);
        let parties: Vec<PartyIndex> = self.threshold.committee().iter().take(2).collect();
        let mut machines: Vec<SignMachine> = parties
            .iter()
            .zip(self.keys.iter().zip(&self.shares))
            .map(|(_, (key, share))| {
                let task = SignTask {
                    cluster: cluster(),
                    session: SessionId(session),
                    signers: SignerSet::new(self.threshold, parties.clone()).unwrap(),
                    authorization: [4; 32],
                    digest,
                    message_keys: self.message_keys.clone(),
                    bans: Vec::new(),
                };
                SignMachine::prepare(task, Arc::clone(share), &self.public, key, &mut OsRng).unwrap()
            })
            .collect();
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let (mut answers, mut signed) = (Vec::new(), 0);
        for round in 1..=4 {
            let mut next = Vec::new();
            for (machine, party) in machines.iter_mut().zip(&parties) {
                let input = if round == 1 { offers.clone() } else { inbox(&answers, *party) };
                match machine.round(Round(round), &input).unwrap() {
                    SignReply::Messages(outbound) => next.push(outbound),
                    SignReply::Signed(_) => signed += 1,
                }
            }
            answers = next;
        }
        assert_eq!(signed, 2);
    }
}

fn cluster() -> ClusterId {
    ClusterId::new("bench").unwrap()
}

fn inbox(answers: &[Vec<Outbound>], to: PartyIndex) -> Vec<Vec<u8>> {
    answers.iter().flatten().filter(|out| out.to == to).map(|out| out.bytes.clone()).collect()
}
