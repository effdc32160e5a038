//! Key generation under attack: by its peers, by the courier, and by crashes.

use std::collections::BTreeMap;

use dkls23::utilities::commits;
use dkls23::utilities::proofs::DLogProof;
use ed25519_dalek::SigningKey;
use k256_engine::Scalar;
use k256_engine::elliptic_curve::Field;
use rand::rngs::OsRng;

use super::confirm::Unconfirmed;
use super::state::{Saved, Stage};
use super::*;
use crate::channel::{ChannelError, Incoming, Outgoing, Plaintext, Seat};
use crate::dkls23::keygen::messages::{Committed, Opened, decode_all, encode};
use crate::dkls23::keygen::round1::session_data;
use crate::dkls23::keygen::round4;
use crate::dkls23::keygen::state::{Round3, Session};
use crate::dkls23::{Curve, DKLS23};
use crate::encoding::decode_exact;
use crate::fault::{FaultReason, ProtocolFault};
use crate::party::{PartyIndex, Round, SetupError};
use crate::public::KeyPublic;
use crate::rounds::{Outbound, RoundError};
use crate::share::KeyShare;
use crate::testing::{Committee, deliver, engines, generated, inside, party, slot};

mod fixtures;
mod import;
mod resharing;

/// A party about to take the openings: its state after round 3, and the plaintexts of its peers.
struct BeforeRound4 {
    seat: Seat,
    state: Box<Round3>,
    incoming: Incoming,
}

fn before_round_4(index: u8) -> BeforeRound4 {
    let generated = generated();
    let state = &generated.states[3][slot(index)];
    let Stage::Running { mut channel, protocol } = Saved::from_bytes(state, &engines()).unwrap().stage else {
        panic!("the state after round 3")
    };
    let Some(Session::Round3(state)) = decode_exact(&[], &protocol.to_bytes().unwrap()) else {
        panic!("the state after round 3")
    };
    let incoming = channel.open_round(Round(3), generated.input(4, index)).unwrap();
    BeforeRound4 { seat: channel.seat().clone(), state, incoming }
}

impl BeforeRound4 {
    /// Changes what `sender` committed to and opens, as this party sees it.
    fn forge(&mut self, sender: u8, change: impl FnOnce(&mut Committed, &mut Opened)) {
        let sender = party(sender);
        let mut opened: BTreeMap<PartyIndex, Opened> =
            decode_all(Round(3), &self.incoming).unwrap().into_iter().collect();
        let committed = self.state.received.get_mut(&sender).unwrap();
        let message = opened.get_mut(&sender).unwrap();
        change(committed, message);
        self.incoming.insert(sender, encode(&*message).unwrap());
    }

    fn run(self) -> Result<(Unconfirmed, Outgoing), KeygenError> {
        confirm::say(&DKLS23, &self.seat, None, round4::handle(&self.seat, &self.state, &self.incoming)?)
    }

    /// The error of a run that fails.
    fn fails(self) -> KeygenError {
        self.run().map(|_| ()).unwrap_err()
    }
}

/// Party 2 shows party 3 something else than party 1; both accept it; the confirmations of round 4 are exchanged.
fn equivocate(change: impl FnOnce(&Seat, &mut Committed, &mut Opened)) -> (KeyPublic, KeyPublic) {
    let honest = before_round_4(1);
    let mut deceived = before_round_4(3);
    let seat = deceived.seat.clone();
    deceived.forge(2, |committed, opened| change(&seat, committed, opened));
    let (first, first_out) = honest.run().unwrap();
    let (third, third_out) = deceived.run().unwrap();
    let confirmations = |own: &Outgoing, other: &Outgoing, to: u8| -> Incoming {
        // Party 2 confirms to each what each wants to hear.
        let echo = own.values().next().unwrap().as_bytes().to_vec();
        let heard = other[&party(to)].as_bytes().to_vec();
        let from = if to == 1 { 3 } else { 1 };
        Incoming::from([(party(2), Plaintext::new(echo)), (party(from), Plaintext::new(heard))])
    };
    let at_first =
        confirm::compare(&DKLS23, Round(4), &first, &confirmations(&first_out, &third_out, 1)).unwrap_err();
    let at_third =
        confirm::compare(&DKLS23, Round(4), &third, &confirmations(&third_out, &first_out, 3)).unwrap_err();
    assert_eq!(at_first, KeygenError::Unconfirmed { differing: vec![party(3)] });
    assert_eq!(at_third, KeygenError::Unconfirmed { differing: vec![party(1)] });
    assert_eq!(at_first.culprit(), None, "an unequal confirmation does not tell who equivocated");
    (first.public, third.public)
}

#[test]
fn an_equivocated_chain_code_is_caught_by_the_confirmations() {
    let (first, third) = equivocate(|_, committed, opened| {
        opened.broadcast.chain_code = [0x66; 32];
        let (commitment, salt) = commits::commit(&opened.broadcast.chain_code);
        committed.broadcast.chain_code = commitment;
        opened.broadcast.chain_code_salt = salt;
    });
    assert_eq!(first.public_key(), third.public_key(), "the key is the same");
    assert_ne!(first.chain_code(), third.chain_code(), "and every deposit address would differ");
}

#[test]
fn an_equivocated_proof_of_the_same_point_is_caught_by_the_transcript() {
    let second = before_round_4(2);
    let (first, third) = equivocate(|seat, committed, opened| {
        let session = session_data(seat).unwrap().session_id;
        let (proof, commitment) = DLogProof::<Curve>::prove_commit(&second.state.share, &session).unwrap();
        committed.broadcast.proof = commitment;
        opened.broadcast.proof = proof;
    });
    assert_eq!(first.verifying_shares(), third.verifying_shares());
    assert_ne!(first.transcript(), third.transcript());
}

#[test]
fn an_equivocated_public_share_is_off_the_polynomial() {
    let mut deceived = before_round_4(3);
    let session = session_data(&deceived.seat).unwrap().session_id;
    deceived.forge(2, |committed, opened| {
        let other = Scalar::random(&mut rand_engine());
        let (proof, commitment) = DLogProof::<Curve>::prove_commit(&other, &session).unwrap();
        committed.broadcast.proof = commitment;
        opened.broadcast.proof = proof;
    });
    let reason = FaultReason::PolynomialInconsistency;
    assert_eq!(
        deceived.fails(),
        KeygenError::Protocol(ProtocolFault::Unattributed { noticed_with: None, reason })
    );
}

/// A generator of the engine's generation of `rand_core`.
fn rand_engine() -> impl k256_engine::elliptic_curve::rand_core::Rng {
    SeededOnce
}

/// Enough randomness for one test scalar; reads the operating system.
struct SeededOnce;

impl k256_engine::elliptic_curve::rand_core::TryRng for SeededOnce {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(rand::random())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(rand::random())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        rand::Rng::fill(&mut OsRng, bytes);
        Ok(())
    }
}

#[test]
fn openings_that_do_not_fit_their_commitments_name_the_culprit() {
    let blamed = |change: fn(&mut Committed, &mut Opened)| {
        let mut victim = before_round_4(1);
        victim.forge(3, change);
        let error = victim.fails();
        assert!(error.is_final());
        assert_eq!(error.culprit(), Some(party(3)), "{error}");
        let KeygenError::Protocol(fault) = error else { panic!("{error}") };
        fault.reason()
    };
    assert_eq!(
        blamed(|_, opened| opened.broadcast.chain_code[0] ^= 1),
        FaultReason::CommitmentMismatch,
        "chain code"
    );
    assert_eq!(blamed(|_, opened| opened.zero_seed[0] ^= 1), FaultReason::CommitmentMismatch, "zero seed");
    assert_eq!(
        blamed(|committed, _| committed.broadcast.proof[0] ^= 1),
        FaultReason::ProofVerificationFailed,
        "proof opened before it was committed to"
    );
    assert_eq!(
        blamed(|_, opened| opened.multiplication.enc_proofs.swap(0, 1)),
        FaultReason::MultiplicationVerificationFailed,
        "multiplication set-up"
    );
    assert_eq!(
        blamed(|_, opened| opened.multiplication.enc_proofs.truncate(255)),
        FaultReason::MultiplicationVerificationFailed,
        "short multiplication set-up"
    );
}

#[test]
fn malformed_openings_name_their_sender() {
    let malformed = KeygenError::Malformed { sender: party(3), round: Round(3) };
    let mut victim = before_round_4(1);
    victim.forge(3, |_, opened| opened.zero_salt.push(0));
    assert_eq!(victim.fails(), malformed);
    let mut victim = before_round_4(1);
    let trailing = [victim.incoming[&party(3)].as_bytes(), &[0]].concat();
    victim.incoming.insert(party(3), Plaintext::new(trailing));
    assert_eq!(victim.fails(), malformed);
    let mut victim = before_round_4(1);
    victim.incoming.insert(party(3), Plaintext::new(vec![0xff; 200]));
    assert_eq!(victim.fails(), malformed);
}

#[test]
fn the_proof_leaves_only_after_all_commitments_have_arrived() {
    let generated = generated();
    let mut machine = generated.machine(2, 1);
    // One of two commitments: round 3 does not run, whichever is held back.
    for held_back in 0..2 {
        let mut partial = generated.input(3, 1).to_vec();
        partial.remove(held_back);
        let error = machine.round(Round(3), &partial).unwrap_err();
        assert_eq!(error.code(), "MISSING_MESSAGE");
        assert!(!error.is_final());
    }
    // The message of round 2 is far too small to hold the proof (64 curve points and as many scalars).
    let round_2 = &generated.answers[2][0];
    assert!(round_2.iter().all(|message| message.bytes.len() < 256), "{round_2:?}");
    assert_eq!(machine.expected_round(), Some(Round(3)));
}

#[test]
fn what_the_courier_does_to_a_round_consumes_nothing() {
    let generated = generated();
    let mut machine = generated.machine(3, 1);
    let honest = generated.input(4, 1).to_vec();
    let attacks: [(&str, Vec<Vec<u8>>); 6] = [
        ("MISSING_MESSAGE", honest[..1].to_vec()),
        ("DUPLICATE_MESSAGE", vec![honest[0].clone(), honest[0].clone()]),
        ("MESSAGE_REPLAYED", generated.input(3, 1).to_vec()),
        ("MESSAGE_OUT_OF_ORDER", generated.input(5, 1).to_vec()),
        ("MESSAGE_FOR_OTHER_RECEIVER", generated.input(4, 2).to_vec()),
        ("MESSAGE_NOT_AUTHENTIC", {
            let mut flipped = honest.clone();
            let last = flipped[1].len() - 1;
            flipped[1][last] ^= 1;
            flipped
        }),
    ];
    for (code, inbound) in attacks {
        let error = machine.round(Round(4), &inbound).unwrap_err();
        assert_eq!((error.code(), error.is_final(), error.culprit()), (code, false, None));
    }
    let error = machine.round(Round(5), generated.input(5, 1)).unwrap_err();
    assert_eq!(error, KeygenError::Round(RoundError::NotReached { round: Round(5), expected: Round(4) }));
    assert!(machine.round(Round(4), &honest).is_ok(), "the honest round still runs");
}

#[test]
fn an_answered_round_gives_the_same_bytes_again_and_takes_no_other_input() {
    let generated = generated();
    for round in 1..=4_u8 {
        let slot = usize::from(round);
        let mut machine = generated.machine(slot, 2);
        let mut again = generated.input(slot, 2).to_vec();
        again.reverse();
        let (_, held) = machine.round(Round(round), &again).unwrap().into_parts();
        let KeygenReply::Messages(outbound) = held.release_after_stored() else { panic!("round {round}") };
        assert_eq!(outbound, generated.answers[slot][1], "round {round} was computed again");
        // Another input, even an authentic one, is refused.
        let mut other = again.clone();
        other.pop();
        assert_eq!(
            machine.round(Round(round), &other).unwrap_err(),
            KeygenError::Round(RoundError::AlreadyConsumed { round: Round(round) })
        );
        assert_eq!(machine.expected_round(), Some(Round(round + 1)));
    }
}

#[test]
fn the_finished_machine_gives_the_key_again_and_nothing_else() {
    let generated = generated();
    let mut machine = generated.machine(5, 3);
    assert_eq!(machine.expected_round(), None);
    let (_, held) = machine.round(Round(5), generated.input(5, 3)).unwrap().into_parts();
    let KeygenReply::Finished(output) = held.release_after_stored() else { panic!("round 5 finishes") };
    assert_eq!(output.public, generated.public);
    assert!(output.share.matches(&generated.public));
    assert_eq!(machine.round(Round(6), &[]).unwrap_err().code(), "SESSION_ENDED");
    assert_eq!(machine.round(Round(3), generated.input(3, 3)).unwrap_err().code(), "ROUND_PASSED");
}

#[test]
fn a_generation_resumed_after_round_2_comes_to_the_same_key() {
    // The fixture run resumed every machine after every round. Here all machines go back to their state after round 2,
    // as after a crash before anything of round 3 left: the shares and the chain code were fixed in rounds 1 and 2.
    let generated = generated();
    let mut machines: Vec<KeygenMachine> = (1..=3).map(|index| generated.machine(2, index)).collect();
    let mut answers = generated.answers[2].clone();
    for round in 3..=4 {
        answers = run_round(&mut machines, round, &answers);
    }
    for (machine, me) in machines.iter_mut().zip(1..) {
        let step = machine.round(Round(5), &deliver(&answers, party(me))).unwrap();
        let KeygenReply::Finished(output) = step.into_parts().1.release_after_stored() else {
            panic!("round 5 finishes")
        };
        assert_eq!(output.public.public_key(), generated.public.public_key());
        assert_eq!(output.public.chain_code(), generated.public.chain_code());
        assert_eq!(output.public.verifying_shares(), generated.public.verifying_shares());
    }
}

fn run_round(machines: &mut [KeygenMachine], round: u8, answers: &[Vec<Outbound>]) -> Vec<Vec<Outbound>> {
    let mut next = Vec::new();
    for (machine, me) in machines.iter_mut().zip(1..) {
        let step = machine.round(Round(round), &deliver(answers, party(me))).unwrap();
        let KeygenReply::Messages(outbound) = step.into_parts().1.release_after_stored() else {
            panic!("round {round} sends")
        };
        next.push(outbound);
    }
    next
}

#[test]
fn a_failed_generation_stays_failed_across_a_restart() {
    let generated = generated();
    let mut machine = generated.machine(4, 1);
    // Party 2 confirms something else: sealed by itself, so authentic.
    let state = &generated.states[3][1];
    let Stage::Running { mut channel, .. } = Saved::from_bytes(state, &engines()).unwrap().stage else {
        panic!()
    };
    let lie: Outgoing = [1, 3].map(|to| (party(to), Plaintext::new(vec![0; 32]))).into_iter().collect();
    let lies = channel.seal_round(Round(4), &lie).unwrap();
    let inbound = [deliver(&[lies], party(1)), deliver(&generated.answers[4][2..], party(1))].concat();
    let error = machine.round(Round(5), &inbound).unwrap_err();
    assert_eq!(error, KeygenError::Unconfirmed { differing: vec![party(2)] });
    assert!(error.is_final());
    let mut resumed = KeygenMachine::resume(&machine.export().unwrap(), &engines()).unwrap();
    assert_eq!(resumed.expected_round(), None);
    assert_eq!(
        resumed.round(Round(5), generated.input(5, 1)).unwrap_err(),
        KeygenError::Aborted { code: "KEYGEN_UNCONFIRMED".to_owned() },
        "the honest round comes too late"
    );
}

#[test]
fn a_confirmation_of_another_length_is_its_senders_doing() {
    let (key, _) = before_round_4(1).run().unwrap();
    for length in [0, 31, 33] {
        let heard = [2, 3].map(|from| (party(from), Plaintext::new(vec![0; length])));
        let error = confirm::compare(&DKLS23, Round(4), &key, &heard.into()).unwrap_err();
        assert_eq!(error, KeygenError::Malformed { sender: party(2), round: Round(4) });
    }
}

#[test]
fn a_task_this_node_cannot_take_part_in_is_refused() {
    let committee = Committee::new(2, 3);
    let prepare = |task: KeygenTask, key: &SigningKey| {
        KeygenMachine::prepare(&DKLS23, task, key, &mut OsRng).map(|_| ()).unwrap_err()
    };
    let key = committee.key(party(1));
    let outside = committee.keygen_task(party(4), [1; 32]);
    assert_eq!(prepare(outside, key), KeygenError::Setup(SetupError::NotAParticipant { party: party(4) }));
    let other_key = committee.keygen_task(party(2), [1; 32]);
    assert_eq!(
        prepare(other_key, key),
        KeygenError::Setup(SetupError::ForeignMessageKey { party: party(2) })
    );
    let larger = KeygenTask {
        threshold: crate::party::Threshold::new(3, 4).unwrap(),
        ..committee.keygen_task(party(1), [1; 32])
    };
    assert_eq!(prepare(larger, key), KeygenError::Setup(SetupError::MissingMessageKey { party: party(4) }));
}

#[test]
fn nodes_with_different_ceremonies_do_not_start() {
    let committee = Committee::new(2, 3);
    let mut machines = committee.prepare([3; 32]);
    let other = KeygenTask { ceremony: [0; 32], ..committee.keygen_task(party(3), [3; 32]) };
    machines[2] = KeygenMachine::prepare(&DKLS23, other, committee.key(party(3)), &mut OsRng).unwrap();
    let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
    assert_eq!(
        machines[0].round(Round(1), &offers).unwrap_err(),
        KeygenError::Channel(ChannelError::OfferMismatch { party: party(3), field: "binding" })
    );
}

#[test]
fn debug_of_every_state_is_redacted() {
    let generated = generated();
    let secret: [u8; 32] = inside(&generated.share(1)).engine_party().poly_point.to_bytes().into();
    let list = format!("{secret:?}");
    let disguises =
        [hex::encode(secret), hex::encode_upper(secret), list.trim_matches(['[', ']']).to_owned()];
    for after in 0..=5 {
        let mut machine = generated.machine(after, 1);
        let shown = format!("{machine:?} {machine:#?}");
        assert!(disguises.iter().all(|disguise| !shown.contains(disguise)), "after round {after}");
        assert!(shown.len() < 2_000, "after round {after}: {shown}");
        if after > 0 {
            let round = Round(u8::try_from(after).unwrap());
            let step = machine.round(round, generated.input(after, 1)).unwrap();
            let shown = format!("{step:?}");
            let (_, held) = step.into_parts();
            let shown = format!("{shown} {held:?}");
            let shown = format!("{shown} {:?}", held.release_after_stored());
            assert!(disguises.iter().all(|disguise| !shown.contains(disguise)), "round {after}");
            assert!(shown.len() < 2_000, "round {after}: {shown}");
        }
    }
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let state = &generated().states[1][0];
    let refused = |bytes: &[u8]| {
        assert_eq!(
            KeygenMachine::resume(bytes, &engines()).map(|_| ()).unwrap_err(),
            KeygenError::StateMalformed
        );
    };
    refused(&[]);
    refused(&state[..state.len() - 1]);
    refused(&[state.as_slice(), &[0]].concat());
    for other in [0, 1, 3, 4] {
        let mut version = state.clone();
        version[4] = other;
        refused(&version);
    }
    // The same state of an engine that has a name, and that this program has not; and of one without a name.
    for engine in ["gg20-ecdsa-secp256k1/0.8", "gg20-ecdsa-secp256k1/0.9"] {
        let name = state.windows(5).position(|window| window == b"dkls2").unwrap();
        let (front, back) = (&state[..name - 1], &state[name + "dkls23-ecdsa-secp256k1/0.6".len()..]);
        let length = u8::try_from(engine.len()).unwrap();
        refused(&[front, &[length], engine.as_bytes(), back].concat());
    }
    refused(generated().share_bytes(1));
}
