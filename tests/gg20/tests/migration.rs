//! A wallet on the engine that nobody maintains moves to the default one, through real processes of which one dies in each phase.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, ENGINE, GG20, NODES, Options, PAYEE, WALLET, eventually, now_ms,
};

const HOUR_MS: u64 = 3_600_000;
const DEATH: Duration = Duration::from_secs(90);

/// A cluster whose nodes all have both engines, with a wallet on the old one that may pay.
async fn running() -> Cluster {
    let cluster = Cluster::make(Options::default());
    cluster.start_all_with_gg20().await;
    cluster.create_wallet_on("gg20", WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + HOUR_MS).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    cluster
}

/// Proposes new shares of the default engine with the real command and approves them; the ceremony's id.
fn start_migration(cluster: &Cluster) -> String {
    let terminal = cluster.terminal();
    let proposed = terminal.ok(&format!("wallet migrate {WALLET} --to dkls23 --officer alice --yes"));
    let ceremony = proposed["id"].as_str().unwrap().to_owned();
    terminal.approve(&ceremony, &["alice", "bob"]);
    ceremony
}

/// Pays from this address with shares of this engine, and verifies the logged signature with plain k256.
async fn pays(cluster: &Cluster, address: &str, engine: &str) {
    let paid = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), WithdrawalState::Signed, "{:?}", paid.reason);
    let log = cluster.download().await;
    let known = log.state().withdrawal(&paid.id.parse().unwrap()).unwrap();
    let digest = known.transaction.as_ref().unwrap().signing_hash;
    let wallet = log.state().wallet(&WALLET.parse().unwrap()).unwrap();
    assert_eq!((wallet.engine.as_str(), wallet.address.to_string().as_str()), (engine, address));
    known.signature.unwrap().verify(&digest, &wallet.public_key).unwrap();
}

fn address(cluster: &Cluster) -> String {
    let shown = cluster.terminal().ok(&format!("wallet show {WALLET}"));
    shown["address"].as_str().unwrap().to_owned()
}

/// Waits until the only backup of a share that a node has is of this epoch.
async fn keeps_only(cluster: &Cluster, node: &str, epoch: u32) {
    let backups = cluster.path(node).join("data/backups");
    let of_epoch = format!("{WALLET}-{epoch}-");
    eventually(&format!("{node} keeps epoch {epoch} only"), DEATH, || async {
        let names = names_in(&backups);
        (names.len() == 1 && names[0].starts_with(&of_epoch)).then_some(()).ok_or(names)
    })
    .await;
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn wallet_that_moved_pays_from_the_same_address_and_its_nodes_need_the_old_engine_no_more() {
    let cluster = running().await;
    let terminal = cluster.terminal();
    let address = address(&cluster);
    let deposit = terminal.ok(&format!("wallet deposit-address {WALLET} 7"))["address"].clone();
    pays(&cluster, &address, GG20).await;
    let refused = terminal.told(&format!("wallet migrate {WALLET} --to gg20 --officer alice --yes"));
    assert!(refused.contains("takes over no key"), "{refused}");
    // When its key moves
    let ceremony = start_migration(&cluster);
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    // Then it pays with new shares, the old ones are gone everywhere, and deposit addresses are what they were
    pays(&cluster, &address, ENGINE).await;
    for node in NODES {
        keeps_only(&cluster, node, 1).await;
    }
    assert_eq!(terminal.ok(&format!("wallet deposit-address {WALLET} 7"))["address"], deposit);
    // And default programs go on with it
    for node in NODES {
        cluster.kill_9(node);
        cluster.start(node);
    }
    cluster.wait_all_healthy().await;
    pays(&cluster, &address, ENGINE).await;
}

#[tokio::test]
async fn migration_ends_although_a_node_is_killed_in_each_of_its_phases() {
    let cluster = running().await;
    let address = address(&cluster);
    let mut epoch = 0;
    // The state is written for the offer and for each of five rounds; then share, backup, record; then the erasure. The
    // first of these moves the key off the old engine, the others to new shares of the default one.
    for point in [
        "keygen-prepare",
        "after-keygen-state:2",
        "after-keygen-state:3",
        "after-keygen-state:4",
        "after-keygen-state:5",
        "before-share",
        "after-share",
        "after-backup",
        "after-keygen-record",
        "before-erasure",
        "between-erasures",
        "after-erasure",
    ] {
        cluster.kill_9("node-2");
        cluster.start_with_gg20_crashing("node-2", point);
        cluster.wait_healthy("node-2").await;
        let ceremony = start_migration(&cluster);
        let died =
            eventually("node-2 dies", DEATH, || async { cluster.reap("node-2").ok_or("it lives") }).await;
        assert_eq!(died.signal(), Some(9), "{point}: {died}");
        cluster.kill_9(COORDINATOR);
        cluster.bring_up(COORDINATOR).await;
        cluster.start_with_gg20("node-2");
        cluster.wait_healthy("node-2").await;
        cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
        epoch += 1;
        for node in NODES {
            keeps_only(&cluster, node, epoch).await;
        }
        // With the node that died among the signers
        cluster.kill_9("node-3");
        pays(&cluster, &address, ENGINE).await;
        cluster.start_with_gg20("node-3");
        cluster.wait_healthy("node-3").await;
    }
}
