//! One node of three in the wrong hands, deviating at every message: nobody honest ever has a wrong key or a wrong
//! signature, the culprit is named where the protocol can, nobody else is, and the others go on.
//!
//! The hostile node is a process of its own with a genuine node's keys. It is told at run time what to do wrong, so one
//! cluster serves many attacks. `HOLDFAST_LONG_TESTS=1` takes every field of every message.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::Decodable2718 as _;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::hostile_node::{Control, Deviation, KEYGEN_FIELDS, Phase, SIGN_FIELDS};
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Hostile, NODES, Options, PAYEE, WALLET, eventually, now_ms, refused,
};
use serde_json::Value;
use tonic::Code;

use crate::is_long;

const PATIENCE: Duration = Duration::from_secs(60);
const HOSTILE: &str = "node-3";
const HONEST: [&str; 2] = ["node-1", "node-2"];

/// What honest nodes may say about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The hostile node broke the protocol, and its own seal proves it.
    Named,
    /// Something is wrong; nobody is accused, because somebody else could have caused it.
    Unnamed,
    /// The messages do not come as far as a node: the coordinator notices.
    Coordinator,
    /// Nothing is wrong.
    Nothing,
}

use Verdict::{Coordinator, Named, Nothing, Unnamed};

pub(crate) fn keygen(round: u8, act: &str) -> Deviation {
    Deviation::new(Phase::Keygen, round, act)
}

pub(crate) fn sign(round: u8, act: &str) -> Deviation {
    Deviation::new(Phase::Sign, round, act)
}

/// Deviations in a key generation that keep it from ending, and what the others say.
fn keygen_attacks() -> Vec<(Deviation, Verdict)> {
    let mut attacks = vec![
        (keygen(0, "offer-garbage"), Unnamed),
        (keygen(0, "offer-of-other-epoch"), Unnamed),
        (keygen(0, "offer-of-low-order"), Named),
        (keygen(1, "truncated"), Named),
        (keygen(1, "as-other-sender"), Unnamed),
        (keygen(2, "other-session"), Unnamed),
        (keygen(2, "nothing"), Coordinator),
        (keygen(2, "equivocate"), Unnamed),
        (keygen(2, "flip").of("chain-code-commitment"), Named),
        (keygen(3, "flip").of("proof-responses"), Named),
        (keygen(3, "own-older-round"), Unnamed),
        (keygen(4, "flip-for-one").of("confirmation"), Unnamed),
        (keygen(5, "confirmation-garbage"), Coordinator),
    ];
    if is_long() {
        attacks.extend([
            (keygen(0, "offer-forged"), Unnamed),
            (keygen(0, "offer-of-other-session"), Unnamed),
            (keygen(0, "offer-of-other-purpose"), Unnamed),
            (keygen(0, "offer-as-other-party"), Unnamed),
            (keygen(0, "offer-replayed"), Unnamed),
            (keygen(1, "other-receiver"), Unnamed),
            (keygen(1, "equivocate"), Unnamed),
            (keygen(2, "other-epoch"), Unnamed),
            (keygen(2, "reflect"), Unnamed),
            (keygen(3, "broken-seal"), Unnamed),
            (keygen(3, "lengthened"), Named),
            (keygen(4, "junk"), Named),
        ]);
    }
    attacks
}

/// The seed of the oblivious transfer and the nonce of the multiplication are the cheat's own affair: the key is right all the
/// same, and what they spoil is the cheat's own signing.
const OWN_SIGNING: [&str; 2] = ["ot-seed", "nonce"];

/// Every field of a key generation whose change shows before the key exists.
fn keygen_flips() -> Vec<(Deviation, Verdict)> {
    let flip = |(round, field): &(u8, &str)| {
        let verdict = if matches!(*field, "fragment" | "confirmation") { Unnamed } else { Named };
        (keygen(*round, "flip").of(field), verdict)
    };
    KEYGEN_FIELDS.iter().filter(|(_, field)| !OWN_SIGNING.contains(field)).map(flip).collect()
}

/// Deviations in a signature that do not put the reusable state at risk.
fn sign_attacks() -> Vec<(Deviation, Verdict)> {
    vec![
        (sign(0, "offer-garbage"), Unnamed),
        (sign(0, "offer-forged"), Unnamed),
        (sign(0, "offer-of-other-epoch"), Unnamed),
        (sign(0, "offer-of-other-binding"), Unnamed),
        (sign(0, "offer-of-low-order"), Named),
        (sign(0, "offer-replayed"), Unnamed),
        (sign(1, "flip").of("parties"), Named),
        (sign(1, "flip").of("session-binding"), Unnamed),
        (sign(1, "flip").of("commitment"), Named),
        (sign(1, "own-older-session"), Unnamed),
        (sign(1, "other-receiver"), Unnamed),
        (sign(1, "nothing"), Coordinator),
        (sign(1, "accuse").of("node-1"), Coordinator),
        (sign(1, "accuse").of("node-2"), Coordinator),
        (sign(2, "flip").of("psi"), Named),
        (sign(2, "flip").of("salt"), Named),
        (sign(2, "flip").of("session-binding"), Unnamed),
        (sign(2, "other-epoch"), Unnamed),
        (sign(2, "as-other-sender"), Unnamed),
        (sign(2, "other-round"), Unnamed),
        (sign(2, "twice"), Coordinator),
        (sign(2, "late").of("400"), Nothing),
        (sign(3, "flip").of("u"), Unnamed),
        (sign(3, "flip").of("w"), Unnamed),
        (sign(3, "junk"), Named),
        (sign(3, "reflect"), Unnamed),
        (sign(3, "broken-seal"), Unnamed),
        (sign(2, "silence"), Coordinator),
    ]
}

/// A change of any of these is an attack on the state that all signatures of the key share.
fn banned_fields() -> Vec<(u8, &'static str)> {
    let banned =
        ["ot-nonce", "ot-matrix", "ot-check", "tau", "verify-r", "verify-u", "gamma-sender", "ote-salt"];
    SIGN_FIELDS.iter().filter(|(_, field)| banned.contains(field)).copied().collect()
}

/// A cluster whose third node is the hostile one.
async fn cluster_with_hostile_node() -> (Cluster, Control) {
    let cluster = Cluster::make(Options::default());
    let control = Control::create(cluster.path("hostile.queue"));
    HONEST.iter().for_each(|node| cluster.start(node));
    cluster.start_hostile(HOSTILE, &control);
    cluster.start(COORDINATOR);
    for server in NODES.iter().chain([&COORDINATOR]) {
        cluster.wait_healthy(server).await;
    }
    (cluster, control)
}

async fn ready_to_pay(cluster: &Cluster) {
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
}

/// What a node refused with this subject, in words.
fn refusals(cluster: &Cluster, node: &str, subject: &str) -> Vec<String> {
    let text = cluster.log_text(node);
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.map(|line| line["fields"].clone());
    let about = fields.filter(|fields| fields["message"] == "refused" && fields["subject"] == subject);
    about.map(|fields| fields["detail"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Whom these words accuse.
fn accused(detail: &str) -> Option<&str> {
    let accusations =
        ["sent a malformed message", "broke the protocol", "attacked the reusable state", "has low order"];
    let accuses = accusations.iter().any(|words| detail.contains(words));
    accuses.then(|| detail.split('`').nth(1).unwrap())
}

/// Each deviation had the effect that it should have, and nobody honest was accused in its session.
async fn assert_verdicts(cluster: &Cluster, done: &[(String, Deviation)], expected: &[(Deviation, Verdict)]) {
    assert_eq!(done.len(), expected.len());
    for ((session, did), (deviation, verdict)) in done.iter().zip(expected) {
        assert_eq!(did, deviation);
        let said = || HONEST.iter().flat_map(|node| refusals(cluster, node, session)).collect::<Vec<_>>();
        match verdict {
            Named | Unnamed => {
                // What a node refuses is in its log before its caller hears of it; the file may lag.
                eventually(&format!("`{deviation}` is noticed"), Duration::from_secs(10), || async {
                    if said().is_empty() { Err(session) } else { Ok(()) }
                })
                .await;
            }
            Coordinator | Nothing => assert_eq!(said(), Vec::<String>::new(), "{deviation}"),
        }
        let accused: BTreeSet<String> =
            said().iter().filter_map(|detail| accused(detail).map(str::to_owned)).collect();
        let expected: &[&str] = if *verdict == Named { &["3"] } else { &[] };
        assert!(accused.iter().eq(expected), "{deviation}: {:?}", said());
    }
}

/// Another library finds the wallet's signature in it.
pub(crate) fn assert_rightly_signed(cluster: &Cluster, withdrawal: &v1::Withdrawal, address: &str) {
    assert_eq!(withdrawal.state(), State::Signed, "{:?} {}", withdrawal.reason, cluster.name());
    let receipt = withdrawal.receipt.as_ref().unwrap();
    let TxEnvelope::Eip1559(signed) =
        TxEnvelope::decode_2718(&mut receipt.raw_transaction.as_slice()).unwrap()
    else {
        panic!("another type of transaction");
    };
    assert_eq!(signed.recover_signer().unwrap().to_string(), address);
    assert_eq!(signed.signature_hash().as_slice(), receipt.signing_hash);
}

async fn address_of(cluster: &Cluster, wallet: &str) -> String {
    let log = cluster.download().await;
    log.state().wallet(&wallet.parse().unwrap()).unwrap().address.to_string()
}

/// Makes payments until the node has deviated so many times in all; each payment is signed all the same. The coordinator asks a
/// node that spoilt attempts last for some time: it is started again, and has forgotten.
async fn pay_until(cluster: &Cluster, control: &Control, deviations: usize) {
    let address = address_of(cluster, WALLET).await;
    let mut done = control.done().len();
    for _ in 0..deviations * 12 + 24 {
        let pipeline = cluster.pipeline().await;
        let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
        assert_rightly_signed(cluster, &withdrawal, &address);
        if control.done().len() > done {
            done = control.done().len();
            cluster.kill_9(COORDINATOR);
            cluster.bring_up(COORDINATOR).await;
        }
        if done >= deviations {
            return;
        }
    }
    panic!("only {:?}", control.done());
}

/// Runs a ceremony in which every attempt but the last is spoilt.
async fn generate_key(cluster: &Cluster, control: &Control, wallet: &str, attacks: &[(Deviation, Verdict)]) {
    let before = control.done().len();
    let queue: Vec<Deviation> = attacks.iter().map(|(deviation, _)| deviation.clone()).collect();
    control.queue(&queue);
    let ceremony = cluster.start_wallet(wallet).await;
    control.wait_done(before + queue.len(), PATIENCE * 5).await;
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    assert_verdicts(cluster, &control.done()[before..], attacks).await;
}

/// Takes the coordinator's place and asks the pair of an honest node and the hostile one to sign.
async fn assert_ban_survives_and_nobody_can_be_framed(cluster: &Cluster, banned_by: &str) {
    // Given honest nodes after a power cut, and the coordinator in the wrong hands, too
    for node in HONEST {
        cluster.kill_9(node);
        cluster.bring_up(node).await;
    }
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    // Then the ban is still there
    let session = holdfast_tests::new_session();
    let order = hostile.order(banned_by, &session, &id, &[banned_by, HOSTILE]).await;
    refused(hostile.prepare_at(banned_by, order).await, Code::Aborted, "SIGNERS_BANNED");
    // When the coordinator changes what one honest node says to the other, or repeats it
    let mut attempt = hostile.prepare(&id, &HONEST).await.unwrap();
    hostile.round(&mut attempt, 1).await.unwrap();
    let genuine = attempt.messages_for("node-2", 2);
    let mut changed = genuine.clone();
    let middle = changed[0].len() / 2;
    changed[0][middle] ^= 1;
    refused(hostile.call(&attempt, "node-2", 2, changed).await, Code::Aborted, "PEER_MESSAGE_INVALID");
    let own = attempt.messages_for("node-1", 2);
    refused(hostile.call(&attempt, "node-2", 2, own).await, Code::Aborted, "PEER_MESSAGE_INVALID");
    // Then nobody is banned for it: the same attempt goes on, and so do later ones, also after a restart
    for round in 2..=3 {
        hostile.round(&mut attempt, round).await.unwrap();
    }
    hostile.honest_call(&attempt, "node-2", 4).await.unwrap().signature.unwrap();
    for node in HONEST {
        cluster.kill_9(node);
        cluster.bring_up(node).await;
    }
    hostile.sign(&id, &HONEST).await.unwrap();
}

#[tokio::test]
async fn hostile_node_never_leads_to_a_wrong_key_a_wrong_signature_or_a_false_accusation() {
    let (cluster, control) = cluster_with_hostile_node().await;
    // In key generation: every attempt that it spoils is over, the culprit is named where its seal proves it, and the
    // attempt in which it behaves yields a key
    generate_key(&cluster, &control, WALLET, &keygen_attacks()).await;
    ready_to_pay(&cluster).await;
    // In signing: every payment is signed, by others if need be
    let attacks = sign_attacks();
    let before = control.done().len();
    control.queue(&attacks.iter().map(|(deviation, _)| deviation.clone()).collect::<Vec<_>>());
    pay_until(&cluster, &control, before + attacks.len()).await;
    assert_verdicts(&cluster, &control.done()[before..], &attacks).await;
    assert!(HONEST.iter().all(|node| !cluster.log_text(node).contains("a party is banned")));
    // A wrong signature handed to the coordinator is never logged
    let before = control.done().len();
    let results = ["signature-flipped", "signature-zero", "signature-of-other-withdrawal", "signature-short"];
    control.queue(&results.map(|act| sign(4, act)));
    pay_until(&cluster, &control, before + results.len()).await;
    // An attack on the reusable state bans the pair for good
    let before = control.done().len();
    let (round, field) = banned_fields()[1];
    let attack = (sign(round, "flip").of(field), Named);
    control.queue(std::slice::from_ref(&attack.0));
    pay_until(&cluster, &control, before + 1).await;
    assert_verdicts(&cluster, &control.done()[before..], &[attack]).await;
    let banned_by: Vec<&str> =
        HONEST.into_iter().filter(|node| cluster.log_text(node).contains("a party is banned")).collect();
    assert_eq!(banned_by.len(), 1);
    assert_ban_survives_and_nobody_can_be_framed(&cluster, banned_by[0]).await;
}

#[tokio::test]
async fn hostile_node_that_lies_about_itself_stops_nobody_and_is_not_believed() {
    let (cluster, control) = cluster_with_hostile_node().await;
    cluster.create_wallet(WALLET).await;
    ready_to_pay(&cluster).await;
    let pipeline = cluster.pipeline().await;
    let address = address_of(&cluster, WALLET).await;
    let mut lies = vec![
        "stale-tip",
        "tip-ahead",
        "other-root",
        "cosignature-as-other-node",
        "cosignature-of-other-size",
        "clock-ahead",
        "invented-statements",
        "other-rounds",
    ];
    if is_long() {
        lies.extend([
            "cosignature-garbage",
            "cosignature-by-other-key",
            "other-name",
            "other-cluster",
            "other-genesis",
        ]);
    }
    for lie in lies {
        control.lie(lie);
        // Long enough for the coordinator to have asked the node how it is
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
        assert_rightly_signed(&cluster, &withdrawal, &address);
    }
    let log = cluster.log_text(COORDINATOR);
    assert!(log.contains("ALARM: the node holds another log"));
    assert!(log.contains("ALARM: the node's tip went back"));
    // And when it tells the truth again, it is one of three
    control.lie("");
    cluster.kill_9("node-1");
    let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
    assert_rightly_signed(&cluster, &withdrawal, &address);
}

#[tokio::test]
async fn false_confirmation_of_a_key_makes_no_wallet() {
    let (cluster, control) = cluster_with_hostile_node().await;
    let members = ["public-key", "chain-code", "verifying-shares", "transcript"];
    let tried = if is_long() { &members[..] } else { &members[..2] };
    for (number, member) in tried.iter().enumerate() {
        let wallet = format!("cold-{number}");
        control.queue(&[keygen(5, "false-confirmation").of(member)]);
        let ceremony = cluster.start_wallet(&wallet).await;
        // The log holds three signed statements that contradict each other: no key, and everybody can see whose differs
        cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Failed).await;
        let log = cluster.download().await;
        assert!(log.state().wallet(&wallet.parse().unwrap()).is_none(), "{member}");
    }
    assert_eq!(control.done().len(), tried.len());
    cluster.create_wallet(WALLET).await;
}

#[tokio::test]
async fn node_that_is_silent_in_rounds_costs_one_payment_and_not_each_one_that_could_pick_it() {
    let (cluster, control) = cluster_with_hostile_node().await;
    cluster.create_wallet(WALLET).await;
    ready_to_pay(&cluster).await;
    let (pipeline, address) = (cluster.pipeline().await, address_of(&cluster, WALLET).await);
    // Given a node that never answers in a round, and does answer whoever asks how it is
    control.queue(&vec![sign(2, "silence"); 40]);
    pay_until(&cluster, &control, 1).await;
    // When many payments follow
    for _ in 0..12 {
        let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
        assert_rightly_signed(&cluster, &withdrawal, &address);
    }
    // Then others sign them
    assert!(control.done().len() <= 2, "{:?}", control.done());
    // And it is still one of three, if it behaves
    control.queue(&[]);
    cluster.kill_9("node-1");
    let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
    assert_rightly_signed(&cluster, &withdrawal, &address);
}

#[tokio::test]
async fn what_a_cheat_hides_in_a_key_generation_spoils_its_own_signing_only() {
    for field in OWN_SIGNING.iter().take(if is_long() { 2 } else { 1 }) {
        let (cluster, control) = cluster_with_hostile_node().await;
        control.queue(&[keygen(3, "flip").of(field)]);
        cluster.create_wallet(WALLET).await;
        assert_eq!(control.done().len(), 1);
        ready_to_pay(&cluster).await;
        let (pipeline, address) = (cluster.pipeline().await, address_of(&cluster, WALLET).await);
        for _ in 0..6 {
            let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
            assert_rightly_signed(&cluster, &withdrawal, &address);
        }
        // Nobody honest accuses anybody honest
        for node in HONEST {
            let log = cluster.log_text(node);
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let details = lines.filter_map(|line| line["fields"]["detail"].as_str().map(str::to_owned));
            let accusations: Vec<String> = details.filter(|detail| accused(detail).is_some()).collect();
            assert!(accusations.iter().all(|detail| accused(detail) == Some("3")), "{accusations:?}");
        }
    }
}

#[tokio::test]
async fn every_field_of_every_message_is_changed_once() {
    if !is_long() {
        return;
    }
    let (cluster, control) = cluster_with_hostile_node().await;
    generate_key(&cluster, &control, WALLET, &keygen_flips()).await;
    ready_to_pay(&cluster).await;
    // A field that may ban has a cluster of its own: the coordinator does not ask a banned pair again
    for (round, field) in banned_fields() {
        let (cluster, control) = cluster_with_hostile_node().await;
        cluster.create_wallet(WALLET).await;
        ready_to_pay(&cluster).await;
        let attack = (sign(round, "flip").of(field), Named);
        control.queue(std::slice::from_ref(&attack.0));
        pay_until(&cluster, &control, 1).await;
        assert_verdicts(&cluster, &control.done(), &[attack]).await;
    }
}
