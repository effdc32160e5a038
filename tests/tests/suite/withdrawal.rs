//! A withdrawal from end to end: four separate processes, a ceremony, a signature that others can check, and nodes that
//! are away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718 as _;
use holdfast_ledger::WithdrawalState as Logged;
use holdfast_log::{CosignatureVerifier, Entry, KeyName, LogVerifier, Origin, TlogProof};
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, LogCopy, NODES, Options, PAYEE, Store, THIEF, WALLET, now_ms, transfer,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A receipt checked by somebody who believes nobody: another Ethereum library, and the keys in genesis.
fn check_receipt(cluster: &Cluster, log: &LogCopy, withdrawal: &v1::Withdrawal, expected: &[u8]) {
    let receipt = withdrawal.receipt.as_ref().expect("a receipt");
    let TxEnvelope::Eip1559(signed) =
        TxEnvelope::decode_2718(&mut receipt.raw_transaction.as_slice()).unwrap()
    else {
        panic!("another type of transaction");
    };
    assert_eq!(signed.recover_signer().unwrap().to_string(), receipt.address, "the wallet signed it");
    assert_eq!(signed.chain_id(), Some(1));
    assert_eq!(signed.signature_hash().as_slice(), receipt.signing_hash);
    assert_eq!(withdrawal.unsigned_transaction, expected, "it signs what the client sent");
    let roster = log.state().roster();
    let log_key = LogVerifier::new(Origin::of_cluster(cluster.name()).unwrap(), roster.coordinator().log_key);
    let cosigners: Vec<_> = roster
        .nodes()
        .iter()
        .map(|node| {
            CosignatureVerifier::new(
                KeyName::of_node(cluster.name(), node.id.as_str()).unwrap(),
                node.cosigning_key,
            )
        })
        .collect();
    for (entry, proof) in [
        (&receipt.signature_entry, &receipt.tlog_proof),
        (&receipt.authorization_entry, &receipt.authorization_proof),
    ] {
        let leaf = Entry::parse(entry).unwrap().leaf_hash();
        TlogProof::parse(proof).unwrap().verify(leaf, &log_key, &cosigners, 2).unwrap();
    }
}

fn signature_of(withdrawal: &v1::Withdrawal) -> String {
    hex::encode(&withdrawal.receipt.as_ref().expect("a receipt").signature)
}

/// Exactly one signature of this withdrawal took effect in the log.
fn assert_one_canonical_signature(log: &LogCopy, withdrawal: &v1::Withdrawal) {
    let id = withdrawal.id.parse().unwrap();
    let known = log.state().withdrawal(&id).unwrap();
    assert_eq!(known.logged_state(), Logged::Signed);
    let signature = known.signature.unwrap().to_bytes();
    assert_eq!(signature.as_slice(), withdrawal.receipt.as_ref().unwrap().signature);
}

async fn end_to_end(store: Store) {
    // Given a cluster whose wallet was made by a ceremony of two officers
    let cluster = Cluster::running(Options { store }).await;
    let ceremony = cluster.create_wallet(WALLET).await;
    let approved_by: BTreeSet<&str> = ceremony.approvals.iter().map(|a| a.officer.as_str()).collect();
    assert_eq!(approved_by, BTreeSet::from(["alice", "bob"]));
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    // When the client asks for a withdrawal within policy
    let pipeline = cluster.pipeline().await;
    let request = cluster.request();
    let withdrawal = pipeline.submit(&request).await.unwrap();
    // Then it is signed, and anybody can see that it is what was asked for
    assert_eq!(withdrawal.state(), State::Signed, "{:?}", withdrawal.reason);
    let expected = transfer(PAYEE, 1_250_000_000, 0);
    let log = cluster.download().await;
    check_receipt(&cluster, &log, &withdrawal, expected.as_bytes());
    assert_one_canonical_signature(&log, &withdrawal);
    // And asking again, before and after a restart of everything, gives the same
    let again = pipeline.submit(&request).await.unwrap();
    assert_eq!(signature_of(&again), signature_of(&withdrawal));
    for server in NODES.iter().chain([&COORDINATOR]) {
        let status = cluster.terminate(server, Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(0), "{server} did not stop cleanly: {status}");
    }
    cluster.start_all().await;
    let pipeline = cluster.pipeline().await;
    let later = pipeline.submit(&request).await.unwrap();
    assert_eq!(signature_of(&later), signature_of(&withdrawal));
    let next = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!(next.state(), State::Signed, "{:?}", next.reason);
}

#[tokio::test]
async fn a_withdrawal_within_policy_is_signed_by_separate_processes_and_verifies_independently() {
    end_to_end(Store::Redb).await;
}

#[tokio::test]
async fn a_withdrawal_is_signed_from_end_to_end_with_every_process_on_sled() {
    end_to_end(Store::Sled).await;
}

#[tokio::test]
async fn nodes_and_coordinator_are_separate_operating_system_processes_found_by_pid() {
    let cluster = Cluster::running(Options::default()).await;
    let pids: BTreeSet<u32> = NODES.iter().chain([&COORDINATOR]).map(|server| cluster.pid(server)).collect();
    assert_eq!(pids.len(), 4);
    assert!(!pids.contains(&std::process::id()));
    for node in NODES {
        assert_eq!(cluster.executable(node).file_name().unwrap(), "holdfast-node");
    }
    assert_eq!(cluster.executable(COORDINATOR).file_name().unwrap(), "holdfast-coordinator");
}

#[tokio::test]
async fn every_process_stops_cleanly_on_sigterm_within_seconds() {
    let cluster = Cluster::running(Options::default()).await;
    // Given a client that keeps its connection and a call open
    let pipeline = cluster.pipeline().await;
    pipeline.list().await;
    // When the processes are asked to stop
    let started = Instant::now();
    for server in [COORDINATOR].iter().chain(&NODES) {
        let status = cluster.terminate(server, Duration::from_secs(15)).await;
        // Then each does, by itself
        assert_eq!(status.code(), Some(0), "{server}: {status}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn two_of_three_sign_with_one_node_down_and_wait_for_a_second_with_two_down() {
    let cluster = Cluster::ready(Options::default()).await;
    let pipeline = cluster.pipeline().await;
    // Given one node down, whichever it is
    for down in NODES {
        cluster.kill_9(down);
        let withdrawal = pipeline.submit(&cluster.request()).await.unwrap();
        assert_eq!(withdrawal.state(), State::Signed, "without {down}: {:?}", withdrawal.reason);
        cluster.bring_up(down).await;
    }
    // When two are down
    cluster.kill_9("node-1");
    cluster.kill_9("node-3");
    let withdrawal = pipeline.submit_only(&cluster.request()).await.unwrap();
    // Then the withdrawal waits, and says for whom
    let waiting = pipeline.waits_for(&withdrawal.id, &["node-1", "node-3"], PATIENCE).await;
    assert_ne!(waiting.state(), State::Signed);
    assert!(waiting.receipt.is_none());
    // And is signed, without anybody asking again, once one is back
    cluster.bring_up("node-3").await;
    let signed = pipeline.reaches(&withdrawal.id, State::Signed, PATIENCE).await;
    assert_eq!(signed.missing_nodes, Vec::<String>::new());
    assert_one_canonical_signature(&cluster.download().await, &signed);
}

#[tokio::test]
async fn a_transaction_bound_later_is_signed_and_one_that_pays_somebody_else_is_not() {
    let cluster = Cluster::ready(Options::default()).await;
    let pipeline = cluster.pipeline().await;
    // Given an intent without a transaction
    let allowed = pipeline.submit(&cluster.intent()).await.unwrap();
    assert_eq!(allowed.state(), State::Allowed, "{:?}", allowed.reason);
    // When a transaction comes that pays a thief
    let stolen = cluster.bind(&allowed.id, &transfer(THIEF, 1_250_000_000, 0));
    let refusal = holdfast_tests::refused(
        pipeline.bind(&stolen).await,
        tonic::Code::InvalidArgument,
        "TRANSACTION_DESTINATION_MISMATCH",
    );
    assert_eq!(refusal.fields, ["transaction"]);
    // Then nothing is bound, and the right one is signed
    let honest = transfer(PAYEE, 1_250_000_000, 0);
    let signed = pipeline.bind(&cluster.bind(&allowed.id, &honest)).await.unwrap();
    assert_eq!(signed.state(), State::Signed, "{:?}", signed.reason);
    check_receipt(&cluster, &cluster.download().await, &signed, honest.as_bytes());
}
