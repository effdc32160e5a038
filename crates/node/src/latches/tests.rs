//! The officers' direct path: what is taken, what it stops, for how long, and what is refused.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::time::Duration;

use holdfast_ledger::{PayloadKind, StatementBody, key_id};
use holdfast_log::{LogVerifier, Origin, SignedCheckpoint};
use holdfast_policy::WhitelistEntryId;
use holdfast_proto::v1;
use holdfast_proto::v1::officer_service_server::OfficerService as _;
use serde_json::json;
use tonic::{Code, Request};

use super::*;
use crate::CrashPoint;
use crate::node::ReplicateRefusal;
use crate::replica::{ExtendRefusal, MAX_ENTRIES};
use crate::testing::{
    Attempt, Cell, TestNode, coordinator, ed25519, ready, reason, sign, sign_payload, signed_statement,
};

mod again;
mod clients;
mod listed;
mod offered;
mod scope;

async fn deliver(node: &TestNode, envelope: &Envelope) -> Result<Vec<u8>, DeliverRefusal> {
    node.node.latches.deliver(&node.node.replica, &envelope.to_json()).await
}

async fn unlogged(node: &TestNode, max_bytes: usize) -> Vec<Vec<u8>> {
    node.node.latches.unlogged(&node.node.replica, max_bytes).await.unwrap()
}

async fn refused(node: &TestNode, envelope: &Envelope) -> &'static str {
    let code = deliver(node, envelope).await.unwrap_err().code();
    assert_eq!(node.node.latches.in_force().await, []);
    code
}

fn receipt_of(node: &TestNode, bytes: &[u8]) -> PauseReceipt {
    let envelope = Envelope::parse(bytes).unwrap();
    assert_eq!(envelope.payload_type, RECEIPT_TYPE);
    let signature = &envelope.signatures[0];
    assert_eq!(signature.key_id, key_id("node", &node.name()));
    let key = ed25519(&format!("message-{}", node.number)).verifying_key();
    signature.verify_ed25519(&envelope.payload_type, &envelope.payload, &key).unwrap();
    serde_json::from_slice(&envelope.payload).unwrap()
}

async fn refusal_to_sign(cell: &Cell, nodes: &[TestNode], withdrawal: WithdrawalId, session: u8) -> String {
    reason(&sign(cell, &[&nodes[0], &nodes[1]], withdrawal, [session; 32]).await.unwrap_err())
}

/// Two officers lift a pause.
fn resume(cell: &mut Cell, pause: &Envelope) {
    resume_all(cell, std::slice::from_ref(pause));
}

fn resume_all(cell: &mut Cell, pauses: &[Envelope]) {
    let wallet = WalletId::new("hot-1").unwrap();
    let lifts = pauses.iter().map(|pause| StatementDigest::of(&pause.payload)).collect();
    let resume = cell.statement("alice", StatementBody::ProposeResume { wallet, lifts });
    let ceremony = cell.accept(&resume).ceremony.unwrap();
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveCeremony(ceremony));
        cell.accept(&approval);
    }
}

/// The cell's log with this statement and then so many entries without effect that `count` are new.
fn branch_with(cell: &Cell, statement: &Envelope, count: usize) -> Cell {
    let mut branch = cell.clone();
    branch.accept(statement);
    for number in 1..count {
        let junk = json!({"cluster": "demo-1", "ceremony": format!("c-{number:032x}"), "wallet": "hot-1", "epoch": 0});
        branch.log(&coordinator(PayloadKind::EpochActivated, &junk));
    }
    branch
}

/// Rewrites the record of the only statement as lifted: what an earlier version of this program could leave behind.
async fn lift_without_the_log(node: &TestNode) {
    let batch = rewritten(&node.store, &[0], true).unwrap();
    node.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn extension_that_one_batch_cannot_hold_is_refused_before_anything_changes() {
    // Given a pause and so many entries that their batch is one entry too large
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let pause = cell.pause("alice");
    let branch = branch_with(&cell, &pause, MAX_ENTRIES + 1);
    nodes[0].clock.set(branch.now);
    let refusal = nodes[0].node.replicate(branch.extension(cell.size())).await.unwrap_err();
    assert!(matches!(refusal, ReplicateRefusal::Extend(ExtendRefusal::TooLarge { .. })), "{refusal:?}");
    assert!(nodes[0].node.replica.read().await.sound_state().is_ok());
    // Then the pause's receipt means a latch, also after a restart
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(deliver(&nodes[0], &pause).await.unwrap(), receipt);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 77).await, "LATCHED");
    // While as many entries as the limit says are taken
    let most = branch.extension_to(cell.size(), branch.size() - 1);
    assert_eq!(most.entries.len(), MAX_ENTRIES);
    nodes[0].clock.set(branch.now);
    assert_eq!(nodes[0].node.replicate(most).await.unwrap().size, branch.size() - 1);
    assert_eq!(nodes[0].node.latches.in_force().await, []);
}

#[tokio::test]
async fn statement_that_only_memory_contains_is_latched() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let pause = cell.pause("alice");
    // Given a replica whose memory is ahead of its disk by the pause
    let mut ahead = cell.clone();
    ahead.accept(&pause);
    nodes[0].node.replica.apply_in_memory_for_tests(&ahead.log[ahead.log.len() - 1..]).await;
    // When the pause is delivered
    deliver(&nodes[0], &pause).await.unwrap();
    // Then it is latched, and stops after the restart that the disk's log needs
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 77).await, "LATCHED");
}

#[tokio::test]
async fn latch_lifted_without_the_log_is_in_force_again_after_a_restart_or_a_delivery() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let pause = cell.pause("alice");
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    // At the next start
    lift_without_the_log(&nodes[0]).await;
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    assert!(!read_record(&nodes[0].store, 0).unwrap().lifted);
    // At the next delivery
    lift_without_the_log(&nodes[0]).await;
    nodes[0].node.latches.table.write().await.mark(&[0], true);
    assert_eq!(deliver(&nodes[0], &pause).await.unwrap(), receipt);
    assert!(!read_record(&nodes[0].store, 0).unwrap().lifted);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 77).await, "LATCHED");
}

#[tokio::test]
async fn pause_that_a_quorum_lifted_gets_no_receipt_a_second_time() {
    let (mut cell, mut nodes) = ready().await;
    let pause = cell.pause("alice");
    deliver(&nodes[0], &pause).await.unwrap();
    cell.accept(&pause);
    nodes[0].catch_up(&cell).await;
    resume(&mut cell, &pause);
    // At the node that receipted it before, at one that never saw it, and after a restart
    for node in &nodes[..2] {
        node.catch_up(&cell).await;
        assert_eq!(refused(node, &pause).await, "STATEMENT_ALREADY_USED");
    }
    let node = nodes.remove(0).restart(&cell).await;
    assert_eq!(refused(&node, &pause).await, "STATEMENT_ALREADY_USED");
    // A new one stops
    cell.now += 1;
    deliver(&node, &cell.pause("alice")).await.unwrap();
    assert_eq!(node.node.latches.in_force().await.len(), 1);
}

#[tokio::test]
async fn pause_of_an_officer_who_left_holds_until_a_quorum_lifts_it_by_name() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    // Given a pause that never reaches the log, because its officer leaves
    cell.admit_officer("carol");
    nodes[0].catch_up(&cell).await;
    let pause = cell.pause("carol");
    deliver(&nodes[0], &pause).await.unwrap();
    cell.remove_officer("carol");
    nodes[0].catch_up(&cell).await;
    // Then it holds: that an officer leaves lifts nothing, nor does another pause's resume
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    let other = cell.pause("bob");
    cell.accept(&other);
    resume(&mut cell, &other);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 11).await, "LATCHED");
    // Until a quorum lifts it by name, also after a restart
    resume(&mut cell, &pause);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [12; 32]).await.unwrap();
}

#[tokio::test]
async fn pause_that_is_one_too_many_for_the_log_holds_until_a_quorum_lifts_it_by_name() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    // Given more pauses of one officer than the log has in force, delivered
    let mut pauses = Vec::new();
    for _ in 0..9 {
        cell.now += 1;
        pauses.push(cell.pause("alice"));
    }
    for pause in &pauses[..8] {
        cell.accept(pause);
    }
    cell.log(&pauses[8]);
    nodes[0].catch_up(&cell).await;
    for pause in &pauses {
        deliver(&nodes[0], pause).await.unwrap();
    }
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    // Then the last one holds when the others are lifted, also after a restart
    resume_all(&mut cell, &pauses[..8]);
    nodes[0].catch_up(&cell).await;
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    // Until it is named
    resume_all(&mut cell, &pauses[8..]);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [11; 32]).await.unwrap();
}

#[tokio::test]
async fn lifted_pause_gets_no_receipt_because_another_one_is_in_force() {
    let (mut cell, nodes) = ready().await;
    let first = cell.pause("alice");
    cell.accept(&first);
    cell.now += 1;
    let second = cell.pause("bob");
    resume(&mut cell, &first);
    cell.accept(&second);
    nodes[0].catch_up(&cell).await;
    assert_eq!(refused(&nodes[0], &first).await, "STATEMENT_ALREADY_USED");
    deliver(&nodes[0], &second).await.unwrap();
}

#[tokio::test]
async fn latch_is_written_once_however_often_it_is_delivered_and_not_again_at_a_start() {
    let (cell, mut nodes) = ready().await;
    let pause = cell.pause("alice");
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    assert_eq!(deliver(&nodes[0], &pause).await.unwrap(), receipt);
    assert_eq!(nodes[0].probe.at(&[CrashPoint::BeforeLatch]).len(), 1);
    let node = nodes.remove(0).restart(&cell).await;
    assert_eq!(node.probe.at(&[CrashPoint::BeforeLatch]).len(), 0);
}

#[tokio::test]
async fn replication_does_not_wait_for_messages_that_are_leaving_while_no_latch_is_in_force() {
    let (mut cell, nodes) = ready().await;
    let gate = nodes[0].node.latches.gate().await;
    cell.fill(1);
    tokio::time::timeout(Duration::from_secs(20), nodes[0].catch_up(&cell)).await.unwrap();
    drop(gate);
}

#[test]
fn only_lifted_statements_make_room_and_the_oldest_first() {
    let mut table = LatchTable::default();
    let delivered = |n: u64, lifted: bool| Delivered {
        digest: StatementDigest::of(&n.to_be_bytes()),
        subject: Subject::Wallet(WalletId::new("hot-1").unwrap()),
        officer: OfficerId::new("alice").unwrap(),
        since: TimestampMs(n),
        lifted,
    };
    for n in 0..u64::try_from(MAX_STATEMENTS).unwrap() {
        assert_eq!(table.oldest_to_forget().unwrap(), None, "{n}");
        table.insert(n, delivered(n, false));
    }
    assert_eq!(table.oldest_to_forget().unwrap_err().code(), "TOO_MANY_LATCHES");
    table.mark(&[7, 8], true);
    assert_eq!(table.oldest_to_forget().unwrap(), Some(7));
}

#[tokio::test]
async fn wallet_that_this_node_was_not_shown_can_be_paused() {
    let (cell, _) = ready().await;
    // Given a node that has the genesis only
    let node = TestNode::open(&cell, 1).await;
    let pause = cell.pause("alice");
    // When an officer pauses a wallet of the true log
    let receipt = deliver(&node, &pause).await.unwrap();
    assert_eq!(receipt_of(&node, &receipt).scope, LatchScope::Wallet(WalletId::new("hot-1").unwrap()));
    // Then it is latched, stays so when the wallet is shown, and the rules take over from it
    node.catch_up(&cell).await;
    assert_eq!(node.node.latches.in_force().await.len(), 1);
    let mut cell = cell;
    cell.accept(&pause);
    node.catch_up(&cell).await;
    assert_eq!(node.node.latches.in_force().await, []);
}

#[tokio::test]
async fn entry_that_this_node_was_not_shown_can_be_revoked() {
    // Given a second payee's entry that the first node was not shown
    let (mut cell, nodes) = ready().await;
    cell.now += 1;
    let entry = cell.permit_payee();
    assert!(nodes[0].node.replica.read().await.state().whitelist().all(|known| known.id != entry));
    let revoke = cell.statement("bob", StatementBody::RevokeWhitelistEntry(entry));
    deliver(&nodes[0], &revoke).await.unwrap();
    // When it is shown with a withdrawal to its address
    let withdrawal = cell.authorized("k-1", 0);
    // Then the withdrawal is not signed
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
}

#[tokio::test]
async fn revoking_a_made_up_entry_stops_nothing_else() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let text = String::from_utf8(cell.pause("alice").payload).unwrap();
    let missing = WhitelistEntryId::new("e-00000000000000000000000000000000").unwrap();
    let text = text.replace("pause a wallet", "revoke a whitelist entry");
    let text = text.replace("wallet: hot-1", &format!("whitelist entry: {missing}"));
    let made_up = signed_statement("alice", &text);
    deliver(&nodes[0], &made_up).await.unwrap();
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn delivered_pause_is_receipted_and_stops_signing_also_after_a_restart() {
    // Given an authorized withdrawal and a pause that only this node has
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let pause = cell.pause("alice");
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    // Then its receipt says what it took
    let read = receipt_of(&nodes[0], &receipt);
    assert_eq!(read.statement, StatementDigest::of(&pause.payload).to_string());
    assert_eq!((read.node.as_str(), read.cluster.as_str()), ("node-1", "demo-1"));
    assert_eq!(read.scope, LatchScope::Wallet(WalletId::new("hot-1").unwrap()));
    // And it refuses, before and after a restart, with the same receipt for the same statement
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 11).await, "LATCHED");
    assert_eq!(deliver(&nodes[0], &pause).await.unwrap(), receipt);
    // While the other two sign
    sign(&cell, &[&nodes[1], &nodes[2]], withdrawal, [12; 32]).await.unwrap();
}

#[tokio::test]
async fn latch_gives_way_to_the_rules_once_the_log_contains_the_statement() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let pause = cell.pause("alice");
    deliver(&nodes[0], &pause).await.unwrap();
    // When the log grows without the statement, the latch stays
    cell.fill(3);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    assert_eq!(unlogged(&nodes[0], 1 << 20).await, [pause.to_json()]);
    assert_eq!(unlogged(&nodes[0], 10).await, Vec::<Vec<u8>>::new());
    // When the log contains it, the wallet is paused by the rules
    cell.accept(&pause);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "WALLET_PAUSED");
    let (statements, next) = nodes[0].node.latches.page(0, 10).await.unwrap();
    assert!(next.is_none() && statements.len() == 1 && statements[0].1.lifted);
    // And a resume by quorum lets it sign again
    resume(&mut cell, &pause);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [11; 32]).await.unwrap();
}

#[tokio::test]
async fn latch_that_was_lifted_stays_lifted_and_one_that_was_not_stays_after_a_restart() {
    let (mut cell, mut nodes) = ready().await;
    let (first, second) = (cell.pause("alice"), cell.pause("bob"));
    deliver(&nodes[0], &first).await.unwrap();
    deliver(&nodes[0], &second).await.unwrap();
    cell.accept(&first);
    nodes[0].catch_up(&cell).await;
    let node = nodes.remove(0).restart(&cell).await;
    let left = node.node.latches.in_force().await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].officer.as_str(), "bob");
}

#[tokio::test]
async fn statement_that_the_log_contains_already_is_receipted_without_a_latch() {
    let (mut cell, nodes) = ready().await;
    let pause = cell.pause("alice");
    cell.accept(&pause);
    nodes[0].catch_up(&cell).await;
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    assert_eq!(receipt_of(&nodes[0], &receipt).tip_size, cell.size());
    assert_eq!(nodes[0].node.latches.in_force().await, []);
}

#[tokio::test]
async fn delivered_revocation_stops_withdrawals_that_rely_on_the_entry() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let entry = cell.state().whitelist().next().unwrap().id.clone();
    let revoke = cell.statement("bob", StatementBody::RevokeWhitelistEntry(entry.clone()));
    deliver(&nodes[0], &revoke).await.unwrap();
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    // Another officer's revocation in the log does the same for good: the latch is not needed any more
    let by_alice = cell.statement("alice", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&by_alice);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 11).await, "POLICY_REFUSES");
}

#[tokio::test]
async fn attempt_in_progress_loses_its_last_message_to_a_pause() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    attempt.round(2).await.unwrap();
    deliver(&nodes[0], &cell.pause("alice")).await.unwrap();
    assert_eq!(reason(&attempt.call(&nodes[0], 3).await.unwrap_err()), "LATCHED");
    // The attempt is over, not waiting
    assert_eq!(reason(&attempt.call(&nodes[0], 3).await.unwrap_err()), "SESSION_UNKNOWN");
}

#[tokio::test]
async fn latch_is_on_disk_before_its_receipt_exists() {
    let (cell, nodes) = ready().await;
    deliver(&nodes[0], &cell.pause("alice")).await.unwrap();
    let points = [CrashPoint::BeforeLatch, CrashPoint::AfterLatch];
    let statements: Vec<_> =
        nodes[0].probe.at(&points).iter().map(|(point, disk)| (*point, disk.statements)).collect();
    assert_eq!(statements, [(CrashPoint::BeforeLatch, 0), (CrashPoint::AfterLatch, 1)]);
}

#[tokio::test]
async fn receipt_waits_for_messages_that_are_leaving() {
    let (cell, nodes) = ready().await;
    let node = Arc::clone(&nodes[0].node);
    let pause = cell.pause("alice").to_json();
    // Given a message that is leaving
    let gate = nodes[0].node.latches.gate().await;
    let delivery = tokio::spawn(async move { node.latches.deliver(&node.replica, &pause).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!delivery.is_finished());
    // When it has left
    drop(gate);
    // Then the receipt comes
    delivery.await.unwrap().unwrap();
}

#[tokio::test]
async fn statements_that_need_the_log_or_a_quorum_are_not_taken() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let wallet = WalletId::new("hot-1").unwrap();
    let resume = StatementBody::ProposeResume { wallet, lifts: vec![StatementDigest::of(b"x")] };
    assert_eq!(refused(&nodes[0], &cell.statement("alice", resume)).await, "STATEMENT_NOT_PROTECTIVE");
    let reject = cell.statement("alice", StatementBody::RejectHold(withdrawal));
    assert_eq!(refused(&nodes[0], &reject).await, "STATEMENT_NOT_PROTECTIVE");
}

#[tokio::test]
async fn statements_that_no_officer_made_or_that_say_something_else_are_refused() {
    let (cell, nodes) = ready().await;
    let node = &nodes[0];
    let pause = cell.pause("alice");
    let text = String::from_utf8(pause.payload.clone()).unwrap();

    let mut altered = pause.clone();
    altered.payload = text.replace("hot-1", "hot-2").into_bytes();
    assert_eq!(refused(node, &altered).await, "ENVELOPE_SIGNATURE_INVALID");
    let mut unknown = pause.clone();
    unknown.signatures[0].key_id = "officer:mallory".to_owned();
    assert_eq!(refused(node, &unknown).await, "SIGNER_UNKNOWN");
    let elsewhere = signed_statement("alice", &text.replace("demo-1", "demo-2"));
    assert_eq!(refused(node, &elsewhere).await, "CLUSTER_MISMATCH");
    let elsewhere = signed_statement("alice", &text.replace("demo-1", "demo-2").replace("hot-1", "hot-2"));
    assert_eq!(refused(node, &elsewhere).await, "CLUSTER_MISMATCH");
    let for_bob = signed_statement("alice", &text.replace("officer: alice", "officer: bob"));
    assert_eq!(refused(node, &for_bob).await, "SIGNER_NOT_AUTHORIZED");
    let other_words = signed_statement("alice", &text.replace("address: 0x", "address: 0X"));
    assert_eq!(refused(node, &other_words).await, "STATEMENT_MISMATCH");

    let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": 99, "customer": "c-1",
        "observed_at_ms": cell.now, "new_device": false, "second_factor_reset": false});
    let report = sign_payload(PayloadKind::SessionReport, &report, "provider", "sessions");
    assert_eq!(refused(node, &report).await, "NOT_A_STATEMENT");
    let by_coordinator = coordinator(PayloadKind::Authorize, &json!({}));
    assert_eq!(refused(node, &by_coordinator).await, "FIELD_INVALID");
    let garbage = node.node.latches.deliver(&node.node.replica, b"{}").await.unwrap_err();
    assert_eq!(garbage.code(), "ENVELOPE_MALFORMED");
}

#[tokio::test]
async fn one_officer_cannot_use_up_the_room_of_another() {
    let (mut cell, nodes) = ready().await;
    for _ in 0..MAX_LATCHES_PER_OFFICER {
        cell.now += 1;
        deliver(&nodes[0], &cell.pause("alice")).await.unwrap();
    }
    cell.now += 1;
    assert_eq!(deliver(&nodes[0], &cell.pause("alice")).await.unwrap_err().code(), "TOO_MANY_LATCHES");
    deliver(&nodes[0], &cell.pause("bob")).await.unwrap();
}

#[tokio::test]
async fn officers_learn_the_end_of_a_nodes_log_from_a_note_that_the_log_key_signed() {
    let (cell, nodes) = ready().await;
    let request = || Request::new(v1::StatementsRequest::default());
    let page = nodes[0].officer_api().statements(request()).await.unwrap().into_inner();
    let note = SignedCheckpoint::parse(&page.checkpoint).unwrap();
    let key = cell.replica.state().roster().coordinator().log_key;
    let origin = Origin::of_cluster(cell.replica.state().cluster().as_str()).unwrap();
    let told = note.verify(&LogVerifier::new(origin, key)).unwrap();
    assert_eq!((told.size, told.root), (cell.size(), cell.replica.root()));
}

#[tokio::test]
async fn officers_list_what_they_delivered_page_by_page() {
    let (mut cell, nodes) = ready().await;
    let api = nodes[0].officer_api();
    let mut delivered = Vec::new();
    for _ in 0..20 {
        cell.now += 1;
        let envelope = cell.pause("alice").to_json();
        let request = v1::DeliverRequest { envelope: envelope.clone() };
        let receipt = api.deliver(Request::new(request)).await.unwrap().into_inner().receipt_envelope;
        delivered.push((envelope, receipt));
    }
    let mut listed = Vec::new();
    let mut page_token = String::new();
    for _ in 0..20 {
        let request = v1::StatementsRequest { page_size: 7, page_token };
        let page = api.statements(Request::new(request)).await.unwrap().into_inner();
        assert!(page.statements.len() <= 7 && page.statements.iter().all(|statement| !statement.lifted));
        listed.extend(page.statements.into_iter().map(|s| (s.envelope, s.receipt_envelope)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, delivered);
    let garbage = v1::DeliverRequest { envelope: b"{}".to_vec() };
    let refused = api.deliver(Request::new(garbage)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "ENVELOPE_MALFORMED"));
}
