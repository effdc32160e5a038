//! SIGKILL at named points: what a node promised before it died is what it keeps, and nothing else is ever signed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use holdfast_chains::{Digest, Signature};
use holdfast_ledger::WithdrawalId;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Hostile, LogCopy, Options, PAYEE, WALLET, new_session, now_ms, refused,
};
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(60);

/// Points of a withdrawal: before and after the binding is durable, in each round, after the last message.
const SIGNING: [&str; 6] =
    ["before-binding", "after-binding", "sign-round-1", "sign-round-2", "sign-round-3", "after-last-message"];

/// Points of a key generation; the long form takes them all.
const KEYGEN: [&str; 4] = ["keygen-round-2", "before-share", "after-share", "after-backup"];
const KEYGEN_LONG: [&str; 5] =
    ["keygen-prepare", "keygen-round-1", "keygen-round-3", "keygen-round-4", "keygen-round-5"];

fn keygen_points() -> Vec<&'static str> {
    let long = std::env::var_os("HOLDFAST_LONG_TESTS").is_some();
    KEYGEN.into_iter().chain(KEYGEN_LONG.into_iter().filter(|_| long)).collect()
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
async fn run_into(cluster: &Cluster, point: &str) -> v1::Withdrawal {
    cluster.kill_9("node-1");
    cluster.start_crashing("node-1", point);
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
        if point != "after-last-message" {
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

#[tokio::test]
async fn a_key_generation_goes_on_in_the_same_ceremony_after_a_node_was_killed_in_it() {
    let cluster = Cluster::running(Options::default()).await;
    let points = keygen_points();
    let wallets: Vec<String> =
        (2..).map(|i| format!("hot-{i}")).take(points.len() - 1).chain([WALLET.to_owned()]).collect();
    for (point, wallet) in points.into_iter().zip(&wallets) {
        // Given a ceremony during which node-2 dies
        cluster.kill_9("node-2");
        cluster.start_crashing("node-2", point);
        cluster.wait_healthy("node-2").await;
        let ceremony = cluster.start_wallet(wallet).await;
        let status = cluster.ends_by_itself("node-2", PATIENCE).await;
        assert_eq!(status.signal(), Some(9), "{point}");
        let stuck = cluster.ceremony(&ceremony).await.unwrap();
        assert_ne!(stuck.phase(), v1::CeremonyPhase::Activated, "{point}");
        // When it is back, the same ceremony ends with a key
        cluster.bring_up("node-2").await;
        let done = cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
        assert_eq!(done.result_ids, [wallet.as_str()], "{point}");
    }
    // And node-2's share of the last one is good: it signs with each of the others
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
