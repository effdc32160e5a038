//! What the tests of this crate share: a committee with its message keys, and one key generation that all of them use.
//!
//! Owns the test committee. It must never be compiled into anything but tests.

use std::sync::{Arc, OnceLock};

use ed25519_dalek::SigningKey;
use k256_engine::elliptic_curve::group::GroupEncoding as _;
use k256_engine::{ProjectivePoint, Scalar};
use rand::rngs::OsRng;

use crate::channel::MessageKeys;
use crate::dkls23::DKLS23;
use crate::dkls23::share::Dkls23Share;
use crate::engine::Engines;
use crate::foreign::{ForeignKey, ForeignShare};
use crate::keygen::{KeygenMachine, KeygenReply, KeygenTask};
use crate::party::{ClusterId, Epoch, PartyIndex, Round, SessionId, SignerSet, Threshold};
use crate::public::KeyPublic;
use crate::rounds::Outbound;
use crate::share::KeyShare;
use crate::sign::{SignMachine, SignTask};

pub(crate) fn party(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// The engine that this crate has.
pub(crate) fn engines() -> Engines {
    Engines::only(&DKLS23)
}

/// A copy of the library's share inside, for a test to look at or to damage.
pub(crate) fn inside(share: &KeyShare) -> Arc<Dkls23Share> {
    Arc::new(Dkls23Share::from_bytes(&share.secret().to_bytes().unwrap()).unwrap())
}

/// Where a party's things are in a list.
pub(crate) fn slot(party: u8) -> usize {
    usize::from(party).checked_sub(1).unwrap()
}

/// Nodes with message keys.
pub(crate) struct Committee {
    pub(crate) threshold: Threshold,
    pub(crate) signing_keys: Vec<SigningKey>,
    pub(crate) message_keys: MessageKeys,
}

impl Committee {
    pub(crate) fn new(t: u8, n: u8) -> Self {
        let threshold = Threshold::new(t, n).unwrap();
        let signing_keys: Vec<SigningKey> = (0..n).map(|_| SigningKey::generate(&mut OsRng)).collect();
        let message_keys = MessageKeys::new(
            threshold.committee().iter().zip(signing_keys.iter().map(|key| key.verifying_key().to_bytes())),
        )
        .unwrap();
        Self { threshold, signing_keys, message_keys }
    }

    pub(crate) fn key(&self, party: PartyIndex) -> &SigningKey {
        &self.signing_keys[slot(party.get())]
    }

    pub(crate) fn keygen_task(&self, party: PartyIndex, session: [u8; 32]) -> KeygenTask {
        KeygenTask {
            cluster: ClusterId::new("test").unwrap(),
            session: SessionId(session),
            epoch: Epoch(1),
            threshold: self.threshold,
            party,
            ceremony: [0xce; 32],
            message_keys: self.message_keys.clone(),
        }
    }

    pub(crate) fn prepare(&self, session: [u8; 32]) -> Vec<KeygenMachine> {
        let machine = |party| {
            KeygenMachine::prepare(&DKLS23, self.keygen_task(party, session), self.key(party), &mut OsRng)
                .unwrap()
        };
        self.threshold.committee().iter().map(machine).collect()
    }

    pub(crate) fn sign_task(&self, signers: &[u8], session: [u8; 32], digest: [u8; 32]) -> SignTask {
        SignTask {
            cluster: ClusterId::new("test").unwrap(),
            session: SessionId(session),
            signers: SignerSet::new(self.threshold, signers.iter().map(|i| party(*i))).unwrap(),
            authorization: [0xa7; 32],
            path: Vec::new(),
            digest,
            message_keys: self.message_keys.clone(),
            bans: Vec::new(),
        }
    }
}

/// One finished 2-of-3 key generation, with everything that was exported and delivered on the way. Every machine was
/// dropped and resumed from its exported bytes after every round.
pub(crate) struct Generated {
    pub(crate) committee: Committee,
    /// `states[k]`: the exported state of each party after round k; `states[0]` after prepare.
    pub(crate) states: Vec<Vec<Vec<u8>>>,
    /// `inputs[k]`: what was delivered to each party in round k; `inputs[0]` is empty.
    pub(crate) inputs: Vec<Vec<Vec<Vec<u8>>>>,
    /// `answers[k]`: what each party answered in round k; `answers[0]` is empty.
    pub(crate) answers: Vec<Vec<Vec<Outbound>>>,
    pub(crate) public: KeyPublic,
    shares: Vec<Vec<u8>>,
}

impl Generated {
    /// A fresh handle on a party's share.
    pub(crate) fn share(&self, party: u8) -> Arc<KeyShare> {
        Arc::new(KeyShare::from_bytes(&self.shares[slot(party)], &engines()).unwrap())
    }

    pub(crate) fn share_bytes(&self, party: u8) -> &[u8] {
        &self.shares[slot(party)]
    }

    pub(crate) fn machine(&self, after_round: usize, party: u8) -> KeygenMachine {
        KeygenMachine::resume(&self.states[after_round][slot(party)], &engines()).unwrap()
    }

    pub(crate) fn input(&self, round: usize, party: u8) -> &[Vec<u8>] {
        &self.inputs[round][slot(party)]
    }

    pub(crate) fn sign_machine(&self, me: u8, task: SignTask) -> SignMachine {
        let key = self.committee.key(party(me));
        SignMachine::prepare(task, self.share(me), &self.public, key, &mut OsRng).unwrap()
    }
}

/// A deployment of somebody else's, with the files that its program would have written.
pub(crate) struct Foreign {
    pub(crate) t: u8,
    pub(crate) public_key: [u8; 33],
    pub(crate) points: Vec<[u8; 33]>,
    pub(crate) secrets: Vec<[u8; 32]>,
}

impl Foreign {
    /// The key is f(0), and f(x) the share of party x, of the polynomial with these coefficients.
    pub(crate) fn new(coefficients: &[u64], n: u8) -> Self {
        let value = |x: u8| {
            let x = Scalar::from(u64::from(x));
            coefficients.iter().rev().fold(Scalar::ZERO, |sum, next| sum * x + Scalar::from(*next))
        };
        let point =
            |x| ProjectivePoint::mul_by_generator(&value(x)).to_affine().to_bytes().as_slice().try_into();
        Self {
            t: u8::try_from(coefficients.len()).unwrap(),
            public_key: point(0).unwrap(),
            points: (1..=n).map(|x| point(x).unwrap()).collect(),
            secrets: (1..=n).map(|x| value(x).to_bytes().into()).collect(),
        }
    }

    pub(crate) fn key(&self) -> ForeignKey {
        ForeignKey::new(self.t, self.public_key, self.points.clone()).unwrap()
    }

    /// The file of a party, member by member.
    pub(crate) fn members(&self, party: u8) -> Vec<(&'static str, String)> {
        let point = |bytes: &[u8; 33]| format!(r#"{{"curve":"secp256k1","point":{bytes:?}}}"#);
        let points: Vec<String> = self.points.iter().map(point).collect();
        let degree = self.t.checked_sub(1).unwrap();
        let scalar = format!(r#"{{"curve":"secp256k1","scalar":{:?}}}"#, self.secrets[slot(party)]);
        let (y, n) = (point(&self.public_key), self.points.len());
        vec![
            ("paillier_dk", r#"{"p":"123456789","q":"987654321"}"#.to_owned()),
            ("pk_vec", format!("[{}]", points.join(","))),
            ("keys_linear", format!(r#"{{"y":{y},"x_i":{scalar}}}"#)),
            ("paillier_key_vec", r#"[{"n":"77"},{"n":"78"}]"#.to_owned()),
            ("y_sum_s", y),
            ("h1_h2_n_tilde_vec", r#"[{"N":[1,2],"g":[3],"ni":[]}]"#.to_owned()),
            (
                "vss_scheme",
                format!(
                    r#"{{"parameters":{{"threshold":{degree},"share_count":{n}}},"commitments":[{}]}}"#,
                    points[0]
                ),
            ),
            ("i", party.to_string()),
            ("t", degree.to_string()),
            ("n", n.to_string()),
        ]
    }

    pub(crate) fn file(&self, party: u8) -> Vec<u8> {
        object(&self.members(party))
    }

    pub(crate) fn share(&self, party: u8) -> ForeignShare {
        ForeignShare::from_local_key(&self.file(party)).unwrap()
    }
}

/// These members as one JSON object.
pub(crate) fn object(members: &[(&'static str, String)]) -> Vec<u8> {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{\n {}\n}}\n", members.join(",\n ")).into_bytes()
}

/// The messages for `to` among all answers.
pub(crate) fn deliver(answers: &[Vec<Outbound>], to: PartyIndex) -> Vec<Vec<u8>> {
    answers.iter().flatten().filter(|out| out.to == to).map(|out| out.bytes.clone()).collect()
}

pub(crate) fn generated() -> &'static Generated {
    static GENERATED: OnceLock<Generated> = OnceLock::new();
    GENERATED.get_or_init(|| generate(Committee::new(2, 3), [0x5e; 32]))
}

pub(crate) fn generate(committee: Committee, session: [u8; 32]) -> Generated {
    let mut states: Vec<Vec<Vec<u8>>> = Vec::new();
    let machines = committee.prepare(session);
    let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
    states.push(machines.iter().map(|machine| machine.export().unwrap().to_vec()).collect());
    let (mut inputs, mut answers) = (vec![Vec::new()], vec![Vec::new()]);
    let (mut publics, mut shares) = (Vec::new(), Vec::new());
    for round in 1..=machines[0].last_round().0 {
        let (mut next, mut delivered, mut answered) = (Vec::new(), Vec::new(), Vec::new());
        for (me, state) in committee.threshold.committee().iter().zip(states.last().unwrap()) {
            let input = if round == 1 { offers.clone() } else { deliver(answers.last().unwrap(), me) };
            let mut machine = KeygenMachine::resume(state, &engines()).unwrap();
            let (state, held) = machine.round(Round(round), &input).unwrap().into_parts();
            match held.release_after_stored() {
                KeygenReply::Messages(outbound) => answered.push(outbound),
                KeygenReply::Finished(output) => {
                    publics.push(output.public);
                    shares.push(output.share.to_bytes().unwrap().to_vec());
                }
            }
            next.push(state.to_vec());
            delivered.push(input);
        }
        states.push(next);
        inputs.push(delivered);
        answers.push(answered);
    }
    assert!(publics.windows(2).all(|pair| pair[0] == pair[1]), "all parties have one key");
    Generated { committee, states, inputs, answers, public: publics.remove(0), shares }
}
