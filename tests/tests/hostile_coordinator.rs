//! A hostile coordinator, first form: somebody with all of its keys and its database talks to the nodes directly.
//!
//! It can delay and refuse. Everything else here is what it cannot do, each attack with the reason that it gets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use ed25519_dalek::SigningKey;
use holdfast_ledger::{Outcome, PayloadKind, StatementBody, WithdrawalId};
use holdfast_log::{Envelope, Hash};
use holdfast_proto::v1;
use holdfast_tests::{
    COORDINATOR, Cluster, Hostile, LogCopy, NODES, Options, PAYEE, Refusal, THIEF, admitted, new_session,
    now_ms, refused, restamped, transfer,
};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tonic::{Code, Status};

const PAIR: [&str; 2] = ["node-1", "node-2"];

/// One cluster for all attacks that leave the nodes as they were. Each test has it for itself while it runs.
struct Stolen {
    cluster: Cluster,
    log: Mutex<LogCopy>,
}

impl Stolen {
    async fn get() -> (&'static Cluster, MutexGuard<'static, LogCopy>) {
        static STOLEN: OnceCell<Stolen> = OnceCell::const_new();
        let stolen = STOLEN
            .get_or_init(|| async {
                let cluster = Cluster::ready(Options::default()).await;
                let log = Mutex::new(cluster.download().await);
                // The honest coordinator is gone; whoever took its keys goes on.
                cluster.kill_9(COORDINATOR);
                Stolen { cluster, log }
            })
            .await;
        (&stolen.cluster, stolen.log.lock().await)
    }
}

fn bytes_of(log: &LogCopy) -> Vec<Vec<u8>> {
    log.entries().iter().map(|entry| entry.bytes().to_vec()).collect()
}

/// Sends a log with these entries added, under a genuine checkpoint, and expects the node to stay where it was.
async fn refused_entries(hostile: &Hostile<'_>, added: Vec<Vec<u8>>, reason: &str) -> Refusal {
    let before = hostile.catch_up("node-1").await;
    let all = [bytes_of(hostile.log), added].concat();
    let forged = hostile.replication_of(before.tip_size, &all);
    let refusal = refused(hostile.replicate("node-1", forged).await, Code::InvalidArgument, reason);
    let after = hostile.status("node-1").await.tip.unwrap();
    assert_eq!((after.tip_size, after.root), (before.tip_size, before.root), "the replica has changed");
    refusal
}

fn now_of(hostile: &Hostile<'_>) -> u64 {
    now_ms().max(hostile.log.state().last_time().0)
}

#[tokio::test]
async fn an_honest_courier_gets_a_signature_so_the_refusals_below_mean_something() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]] {
        assert_eq!(hostile.sign(&id, &pair).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_forged_request_stops_at_the_node_and_changes_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    // Signed by a key of the thief's own, in the client's name
    let stolen = cluster.intent().set("destination", THIEF).with_transfer(900);
    let forged = stolen.sign("client:pipeline", &SigningKey::from_bytes(&[9; 32]));
    let entry = restamped(&forged, now_of(&hostile));
    let refusal = refused_entries(&hostile, vec![entry], "ENTRY_REFUSED").await;
    assert_eq!(refusal.facts["cause"], "ENVELOPE_SIGNATURE_INVALID");
    // Signed by the coordinator's own key, in the client's name
    let forged = stolen.sign("client:pipeline", &cluster.ed25519_key("coordinator/entry.key"));
    let entry = restamped(&forged, now_of(&hostile));
    let refusal = refused_entries(&hostile, vec![entry], "ENTRY_REFUSED").await;
    assert_eq!(refusal.facts["cause"], "ENVELOPE_SIGNATURE_INVALID");
    // And in its own name
    let own = stolen.sign("coordinator:coordinator", &cluster.ed25519_key("coordinator/entry.key"));
    let refusal = refused_entries(&hostile, vec![restamped(&own, now_of(&hostile))], "ENTRY_REFUSED").await;
    assert_eq!(refusal.facts["cause"], "SIGNER_UNKNOWN");
}

#[tokio::test]
async fn an_altered_request_stops_at_the_node_and_changes_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let honest = cluster.intent().signed(cluster);
    let payload = String::from_utf8(honest.payload.clone()).unwrap();
    for (from, to) in [(PAYEE, THIEF), ("1250000000", "9250000000"), ("\"chain_id\":1", "\"chain_id\":10")] {
        assert!(payload.contains(from));
        let altered = Envelope { payload: payload.replace(from, to).into_bytes(), ..honest.clone() };
        let refusal =
            refused_entries(&hostile, vec![restamped(&altered, now_of(&hostile))], "ENTRY_REFUSED").await;
        assert_eq!(refusal.facts["cause"], "ENVELOPE_SIGNATURE_INVALID", "{from}");
    }
}

#[tokio::test]
async fn officers_and_providers_cannot_be_impersonated_either() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given a withdrawal that needs officers
    let request = cluster.intent().set("amount", "20000000000").with_transfer(901);
    let id = admitted(&hostile.log.append(&request.signed(cluster)));
    hostile.catch_up("node-1").await;
    // When the approval is signed by somebody else, the log stops there
    let alice = cluster.officer("alice");
    let text = alice.statement(hostile.log.state(), StatementBody::ApproveHold(id));
    let mut forged = cluster.officer("carol").sign(&text);
    forged.signatures[0].key_id = "officer:alice".to_owned();
    let entry = restamped(&forged, now_of(&hostile));
    let refusal = refused_entries(&hostile, vec![entry], "ENTRY_REFUSED").await;
    assert_eq!(refusal.facts["cause"], "ENVELOPE_SIGNATURE_INVALID");
    // And an authorization without approvals is a no-op that no node obeys
    let applied = hostile.authorize(id);
    assert!(matches!(applied.outcome, Outcome::Rejected(_)), "{applied:?}");
    refused(hostile.sign(&id, &PAIR).await, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
}

#[tokio::test]
async fn a_back_dated_entry_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let honest = cluster.intent().signed(cluster);
    let before = hostile.log.state().last_time().0 - 1;
    let refusal = refused_entries(&hostile, vec![restamped(&honest, before)], "ENTRY_REFUSED").await;
    assert_eq!(refusal.facts["cause"], "TIME_REGRESS");
}

#[tokio::test]
async fn an_entry_ahead_of_the_nodes_clock_waits() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let future = restamped(&cluster.intent().signed(cluster), now_ms() + 60_000);
    let all = [bytes_of(hostile.log), vec![future]].concat();
    let result = hostile.replicate("node-1", hostile.replication_of(tip, &all)).await;
    refused(result, Code::Unavailable, "ENTRY_AHEAD_OF_CLOCK");
    assert_eq!(hostile.tip_size("node-1").await, tip);
}

#[tokio::test]
async fn dropped_entries_show_in_the_root() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    for _ in 0..3 {
        hostile.log.append(&cluster.intent().signed(cluster));
    }
    let honest = hostile.replication(tip);
    // One entry in the middle is left out, the checkpoint is of all
    let mut dropped = honest.clone();
    dropped.entries.remove(1);
    refused(hostile.replicate("node-1", dropped.clone()).await, Code::InvalidArgument, "CHECKPOINT_INVALID");
    // Or the checkpoint is of the right size, and of another tree
    dropped.checkpoint = hostile.checkpoint_at(tip + 2);
    refused(hostile.replicate("node-1", dropped).await, Code::InvalidArgument, "ROOT_MISMATCH");
    // Two entries are swapped
    let mut swapped = honest.clone();
    swapped.entries.swap(0, 2);
    refused(hostile.replicate("node-1", swapped).await, Code::InvalidArgument, "ROOT_MISMATCH");
    // A run begins beyond what the node has
    let gap =
        v1::Replication { from_index: tip + 1, entries: honest.entries[1..].to_vec(), ..honest.clone() };
    refused(hostile.replicate("node-1", gap).await, Code::FailedPrecondition, "NODE_BEHIND");
    assert_eq!(hostile.tip_size("node-1").await, tip);
    hostile.replicate("node-1", honest).await.unwrap();
}

#[tokio::test]
async fn checkpoints_that_the_log_key_did_not_sign_are_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let good = String::from_utf8(hostile.checkpoint_at(tip)).unwrap();
    let other_cluster = good.replace(cluster.name(), "demo-other");
    let broken = [String::new(), "hello".to_owned(), good.replace("\n\n", "\n"), other_cluster];
    for checkpoint in broken {
        let message =
            v1::Replication { from_index: tip, checkpoint: checkpoint.into_bytes(), ..Default::default() };
        refused(hostile.replicate("node-1", message).await, Code::InvalidArgument, "CHECKPOINT_INVALID");
    }
}

#[tokio::test]
async fn a_rolled_back_checkpoint_moves_no_tip_and_gets_no_cosignature() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await;
    let old = tip.tip_size - 3;
    let message =
        v1::Replication { from_index: old, checkpoint: hostile.checkpoint_at(old), ..Default::default() };
    let answer = hostile.replicate("node-1", message).await.unwrap();
    assert_eq!((answer.tip_size, answer.root), (tip.tip_size, tip.root));
    assert_eq!(answer.cosignature, tip.cosignature, "an older tree was cosigned");
}

#[tokio::test]
async fn an_entry_that_the_node_has_cannot_be_replaced() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let mut message = hostile.replication(tip - 2);
    message.entries[0] = restamped(&cluster.intent().signed(cluster), now_of(&hostile));
    let refusal = refused(hostile.replicate("node-1", message).await, Code::InvalidArgument, "ENTRY_DIFFERS");
    assert_eq!(refusal.facts["index"], (tip - 2).to_string());
}

#[tokio::test]
async fn an_order_without_an_authorization_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // A withdrawal that nobody asked for
    let invented: WithdrawalId = format!("w-{}", "0".repeat(32)).parse().unwrap();
    refused(hostile.prepare(&invented, &PAIR).await, Code::NotFound, "ORDER_UNKNOWN");
    // One that was asked for and is allowed, but not authorized
    let bound = admitted(&hostile.log.append(&cluster.request().signed(cluster)));
    refused(hostile.prepare(&bound, &PAIR).await, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
    // One that the policy denies, whatever the coordinator says
    let request = cluster.intent().set("destination", THIEF).with_transfer(902);
    let denied = admitted(&hostile.log.append(&request.signed(cluster)));
    let applied = hostile.authorize(denied);
    assert!(matches!(applied.outcome, Outcome::Rejected(_)), "{applied:?}");
    refused(hostile.prepare(&denied, &PAIR).await, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
}

#[tokio::test]
async fn an_authorization_of_another_digest_is_a_no_op() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let id = admitted(&hostile.log.append(&cluster.request().signed(cluster)));
    let stolen = transfer(THIEF, 1_250_000_000, 903).signing_hash().to_string();
    let payload = json!({"cluster": cluster.name(), "withdrawal": id, "digests": [stolen]});
    let envelope = hostile.speak(PayloadKind::Authorize, &payload);
    let applied = hostile.log.append(&envelope);
    assert!(matches!(applied.outcome, Outcome::Rejected(_)), "{applied:?}");
    refused(hostile.prepare(&id, &PAIR).await, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
}

#[tokio::test]
async fn a_transaction_bound_after_the_authorization_changes_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    // The client's own later transaction, held back until now
    let later = transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce());
    let applied = hostile.log.append(&cluster.bind(&id.to_string(), &later).signed(cluster));
    assert!(matches!(applied.outcome, Outcome::Rejected(_)), "{applied:?}");
    let withdrawal = hostile.log.state().withdrawal(&id).unwrap();
    let digests = withdrawal.authorization.clone().unwrap().digests;
    assert_ne!(digests, [later.signing_hash()]);
    hostile.sign(&id, &PAIR).await.unwrap();
}

#[tokio::test]
async fn a_digest_that_the_authorization_does_not_have_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    for digest_index in [1, 7, u32::MAX] {
        let mut order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
        order.digest_index = digest_index;
        refused(hostile.prepare_at("node-1", order).await, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
    }
}

#[tokio::test]
async fn signer_sets_that_are_not_exactly_a_threshold_of_the_committee_are_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let sets: [&[&str]; 6] = [
        &[],
        &["node-1"],
        &["node-1", "node-2", "node-3"],
        &["node-1", "node-1"],
        &["node-2", "node-3"],
        &["node-1", "node-9"],
    ];
    for set in sets {
        let order = hostile.order("node-1", &new_session(), &id, set).await;
        refused(hostile.prepare_at("node-1", order).await, Code::InvalidArgument, "SIGNERS_INVALID");
    }
}

#[tokio::test]
async fn a_session_id_is_used_once() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let (first, second) = (hostile.authorized(&cluster.request()), hostile.authorized(&cluster.request()));
    let attempt = hostile.prepare(&first, &PAIR).await.unwrap();
    // While it runs
    let order = hostile.order("node-1", &attempt.session, &second, &PAIR).await;
    let busy = hostile.prepare_at("node-1", order).await;
    let refusal = Refusal::from(&busy.unwrap_err());
    assert!(["SESSION_BUSY", "SESSION_REUSED"].contains(&refusal.reason.as_str()), "{refusal:?}");
    // And after it was ended
    for node in PAIR {
        let abort = v1::AbortRequest { session_id: attempt.session.clone(), reason: "test".to_owned() };
        hostile.node(node).await.abort(abort).await.unwrap();
    }
    for id in [first, second] {
        let order = hostile.order("node-1", &attempt.session, &id, &PAIR).await;
        refused(hostile.prepare_at("node-1", order).await, Code::AlreadyExists, "SESSION_REUSED");
    }
    let gone = hostile.honest_call(&attempt, "node-1", 1).await;
    refused(gone, Code::NotFound, "SESSION_UNKNOWN");
}

fn moved<T: std::fmt::Debug>(result: Result<T, Status>, cause: &str) {
    let refusal = refused(result, Code::Aborted, "PEER_MESSAGE_INVALID");
    assert_eq!(refusal.facts["cause"], cause);
}

#[tokio::test]
async fn sealed_messages_cannot_be_moved_between_sessions_rounds_or_receivers_or_changed() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let mut attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    let mut other = hostile.prepare(&id, &PAIR).await.unwrap();
    // Offers of another session
    let swapped = vec![attempt.offers[0].clone(), other.offers[1].clone()];
    moved(hostile.call(&attempt, "node-1", 1, swapped).await, "OFFER_MISMATCH");
    hostile.round(&mut attempt, 1).await.unwrap();
    hostile.round(&mut other, 1).await.unwrap();
    let first_round = attempt.messages_for("node-1", 2);
    // A message of another session
    moved(
        hostile.call(&attempt, "node-1", 2, other.messages_for("node-1", 2)).await,
        "MESSAGE_OF_OTHER_SESSION",
    );
    // A message that was meant for the other node
    moved(
        hostile.call(&attempt, "node-1", 2, attempt.messages_for("node-2", 2)).await,
        "MESSAGE_FOR_OTHER_RECEIVER",
    );
    // A changed message
    let mut changed = first_round.clone();
    let last = changed[0].len() - 1;
    changed[0][last] ^= 1;
    moved(hostile.call(&attempt, "node-1", 2, changed).await, "MESSAGE_NOT_AUTHENTIC");
    // None, and two
    moved(hostile.call(&attempt, "node-1", 2, vec![]).await, "MISSING_MESSAGE");
    let twice = [first_round.clone(), first_round.clone()].concat();
    moved(hostile.call(&attempt, "node-1", 2, twice).await, "TOO_MANY_MESSAGES");
    // Nothing of that has hurt the session
    hostile.round(&mut attempt, 2).await.unwrap();
    // A message of the round before
    moved(hostile.call(&attempt, "node-1", 3, first_round).await, "MESSAGE_REPLAYED");
    hostile.round(&mut attempt, 3).await.unwrap();
    assert!(hostile.honest_call(&attempt, "node-1", 4).await.unwrap().signature.is_some());
}

#[tokio::test]
async fn a_replayed_round_gets_the_same_answer_and_never_another() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let mut attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    let offers = attempt.offers.clone();
    // Rounds out of order
    refused(hostile.call(&attempt, "node-1", 3, offers.clone()).await, Code::Aborted, "ROUND_NOT_DUE");
    let once = hostile.call(&attempt, "node-1", 1, offers.clone()).await.unwrap();
    let again = hostile.call(&attempt, "node-1", 1, offers.clone()).await.unwrap();
    assert_eq!(once, again, "a round was computed twice");
    // The same round with another input
    let others = hostile.prepare(&id, &PAIR).await.unwrap().offers;
    refused(hostile.call(&attempt, "node-1", 1, others).await, Code::Aborted, "ROUND_NOT_DUE");
    hostile.round(&mut attempt, 1).await.unwrap();
    hostile.round(&mut attempt, 2).await.unwrap();
    hostile.round(&mut attempt, 3).await.unwrap();
    let signature = hostile.honest_call(&attempt, "node-2", 4).await.unwrap().signature;
    assert!(signature.is_some());
}

#[tokio::test]
async fn oversized_and_malformed_messages_are_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let tip = hostile.catch_up("node-1").await.tip_size;
    let huge = v1::Replication { from_index: tip, entries: vec![vec![b' '; 5 << 20]], ..Default::default() };
    refused(hostile.replicate("node-1", huge).await, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let many = v1::Replication { from_index: tip, entries: vec![vec![b'{']; 4_001], ..Default::default() };
    refused(hostile.replicate("node-1", many).await, Code::ResourceExhausted, "REPLICATION_TOO_LARGE");
    let long = restamped_junk(&hostile, 70_000);
    refused(hostile.replicate("node-1", long).await, Code::InvalidArgument, "ENTRY_REFUSED");
    let attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    let crowd = vec![vec![1]; 300];
    refused(hostile.call(&attempt, "node-1", 1, crowd).await, Code::InvalidArgument, "FIELD_INVALID");
    let long = vec![vec![1; 1 << 20], vec![1; 1 << 20]];
    assert!(hostile.call(&attempt, "node-1", 1, long).await.is_err());
    for (session, field) in [(vec![7; 31], "session_id"), (vec![0; 32], "session_id")] {
        let order = hostile.order("node-1", &session, &id, &PAIR).await;
        let refusal =
            refused(hostile.prepare_at("node-1", order).await, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(refusal.fields, [field]);
    }
    for round in [0, 5, u32::MAX] {
        let refusal = refused(
            hostile.call(&attempt, "node-1", round, vec![]).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        assert_eq!(refusal.fields, ["round"]);
    }
}

/// One entry of junk of that size, under a genuine checkpoint.
fn restamped_junk(hostile: &Hostile<'_>, size: usize) -> v1::Replication {
    let all = [bytes_of(hostile.log), vec![vec![b' '; size]]].concat();
    hostile.replication_of(hostile.log.size(), &all)
}

#[tokio::test]
async fn a_key_generation_that_officers_did_not_approve_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let invented = format!("c-{}", "0".repeat(32));
    let finished = hostile.log.state().wallets().next().unwrap().ceremony.to_string();
    for (ceremony_id, code, reason) in [
        (invented, Code::NotFound, "ORDER_UNKNOWN"),
        (finished, Code::FailedPrecondition, "ORDER_NOT_PERMITTED"),
    ] {
        let request = v1::KeygenPrepareRequest {
            ceremony_id,
            session_id: new_session(),
            replication: Some(hostile.replication(tip)),
        };
        let result = hostile.node("node-1").await.keygen_prepare(request).await;
        refused(result, code, reason);
    }
}

#[tokio::test]
async fn a_log_forked_between_two_nodes_gets_no_signature_and_stops_the_node_that_sees_both_sides() {
    // A cluster of its own: its nodes stop
    let cluster = Cluster::ready(Options::default()).await;
    let mut one_side = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut other_side = one_side.clone();
    // Given two histories: in one the client's withdrawal is authorized, in the other a different one is
    let mut first = Hostile::with(&cluster, &mut one_side);
    let id = first.authorized(&cluster.request());
    first.catch_up("node-1").await;
    let mut second = Hostile::with(&cluster, &mut other_side);
    second.authorized(&cluster.request());
    second.catch_up("node-2").await;
    // When node-2 is asked to sign what only node-1's history authorizes
    let order = v1::SignPrepareRequest {
        replication: Some(second.replication(second.log.size())),
        session_id: new_session(),
        withdrawal_id: id.to_string(),
        digest_index: 0,
        signers: PAIR.map(str::to_owned).to_vec(),
        ..v1::SignPrepareRequest::default()
    };
    refused(second.prepare_at("node-2", order).await, Code::NotFound, "ORDER_UNKNOWN");
    // And when it is shown that history instead
    let fork = first.replication(second.log.size() - 2);
    refused(first.replicate("node-2", fork).await, Code::FailedPrecondition, "FORK_DETECTED");
    // Then it signs nothing more on any side, also after a restart
    for _ in 0..2 {
        let order = second.order("node-2", &new_session(), &id, &PAIR).await;
        refused(second.prepare_at("node-2", order).await, Code::FailedPrecondition, "FORK_DETECTED");
        cluster.kill_9("node-2");
        cluster.bring_up("node-2").await;
    }
    // And the others, shown another root of their own size by the log's own key, stop as well
    let size = first.tip_size("node-1").await;
    let lie = v1::Replication {
        from_index: size,
        checkpoint: first.checkpoint(size, Hash([7; 32])),
        ..v1::Replication::default()
    };
    refused(first.replicate("node-1", lie).await, Code::FailedPrecondition, "FORK_DETECTED");
    refused(first.prepare(&id, &["node-1", "node-3"]).await, Code::FailedPrecondition, "FORK_DETECTED");
}

#[tokio::test]
async fn a_pause_that_the_coordinator_withholds_binds_every_pair_of_nodes() {
    let cluster = Cluster::ready(Options::default()).await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let alice = cluster.officer("alice");
    let body = StatementBody::PauseWallet(holdfast_tests::WALLET.parse().unwrap());
    let statement = alice.sign(&alice.statement(hostile.log.state(), body));
    // Given receipts of n - t + 1 nodes
    for node in &NODES[..2] {
        alice.deliver(node, &statement).await.unwrap();
    }
    // When the hostile coordinator authorizes without ever logging the pause
    let id = hostile.authorized(&cluster.request());
    // Then no pair signs: every pair has a node that knows
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]] {
        refused(hostile.sign(&id, &pair).await, Code::FailedPrecondition, "LATCHED");
    }
}
