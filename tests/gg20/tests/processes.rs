//! Wallets on the engine that nobody maintains, through the same real nodes, coordinator, log and commands as any other.

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
use serde_json::{Value, json};

const DEATH: Duration = Duration::from_secs(90);

/// A cluster whose nodes all have the engine, and accept it.
async fn running() -> Cluster {
    let cluster = Cluster::make(Options::default());
    cluster.start_all_with_gg20().await;
    cluster
}

/// Pays with shares of the second engine.
async fn pays(cluster: &Cluster) {
    assert_eq!(cluster.pays().await.engine, GG20);
}

#[tokio::test]
async fn wallet_on_the_second_engine_is_made_and_pays_through_the_same_processes() {
    let cluster = running().await;
    let terminal = cluster.terminal();
    // Who is about to propose a wallet on it is warned
    let unsent = |engine: &str| {
        terminal.told(&format!(
            "wallet create {WALLET} --engine {engine} --officer alice --write-statement {engine}.txt"
        ))
    };
    assert!(unsent("gg20").contains("warning: nobody maintains the engine"));
    assert!(!unsent("dkls23").contains("warning"));
    // When officers make one with the command
    let ceremony = cluster.create_wallet_on("gg20", WALLET).await;
    assert_eq!(ceremony.phase(), v1::CeremonyPhase::Activated);
    assert_eq!(terminal.ok(&format!("wallet show {WALLET}"))["engine"], GG20);
    cluster.may_pay().await;
    // Then it pays, with any two of the three nodes
    pays(&cluster).await;
    for down in NODES {
        cluster.kill_9(down);
        pays(&cluster).await;
        cluster.start_with_gg20(down);
        cluster.wait_healthy(down).await;
    }
    // And beside it a wallet on the default engine, in the same log
    let beside = cluster.create_wallet("cold-1").await;
    assert_eq!(beside.phase(), v1::CeremonyPhase::Activated);
    assert_eq!(terminal.ok("wallet show cold-1")["engine"], ENGINE);
    // Status and logs warn of every node that has the engine
    let status = terminal.ok("status");
    let engines: Vec<&Value> =
        status["nodes"].as_array().unwrap().iter().map(|node| &node["unmaintained_engines"]).collect();
    assert_eq!(engines, [&json!([GG20]); 3]);
    for node in NODES {
        assert!(cluster.log_text(node).contains("whose protocol nobody maintains"), "{node}");
    }
}

#[tokio::test]
async fn node_with_the_engine_does_not_start_before_its_operator_accepted_it() {
    let cluster = Cluster::make(Options::default());
    cluster.start_with_gg20("node-1");
    let ended = cluster.ends_by_itself("node-1", Duration::from_secs(30)).await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    let log = cluster.log_text("node-1");
    assert!(log.contains(GG20) && log.contains("accept_unmaintained_protocol = true"), "{log}");
    cluster.accept_unmaintained("node-1");
    cluster.start_with_gg20("node-1");
    cluster.wait_healthy("node-1").await;
}

#[tokio::test]
async fn node_without_the_engine_keeps_the_key_from_being_made_and_is_named() {
    // Given a default program among the nodes
    let cluster = Cluster::make(Options::default());
    for node in ["node-1", "node-3"] {
        cluster.accept_unmaintained(node);
        cluster.start_with_gg20(node);
    }
    for server in ["node-2", COORDINATOR] {
        cluster.start(server);
    }
    cluster.wait_all_healthy().await;
    let ceremony = cluster.start_wallet_on("gg20", WALLET);
    eventually("node-2 blocks the ceremony", DEATH, || async {
        let ceremony = cluster.ceremony(&ceremony).await.unwrap();
        (ceremony.blocked_by == ["node-2"]).then_some(()).ok_or(format!("{ceremony:?}"))
    })
    .await;
    assert!(cluster.log_text(COORDINATOR).contains("ENGINE_UNKNOWN"));
    // When its operator changes the program, the same ceremony goes on
    cluster.kill_9("node-2");
    cluster.accept_unmaintained("node-2");
    cluster.start_with_gg20("node-2");
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
}

#[tokio::test]
async fn generation_goes_on_after_a_node_and_the_coordinator_were_killed_in_it() {
    let cluster = running().await;
    // Given a node that dies with the state of a round stored and its answer not sent: the offer's is the first, and there
    // are six rounds
    for (number, written) in [2, 4, 6].into_iter().enumerate() {
        cluster.kill_9("node-2");
        cluster.start_with_gg20_crashing("node-2", &format!("after-keygen-state:{written}"));
        cluster.wait_healthy("node-2").await;
        let ceremony = cluster.start_wallet_on("gg20", &format!("hot-{number}"));
        let died =
            eventually("node-2 dies", DEATH, || async { cluster.reap("node-2").ok_or("it lives") }).await;
        assert_eq!(died.signal(), Some(9), "{died}");
        // When the coordinator dies, too, and both are back
        cluster.kill_9(COORDINATOR);
        cluster.bring_up(COORDINATOR).await;
        cluster.start_with_gg20("node-2");
        cluster.wait_healthy("node-2").await;
        // Then the same attempt ends with the key
        cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    }
    let log = cluster.log_text(COORDINATOR);
    assert!(!log.contains("is over: "), "an attempt was given up: {log}");
}

#[tokio::test]
async fn payment_is_signed_although_a_signer_dies_in_a_round() {
    let cluster = running().await;
    cluster.create_wallet_on("gg20", WALLET).await;
    cluster.may_pay().await;
    // Only two nodes are up, so that the one that dies is a signer
    cluster.kill_9("node-3");
    for point in ["sign-round-1", "sign-round-3:3", "after-last-message"] {
        cluster.kill_9("node-1");
        cluster.start_with_gg20_crashing("node-1", point);
        cluster.wait_healthy("node-1").await;
        let dying = async {
            let died =
                eventually("node-1 dies", DEATH, || async { cluster.reap("node-1").ok_or("it lives") }).await;
            assert_eq!(died.signal(), Some(9), "{point}: {died}");
            cluster.start_with_gg20("node-1");
        };
        futures::join!(pays(&cluster), dying);
        cluster.wait_healthy("node-1").await;
    }
}
