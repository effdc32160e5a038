//! One session: the honest machine, perhaps its twin with other secrets, and what leaves instead of their messages.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_threshold::{
    DKLS23, Engines, KeygenMachine, KeygenOutput, KeygenReply, Outbound, PartyIndex, Round, SignMachine,
    SignReply, Signature,
};

use super::control::{Deviation, Phase};
use super::fields;
use super::seals::Seals;

/// The protocol's own side, as the library runs it.
pub(super) enum Machine {
    Keygen(Box<KeygenMachine>),
    Sign(Box<SignMachine>),
}

/// What a machine answers.
pub(super) enum Answer {
    Messages(Vec<Outbound>),
    Key(Box<KeygenOutput>),
    Signature(Signature),
}

/// A session of the hostile node.
pub(super) struct Session {
    pub(super) machine: Machine,
    /// The same session with the same channel keys and other secrets.
    pub(super) twin: Option<Machine>,
    pub(super) seed: [u8; 32],
    pub(super) offer: Vec<u8>,
    pub(super) seals: Option<Seals>,
    pub(super) deviation: Option<Deviation>,
    sent: BTreeMap<u8, Vec<Outbound>>,
}

/// Messages of earlier sessions, by protocol and round.
pub(super) type Older = BTreeMap<(Phase, u8), Vec<Outbound>>;

/// What leaves the node.
pub(super) struct Reply {
    pub(super) outbound: Vec<v1::Outbound>,
    pub(super) pause: Duration,
    pub(super) refusal: Option<Refusal>,
    pub(super) deviated: bool,
}

/// An error in place of an answer.
pub(super) struct Refusal {
    pub(super) culprit: Option<String>,
}

impl Machine {
    pub(super) fn offer(&self) -> Vec<u8> {
        match self {
            Self::Keygen(machine) => machine.offer().to_vec(),
            Self::Sign(machine) => machine.offer().to_vec(),
        }
    }

    pub(super) fn round(&mut self, round: u8, inbound: &[Vec<u8>]) -> Result<Answer, String> {
        match self {
            Self::Keygen(machine) => {
                let step = machine.round(Round(round), inbound).map_err(|error| error.to_string())?;
                let (_, held) = step.into_parts();
                Ok(match held.release_after_stored() {
                    KeygenReply::Messages(messages) => Answer::Messages(messages),
                    KeygenReply::Finished(output) => Answer::Key(output),
                })
            }
            Self::Sign(machine) => {
                match machine.round(Round(round), inbound).map_err(|error| error.to_string())? {
                    SignReply::Messages(messages) => Ok(Answer::Messages(messages)),
                    SignReply::Signed(signature) => Ok(Answer::Signature(signature)),
                }
            }
        }
    }

    /// The same machine once more, from its stored state; only a key generation can be copied.
    fn fork(&self) -> Option<Self> {
        let Self::Keygen(machine) = self else { return None };
        let state = machine.export().unwrap();
        Some(Self::Keygen(Box::new(KeygenMachine::resume(&state, &Engines::only(&DKLS23)).unwrap())))
    }
}

impl Session {
    pub(super) fn new(machine: Machine, seed: [u8; 32], deviation: Option<Deviation>) -> Self {
        let offer = machine.offer();
        Self { machine, twin: None, seed, offer, seals: None, deviation, sent: BTreeMap::new() }
    }

    /// The honest answer of the machine, with that of the twin where it equivocates.
    pub(super) fn honest(&mut self, round: u8, inbound: &[Vec<u8>]) -> Result<Answer, String> {
        if round == 1 {
            self.seals = Some(Seals::new(self.seed, &self.offer, inbound));
        }
        let equivocates = |deviation: &Deviation| deviation.act == "equivocate" && deviation.round == round;
        if self.deviation.as_ref().is_some_and(equivocates) && self.twin.is_none() {
            self.twin = self.machine.fork();
        }
        let other = self.twin.as_mut().map(|twin| twin.round(round, inbound));
        match (self.machine.round(round, inbound)?, other) {
            // The first peer hears the machine, the others its twin.
            (Answer::Messages(mut messages), Some(Ok(Answer::Messages(others)))) => {
                for (message, other) in messages.iter_mut().zip(others).skip(1) {
                    *message = other;
                }
                Ok(Answer::Messages(messages))
            }
            (answer, _) => Ok(answer),
        }
    }

    /// What leaves in place of the honest messages of a round.
    pub(super) fn deviate(
        &mut self,
        phase: Phase,
        round: u8,
        honest: Vec<Outbound>,
        inbound: &[Vec<u8>],
        older: &mut Older,
    ) -> Reply {
        let previous = self.sent.get(&round.saturating_sub(1)).cloned().unwrap_or_default();
        let earlier = older.insert((phase, round), honest.clone()).unwrap_or_default();
        self.sent.insert(round, honest.clone());
        let Some(deviation) = self.deviation.clone().filter(|deviation| deviation.round == round) else {
            return Reply::honest(honest);
        };
        let mut reply = Reply { deviated: true, ..Reply::honest(Vec::new()) };
        let seals = self.seals.as_ref().unwrap();
        let desk = Desk { seals, phase, round, honest: &honest };
        let messages = match deviation.act.as_str() {
            "refuse" | "accuse" => {
                let culprit = Some(deviation.detail.clone()).filter(|name| !name.is_empty());
                reply.refusal = Some(Refusal { culprit });
                Vec::new()
            }
            "late" | "silence" => {
                let ms = if deviation.act == "late" { deviation.detail.parse().unwrap() } else { 600_000 };
                reply.pause = Duration::from_millis(ms);
                desk.changed(|_| {})
            }
            "own-older-round" => previous.into_iter().map(|out| (out.to, out.bytes)).collect(),
            "own-older-session" => desk.changed(|bytes| *bytes = earlier[0].bytes.clone()),
            "reflect" => desk.changed(|bytes| *bytes = inbound.first().cloned().unwrap_or_default()),
            _ => desk.deviating(&deviation),
        };
        reply.outbound = messages.into_iter().map(|(to, message)| wire(to, message)).collect();
        reply
    }
}

/// A round's honest messages, about to be replaced.
struct Desk<'a> {
    seals: &'a Seals,
    phase: Phase,
    round: u8,
    honest: &'a [Outbound],
}

type Messages = Vec<(PartyIndex, Vec<u8>)>;

impl Desk<'_> {
    fn deviating(&self, deviation: &Deviation) -> Messages {
        let (seals, round) = (self.seals, Round(self.round));
        let party = |number: u8| PartyIndex::new(number).unwrap();
        match deviation.act.as_str() {
            "flip" => self.resealed(|text| self.flip(text, deviation)),
            // Only the first peer gets the other content.
            "flip-for-one" => {
                let first = self.resealed(|text| self.flip(text, deviation)).into_iter().take(1);
                first.chain(self.changed(|_| {}).into_iter().skip(1)).collect()
            }
            "junk" => self.resealed(|text| *text = vec![0xff; 40]),
            "truncated" => self.resealed(|text| text.truncate(text.len() / 2)),
            "lengthened" => self.resealed(|text| text.push(0)),
            "equivocate" => self.changed(|_| {}),
            "broken-seal" => self.changed(|bytes| *bytes.last_mut().unwrap() ^= 1),
            "other-session" => self.changed(|bytes| bytes[1] ^= 1),
            "too-large" => self.changed(|bytes| bytes.resize(1_200_000, 0)),
            "other-epoch" => self.sealed(|to, text| seals.seal_in_epoch(9, round, to, text)),
            "other-round" => self.sealed(|to, text| seals.seal(Round(round.0 + 1), to, text)),
            // In a pair the only other address is a stranger's or the node's own.
            "other-receiver" => {
                self.sealed(|to, text| seals.seal_to(round, to, party(to.get() % 3 + 1), text))
            }
            "as-other-sender" => self.sealed(|to, text| {
                seals.seal_from(party(if to.get() == 1 { 2 } else { 1 }), round, to, text)
            }),
            "nothing" => Vec::new(),
            "twice" => [self.changed(|_| {}), self.changed(|_| {})].concat(),
            other => panic!("`{other}` is no deviation of round {}", self.round),
        }
    }

    fn flip(&self, text: &mut [u8], deviation: &Deviation) {
        fields::flip(self.phase, self.round, text, &deviation.detail);
    }

    fn resealed(&self, change: impl Fn(&mut Vec<u8>)) -> Messages {
        self.sealed(|to, text| {
            let mut text = text.to_vec();
            change(&mut text);
            self.seals.seal(Round(self.round), to, &text)
        })
    }

    fn sealed(&self, seal: impl Fn(PartyIndex, &[u8]) -> Vec<u8>) -> Messages {
        self.honest.iter().map(|out| (out.to, seal(out.to, &self.seals.open_own(&out.bytes)))).collect()
    }

    fn changed(&self, change: impl Fn(&mut Vec<u8>)) -> Messages {
        let change = |out: &Outbound| {
            let mut bytes = out.bytes.clone();
            change(&mut bytes);
            (out.to, bytes)
        };
        self.honest.iter().map(change).collect()
    }
}

impl Reply {
    fn honest(messages: Vec<Outbound>) -> Self {
        let outbound = messages.into_iter().map(|out| wire(out.to, out.bytes)).collect();
        Self { outbound, pause: Duration::ZERO, refusal: None, deviated: false }
    }
}

fn wire(to: PartyIndex, message: Vec<u8>) -> v1::Outbound {
    v1::Outbound { to_party: u32::from(to.get()), message }
}
