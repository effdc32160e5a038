//! Disks that run full or fail: who cannot write promises nothing, says why, blames nobody, and goes on once there is room. Also in
//! the moment in which pages of customers' histories are written, before the snapshot that names them.
//!
//! Data directories lie on small file systems of their own. Needs root and loop devices; the test says when it is skipped.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_ledger::StatementBody;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::crash::{DYING, DiskTrouble};
use holdfast_tests::power::{Disk, isolated};
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Options, PAYEE, STRANGER, Steadfast, Store, WALLET, eventually, now_ms,
    refused,
};
use serde_json::Value;
use tonic::Code;

use crate::is_long;

const PATIENCE: Duration = Duration::from_secs(60);
/// What a node says about itself; every other incident would be about what somebody else did.
const OWN_FAILURE: [&str; 2] = ["STORE_FAILED", "REPLICA_UNSURE"];
/// Pages are written for the second time, so that there is a snapshot that names the first ones.
const AT_PAGES: &str = "before-pages:2";
/// A snapshot every other entry, and never any trouble.
const OFTEN: &str = "before-pages:1000000";
/// Room for a log of some hundred entries.
const DISK_BYTES: u64 = 48 << 20;

async fn pay(parties: &Steadfast<'_>) {
    let id = parties.submit().await;
    parties.signed(&id).await;
}

/// The codes of everything that a node refused and noted as an incident.
fn incidents(cluster: &Cluster, node: &str) -> BTreeSet<String> {
    let text = cluster.log_text(node);
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let noted = lines.filter(|line| line["fields"]["message"] == "refused");
    noted.map(|line| line["fields"]["code"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Starts a server whose disk is still full: it does not start, or does nothing. It is not running afterwards.
async fn does_nothing_while_full(cluster: &Cluster, server: &str) {
    cluster.start(server);
    tokio::time::sleep(Duration::from_secs(2)).await;
    match cluster.reap(server) {
        Some(status) => assert!(status.code().is_some_and(|code| code != 0), "{server}: {status}"),
        None => cluster.kill_9(server),
    }
}

async fn full_node(cluster: &Cluster, parties: &Steadfast<'_>, disk: &Disk) {
    let entry = parties.whitelist(STRANGER).await;
    let officer = cluster.officer("alice");
    let statement = officer.says(StatementBody::RevokeWhitelistEntry(entry.parse().unwrap())).await;
    // Given that a node which is needed runs out of room
    cluster.kill_9("node-3");
    disk.fill();
    eventually("node-1 has no room", PATIENCE, || async {
        parties.submit().await;
        cluster.log_text("node-1").contains("store write failed").then_some(()).ok_or("it has room")
    })
    .await;
    // Then it gives no receipt, and nothing is signed with it
    refused(officer.deliver("node-1", &statement).await, Code::Unavailable, "STORE_FAILED");
    eventually("node-1 says that it does not serve", PATIENCE, || async {
        let answer = cluster.answers("node-1").await;
        if answer == Err("SERVER_NOT_SERVING".to_owned()) { Ok(()) } else { Err(answer) }
    })
    .await;
    let id = parties.submit().await;
    let pipeline = cluster.pipeline().await;
    let waiting = pipeline.waits_for(&id, &["node-1", "node-3"], PATIENCE).await;
    assert!(waiting.state() != State::Signed && waiting.receipt.is_none(), "{waiting:?}");
    // Nor after a restart, as long as there is none
    cluster.kill_9("node-1");
    does_nothing_while_full(cluster, "node-1").await;
    // When there is room again, it goes on where it was, and has accused nobody
    disk.free();
    cluster.bring_up("node-1").await;
    parties.signed(&id).await;
    parties.latch("node-1", "alice", &statement).await;
    cluster.bring_up("node-3").await;
    let noted = incidents(cluster, "node-1");
    assert!(noted.iter().all(|code| OWN_FAILURE.contains(&code.as_str())), "{noted:?}");
    parties.check().await;
}

async fn full_coordinator(cluster: &Cluster, parties: &Steadfast<'_>, disk: &Disk) {
    pay(parties).await;
    // Given that the coordinator runs out of room
    disk.fill();
    let pipeline = cluster.pipeline().await;
    let mut acknowledged = Vec::new();
    let (envelope, status) = loop {
        let envelope = cluster.request().signed(cluster);
        match pipeline.submit_envelope(&envelope, 0).await {
            Ok(taken) => acknowledged.push(taken.id),
            Err(status) => break (envelope, status),
        }
    };
    // Then it says so and ends, because what it holds in memory is worth nothing any more
    assert!(matches!(status.code(), Code::Unavailable | Code::Aborted), "{status:?}");
    let ended = cluster.ends_by_itself(COORDINATOR, PATIENCE).await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    does_nothing_while_full(cluster, COORDINATOR).await;
    // When there is room again, what it acknowledged is there, and what it did not can be sent again
    disk.free();
    cluster.bring_up(COORDINATOR).await;
    let pipeline = cluster.pipeline().await;
    acknowledged.push(pipeline.submit_envelope(&envelope, 0).await.unwrap().id);
    for id in &acknowledged {
        pipeline.reaches(id, State::Signed, PATIENCE).await;
    }
    parties.check().await;
    println!("{} withdrawals taken until the coordinator's disk was full", acknowledged.len() - 1);
}

/// Whether the trouble came that [`Cluster::start_losing_disk`] announces, at this point and nowhere else.
fn troubled(cluster: &Cluster, server: &str) -> bool {
    let log = cluster.log_text(server);
    let points: Vec<_> = log.lines().filter_map(|line| line.strip_prefix(DYING)).collect();
    assert!(points.iter().all(|point| *point == "before-pages"), "{points:?}");
    !points.is_empty()
}

/// The server writes pages and a snapshot, and starts from it.
async fn keeps_pages_again(cluster: &Cluster, parties: &Steadfast<'_>, server: &str) {
    cluster.kill_9(server);
    let written = || cluster.log_text(server).matches("\"snapshot written\"").count();
    let before = written();
    cluster.start_crashing(server, OFTEN);
    cluster.wait_healthy(server).await;
    pay(parties).await;
    eventually("a snapshot is written", PATIENCE, || async {
        (written() > before).then_some(()).ok_or("not yet")
    })
    .await;
    cluster.kill_9(server);
    cluster.bring_up(server).await;
    pay(parties).await;
    let log = cluster.log_text(server);
    for complaint in ["PAGE_LOST", "a page of customers' histories is lost", "the snapshot is not used"] {
        assert!(!log.contains(complaint), "{server}: {complaint}");
    }
}

async fn node_loses_disk(cluster: &Cluster, parties: &Steadfast<'_>, disk: &Disk, trouble: DiskTrouble) {
    let entry = parties.whitelist(STRANGER).await;
    let officer = cluster.officer("alice");
    let statement = officer.says(StatementBody::RevokeWhitelistEntry(entry.parse().unwrap())).await;
    // Given that a node which is needed cannot write the pages of a snapshot
    cluster.kill_9("node-3");
    cluster.kill_9("node-1");
    cluster.start_losing_disk("node-1", AT_PAGES, trouble);
    cluster.wait_healthy("node-1").await;
    eventually("node-1 cannot write", PATIENCE, || async {
        parties.submit().await;
        let cannot = troubled(cluster, "node-1") && cluster.log_text("node-1").contains("store write failed");
        cannot.then_some(()).ok_or("it can")
    })
    .await;
    // Then it gives no receipt, and nothing is signed with it
    refused(officer.deliver("node-1", &statement).await, Code::Unavailable, "STORE_FAILED");
    let id = parties.submit().await;
    let pipeline = cluster.pipeline().await;
    let waiting = pipeline.waits_for(&id, &["node-1", "node-3"], PATIENCE).await;
    assert!(waiting.state() != State::Signed && waiting.receipt.is_none(), "{waiting:?}");
    cluster.kill_9("node-1");
    does_nothing_while_full(cluster, "node-1").await;
    // When it can write again, it goes on where it was, and has accused nobody
    recovers(disk, trouble);
    cluster.bring_up("node-1").await;
    parties.signed(&id).await;
    parties.latch("node-1", "alice", &statement).await;
    keeps_pages_again(cluster, parties, "node-1").await;
    cluster.bring_up("node-3").await;
    let noted = incidents(cluster, "node-1");
    assert!(noted.iter().all(|code| OWN_FAILURE.contains(&code.as_str())), "{noted:?}");
    parties.check().await;
}

async fn coordinator_loses_disk(
    cluster: &Cluster,
    parties: &Steadfast<'_>,
    disk: &Disk,
    trouble: DiskTrouble,
) {
    // Given that the coordinator cannot write the pages of a snapshot
    cluster.kill_9(COORDINATOR);
    cluster.start_losing_disk(COORDINATOR, AT_PAGES, trouble);
    cluster.wait_healthy(COORDINATOR).await;
    let pipeline = cluster.pipeline().await;
    let mut acknowledged = Vec::new();
    let envelope = loop {
        let envelope = cluster.request().signed(cluster);
        match pipeline.submit_envelope(&envelope, 0).await {
            Ok(taken) => acknowledged.push(taken.id),
            Err(_) => break envelope,
        }
    };
    // Then it ends, because what it holds in memory is worth nothing any more, and does nothing as long as it cannot
    let ended = cluster.ends_by_itself(COORDINATOR, PATIENCE).await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(troubled(cluster, COORDINATOR));
    does_nothing_while_full(cluster, COORDINATOR).await;
    // When it can write again, what it acknowledged is there, and what it did not can be sent again
    recovers(disk, trouble);
    cluster.bring_up(COORDINATOR).await;
    let pipeline = cluster.pipeline().await;
    acknowledged.push(pipeline.submit_envelope(&envelope, 0).await.unwrap().id);
    for id in &acknowledged {
        pipeline.reaches(id, State::Signed, PATIENCE).await;
    }
    keeps_pages_again(cluster, parties, COORDINATOR).await;
    parties.check().await;
    println!("{} withdrawals taken until the coordinator's disk was {trouble:?}", acknowledged.len() - 1);
}

fn recovers(disk: &Disk, trouble: DiskTrouble) {
    match trouble {
        DiskTrouble::Full => disk.free(),
        DiskTrouble::Lost => disk.restore(),
    }
}

/// A cluster that is ready to pay, with a node and the coordinator on small disks of their own.
async fn on_small_disks(store: Store) -> (Cluster, [Disk; 2]) {
    let cluster = Cluster::make(Options { store });
    let disk = |server: &str| {
        let image = cluster.path(&format!("{server}.image"));
        Disk::make_of(DISK_BYTES, &image, &cluster.path(server).join("data")).unwrap()
    };
    let disks = [disk("node-1"), disk(COORDINATOR)];
    cluster.start_all().await;
    cluster.create_wallet(WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    (cluster, disks)
}

async fn full_disks(store: Store) {
    let (cluster, disks) = on_small_disks(store).await;
    let parties = Steadfast::of(&cluster);
    full_node(&cluster, &parties, &disks[0]).await;
    full_coordinator(&cluster, &parties, &disks[1]).await;
    drop(cluster);
    drop(disks);
}

async fn disks_lost_at_pages(store: Store, trouble: DiskTrouble) {
    let (cluster, disks) = on_small_disks(store).await;
    let parties = Steadfast::of(&cluster);
    node_loses_disk(&cluster, &parties, &disks[0], trouble).await;
    coordinator_loses_disk(&cluster, &parties, &disks[1], trouble).await;
    drop(cluster);
    drop(disks);
}

#[tokio::test]
async fn who_runs_out_of_room_promises_nothing_and_goes_on_when_there_is_room_again_on_redb() {
    if isolated(
        "disk_full::who_runs_out_of_room_promises_nothing_and_goes_on_when_there_is_room_again_on_redb",
    ) {
        full_disks(Store::Redb).await;
    }
}

#[tokio::test]
async fn who_runs_out_of_room_while_pages_are_written_loses_nothing() {
    if isolated("disk_full::who_runs_out_of_room_while_pages_are_written_loses_nothing") {
        disks_lost_at_pages(Store::Redb, DiskTrouble::Full).await;
    }
}

#[tokio::test]
async fn whose_disk_fails_while_pages_are_written_loses_nothing() {
    if isolated("disk_full::whose_disk_fails_while_pages_are_written_loses_nothing") {
        disks_lost_at_pages(Store::Redb, DiskTrouble::Lost).await;
    }
}

#[tokio::test]
async fn who_runs_out_of_room_promises_nothing_and_goes_on_when_there_is_room_again_on_sled() {
    let name =
        "disk_full::who_runs_out_of_room_promises_nothing_and_goes_on_when_there_is_room_again_on_sled";
    if is_long() && isolated(name) {
        full_disks(Store::Sled).await;
    }
}

#[tokio::test]
async fn whose_disk_fails_while_pages_are_written_loses_nothing_on_sled() {
    let name = "disk_full::whose_disk_fails_while_pages_are_written_loses_nothing_on_sled";
    if is_long() && isolated(name) {
        disks_lost_at_pages(Store::Sled, DiskTrouble::Full).await;
        disks_lost_at_pages(Store::Sled, DiskTrouble::Lost).await;
    }
}
