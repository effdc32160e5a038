//! Attacks on the log itself: entries and checkpoints.

use ed25519_dalek::SigningKey;
use holdfast_ledger::{PayloadKind, StatementBody};
use holdfast_log::{Envelope, Hash, PayloadType};
use holdfast_proto::v1;
use holdfast_tests::{Hostile, LogCopy, PAYEE, Refusal, THIEF, admitted, now_ms, restamped};
use serde_json::json;
use tonic::Code;

use super::{PAIR, Stolen, large, never_authorized};

#[tokio::test]
async fn a_forged_request_stops_at_the_node_and_changes_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    // Signed by a key of the thief's own, in the client's name; by the coordinator's; and in the coordinator's own name
    let stolen = cluster.intent().set("destination", THIEF).with_transfer(900);
    let (thief, coordinator) =
        (SigningKey::from_bytes(&[9; 32]), cluster.ed25519_key("coordinator/entry.key"));
    hostile.stops(&stolen.sign("client:pipeline", &thief), "ENVELOPE_SIGNATURE_INVALID").await;
    hostile.stops(&stolen.sign("client:pipeline", &coordinator), "ENVELOPE_SIGNATURE_INVALID").await;
    hostile.stops(&stolen.sign("coordinator:coordinator", &coordinator), "SIGNER_UNKNOWN").await;
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
        hostile.stops(&altered, "ENVELOPE_SIGNATURE_INVALID").await;
    }
}

#[tokio::test]
async fn an_entry_of_another_kind_than_its_signer_meant_stops_the_log() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let honest = cluster.intent().signed(cluster);
    // The client's signature is over the kind, too
    let retyped = Envelope { payload_type: PayloadKind::CancelWithdrawal.payload_type(), ..honest.clone() };
    hostile.stops(&retyped, "ENVELOPE_SIGNATURE_INVALID").await;
    let unknown = PayloadType::from_static("application/vnd.holdfast.anything.v9+json");
    let unknown =
        Envelope::sign_ed25519(unknown, b"{}".to_vec(), "client:pipeline", &cluster.client_key()).unwrap();
    hostile.stops(&unknown, "PAYLOAD_TYPE_UNKNOWN").await;
    let mut doubled = honest.clone();
    doubled.signatures.push(honest.signatures[0].clone());
    hostile.stops(&doubled, "SIGNATURE_COUNT").await;
    // The genesis once more
    let genesis = hostile.log.entries()[0].envelope().clone();
    hostile.stops(&genesis, "SECOND_GENESIS").await;
}

#[tokio::test]
async fn a_replayed_request_pays_nobody_twice() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let request = cluster.request();
    let id = hostile.authorized(&request);
    let signatures = hostile.sign(&id, &PAIR).await.unwrap();
    hostile.log_signature(&id, &signatures[0]);
    // When request, authorization and order are replayed after the signature was logged
    hostile.noop(&request.signed(cluster), "ALREADY_RECORDED");
    hostile.authorize(id);
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    // Nor does the same key with another body make a second payment
    let other = request.set("amount", "1250000001");
    hostile.noop(&other.signed(cluster), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn an_approval_ordered_before_its_request_counts_for_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given what officers said after a request
    let request = large(cluster).signed(cluster);
    let mut honest: LogCopy = hostile.log.clone();
    let id = admitted(&honest.append(&request));
    let says = |name: &str| {
        let officer = cluster.officer(name);
        officer.sign(&officer.statement(honest.state(), StatementBody::ApproveHold(id)))
    };
    let approvals = ["alice", "bob"].map(says);
    // When the log has it the other way round
    for approval in &approvals {
        hostile.noop(approval, "UNKNOWN_WITHDRAWAL");
    }
    hostile.log.append(&request);
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn dropped_entries_show_in_the_root() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    (0..3).for_each(|_| drop(hostile.log.append(&cluster.intent().signed(cluster))));
    let honest = hostile.replication(tip);
    // One entry in the middle is left out, the checkpoint is of all
    let mut dropped = honest.clone();
    dropped.entries.remove(1);
    let result = hostile.replicate("node-1", dropped.clone()).await;
    hostile.caught("node-1", result, Code::InvalidArgument, "CHECKPOINT_INVALID");
    // Or the checkpoint is of the right size, and of another tree
    dropped.checkpoint = hostile.checkpoint_at(tip + 2);
    let result = hostile.replicate("node-1", dropped).await;
    hostile.caught("node-1", result, Code::InvalidArgument, "ROOT_MISMATCH");
    assert_eq!(hostile.tip_size("node-1").await, tip);
    hostile.replicate("node-1", honest).await.unwrap();
}

#[tokio::test]
async fn reordered_and_duplicated_entries_show_in_the_root() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    (0..3).for_each(|_| drop(hostile.log.append(&cluster.intent().signed(cluster))));
    let honest = hostile.replication(tip);
    let mut swapped = honest.clone();
    swapped.entries.swap(0, 2);
    let mut doubled = honest.clone();
    doubled.entries[1] = doubled.entries[0].clone();
    for message in [swapped, doubled] {
        let result = hostile.replicate("node-1", message).await;
        hostile.caught("node-1", result, Code::InvalidArgument, "ROOT_MISMATCH");
    }
    // A run that begins beyond what the node has is the ordinary case of a node that was away, and takes nothing over
    let gap =
        v1::Replication { from_index: tip + 1, entries: honest.entries[1..].to_vec(), ..honest.clone() };
    let refusal = Refusal::from(&hostile.replicate("node-1", gap).await.unwrap_err());
    assert_eq!(refusal.reason, "NODE_BEHIND");
    assert_eq!(hostile.tip_size("node-1").await, tip);
    hostile.replicate("node-1", honest).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_the_node_has_cannot_be_replaced() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let mut message = hostile.replication(tip - 2);
    message.entries[0] = restamped(&cluster.intent().signed(cluster), hostile.now());
    let result = hostile.replicate("node-1", message).await;
    let refusal = hostile.caught("node-1", result, Code::InvalidArgument, "ENTRY_DIFFERS");
    assert_eq!(refusal.facts["index"], (tip - 2).to_string());
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
        let result = hostile.replicate("node-1", message).await;
        hostile.caught("node-1", result, Code::InvalidArgument, "CHECKPOINT_INVALID");
    }
}

#[tokio::test]
async fn a_checkpoint_of_a_wrong_size_or_root_covers_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    hostile.log.append(&cluster.intent().signed(cluster));
    let honest = hostile.replication(tip);
    // Signed by the log's key: of the size before (stale), of sizes beyond, and of another root
    let wrong = [
        (hostile.checkpoint_at(tip), "CHECKPOINT_INVALID"),
        (hostile.checkpoint(tip + 2, Hash([7; 32])), "CHECKPOINT_INVALID"),
        (hostile.checkpoint(tip + 1_000_000, Hash([7; 32])), "CHECKPOINT_INVALID"),
        (hostile.checkpoint(tip + 1, Hash([7; 32])), "ROOT_MISMATCH"),
    ];
    for (checkpoint, reason) in wrong {
        let message = v1::Replication { checkpoint, ..honest.clone() };
        let result = hostile.replicate("node-1", message).await;
        hostile.caught("node-1", result, Code::InvalidArgument, reason);
    }
    assert_eq!(hostile.tip_size("node-1").await, tip);
    hostile.replicate("node-1", honest).await.unwrap();
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
async fn a_back_dated_entry_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let before = hostile.log.state().last_time().0 - 1;
    for time in [before, now_ms() - 24 * 60 * 60 * 1_000, 0] {
        let entry = restamped(&cluster.intent().signed(cluster), time);
        let refusal = hostile.entries_refused(vec![entry], "ENTRY_REFUSED").await;
        assert_eq!(refusal.facts["cause"], "TIME_REGRESS");
    }
}

#[tokio::test]
async fn an_entry_for_another_cluster_is_a_no_op_that_permits_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // The client works for two cells with one key, and the thief owns both coordinators
    let request = cluster.intent().set("cluster", "demo-other").with_transfer(904);
    hostile.noop(&request.signed(cluster), "CLUSTER_MISMATCH");
    let id = holdfast_ledger::WithdrawalId::of("demo-other", "pipeline", &request.text("idempotency_key"));
    hostile.nobody_signs(&id, Code::NotFound, "ORDER_UNKNOWN").await;
    // Nor does an authorization that names another cell
    let bound = admitted(&hostile.log.append(&cluster.request().signed(cluster)));
    let digest = hostile.log.state().withdrawal(&bound).unwrap().transaction.clone().unwrap().signing_hash;
    let payload = json!({"cluster": "demo-other", "withdrawal": bound, "digests": [digest.to_string()]});
    let authorization = hostile.speak(PayloadKind::Authorize, &payload);
    hostile.noop(&authorization, "CLUSTER_MISMATCH");
    hostile.nobody_signs(&bound, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
}
