//! Attacks with what nodes say: oaths, attestations, keys of restored nodes, and who may ask nodes at all.

use ed25519_dalek::SigningKey;
use holdfast_ledger::{
    MinimumCheckpoint, PayloadKind, RosterChange, RosterProposal, StatementBody, WithdrawalId,
    WithdrawalState, key_id,
};
use holdfast_log::{Envelope, Hash};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_tests::{CLIENT, Cluster, Hostile, refused};
use holdfast_transport::Role;
use serde_json::{Value, json};
use tonic::Code;

use super::{PAIR, Stolen, never_authorized};

/// A payload under a node's name and any key.
fn as_node(kind: PayloadKind, payload: &Value, name: &str, key: &SigningKey) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, &key_id("node", name), key).unwrap()
}

fn oath(cluster: &Cluster, name: &str, id: &WithdrawalId) -> Value {
    json!({"cluster": cluster.name(), "node": name, "incarnation": 1, "withdrawal": id})
}

#[tokio::test]
async fn tombstones_that_the_coordinator_invents_stop_the_log() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let coordinator = cluster.ed25519_key("coordinator/entry.key");
    for name in ["node-1", "node-2", "node-3"] {
        let invented = as_node(PayloadKind::Tombstone, &oath(cluster, name, &id), name, &coordinator);
        hostile.stops(&invented, "ENVELOPE_SIGNATURE_INVALID").await;
    }
    let own = hostile.speak(PayloadKind::Tombstone, &oath(cluster, "node-1", &id));
    hostile.stops(&own, "SIGNER_UNKNOWN").await;
    hostile.sign(&id, &PAIR).await.unwrap();
}

#[tokio::test]
async fn one_nodes_oath_moved_to_others_frees_no_account_nonce() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given one genuine oath, as a hostile node would give it, where two are needed
    let nonce = cluster.next_account_nonce();
    let id = hostile.authorized(&cluster.intent().with_transfer(nonce));
    let other = hostile.authorized(&cluster.request());
    let key = cluster.ed25519_key("node-3/message.key");
    let genuine = as_node(PayloadKind::Tombstone, &oath(cluster, "node-3", &id), "node-3", &key);
    // Moved to another withdrawal, or to another node
    let text = String::from_utf8(genuine.payload.clone()).unwrap();
    for (from, to) in [(id.to_string(), other.to_string()), ("node-3".to_owned(), "node-2".to_owned())] {
        let payload = text.replace(&from, &to).into_bytes();
        hostile.stops(&Envelope { payload, ..genuine.clone() }, "ENVELOPE_SIGNATURE_INVALID").await;
    }
    hostile
        .stops(
            &as_node(PayloadKind::Tombstone, &oath(cluster, "node-2", &id), "node-2", &key),
            "ENVELOPE_SIGNATURE_INVALID",
        )
        .await;
    // In another node's name under its own, of another incarnation, for what nobody authorized, and counted twice
    let speaks_for_other = as_node(PayloadKind::Tombstone, &oath(cluster, "node-2", &id), "node-3", &key);
    hostile.noop(&speaks_for_other, "SIGNER_NOT_AUTHORIZED");
    let mut later = oath(cluster, "node-3", &id);
    later["incarnation"] = json!(2);
    hostile.noop(&as_node(PayloadKind::Tombstone, &later, "node-3", &key), "FIELD_INVALID");
    hostile.log.append(&genuine);
    hostile.noop(&genuine, "ALREADY_RECORDED");
    // Then the withdrawal is not over, and its nonce not free
    assert_eq!(hostile.log.state().withdrawal(&id).unwrap().logged_state(), WithdrawalState::Authorized);
    let second =
        holdfast_tests::admitted(&hostile.log.append(&cluster.intent().with_transfer(nonce).signed(cluster)));
    never_authorized(&mut hostile, second).await;
    hostile.sign(&id, &PAIR).await.unwrap();
}

#[tokio::test]
async fn a_hidden_signature_is_not_sworn_away_by_those_who_made_it() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given a signature that the coordinator hides, and a node that crashed in an attempt
    let nonce = cluster.next_account_nonce();
    let id = hostile.authorized(&cluster.intent().with_transfer(nonce));
    hostile.sign(&id, &PAIR).await.unwrap();
    let crashed = hostile.authorized(&cluster.request());
    hostile.prepare(&crashed, &["node-1", "node-3"]).await.unwrap();
    cluster.kill_9("node-3");
    cluster.bring_up("node-3").await;
    drop(hostile);
    // When it asks for oaths that would free the account nonce
    let mut hostile = Hostile::with(cluster, &mut log);
    for (node, id) in [("node-1", &id), ("node-2", &id), ("node-3", &crashed)] {
        refused(hostile.oath_of(node, id).await, Code::FailedPrecondition, "TOMBSTONE_REFUSED");
    }
    // Then it gets the third node's alone, which is not enough, and makes no more of it
    let oath = hostile.oath_of("node-3", &id).await.unwrap();
    hostile.log.append(&oath);
    hostile.noop(&oath, "ALREADY_RECORDED");
    let second = hostile.log.append(&cluster.intent().with_transfer(nonce).signed(cluster));
    never_authorized(&mut hostile, holdfast_tests::admitted(&second)).await;
}

#[tokio::test]
async fn what_nodes_swore_off_is_signed_by_no_pair_before_and_after_the_log_says_so() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let nonce = cluster.next_account_nonce();
    let id = hostile.authorized(&cluster.intent().with_transfer(nonce));
    // Given an attempt that was carried as far as it goes without a final message
    let mut attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    for round in 1..=2 {
        hostile.round(&mut attempt, round).await.unwrap();
    }
    // And oaths that the coordinator collected and keeps from the log
    let mut oaths = Vec::new();
    for node in PAIR {
        oaths.push(hostile.oath_of(node, &id).await.unwrap());
    }
    // When it goes on with the attempt, begins another, or asks for the same with other names
    let round = hostile.honest_call(&attempt, "node-1", 3).await;
    hostile.caught("node-1", round, Code::FailedPrecondition, "SWORN_OFF");
    for (node, pair) in [("node-1", PAIR), ("node-1", ["node-1", "node-3"]), ("node-2", ["node-2", "node-3"])]
    {
        let order = hostile.order(node, &holdfast_tests::new_session(), &id, &pair).await;
        let result = hostile.prepare_at(node, order).await;
        hostile.caught(node, result, Code::FailedPrecondition, "SWORN_OFF");
    }
    // Then the nonce comes free only with both oaths in the log, and nothing signs the old one beside the new one
    let second =
        holdfast_tests::admitted(&hostile.log.append(&cluster.intent().with_transfer(nonce).signed(cluster)));
    never_authorized(&mut hostile, second).await;
    for oath in &oaths {
        hostile.log.append(oath);
    }
    assert_eq!(hostile.log.state().withdrawal(&id).unwrap().logged_state(), WithdrawalState::Tombstoned);
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    hostile.authorize(second);
    hostile.sign(&second, &PAIR).await.unwrap();
}

#[tokio::test]
async fn a_state_attestation_of_another_node_says_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let attests = |name: &str| {
        json!({"cluster": cluster.name(), "node": name, "incarnation": 1, "size": 1024, "root": "00".repeat(32),
            "state_digest": "00".repeat(32)})
    };
    let kind = PayloadKind::StateAttestation;
    let key = cluster.ed25519_key("node-1/message.key");
    // Two nodes that seem to disagree would stop the third
    for name in ["node-2", "node-3"] {
        hostile.stops(&as_node(kind, &attests(name), name, &key), "ENVELOPE_SIGNATURE_INVALID").await;
        let in_its_name = as_node(kind, &attests(name), "node-1", &key);
        hostile.noop(&in_its_name, "SIGNER_NOT_AUTHORIZED");
    }
    assert_eq!(hostile.log.state().disagreeing_nodes(), []);
    let id = hostile.authorized(&cluster.request());
    hostile.sign(&id, &PAIR).await.unwrap();
}

#[tokio::test]
async fn a_node_re_enrolled_by_a_forged_roster_change_speaks_for_nobody() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let (cosigning, message) = (SigningKey::from_bytes(&[41; 32]), SigningKey::from_bytes(&[42; 32]));
    let roster = hostile.log.state().roster();
    let change = RosterChange::ReplaceNodeKeys {
        node: "node-3".parse().unwrap(),
        cosigning_key: cosigning.verifying_key(),
        message_key: message.verifying_key(),
        minimum: MinimumCheckpoint { size: 1, root: Hash([7; 32]) },
    };
    let (version, digest) = (roster.version(), roster.digest());
    let body = StatementBody::ProposeRosterChange(Box::new(RosterProposal { version, digest, change }));
    // Proposed by the coordinator in alice's name
    let alice = cluster.officer("alice");
    let text = alice.statement(hostile.log.state(), body.clone());
    let mut forged = cluster.officer("carol").sign(&text);
    forged.signatures[0].key_id = key_id("officer", "alice");
    hostile.stops(&forged, "ENVELOPE_SIGNATURE_INVALID").await;
    // Proposed by alice indeed, and approved by her alone: the coordinator repeats it, and forges bob's part
    let proposal = alice.sign(&text);
    let holdfast_ledger::Outcome::Admitted(admission) = hostile.log.append(&proposal).outcome else {
        panic!()
    };
    let approve = StatementBody::ApproveCeremony(admission.ceremony.unwrap());
    let approval = hostile.officer_says("alice", approve.clone());
    hostile.log.append(&approval);
    hostile.noop(&approval, "STATEMENT_ALREADY_USED");
    let mut bobs = alice.sign(&cluster.officer("bob").statement(hostile.log.state(), approve));
    bobs.signatures[0].key_id = key_id("officer", "bob");
    hostile.stops(&bobs, "ENVELOPE_SIGNATURE_INVALID").await;
    // Then what the new keys sign is nobody's
    let id = hostile.authorized(&cluster.request());
    let mut oath = oath(cluster, "node-3", &id);
    oath["incarnation"] = json!(2);
    let envelope = as_node(PayloadKind::Tombstone, &oath, "node-3", &message);
    hostile.stops(&envelope, "ENVELOPE_SIGNATURE_INVALID").await;
}

#[tokio::test]
async fn nobody_but_the_coordinator_reads_a_nodes_log_or_orders_anything() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    for (role, name) in [
        (Role::Client, CLIENT),
        (Role::Officer, "alice"),
        (Role::Auditor, "auditor"),
        (Role::Provider, "provider"),
        (Role::Node, "node-2"),
        (Role::Operator, "operator"),
    ] {
        let before = cluster.log_text("node-1").len();
        let channel = cluster.channel(role, name, "node-1").await;
        let mut node = NodeServiceClient::new(channel);
        let entries = node.entries(v1::NodeEntriesRequest { from_index: 0 }).await;
        refused(entries, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
        refused(node.replicate(hostile.replication(1)).await, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
        let logged = cluster.log_text("node-1")[before..].matches("call refused").count();
        assert_eq!(logged, 2, "{role}");
    }
}
