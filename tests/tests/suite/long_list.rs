//! A screening list of a million addresses, through proposal, approval, log, nodes, snapshots and starts of the real programs. Prints
//! how long each step took and how much memory the servers had at most.
//!
//! Takes minutes: runs with `HOLDFAST_LONG_TESTS` (`make test-long`).

#![allow(clippy::disallowed_methods, reason = "tells what it measured")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_policy::ListId;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{COORDINATOR, Cluster, NODES, Options, PAYEE, STRANGER, now_ms};

use crate::is_long;

const LIST: &str = "ofac-eth";
const ADDRESSES: u32 = 1_000_000;
/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);
/// A snapshot every other entry, and nobody dies.
const OFTEN: &str = "before-snapshot:1000000";
/// The parts take 54 KB of the log each; a snapshot names them.
const LOG_BYTES: u64 = 40 << 20;
const SNAPSHOT_BYTES: u64 = 1 << 20;

/// Does it, and tells how long it took.
fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = act();
    println!("{what}: {:.1} s", started.elapsed().as_secs_f64());
    done
}

/// Spread over the whole range, like real ones.
fn address(number: u32) -> String {
    let spread = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("0x{spread:016x}5a5a5a5a{spread:016x}")
}

/// The list in force and a million addresses more, in a file.
async fn write_list(cluster: &Cluster) {
    let log = cluster.download().await;
    let (list, _) = log.state().screening_list(&ListId::new(LIST).unwrap()).unwrap();
    let mut text = list.text();
    for number in 1..ADDRESSES {
        writeln!(text, "{}", address(number)).unwrap();
    }
    writeln!(text, "{PAYEE}").unwrap();
    std::fs::write(cluster.path("million.txt"), text).unwrap();
}

/// The most memory that a server had so far, in MiB.
fn peak_mib(cluster: &Cluster, server: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.pid(server))).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

/// Starts a server and tells how long it took until it serves.
async fn starts(cluster: &Cluster, server: &str, from: &str) {
    cluster.kill_9(server);
    let started = Instant::now();
    cluster.start(server);
    healthy(cluster, server).await;
    let seconds = started.elapsed().as_secs_f64();
    println!("{server} from {from}: serves after {seconds:.1} s, peak {} MiB", peak_mib(cluster, server));
    for complaint in ["the snapshot is not used", "PAGE_LOST"] {
        assert!(!cluster.log_text(server).contains(complaint), "{server}: {complaint}");
    }
}

async fn healthy(cluster: &Cluster, server: &str) {
    let started = Instant::now();
    while let Err(answer) = cluster.answers(server).await {
        assert!(started.elapsed() < PATIENCE, "{server}: {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets a server write a snapshot of all that it holds, and tells how large it is.
async fn keeps_snapshot(cluster: &Cluster, server: &str, file: &str) {
    let path = cluster.path(server).join("data").join(file);
    cluster.kill_9(server);
    let _ = std::fs::remove_file(&path);
    cluster.start_crashing(server, OFTEN);
    healthy(cluster, server).await;
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < PATIENCE, "{server} writes no snapshot");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let bytes = size(&path);
    println!("{server}: snapshot of {bytes} bytes");
    assert!(bytes < SNAPSHOT_BYTES, "a snapshot holds no addresses: {bytes} bytes");
}

fn size(path: &Path) -> u64 {
    let metadata = std::fs::metadata(path).unwrap();
    if metadata.is_file() {
        return metadata.len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}

async fn pays(cluster: &Cluster, to: &str) -> (State, String) {
    let request = cluster.intent().set("destination", to).with_transfer(cluster.next_account_nonce());
    let answer = cluster.pipeline().await.submit(&request).await.unwrap();
    (answer.state(), answer.reason.unwrap().code)
}

#[tokio::test]
async fn list_of_a_million_addresses_goes_through_log_nodes_snapshots_and_starts() {
    if !is_long() {
        return;
    }
    // Given a running cell that pays two payees
    let cluster = Cluster::ready(Options::default()).await;
    cluster.whitelist(STRANGER, now_ms() + 24 * 3_600_000).await;
    let terminal = cluster.terminal();
    write_list(&cluster).await;
    let before = cluster.download().await.size();
    // When officers propose a list with a million addresses more, one of them a payee's, and approve it
    let propose = format!("screening propose {LIST} million.txt --as-of 2026-11-21 --officer alice --yes");
    let ceremony = timed("upload and proposal", || terminal.ok(&propose))["id"].as_str().unwrap().to_owned();
    for officer in ["alice", "bob"] {
        timed(&format!("approval by {officer}"), || terminal.approve(&ceremony, &[officer]));
    }
    // Then it is in force, in a log that has so many entries more and no entry that is too long
    let shown = timed("screening show", || terminal.ok(&format!("screening show {LIST}")));
    assert!(shown["addresses"].as_u64().unwrap() > u64::from(ADDRESSES), "{shown:#}");
    let log = cluster.download().await;
    let bytes: usize = log.bytes().iter().map(Vec::len).sum();
    println!("log: {} entries and {bytes} bytes more", log.size() - before);
    assert!(u64::try_from(bytes).unwrap() < LOG_BYTES);
    assert_eq!(pays(&cluster, PAYEE).await, (State::Denied, "DESTINATION_SANCTIONED".to_owned()));
    assert_eq!(pays(&cluster, STRANGER).await.0, State::Signed);
    for server in NODES.into_iter().chain([COORDINATOR]) {
        println!("{server}: peak {} MiB", peak_mib(&cluster, server));
    }
    // And whoever starts again has it: from the log, and from a snapshot that holds no address
    for (server, file) in [("node-1", "replica.snapshot"), (COORDINATOR, "log.snapshot")] {
        starts(&cluster, server, "the log").await;
        keeps_snapshot(&cluster, server, file).await;
        starts(&cluster, server, "its snapshot").await;
    }
    cluster.kill_9("node-3");
    assert_eq!(pays(&cluster, PAYEE).await, (State::Denied, "DESTINATION_SANCTIONED".to_owned()));
    assert_eq!(pays(&cluster, STRANGER).await.0, State::Signed);
    // And an auditor has it, too
    timed("audit export", || terminal.ok("audit export exported"));
    println!("export: {} bytes", size(&terminal.directory().join("exported")));
    timed("audit verify", || terminal.ok("audit verify exported"));
}
