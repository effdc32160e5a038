//! A key of another deployment becomes a wallet's, from files that multi-party-ecdsa wrote, through the default programs. One node
//! has a file that others may read, and another dies on the way.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use holdfast_node::CrashPoint;
use holdfast_proto::v1;
use holdfast_tests::{COORDINATOR, Cluster, ENGINE, NODES, Options, WALLET, eventually, program};
use serde_json::Value;

/// A key of 2 of 3, by party.
const FILES: [&[u8]; 3] = [
    include_bytes!("../../../crates/threshold/fixtures/foreign/gg20-2-of-3.share1.json"),
    include_bytes!("../../../crates/threshold/fixtures/foreign/gg20-2-of-3.share2.json"),
    include_bytes!("../../../crates/threshold/fixtures/foreign/gg20-2-of-3.share3.json"),
];
/// Where the node dies that has found its file to be of an active wallet's key.
pub(super) const DIES_AT: CrashPoint = CrashPoint::ImportSetAside;
const PATIENCE: Duration = Duration::from_secs(60);

fn file_of(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.path(node).join("data/imports").join(format!("{WALLET}.json"))
}

/// What an operator does with an old file: into the node's data directory.
fn put(cluster: &Cluster, node: &str, file: &[u8], mode: u32) -> PathBuf {
    let path = file_of(cluster, node);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, file).unwrap();
    set_mode(&path, mode);
    path
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn inspect(path: &Path) -> Output {
    Command::new(program("holdfast-node").unwrap()).arg("inspect-share").arg(path).output().unwrap()
}

/// Pays from this address with shares of the default engine.
async fn pays(cluster: &Cluster, address: &Value) {
    let wallet = cluster.pays().await;
    let from = (wallet.engine.as_str(), wallet.address.to_string());
    assert_eq!(from, (ENGINE, address.as_str().unwrap().to_owned()));
}

async fn dies(cluster: &Cluster, node: &str) {
    let died = eventually("the node dies", PATIENCE, || async { cluster.reap(node).ok_or("it lives") }).await;
    assert_eq!(died.signal(), Some(9), "{died}");
}

#[tokio::test]
async fn key_of_another_deployment_pays_from_its_address_here_and_its_files_are_gone() {
    let cluster = Cluster::running(Options::default()).await;
    let terminal = cluster.terminal();
    // Given the files of two old parties on two nodes, one of them for everybody to read
    let open = put(&cluster, "node-1", FILES[2], 0o644);
    let private = put(&cluster, "node-2", FILES[0], 0o600);
    let refused = inspect(&open);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("accessible to others"), "{refused:?}");
    let printed = inspect(&private);
    assert!(printed.status.success(), "{printed:?}");
    let public: Value = serde_json::from_slice(&printed.stdout).unwrap();
    std::fs::write(cluster.path("public.json"), &printed.stdout).unwrap();
    let address = &public["address"];
    // And a node that dies in the middle, and one that dies before it has erased its file
    for (node, point) in [("node-2", "after-keygen-state:3"), ("node-1", DIES_AT.name())] {
        cluster.kill_9(node);
        cluster.start_crashing(node, point);
        cluster.wait_healthy(node).await;
    }
    // When officers approve that the key comes here
    let public_path = cluster.path("public.json");
    let line = format!(
        "wallet import {WALLET} --public {} --giver node-1=3 --giver node-2=1 --officer alice --yes",
        public_path.display()
    );
    let proposed = terminal.ok(&line);
    let ceremony = proposed["id"].as_str().unwrap().to_owned();
    assert!(proposed["statement"].as_str().unwrap().contains("beware: WHOEVER RAN THE OLD DEPLOYMENT"));
    terminal.approve(&ceremony, &["alice", "bob"]);
    // Then the file that others may have read stops it, until its operator has seen to that
    eventually("node-1 says what is wrong with its file", PATIENCE, || async {
        let log = cluster.log_text("node-1") + &cluster.log_text(COORDINATOR);
        log.contains("IMPORT_FILE_NOT_PRIVATE").then_some(()).ok_or("it does not")
    })
    .await;
    set_mode(&open, 0o600);
    dies(&cluster, "node-2").await;
    cluster.start("node-2");
    cluster.wait_healthy("node-2").await;
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    // And the wallet pays from the old address, with the node among the signers that had no file
    dies(&cluster, "node-1").await;
    let aside = open.with_extension("erasing");
    assert!(!open.exists() && aside.exists());
    cluster.may_pay().await;
    pays(&cluster, address).await;
    cluster.start("node-1");
    cluster.wait_all_healthy().await;
    pays(&cluster, address).await;
    // And the files are gone, which every node says in the log
    for node in NODES {
        eventually("the files are gone", PATIENCE, || async {
            let path = file_of(&cluster, node);
            if path.exists() { Err(path) } else { Ok(()) }
        })
        .await;
    }
    let shown = eventually("all nodes say so", PATIENCE, || async {
        let shown = terminal.ok(&format!("wallet show {WALLET}"));
        let said = shown["old_shares"][0]["erased_by"].as_array().map_or(0, Vec::len);
        if said == NODES.len() { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert!(!aside.exists());
    assert_eq!((&shown["address"], &shown["epoch"]), (address, &Value::from(1)));
    // And the key comes here once
    let (code, again) = terminal.run(&line.replace(WALLET, "old-2"));
    assert!(code != 0 && again.to_string().contains("is the key of wallet"), "{again:#}");
}
