//! SIGKILL at named points: what a node promised before it died is what it keeps, and nothing else is ever signed.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use holdfast_chains::{Digest, Signature};
use holdfast_ledger::{StatementBody, WithdrawalId};
use holdfast_node::CrashPoint;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::crash::{dying, every_point_of_every_flow};
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Hostile, LogCopy, Options, PAYEE, STRANGER, Steadfast, Store, WALLET,
    eventually, new_session, now_ms, refused,
};
use tonic::Code;

use crate::is_long;

mod erasure;
mod rare;

const PATIENCE: Duration = Duration::from_secs(60);

/// A withdrawal, from its request's entry to the node's last message.
const SIGNING: [CrashPoint; 8] = [
    CrashPoint::BeforeEntries,
    CrashPoint::AfterEntries,
    CrashPoint::BeforeBinding,
    CrashPoint::AfterBinding,
    CrashPoint::SignRound1,
    CrashPoint::SignRound2,
    CrashPoint::SignRound3,
    CrashPoint::AfterLastMessage,
];
/// A further attempt at a withdrawal that is bound.
const ANOTHER_ATTEMPT: [CrashPoint; 2] = [CrashPoint::BeforeSession, CrashPoint::AfterSession];
/// One key generation, in the order in which its node dies in it.
const KEYGEN: [CrashPoint; 13] = [
    CrashPoint::BeforeKeygenState,
    CrashPoint::KeygenPrepare,
    CrashPoint::AfterKeygenState,
    CrashPoint::KeygenRound1,
    CrashPoint::KeygenRound2,
    CrashPoint::KeygenRound3,
    CrashPoint::KeygenRound4,
    CrashPoint::BeforeShare,
    CrashPoint::AfterShare,
    CrashPoint::AfterBackup,
    CrashPoint::BeforeKeygenRecord,
    CrashPoint::AfterKeygenRecord,
    CrashPoint::KeygenRound5,
];
/// A node's first start.
const FIRST_START: [CrashPoint; 2] = [CrashPoint::BeforeSealingCheck, CrashPoint::AfterSealingCheck];
/// Nothing but time passes.
const IDLE: [CrashPoint; 2] = [CrashPoint::BeforeCosignature, CrashPoint::AfterCosignature];
/// An order that is refused.
const REFUSAL: [CrashPoint; 2] = [CrashPoint::BeforeIncident, CrashPoint::AfterIncident];
/// A statement that an officer hands to the node.
const STATEMENT: [CrashPoint; 2] = [CrashPoint::BeforeLatch, CrashPoint::AfterLatch];
/// A log that forks before the node's eyes.
const FORK: [CrashPoint; 2] = [CrashPoint::BeforeHalt, CrashPoint::AfterHalt];

/// A log that has grown since the last start.
const SNAPSHOT: [CrashPoint; 2] = [CrashPoint::BeforeSnapshot, CrashPoint::AfterSnapshot];
/// The same, with customers that the last snapshot did not have.
const PAGES: [CrashPoint; 2] = [CrashPoint::BeforePages, CrashPoint::AfterPages];
/// A withdrawal that is given up.
const OATH: [CrashPoint; 2] = [CrashPoint::BeforeOath, CrashPoint::AfterOath];
/// Evidence of when others held the log.
const MOMENT: [CrashPoint; 2] = [CrashPoint::BeforeWitnessed, CrashPoint::AfterWitnessed];
/// A party that attacks the state which all signatures of a key share.
const BAN: [CrashPoint; 2] = [CrashPoint::BeforeBan, CrashPoint::AfterBan];

/// Shares that the log has replaced.
const ERASURE: [CrashPoint; 3] =
    [CrashPoint::BeforeErasure, CrashPoint::BetweenErasures, CrashPoint::AfterErasure];

/// What a node says when it did not have to replay its whole log.
const FROM_SNAPSHOT: &str = "started from the snapshot";

#[test]
fn every_crash_point_of_a_node_has_a_scenario() {
    let tested: [&[CrashPoint]; 15] = [
        &SIGNING,
        &ANOTHER_ATTEMPT,
        &KEYGEN,
        &FIRST_START,
        &IDLE,
        &REFUSAL,
        &STATEMENT,
        &FORK,
        &SNAPSHOT,
        &PAGES,
        &OATH,
        &MOMENT,
        &BAN,
        &ERASURE,
        &[super::import::DIES_AT],
    ];
    let tested: BTreeSet<CrashPoint> = tested.into_iter().flatten().copied().collect();
    let untested: Vec<&CrashPoint> = CrashPoint::ALL.iter().filter(|point| !tested.contains(point)).collect();
    assert!(untested.is_empty(), "no test ends a node at {untested:?}");
}

/// The one digest that the log authorizes for a withdrawal.
fn digest_of(log: &LogCopy, id: &str) -> Digest {
    let id: WithdrawalId = id.parse().unwrap();
    let [digest] = log.state().withdrawal(&id).unwrap().authorization.as_ref().unwrap().digests[..] else {
        panic!("one digest");
    };
    digest
}

/// Starts node-1 so that it dies at the point, and lets a withdrawal run into it. Nodes 1 and 2 are the only ones up.
async fn run_into(cluster: &Cluster, point: CrashPoint) -> v1::Withdrawal {
    cluster.kill_9("node-1");
    cluster.start_crashing("node-1", point.name());
    cluster.wait_healthy("node-1").await;
    let pipeline = cluster.pipeline().await;
    let asked = pipeline.submit_only(&cluster.request()).await.unwrap();
    let status = cluster.ends_by_itself("node-1", PATIENCE).await;
    assert_eq!(status.signal(), Some(9), "{point}");
    asked
}

/// A withdrawal that is over is not signed again, whatever the coordinator's keys ask for.
async fn assert_nothing_more_is_signed(cluster: &Cluster, node: &str, id: &str) {
    let mut log = cluster.download().await;
    let hostile = Hostile::with(cluster, &mut log);
    let id: WithdrawalId = id.parse().unwrap();
    for digest_index in [0, 1] {
        let mut order = hostile.order(node, &new_session(), &id, &["node-1", "node-2"]).await;
        order.digest_index = digest_index;
        refused(hostile.prepare_at(node, order).await, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
    }
}

#[tokio::test]
async fn a_node_killed_at_any_point_of_a_withdrawal_leaves_one_canonical_signature_of_one_digest() {
    let cluster = Cluster::ready(Options::default()).await;
    let mut nonces = BTreeSet::new();
    cluster.kill_9("node-3");
    for point in SIGNING {
        // Given a withdrawal during which node-1 dies
        let asked = run_into(&cluster, point).await;
        let pipeline = cluster.pipeline().await;
        if point != CrashPoint::AfterLastMessage {
            // What it waits for is said; nothing is signed
            let waiting = pipeline.waits_for(&asked.id, &["node-1", "node-3"], PATIENCE).await;
            assert_eq!((waiting.state(), waiting.receipt.is_some()), (State::Authorized, false), "{point}");
        }
        let digest = digest_of(&cluster.download().await, &asked.id);
        // When the other pair is there, it finishes the same digest without node-1
        cluster.bring_up("node-3").await;
        let signed = pipeline.reaches(&asked.id, State::Signed, PATIENCE).await;
        let receipt = signed.receipt.unwrap();
        assert_eq!(receipt.signing_hash, digest.as_bytes(), "{point}");
        // And node-1, back again, agrees and signs nothing more for it
        cluster.bring_up("node-1").await;
        assert_nothing_more_is_signed(&cluster, "node-1", &asked.id).await;
        let log = cluster.download().await;
        assert_eq!(digest_of(&log, &asked.id), digest, "{point}");
        let canonical = log.state().withdrawal(&asked.id.parse().unwrap()).unwrap().signature.unwrap();
        assert_eq!(canonical.to_bytes().as_slice(), receipt.signature, "{point}");
        assert!(nonces.insert(*canonical.r()), "{point}: a nonce was used twice");
        cluster.kill_9("node-3");
    }
    // And the survivors still sign together
    let pipeline = cluster.pipeline().await;
    let next = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!(next.state(), State::Signed, "{:?}", next.reason);
}

/// Restarts a node after a power cut.
async fn power_cut(cluster: &Cluster, node: &str) {
    cluster.kill_9(node);
    cluster.bring_up(node).await;
}

#[tokio::test]
async fn attempts_at_one_digest_never_share_a_nonce_across_kills_and_pairs() {
    // Given an authorized withdrawal, and whoever carries the messages repeating attempts as it pleases
    let cluster = Cluster::ready(Options::default()).await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let digest = digest_of(hostile.log, &id.to_string());
    let public_key = hostile.log.state().wallets().next().unwrap().public_key;
    let mut nonces = BTreeSet::new();
    // When attempts are cut off by a kill before each round
    for rounds in 0..=3 {
        let mut attempt = hostile.prepare(&id, &["node-1", "node-2"]).await.unwrap();
        for round in 1..=rounds {
            hostile.round(&mut attempt, round).await.unwrap();
        }
        power_cut(&cluster, "node-1").await;
        // Then that attempt is over for ever, also under its old session id
        let resumed = hostile.honest_call(&attempt, "node-1", rounds + 1).await;
        refused(resumed, Code::NotFound, "SESSION_UNKNOWN");
        let order = hostile.order("node-1", &attempt.session, &id, &["node-1", "node-2"]).await;
        refused(hostile.prepare_at("node-1", order).await, Code::AlreadyExists, "SESSION_REUSED");
        if rounds == 3 {
            // What left node-1 before it died is enough for the other to finish
            let late = hostile.honest_call(&attempt, "node-2", 4).await.unwrap().signature.unwrap();
            nonces.insert(late.r);
        }
    }
    // And every further attempt, by any pair, has a nonce of its own and signs the same digest
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"], ["node-1", "node-2"]] {
        let signatures = hostile.sign(&id, &pair).await.unwrap();
        for signature in &signatures {
            let (r, s) = (signature.r.clone().try_into().unwrap(), signature.s.clone().try_into().unwrap());
            Signature::from_scalars(r, s, &digest, &public_key).unwrap();
            assert_eq!(signature.r, signatures[0].r);
        }
        assert!(nonces.insert(signatures[0].r.clone()), "{pair:?}: a nonce was used twice");
    }
    assert_eq!(nonces.len(), 5);
}

/// Starts a server so that it dies at a point, and waits until it has.
async fn die_at(cluster: &Cluster, node: &str, point: CrashPoint) {
    cluster.start_crashing(node, point.name());
    let status = cluster.ends_by_itself(node, PATIENCE).await;
    assert_eq!(status.signal(), Some(9), "{point}");
}

#[tokio::test]
async fn a_key_generation_goes_on_in_the_same_ceremony_after_a_node_was_killed_at_every_point_of_it() {
    // Given a ceremony during which node-2 dies again and again, each time a step further
    let cluster = Cluster::running(Options::default()).await;
    let (last, in_order) = KEYGEN.split_last().unwrap();
    cluster.kill_9("node-2");
    let mut ceremony = String::new();
    for point in in_order {
        if ceremony.is_empty() {
            cluster.start_crashing("node-2", point.name());
            cluster.wait_healthy("node-2").await;
            ceremony = cluster.start_wallet(WALLET).await;
            let status = cluster.ends_by_itself("node-2", PATIENCE).await;
            assert_eq!(status.signal(), Some(9), "{point}");
        } else {
            die_at(&cluster, "node-2", *point).await;
        }
        let stuck = cluster.ceremony(&ceremony).await.unwrap();
        assert_ne!(stuck.phase(), v1::CeremonyPhase::Activated, "{point}");
    }
    // When it is back for good, the same ceremony ends with a key
    cluster.bring_up("node-2").await;
    let done = cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    assert_eq!(done.result_ids, [WALLET]);
    // The engine's last round is over before the share is kept, so it needs a ceremony of its own
    cluster.kill_9("node-2");
    cluster.start_crashing("node-2", last.name());
    cluster.wait_healthy("node-2").await;
    let second = cluster.start_wallet("hot-2").await;
    let status = cluster.ends_by_itself("node-2", PATIENCE).await;
    assert_eq!(status.signal(), Some(9), "{last}");
    cluster.bring_up("node-2").await;
    cluster.ceremony_reaches(&second, v1::CeremonyPhase::Activated).await;
    // And node-2's share of the first one is good: it signs with each of the others
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    let pipeline = cluster.pipeline().await;
    for away in ["node-1", "node-3"] {
        cluster.kill_9(away);
        let signed = pipeline.submit(&cluster.request()).await.unwrap();
        assert_eq!(signed.state(), State::Signed, "without {away}: {:?}", signed.reason);
        cluster.bring_up(away).await;
    }
}

#[tokio::test]
async fn a_node_killed_at_any_other_durable_write_keeps_what_it_promised() {
    let cluster = Cluster::make(Options::default());
    // At its first start
    for point in FIRST_START {
        die_at(&cluster, "node-1", point).await;
    }
    cluster.start_all().await;
    let parties = Steadfast::of(&cluster);
    parties.wallet(WALLET).await;
    parties.whitelist(PAYEE).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    // While nothing but time passes
    for point in IDLE {
        cluster.kill_9("node-1");
        die_at(&cluster, "node-1", point).await;
        cluster.bring_up("node-1").await;
    }
    // While it writes pages of histories that no snapshot names yet: the next start replays the log
    for point in PAGES {
        cluster.kill_9("node-1");
        die_at(&cluster, "node-1", point).await;
        cluster.bring_up("node-1").await;
        assert_eq!(cluster.log_text("node-1").matches(FROM_SNAPSHOT).count(), 0, "{point}");
    }
    // While it keeps a snapshot of what follows from the log, which the next start reads if it is whole
    for point in SNAPSHOT {
        cluster.kill_9("node-1");
        die_at(&cluster, "node-1", point).await;
        let before = cluster.log_text("node-1").matches(FROM_SNAPSHOT).count();
        cluster.bring_up("node-1").await;
        let started = cluster.log_text("node-1").matches(FROM_SNAPSHOT).count() - before;
        assert_eq!(started, usize::from(point == CrashPoint::AfterSnapshot), "{point}");
    }
    // In a further attempt at what was bound when it died before
    for point in ANOTHER_ATTEMPT {
        cluster.kill_9("node-1");
        cluster.kill_9("node-3");
        cluster.start_crashing("node-1", CrashPoint::SignRound1.name());
        let id = parties.submit().await;
        assert_eq!(cluster.ends_by_itself("node-1", PATIENCE).await.signal(), Some(9));
        die_at(&cluster, "node-1", point).await;
        cluster.bring_up("node-1").await;
        parties.signed(&id).await;
        cluster.bring_up("node-3").await;
    }
    // When an officer hands it a statement
    for point in STATEMENT {
        let entry = parties.whitelist(STRANGER).await;
        let officer = cluster.officer("alice");
        let body = StatementBody::RevokeWhitelistEntry(entry.parse().unwrap());
        let statement = officer.sign(&officer.statement(parties.log().await.state(), body));
        let (_, died_at) =
            dying(&cluster, "node-1", [point.to_string()], parties.latch("node-1", "alice", &statement))
                .await;
        assert_eq!(died_at, [point.name()]);
    }
    // When it refuses an order, and when it sees the log forked
    parties.check().await;
    refuses_and_halts(&cluster).await;
}

/// Kills node-1 while it notes a refusal, and while it notes that the log has forked; what it noted it keeps.
async fn refuses_and_halts(cluster: &Cluster) {
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut other_side = log.clone();
    let hostile = Hostile::with(cluster, &mut log);
    for point in REFUSAL {
        cluster.kill_9("node-1");
        cluster.start_crashing("node-1", point.name());
        cluster.wait_healthy("node-1").await;
        let mut order = hostile
            .order(
                "node-1",
                &new_session(),
                &hostile.log.state().withdrawals().next().unwrap().id,
                &["node-1", "node-2"],
            )
            .await;
        order.digest_index = 7;
        // The answer may come before the end, or not at all
        hostile.prepare_at("node-1", order).await.unwrap_err();
        assert_eq!(cluster.ends_by_itself("node-1", PATIENCE).await.signal(), Some(9), "{point}");
        cluster.bring_up("node-1").await;
    }
    let mut first = hostile;
    first.authorized(&cluster.request());
    first.catch_up("node-1").await;
    let mut second = Hostile::with(cluster, &mut other_side);
    second.authorized(&cluster.request());
    let size = second.log.size();
    for point in FORK {
        cluster.kill_9("node-1");
        cluster.start_crashing("node-1", point.name());
        cluster.wait_healthy("node-1").await;
        first.replicate("node-1", second.replication(size - 2)).await.unwrap_err();
        assert_eq!(cluster.ends_by_itself("node-1", PATIENCE).await.signal(), Some(9), "{point}");
        cluster.bring_up("node-1").await;
        let id = first
            .log
            .state()
            .withdrawals()
            .find(|w| w.authorization.is_some() && w.signature.is_none())
            .unwrap()
            .id;
        let order = first.order("node-1", &new_session(), &id, &["node-1", "node-2"]).await;
        if point == CrashPoint::AfterHalt {
            refused(first.prepare_at("node-1", order).await, Code::FailedPrecondition, "FORK_DETECTED");
        } else {
            // It had told nobody of a fork, and sees it again
            first.prepare_at("node-1", order).await.unwrap();
        }
    }
}

/// Everything that an honest cluster does, once.
async fn everything(parties: &Steadfast<'_>, wallet: &str) {
    parties.wallet(wallet).await;
    parties.whitelist(STRANGER).await;
    for _ in 0..2 {
        let id = parties.submit().await;
        parties.signed(&id).await;
    }
    parties.pause_and_resume(WALLET).await;
    let id = parties.submit().await;
    parties.signed(&id).await;
}

async fn holds(parties: &Steadfast<'_>) {
    parties.listed_now().await;
    parties.held_and_signed().await;
}

#[tokio::test]
async fn a_node_that_dies_ever_later_while_everything_goes_on_loses_nothing_on_sled() {
    let cluster = Cluster::ready_to_step_up(Options { store: Store::Sled }).await;
    let parties = Steadfast::of(&cluster);
    // Two nodes are needed for each signature, all three for the key
    let lives = (1..=if is_long() { 60 } else { 10 }).map(|n| format!("any:{n}"));
    let ((), died_at) = dying(&cluster, "node-2", lives, everything(&parties, "hot-2")).await;
    assert!(died_at.len() > 5, "{died_at:?}");
    // And while people and a customer decide, and one officer lists an address
    let lives = (1..=if is_long() { 20 } else { 4 }).map(|n| format!("any:{n}"));
    let ((), at_holds) = dying(&cluster, "node-2", lives, holds(&parties)).await;
    assert!(at_holds.len() > 1, "{at_holds:?}");
    let checked = parties.check().await;
    println!("died at {died_at:?}, at holds at {at_holds:?}: {checked:?}");
}

#[tokio::test]
async fn a_node_killed_at_each_point_of_each_flow_in_turn_loses_nothing() {
    if is_long() {
        println!("{}", every_point_of_every_flow("node-1", Store::Redb).await);
        println!("{}", every_point_of_every_flow("node-1", Store::Sled).await);
    }
}
