//! Signing: any t sign, and what hostile signers, couriers and mixed-up nodes get instead of a signature.

use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{RecoveryId, Signature as Plain, VerifyingKey as PlainKey};

use std::sync::Arc;

use super::*;
use crate::channel::{ChannelError, Incoming, Outgoing, Plaintext};
use crate::dkls23::sign::{Desk, Round1, encode};
use crate::dkls23::{DKLS23, sign as bare};
use crate::fault::FaultReason;
use crate::party::{Epoch, Round};
use crate::rounds::{Outbound, RoundError};
use crate::share::ShareError;
use crate::testing::{Committee, deliver, engines, generate, generated, inside, party};

const DIGEST: [u8; 32] = [0xd1; 32];

/// The bare protocol, for a hostile signer behind an intact seal.
fn start(task: &SignTask, share: Arc<KeyShare>) -> Result<(Round1, Outgoing), SignError> {
    bare::start(task.brief(&share)?, inside(&share))
}

fn task(signers: &[u8], session: u8) -> SignTask {
    generated().committee.sign_task(signers, [session; 32], DIGEST)
}

fn machines(signers: &[u8], session: u8) -> Vec<SignMachine> {
    signers.iter().map(|me| generated().sign_machine(*me, task(signers, session))).collect()
}

fn offers(machines: &[SignMachine]) -> Vec<Vec<u8>> {
    machines.iter().map(|machine| machine.offer().to_vec()).collect()
}

/// Runs round `round` at every machine on what the round before answered.
fn run_round(
    machines: &mut [SignMachine],
    signers: &[u8],
    round: u8,
    answers: &[Vec<Outbound>],
) -> Vec<Result<SignReply, SignError>> {
    let offers = offers(machines);
    machines
        .iter_mut()
        .zip(signers)
        .map(|(machine, me)| {
            let input = if round == 1 { offers.clone() } else { deliver(answers, party(*me)) };
            machine.round(Round(round), &input)
        })
        .collect()
}

fn sent(replies: Vec<Result<SignReply, SignError>>) -> Vec<Vec<Outbound>> {
    replies
        .into_iter()
        .map(|reply| match reply.unwrap() {
            SignReply::Messages(outbound) => outbound,
            SignReply::Signed(_) => panic!("too early"),
        })
        .collect()
}

/// The answers of every round, and the machines about to take round `until`.
fn run_until(signers: &[u8], session: u8, until: u8) -> (Vec<SignMachine>, Vec<Vec<Vec<Outbound>>>) {
    let mut machines = machines(signers, session);
    let mut answers: Vec<Vec<Vec<Outbound>>> = vec![Vec::new()];
    for round in 1..until {
        let replies = run_round(&mut machines, signers, round, answers.last().unwrap());
        answers.push(sent(replies));
    }
    (machines, answers)
}

/// Plain k256 of the other generation: the signature, its low s, and its recovery id.
fn verify_independently(signature: &Signature, digest: &[u8; 32]) {
    let key = PlainKey::from_sec1_bytes(&generated().public.public_key()).unwrap();
    verify_under(&key, signature, digest);
}

fn verify_under(key: &PlainKey, signature: &Signature, digest: &[u8; 32]) {
    let plain = Plain::from_scalars(signature.r, signature.s).unwrap();
    key.verify_prehash(digest, &plain).unwrap();
    assert!(plain.normalize_s().is_none(), "s is low");
    let id = RecoveryId::from_byte(signature.recovery_id).unwrap();
    assert_eq!(PlainKey::recover_from_prehash(digest, &plain, id).unwrap(), *key);
}

fn is_signature(reply: Result<SignReply, SignError>) -> Signature {
    match reply.unwrap() {
        SignReply::Signed(signature) => signature,
        SignReply::Messages(_) => panic!("a signature was due"),
    }
}

#[test]
fn any_two_of_three_sign_the_same_digest() {
    for (session, signers) in [[1, 2], [1, 3], [2, 3]].into_iter().enumerate() {
        let (mut machines, answers) = run_until(&signers, u8::try_from(session).unwrap(), 4);
        let signatures: Vec<Signature> =
            run_round(&mut machines, &signers, 4, &answers[3]).into_iter().map(is_signature).collect();
        assert_eq!(signatures[0], signatures[1]);
        verify_independently(&signatures[0], &DIGEST);
        assert!(!signatures[0].verifies(&generated().public.public_key(), &[0; 32]));
    }
}

/// The child that a program which is not the engine derives.
fn child_key(path: &[u32]) -> PlainKey {
    let attributes = bip32::ExtendedKeyAttrs {
        depth: 0,
        parent_fingerprint: [0; 4],
        child_number: bip32::ChildNumber::default(),
        chain_code: generated().public.chain_code(),
    };
    let root = PlainKey::from_sec1_bytes(&generated().public.public_key()).unwrap();
    let mut key = bip32::ExtendedPublicKey::new(root, attributes);
    for index in path {
        key = key.derive_child(bip32::ChildNumber(*index)).unwrap();
    }
    *key.public_key()
}

fn child_task(signers: &[u8], session: u8, path: &[u32]) -> SignTask {
    SignTask { path: path.to_vec(), ..task(signers, session) }
}

/// All rounds of machines that are ready.
fn signed_by(machines: &mut [SignMachine], signers: &[u8]) -> Vec<Signature> {
    let mut answers = Vec::new();
    for round in 1..4 {
        answers = sent(run_round(machines, signers, round, &answers));
    }
    run_round(machines, signers, 4, &answers).into_iter().map(is_signature).collect()
}

#[test]
fn child_keys_sign_and_are_those_that_others_derive_from_public_data() {
    let signers = [1, 3];
    let path = [0, 7];
    let machine = |me: u8| generated().sign_machine(me, child_task(&signers, 40, &path));
    let mut machines: Vec<SignMachine> = signers.iter().map(|me| machine(*me)).collect();
    let child = child_key(&path);
    assert_eq!(machines[0].public_key().as_slice(), child.to_encoded_point(true).as_bytes());
    let signature = signed_by(&mut machines, &signers).remove(0);
    verify_under(&child, &signature, &DIGEST);
    assert!(!signature.verifies(&generated().public.public_key(), &DIGEST), "the parent did not sign");
}

#[test]
fn signers_of_different_children_do_not_meet() {
    for (one, other) in [(vec![0, 7], vec![0, 8]), (vec![0, 7], vec![]), (vec![0, 7], vec![7, 0])] {
        let mut machines = [
            generated().sign_machine(1, child_task(&[1, 2], 41, &one)),
            generated().sign_machine(2, child_task(&[1, 2], 41, &other)),
        ];
        for reply in run_round(&mut machines, &[1, 2], 1, &[]) {
            assert!(matches!(reply, Err(SignError::Channel(_))), "{one:?} and {other:?}");
        }
    }
}

#[test]
fn hardened_child_and_child_of_a_child_do_not_exist() {
    let prepare = |path: &[u32]| {
        let key = generated().committee.key(party(1));
        SignMachine::prepare(
            child_task(&[1, 2], 42, path),
            generated().share(1),
            &generated().public,
            key,
            &mut rand::rngs::OsRng,
        )
    };
    for path in [vec![1 << 31], vec![0, u32::MAX]] {
        assert_eq!(prepare(&path).unwrap_err().code(), "SHARE_NO_SUCH_CHILD");
    }
    let child = generated().share(1).child(&[0, 7]).unwrap();
    assert_eq!(child.child(&[1]).unwrap_err(), ShareError::NoSuchChild);
    assert_eq!(child.to_bytes().unwrap_err(), ShareError::Unencodable, "a child never touches a disk");
    assert!(!child.matches(&generated().public));
}

#[test]
fn bare_protocol_takes_no_share_of_another_path() {
    let child = generated().share(1).child(&[0, 7]).unwrap();
    assert_eq!(task(&[1, 2], 43).brief(&child).err(), Some(ShareError::OtherKey.into()));
    let root = start(&child_task(&[1, 2], 43, &[0, 7]), generated().share(1));
    assert_eq!(root.err(), Some(ShareError::OtherKey.into()));
}

/// Children share the parent's multiplication set-up: an attack on one is an attack on all.
#[test]
fn bans_are_of_the_whole_family() {
    let root = generated().public.public_key();
    let child = generated().share(1).child(&[0, 7]).unwrap();
    assert_ne!(child.public_key(), root);
    let fault =
        ProtocolFault::Ban { counterparty: party(2), reason: FaultReason::SignatureVerificationFailed };
    let ban = child_task(&[1, 2], 44, &[0, 7]).brief(&child).unwrap().failed(fault).ban().unwrap();
    assert_eq!(ban.key, root);
    let banned = SignTask { bans: vec![ban], ..child_task(&[1, 2], 44, &[0, 7]) };
    let key = generated().committee.key(party(1));
    let refused =
        SignMachine::prepare(banned, generated().share(1), &generated().public, key, &mut rand::rngs::OsRng);
    assert_eq!(refused.unwrap_err(), SignError::Banned { pair: ban });
}

#[test]
fn two_attempts_at_one_digest_use_two_nonces() {
    let sign = |session| {
        let (mut machines, answers) = run_until(&[1, 2], session, 4);
        is_signature(run_round(&mut machines, &[1, 2], 4, &answers[3]).remove(0))
    };
    // Even with one session id, as after a crash and a careless coordinator.
    let (first, second) = (sign(7), sign(7));
    assert_ne!(first.r, second.r);
}

#[test]
fn an_answered_round_gives_the_same_bytes_again_and_takes_no_other_input() {
    let signers = [1, 2];
    let (mut machines, answers) = run_until(&signers, 1, 4);
    let signed = run_round(&mut machines, &signers, 4, &answers[3]);
    for round in 3..=4_u8 {
        let again = run_round(&mut machines, &signers, round, &answers[usize::from(round) - 1]);
        let expected = if round == 4 {
            signed.iter().map(|reply| reply.clone().unwrap()).collect::<Vec<_>>()
        } else {
            answers[3].iter().cloned().map(SignReply::Messages).collect()
        };
        assert_eq!(again.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
    }
    let (_, others) = run_until(&signers, 1, 4);
    let other = deliver(&others[3], party(1));
    assert_eq!(
        machines[0].round(Round(4), &other).unwrap_err(),
        SignError::Round(RoundError::AlreadyConsumed { round: Round(4) })
    );
    assert_eq!(machines[0].round(Round(2), &other).unwrap_err().code(), "ROUND_PASSED");
    assert_eq!(machines[0].round(Round(5), &other).unwrap_err().code(), "SESSION_ENDED");
}

#[test]
fn flipped_bits_of_every_sealed_message_are_detected_and_consume_nothing() {
    let signers = [1, 2];
    for round in 2..=4_u8 {
        let (mut machines, answers) = run_until(&signers, 1, round);
        let honest = deliver(&answers[usize::from(round) - 1], party(1));
        let length = honest[0].len();
        // Every bit of the header and the first block, then samples through the rest, then the tag.
        let sampled = (0..60).chain((60..length).step_by(997)).chain(length - 16..length);
        for byte in sampled {
            let mut flipped = honest.clone();
            flipped[0][byte] ^= 1 << (byte % 8);
            let error = machines[0].round(Round(round), &flipped).unwrap_err();
            assert!(matches!(error, SignError::Channel(_)), "byte {byte} of round {round}: {error}");
            assert_eq!((error.is_final(), error.culprit(), error.ban()), (false, None, None));
        }
        assert!(machines[0].round(Round(round), &honest).is_ok(), "the honest round {round} still runs");
    }
}

#[test]
fn withheld_replayed_reordered_and_misdirected_messages_are_refused() {
    let signers = [1, 2];
    let (mut here, answers) = run_until(&signers, 1, 3);
    let (_, elsewhere) = run_until(&signers, 2, 3);
    let mut refused = |inbound: Vec<Vec<u8>>| {
        let error = here[0].round(Round(3), &inbound).unwrap_err();
        assert!(!error.is_final());
        error.code()
    };
    let to_first = |answers: &[Vec<Outbound>]| deliver(answers, party(1));
    assert_eq!(refused(Vec::new()), "MISSING_MESSAGE");
    assert_eq!(refused(to_first(&answers[1])), "MESSAGE_REPLAYED");
    assert_eq!(refused(deliver(&answers[2], party(2))), "MESSAGE_FOR_OTHER_RECEIVER");
    assert_eq!(refused(to_first(&elsewhere[2])), "MESSAGE_OF_OTHER_SESSION");
    let doubled = [to_first(&answers[2]), to_first(&answers[2])].concat();
    assert_eq!(refused(doubled), "TOO_MANY_MESSAGES");
    assert_eq!(refused(vec![vec![0; 256 * 1024 + 1]]), "ROUND_INPUT_TOO_LARGE");
    let early = here[0].round(Round(4), &to_first(&answers[2])).unwrap_err();
    assert_eq!(early.code(), "ROUND_NOT_REACHED");
    assert!(here[0].round(Round(3), &to_first(&answers[2])).is_ok());
}

/// Two signers on the bare protocol, so that a test can be a hostile signer 2 behind an intact seal.
struct Pair {
    victim: Round1,
    hostile: Round1,
    to_victim: Vec<u8>,
    to_hostile: Outgoing,
}

fn pair() -> Pair {
    let generated = generated();
    let start_as = |me| start(&task(&[1, 2], 1), generated.share(me)).unwrap();
    let ((victim, to_hostile), (hostile, to_victim)) = (start_as(1), start_as(2));
    Pair { victim, hostile, to_victim: only(&to_victim), to_hostile }
}

fn only(outgoing: &Outgoing) -> Vec<u8> {
    outgoing.values().next().unwrap().as_bytes().to_vec()
}

fn from(sender: u8, bytes: Vec<u8>) -> Incoming {
    Incoming::from([(party(sender), Plaintext::new(bytes))])
}

/// What the victim ends with if the hostile signer changes its message of one round.
fn attack(round: u8, change: impl Fn(&mut Vec<u8>)) -> Result<Signature, SignError> {
    let Pair { victim, hostile, mut to_victim, to_hostile } = pair();
    if round == 1 {
        change(&mut to_victim);
    }
    let (victim, second_to_hostile) = victim.handle(&from(2, to_victim))?;
    let (hostile, second) = hostile.handle(&from(1, only(&to_hostile))).unwrap();
    let mut second = only(&second);
    if round == 2 {
        change(&mut second);
    }
    let (victim, _) = victim.handle(&from(2, second))?;
    let (_, part) = hostile.handle(&from(1, only(&second_to_hostile))).unwrap();
    let mut part = only(&part);
    if round == 3 {
        change(&mut part);
    }
    victim.handle(&from(2, part))
}

#[test]
fn a_hostile_signer_that_changes_any_part_of_any_message_gets_no_signature() {
    let honest = attack(0, |_| ()).unwrap();
    verify_independently(&honest, &DIGEST);
    let Pair { to_victim, .. } = pair();
    for (round, step) in [(1, 331), (2, 691), (3, 1)] {
        let length = if round == 1 { to_victim.len() } else { usize::MAX };
        let mut tried = 0;
        for byte in (0..length).step_by(step) {
            let flipped = std::cell::Cell::new(false);
            let result = attack(round, |message| {
                if let Some(target) = message.get_mut(byte) {
                    *target ^= 1 << (byte % 8);
                    flipped.set(true);
                }
            });
            if !flipped.get() {
                break;
            }
            tried += 1;
            let error = result.err().unwrap_or_else(|| panic!("byte {byte} of round {round} is unchecked"));
            assert!(error.is_final());
            assert!(
                error.culprit().is_none_or(|culprit| culprit == party(2)),
                "byte {byte} of round {round}: {error}"
            );
        }
        assert!(tried >= 60, "only {tried} flips of round {round}");
    }
}

#[test]
fn a_manipulated_oblivious_transfer_bans_the_pair_and_the_ban_is_obeyed() {
    // Somewhere in the middle of round 1 is the matrix of the extension.
    let error = attack(1, |message| {
        let middle = message.len() / 2;
        message[middle] ^= 1;
    })
    .unwrap_err();
    let ban = error.ban().expect("an attack on the reusable state bans");
    let key = generated().public.public_key();
    assert_eq!(ban, BannedPair { key, by: party(1), against: party(2) });
    assert_eq!(error.culprit(), Some(party(2)));
    assert_eq!(error.code(), "MULTIPLICATION_VERIFICATION_FAILED");

    let banned = SignTask { bans: vec![ban], ..task(&[1, 2], 2) };
    let refused = start(&banned, generated().share(1)).map(|_| ()).unwrap_err();
    assert_eq!(refused, SignError::Banned { pair: ban });
    let machine = |signers: &[u8]| {
        let task = SignTask { bans: vec![ban], ..task(signers, 2) };
        let key = generated().committee.key(party(1));
        SignMachine::prepare(task, generated().share(1), &generated().public, key, &mut rand::rngs::OsRng)
    };
    assert_eq!(machine(&[1, 2]).map(|_| ()).unwrap_err().code(), "SIGNERS_BANNED");
    assert!(machine(&[1, 3]).is_ok(), "the other pair still signs");
}

#[test]
fn a_wrong_part_of_the_signature_accuses_nobody() {
    let error = attack(3, |part| {
        let last = part.len() - 1;
        part[last] ^= 1;
    })
    .unwrap_err();
    let reason = FaultReason::SignatureVerificationFailed;
    assert_eq!(error, SignError::Protocol(ProtocolFault::Unattributed { noticed_with: None, reason }));
    assert_eq!((error.culprit(), error.ban()), (None, None));
}

#[test]
fn a_message_of_another_attempt_is_recoverable_and_accuses_nobody() {
    let task_of = |session| task(&[1, 2], session);
    let (victim, _) = start(&task_of(1), generated().share(1)).unwrap();
    let (_, stale) = start(&task_of(2), generated().share(2)).unwrap();
    let error = victim.handle(&from(2, only(&stale))).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "SESSION_BINDING_MISMATCH");
    assert_eq!((error.culprit(), error.ban()), (None, None));
}

#[test]
fn everything_the_session_is_about_enters_the_sign_id() {
    let base = task(&[1, 2], 1);
    let share = generated().share(1);
    let sign_id = |task: &SignTask| {
        Desk::new(task.brief(&share).unwrap(), inside(&share)).unwrap().data.sign_id.clone()
    };
    let changed = [
        SignTask { cluster: ClusterId::new("other").unwrap(), ..base.clone() },
        SignTask { session: SessionId([2; 32]), ..base.clone() },
        SignTask { signers: task(&[1, 3], 1).signers, ..base.clone() },
        SignTask { authorization: [0; 32], ..base.clone() },
        SignTask { digest: [0; 32], ..base.clone() },
    ];
    for other in changed {
        assert_ne!(sign_id(&other), sign_id(&base), "{other:?}");
    }
    // The epoch comes from the share.
    let next = KeyShare::new(&DKLS23, Epoch(2), share.transcript(), Arc::clone(share.secret()));
    assert_ne!(base.brief(&next).unwrap().sign_id.to_vec(), sign_id(&base));
}

#[test]
fn a_message_in_another_partys_name_is_malformed() {
    let (victim, _) = start(&task(&[1, 2], 1), generated().share(1)).unwrap();
    let (_, hostile) = start(&task(&[2, 3], 1), generated().share(2)).unwrap();
    // Addressed to 3 inside, sealed to 1.
    let error = victim.handle(&from(2, only(&hostile))).map(|_| ()).unwrap_err();
    assert_eq!(error, SignError::Malformed { sender: party(2), round: Round(1) });
    assert_eq!(error.culprit(), Some(party(2)));
    assert_eq!(error.ban(), None);
}

#[test]
fn nodes_that_mean_different_digests_do_not_start() {
    let generated = generated();
    let signers = [1, 2];
    let other = SignTask { digest: [0xee; 32], ..task(&signers, 1) };
    let mut machines = vec![generated.sign_machine(1, task(&signers, 1)), generated.sign_machine(2, other)];
    let offers = offers(&machines);
    assert_eq!(
        machines[0].round(Round(1), &offers).unwrap_err(),
        SignError::Channel(ChannelError::OfferMismatch { party: party(2), field: "binding" })
    );
}

#[test]
fn an_order_this_node_must_not_serve_is_refused() {
    let generated = generated();
    let prepare = |task: SignTask, share: Arc<KeyShare>, key: u8| {
        let key = generated.committee.key(party(key));
        SignMachine::prepare(task, share, &generated.public, key, &mut rand::rngs::OsRng)
            .map(|_| ())
            .unwrap_err()
    };
    let outside = prepare(task(&[1, 2], 1), generated.share(3), 3);
    assert_eq!(outside, SignError::Setup(SetupError::NotAParticipant { party: party(3) }));
    let other_key = prepare(task(&[1, 2], 1), generated.share(1), 2);
    assert_eq!(other_key, SignError::Setup(SetupError::ForeignMessageKey { party: party(1) }));
    let two_of_two = crate::party::Threshold::new(2, 2).unwrap();
    let signers = SignerSet::new(two_of_two, [party(1), party(2)]).unwrap();
    let other_threshold = prepare(SignTask { signers, ..task(&[1, 2], 1) }, generated.share(1), 1);
    assert_eq!(other_threshold.code(), "WRONG_SIGNER_COUNT");
    let share = generated.share(1);
    let next_epoch =
        Arc::new(KeyShare::new(&DKLS23, Epoch(2), share.transcript(), Arc::clone(share.secret())));
    assert_eq!(prepare(task(&[1, 2], 1), next_epoch, 1), SignError::Share(ShareError::OtherKey));
}

#[test]
fn shares_of_two_generations_do_not_sign_together() {
    let committee = Committee::new(2, 2);
    let foreign = generate(committee, [0x22; 32]);
    let (victim, _) = start(&task(&[1, 2], 1), generated().share(1)).unwrap();
    let theirs = foreign.committee.sign_task(&[1, 2], [1; 32], DIGEST);
    let (_, message) = start(&theirs, foreign.share(2)).unwrap();
    let error = victim.handle(&from(2, only(&message))).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "SESSION_BINDING_MISMATCH");
    assert_eq!(error.ban(), None, "a mix-up is no attack");
}

#[test]
fn a_failed_session_stays_failed() {
    let signers = [1, 2];
    let (mut machines, answers) = run_until(&signers, 1, 2);
    // Signer 2 seals something that is no message: run its machine's channel by hand.
    let Some(mut channel) = machines.pop().unwrap().into_channel() else { panic!("running") };
    let junk = Outgoing::from([(party(1), encode(&7_u8).unwrap())]);
    let sealed = channel.seal_round(Round(2), &junk).unwrap();
    machines[0].round(Round(2), &deliver(&answers[1], party(1))).unwrap();
    let error = machines[0].round(Round(3), &deliver(&[sealed], party(1))).unwrap_err();
    assert_eq!(error, SignError::Malformed { sender: party(2), round: Round(2) });
    assert_eq!(machines[0].expected_round(), None);
    assert_eq!(
        machines[0].round(Round(3), &[]).unwrap_err(),
        SignError::Aborted { code: "MALFORMED_PROTOCOL_MESSAGE" }
    );
}

#[test]
fn debug_of_every_state_is_redacted() {
    let (mut machines, answers) = run_until(&[1, 2], 1, 4);
    let Pair { victim, hostile, to_victim, to_hostile } = pair();
    let shown = format!("{:?} {victim:?} {to_hostile:?}", machines[0]);
    let (second, out) = victim.handle(&from(2, to_victim)).unwrap();
    let (_, theirs) = hostile.handle(&from(1, only(&to_hostile))).unwrap();
    let (third, part) = {
        let shown_second = format!("{second:?} {out:?}");
        assert!(shown_second.len() < 400, "{shown_second}");
        second.handle(&from(2, only(&theirs))).unwrap()
    };
    let shown = format!("{shown} {third:?} {part:?}");
    assert!(shown.len() < 1_000 && shown.contains("<redacted>"), "{shown}");
    assert!(!shown.contains(&hex::encode(only(&part))[4..40]));
    let done = run_round(&mut machines, &[1, 2], 4, &answers[3]);
    assert!(done.iter().all(Result::is_ok));
}

#[test]
fn shares_of_format_version_1_still_sign() {
    let share = |bytes: &[u8]| Arc::new(KeyShare::from_bytes(bytes, &engines()).unwrap());
    let first = share(include_bytes!("../../fixtures/share-v1.party1.bin"));
    let second = share(include_bytes!("../../fixtures/share-v1.party2.bin"));
    let key = first.public_key();
    let task = Committee::new(2, 2).sign_task(&[1, 2], [1; 32], DIGEST);
    let (a, a1) = start(&task, first).unwrap();
    let (b, b1) = start(&task, second).unwrap();
    let (a, a2) = a.handle(&from(2, only(&b1))).unwrap();
    let (b, b2) = b.handle(&from(1, only(&a1))).unwrap();
    let (a, _) = a.handle(&from(2, only(&b2))).unwrap();
    let (_, b3) = b.handle(&from(1, only(&a2))).unwrap();
    let signature = a.handle(&from(2, only(&b3))).unwrap();
    assert!(signature.verifies(&key, &DIGEST));
}
