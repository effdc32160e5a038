//! A wallet on the engine that nobody maintains moves to the default one, through real processes of which one dies in each phase.
//!
//! `HOLDFAST_LONG_TESTS=1` kills one node at each point of a migration of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_tests::{COORDINATOR, Cluster, ENGINE, GG20, NODES, Options, WALLET, eventually};

const DEATH: Duration = Duration::from_secs(90);

/// Where a node dies in a migration, in its order: the state is written for the offer and for each of five rounds; then come share,
/// backup and record; then the erasure.
const POINTS: [&str; 12] = [
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
];

/// A cluster whose nodes all have both engines, with a wallet on the old one that may pay.
async fn running() -> Cluster {
    let cluster = Cluster::make(Options::default());
    cluster.start_all_with_gg20().await;
    cluster.create_wallet_on("gg20", WALLET).await;
    cluster.may_pay().await;
    cluster
}

/// Pays from this address with shares of this engine.
async fn pays(cluster: &Cluster, address: &str, engine: &str) {
    let wallet = cluster.pays().await;
    assert_eq!((wallet.engine.as_str(), wallet.address.to_string().as_str()), (engine, address));
}

fn address(cluster: &Cluster) -> String {
    let shown = cluster.terminal().ok(&format!("wallet show {WALLET}"));
    shown["address"].as_str().unwrap().to_owned()
}

fn deposit(cluster: &Cluster) -> String {
    let shown = cluster.terminal().ok(&format!("wallet deposit-address {WALLET} 7"));
    shown["address"].as_str().unwrap().to_owned()
}

async fn moved(cluster: &Cluster, epoch: u64) {
    for node in NODES {
        cluster.keeps_only(node, WALLET, epoch).await;
    }
    cluster.all_say_erased(WALLET, epoch).await;
}

#[tokio::test]
async fn wallet_that_moved_pays_from_the_same_address_and_its_nodes_need_the_old_engine_no_more() {
    let cluster = running().await;
    let (address, deposited) = (address(&cluster), deposit(&cluster));
    pays(&cluster, &address, GG20).await;
    let terminal = cluster.terminal();
    let (code, refused) = terminal.run(&format!("wallet migrate {WALLET} --to gg20 --officer alice --yes"));
    assert_eq!(
        (code != 0, &refused["error"]["reason"]),
        (true, &"ENGINE_CANNOT_RECEIVE".into()),
        "{refused:#}"
    );
    // When its key moves, then it pays with new shares, the old ones are gone everywhere, and deposit addresses are what they were
    let ceremony = cluster.start_migration(WALLET, "--to dkls23 --giver node-3 --giver node-1");
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    pays(&cluster, &address, ENGINE).await;
    moved(&cluster, 1).await;
    assert_eq!(deposit(&cluster), deposited);
    // And default programs go on with it
    for node in NODES {
        cluster.kill_9(node);
        cluster.start(node);
    }
    cluster.wait_all_healthy().await;
    pays(&cluster, &address, ENGINE).await;
    // When officers want a fresh chain code, they are told what it does, and deposit addresses are others
    let unsent = "--to dkls23 --fresh-chain-code --officer alice --write-statement fresh.txt";
    let told = terminal.told(&format!("wallet migrate {WALLET} {unsent}"));
    assert!(told.contains("EVERY deposit address"), "{told}");
    let ceremony = cluster.start_migration(WALLET, "--to dkls23 --fresh-chain-code");
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    moved(&cluster, 2).await;
    assert_ne!(deposit(&cluster), deposited);
    pays(&cluster, &address, ENGINE).await;
}

/// Starts nodes so that each dies at a point of the migration that follows, and the coordinator with the first; revives them.
async fn migrates_although_these_die(cluster: &Cluster, deaths: &[(&str, &str)]) {
    for (node, point) in deaths {
        cluster.kill_9(node);
        cluster.start_with_gg20_crashing(node, point);
        cluster.wait_healthy(node).await;
    }
    let ceremony = cluster.start_migration(WALLET, "--to dkls23");
    let mut left = deaths.to_vec();
    while !left.is_empty() {
        let (place, died) = eventually(&format!("one of {left:?} dies"), DEATH, || async {
            let mut places = left.iter().enumerate();
            places.find_map(|(place, (node, _))| Some((place, cluster.reap(node)?))).ok_or("all live")
        })
        .await;
        let (node, point) = left.remove(place);
        assert_eq!(died.signal(), Some(9), "{node} at {point}: {died}");
        if left.len() + 1 == deaths.len() {
            cluster.kill_9(COORDINATOR);
            cluster.bring_up(COORDINATOR).await;
        }
        cluster.start_with_gg20(node);
        cluster.wait_healthy(node).await;
    }
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
}

#[tokio::test]
async fn migration_ends_although_nodes_and_the_coordinator_are_killed_in_each_of_its_phases() {
    let cluster = running().await;
    let address = address(&cluster);
    let one_by_one = std::env::var_os("HOLDFAST_LONG_TESTS").is_some();
    // The first of these moves the key off the old engine, the others to new shares of the default one.
    for (epoch, points) in (1..).zip(POINTS.chunks(if one_by_one { 1 } else { 3 })) {
        let deaths: Vec<(&str, &str)> =
            ["node-2", "node-1", "node-3"].into_iter().zip(points.iter().copied()).collect();
        migrates_although_these_die(&cluster, &deaths).await;
        moved(&cluster, epoch).await;
        // With those that died first among the signers
        cluster.kill_9("node-3");
        pays(&cluster, &address, ENGINE).await;
        cluster.start_with_gg20("node-3");
        cluster.wait_healthy("node-3").await;
    }
}
