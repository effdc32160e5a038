//! Power cuts of whole machines: whatever was acknowledged before the light went out is there when it is back.
//!
//! Data directories of nodes and coordinator lie on disks that forget what was not synced. Needs root and loop devices; the
//! tests say when they are skipped. The short form cuts a few times on redb; HOLDFAST_LONG_TESTS adds cuts, and sled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_ledger::StatementBody;
use holdfast_tests::power::{Disk, isolated};
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, NODES, Options, PAYEE, STRANGER, Steadfast, Store, WALLET, now_ms,
};

use crate::is_long;

mod stores;

const PIPELINES: usize = 3;
/// Whose power fails, cut by cut.
const OUTAGES: [&[&str]; 4] =
    [&["node-1", "node-2", "node-3", COORDINATOR], &["node-1"], &[COORDINATOR], &["node-2", COORDINATOR]];

/// A cluster whose data lie on disks that can lose their power.
async fn cluster_on_disks(store: Store) -> (Vec<(&'static str, Disk)>, Cluster) {
    let cluster = Cluster::make(Options { store });
    let disk = |server: &'static str| {
        let image = cluster.path(&format!("{server}.image"));
        (server, Disk::make(&image, &cluster.path(server).join("data")).unwrap())
    };
    let disks = NODES.into_iter().chain([COORDINATOR]).map(disk).collect();
    cluster.start_all().await;
    cluster.create_wallet(WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    (disks, cluster)
}

/// One withdrawal after another, each until it is signed.
async fn pay(parties: &Steadfast<'_>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let id = parties.submit().await;
        parties.signed(&id).await;
    }
}

/// Whitelists somebody and has the nodes told that it is revoked, again and again.
async fn revoke(cluster: &Cluster, parties: &Steadfast<'_>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let entry = parties.whitelist(STRANGER).await;
        let officer = cluster.officer("alice");
        let body = StatementBody::RevokeWhitelistEntry(entry.parse().unwrap());
        let statement = officer.sign(&officer.statement(parties.log().await.state(), body));
        for node in NODES {
            parties.latch(node, "alice", &statement).await;
        }
    }
}

async fn watch(parties: &Steadfast<'_>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        parties.note_tips().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The power of some servers fails in the middle of their work, and comes back.
async fn outage(cluster: &Cluster, disks: &[(&str, Disk)], servers: &[&str], after: Duration) {
    tokio::time::sleep(after).await;
    let affected: Vec<_> = disks.iter().filter(|(server, _)| servers.contains(server)).collect();
    affected.iter().for_each(|(_, disk)| disk.cut());
    for (server, _) in &affected {
        // A coordinator whose log cannot be written ends by itself.
        if cluster.reap(server).is_none() {
            cluster.kill_9(server);
        }
    }
    affected.iter().for_each(|(_, disk)| disk.restore());
    for (server, _) in &affected {
        cluster.start(server);
    }
    for (server, _) in &affected {
        cluster.wait_healthy(server).await;
    }
}

async fn nothing_acknowledged_is_lost(store: Store, outages: usize) {
    let (disks, cluster) = cluster_on_disks(store).await;
    let parties = Steadfast::of(&cluster);
    let stop = AtomicBool::new(false);
    let cuts = async {
        for cut in 0..outages {
            let servers = OUTAGES[cut % OUTAGES.len()];
            let after = Duration::from_millis(500 + u64::try_from(cut).unwrap() * 377 % 700);
            outage(&cluster, &disks, servers, after).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let paying = futures::future::join_all((0..PIPELINES).map(|_| pay(&parties, &stop)));
    tokio::join!(cuts, paying, revoke(&cluster, &parties, &stop), watch(&parties, &stop));
    let checked = parties.check().await;
    // Enough was going on for the cuts to hit something
    assert!(checked.receipts > 2 * outages && checked.latches >= NODES.len(), "{checked:?}");
    println!("{store:?}: {outages} power cuts, nothing lost of {checked:?}");
    drop(cluster);
    drop(disks);
}

#[tokio::test]
async fn power_cuts_in_the_middle_of_withdrawals_lose_nothing_acknowledged_on_redb() {
    if isolated("power_cut::power_cuts_in_the_middle_of_withdrawals_lose_nothing_acknowledged_on_redb") {
        nothing_acknowledged_is_lost(Store::Redb, if is_long() { 16 } else { 3 }).await;
    }
}

#[tokio::test]
async fn power_cuts_in_the_middle_of_withdrawals_lose_nothing_acknowledged_on_sled() {
    let name = "power_cut::power_cuts_in_the_middle_of_withdrawals_lose_nothing_acknowledged_on_sled";
    if is_long() && isolated(name) {
        nothing_acknowledged_is_lost(Store::Sled, 16).await;
    }
}
