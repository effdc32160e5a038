//! A hostile coordinator: somebody with all of its keys and its database talks to real nodes directly.
//!
//! It can delay and refuse. Everything else here is what it cannot do: each test is one attack, refused with its reason and
//! logged by the node as an incident. `docs/threat-model.md` lists them all.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use holdfast_ledger::WithdrawalId;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Hostile, LogCopy, Options, PAYEE, Request, WALLET, now_ms, program,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tonic::Code;

mod approvals;
mod authority;
mod forks;
mod log;
mod oaths;
mod orders;
mod sessions;
mod time;

const PAIR: [&str; 2] = ["node-1", "node-2"];
/// A second wallet, which gets paused.
const OTHER_WALLET: &str = "hot-2";
/// A third wallet, whose pause is lifted too late.
const LATE_WALLET: &str = "hot-3";
/// A second client, which gets revoked, and a third one.
const SPARE: &str = "spare";
const THIRD: &str = "third";
const COOLING_OFF: Duration = Duration::from_secs(3);
/// How far clocks may be apart.
const SKEW_MS: u64 = 1_000;
/// How old an authorization may be when a node starts to sign it.
const MAX_AGE: Duration = Duration::from_secs(10);
const MONTH_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// One cluster for all attacks that leave the nodes as they were. Each test has it for itself while it runs.
struct Stolen {
    cluster: Cluster,
    log: Mutex<LogCopy>,
}

impl Stolen {
    async fn cluster() -> &'static Stolen {
        static STOLEN: OnceCell<Stolen> = OnceCell::const_new();
        STOLEN
            .get_or_init(|| async {
                let mut cluster = Cluster::make(Options::default());
                cluster.amend_genesis(two_wallets_two_clients_short_delays);
                let cluster = ready(cluster, &[WALLET, OTHER_WALLET, LATE_WALLET]).await;
                let log = Mutex::new(cluster.download().await);
                // The honest coordinator is gone; whoever took its keys goes on.
                cluster.kill_9(COORDINATOR);
                tokio::time::sleep(COOLING_OFF).await;
                Stolen { cluster, log }
            })
            .await
    }

    async fn get() -> (&'static Cluster, MutexGuard<'static, LogCopy>) {
        let stolen = Self::cluster().await;
        (&stolen.cluster, stolen.log.lock().await)
    }
}

async fn ready(cluster: Cluster, wallets: &[&str]) -> Cluster {
    cluster.start_all().await;
    for wallet in wallets {
        cluster.create_wallet(wallet).await;
    }
    cluster.whitelist(PAYEE, now_ms() + MONTH_MS).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    cluster
}

fn two_wallets_two_clients_short_delays(document: &mut Value) {
    document["max_clock_skew_ms"] = json!(SKEW_MS);
    let wallets = json!([WALLET, OTHER_WALLET, LATE_WALLET]);
    let clients = document["clients"].as_array_mut().unwrap();
    clients[0]["wallets"] = wallets.clone();
    for name in [SPARE, THIRD] {
        let mut client = clients[0].clone();
        client["name"] = json!(name);
        client["public_key"] = json!(hex::encode(key_of(name).verifying_key().to_bytes()));
        clients.push(client);
    }
    let mut policy = document["policy"].as_str().unwrap().to_owned();
    for (from, to) in [
        ("wallets = [\"hot-1\"]", format!("wallets = {wallets}")),
        ("clients = [\"pipeline\"]", format!("clients = [\"pipeline\", \"{SPARE}\"]")),
        ("cooling_off_ms = 0", format!("cooling_off_ms = {}", COOLING_OFF.as_millis())),
        ("max_age_ms = 600_000", format!("max_age_ms = {}", MAX_AGE.as_millis())),
    ] {
        assert!(policy.contains(from), "{from}");
        policy = policy.replace(from, &to);
    }
    document["policy"] = json!(policy);
}

/// The key of a client that only these tests know.
fn key_of(client: &str) -> SigningKey {
    let mut seed = [77; 32];
    seed[..client.len()].copy_from_slice(client.as_bytes());
    SigningKey::from_bytes(&seed)
}

/// A request that needs two officers.
fn large(cluster: &Cluster) -> Request {
    cluster.intent().set("amount", "20000000000").with_transfer(cluster.next_account_nonce())
}

/// Logs an authorization that the state machine has to refuse, and finds no node that signs.
async fn never_authorized(hostile: &mut Hostile<'_>, id: WithdrawalId) {
    let applied = hostile.authorize(id);
    let state = hostile.log.state().withdrawal(&id).unwrap().logged_state();
    assert_ne!(state, holdfast_ledger::WithdrawalState::Authorized, "{applied:?}");
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
}

#[tokio::test]
async fn an_honest_courier_gets_a_signature_so_the_refusals_below_mean_something() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]] {
        assert_eq!(hostile.sign(&id, &pair).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_a_node_refused_is_listed_to_its_operator_also_after_a_restart() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    // Given an attack
    let invented: WithdrawalId = format!("w-{}", "7".repeat(32)).parse().unwrap();
    hostile.nobody_signs(&invented, Code::NotFound, "ORDER_UNKNOWN").await;
    // When the operator stops the node and asks
    assert!(cluster.terminate("node-2", Duration::from_secs(20)).await.success());
    let listed = Command::new(program("holdfast-node").unwrap())
        .args(["incidents", "--config"])
        .arg(cluster.path("node-2/node.toml"))
        .output()
        .unwrap();
    cluster.bring_up("node-2").await;
    assert!(listed.status.success(), "{listed:?}");
    // Then it is there, with what was asked for
    let lines = String::from_utf8(listed.stdout).unwrap();
    let incidents: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = incidents
        .iter()
        .any(|incident| incident["code"] == "ORDER_UNKNOWN" && incident["subject"] == invented.to_string());
    assert!(found, "{lines}");
}

#[test]
fn every_attack_is_in_the_threat_models_table_and_every_name_there_is_an_attack() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = tests_in(&here.join("tests/suite/hostile_coordinator.rs"));
    for file in std::fs::read_dir(here.join("tests/suite/hostile_coordinator")).unwrap() {
        names.extend(tests_in(&file.unwrap().path()));
    }
    assert!(names.len() >= 45, "{}", names.len());
    let table = std::fs::read_to_string(here.join("../docs/threat-model.md")).unwrap();
    let rows = table.lines().filter(|line| line.contains("`hostile_coordinator.rs`"));
    let listed: BTreeSet<String> = rows
        .flat_map(|row| row.split("`hostile_coordinator.rs`").skip(1))
        .flat_map(|cell| cell.split(';').next().unwrap_or_default().split('`'))
        .filter(|name| {
            name.len() > 12
                && !name.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_')
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(names.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the table");
    assert_eq!(listed.difference(&names).collect::<Vec<_>>(), Vec::<&String>::new(), "no such attack");
}

/// The names of a file's tests.
fn tests_in(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let tests = text.split("test]\n").skip(1);
    let name = |test: &str| test.split("fn ").nth(1).unwrap().split('(').next().unwrap().to_owned();
    tests.map(name).collect()
}
