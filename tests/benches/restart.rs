//! Starts of the real programs with a million entries: from exec to the answer `SERVING` over mutual TLS, and their memory.
//!
//! `make bench-log` makes the log (`holdfast-audit`'s benchmark) and runs this after it. The data directories are made the way
//! they come to be in life: a node is given the log entry by entry by a coordinator that holds the test's keys, and a
//! coordinator without a log takes it over from that node. They are kept beside the log; a later run only measures. Prints a
//! table and writes `bench/restart.json` into cargo's target directory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "restart/cell.rs"]
mod cell;
#[path = "restart/feed.rs"]
mod feed;
#[path = "restart/program.rs"]
mod program;
#[path = "restart/searches.rs"]
mod searches;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holdfast_tests::target_directory;
use serde_json::{Map, Value, json};

use cell::Cell;
use program::{Running, Start};

/// How often a start is measured.
const STARTS: usize = 3;
/// As many entries as a snapshot may be behind the log when a process is killed.
const BEHIND: u64 = 4_095;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let entries =
        arguments.first().map_or(1_000_000, |count| count.parse::<u64>().expect("how many entries"));
    let log = log_of(entries);
    let cell = Cell::beside(&log);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let measured = runtime.block_on(async {
        let node = node(&cell, &log).await;
        let coordinator = coordinator(&cell).await;
        json!({"entries": cell.size(), "node": node, "coordinator": coordinator})
    });
    let path = target_directory().join("bench/restart.json");
    std::fs::write(&path, format!("{measured:#}\n")).unwrap();
    println!("written to {}", path.display());
}

/// The newest log of so many entries that the other benchmark has made.
fn log_of(entries: u64) -> PathBuf {
    let directory = target_directory().join("bench/million");
    let prefix = format!("log-{entries}-");
    let made = std::fs::read_dir(&directory).into_iter().flatten().flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(&prefix) && entry.path().join("checkpoint").exists()
    });
    let newest = made.max_by_key(|entry| entry.metadata().unwrap().modified().unwrap());
    newest.expect("make the log first: cargo bench -p holdfast-audit --bench million").path()
}

async fn node(cell: &Cell, log: &Path) -> Value {
    let took = feed::node(cell, log, BEHIND).await;
    let mut result = Map::new();
    if let Some(took) = took {
        println!("node: took the whole log over, verified and durable, in {:.0} s", took.as_secs_f64());
        result.insert("replicated_s".to_owned(), took.as_secs_f64().into());
    }
    starts(cell, cell::NODE, "snapshot 4095 entries behind", true, &mut result).await;
    let snapshot = cell.data_of(cell::NODE).join("replica.snapshot");
    starts_without(cell, cell::NODE, &snapshot, &mut result).await;
    result.into()
}

async fn coordinator(cell: &Cell) -> Value {
    let mut result = Map::new();
    if let Some(took) = feed::coordinator(cell).await {
        println!("coordinator: took the log over from a node in {:.0} s", took.as_secs_f64());
        result.insert("seeded_s".to_owned(), took.as_secs_f64().into());
    }
    let nodes: Vec<Running> = cell.nodes_running().await;
    starts(cell, cell::COORDINATOR, "new snapshot", true, &mut result).await;
    drop(nodes);
    result.insert("searches".to_owned(), searches::measure(cell).await);
    result.into()
}

/// Starts with warm and with cold files, each ended by SIGKILL.
async fn starts(cell: &Cell, party: &str, with: &str, cold: bool, result: &mut Map<String, Value>) {
    for files_are_cold in [false, true].into_iter().filter(|is_cold| cold || !is_cold) {
        let mut all: Vec<Start> = Vec::new();
        for _ in 0..STARTS {
            if files_are_cold {
                cell.evict(party);
            }
            let (running, start) = cell.start(party).await;
            // What a start leaves behind is freed within moments.
            tokio::time::sleep(Duration::from_secs(1)).await;
            all.push(Start { rss_mib: running.memory_mib("VmRSS:"), ..start });
        }
        let files = if files_are_cold { "cold" } else { "warm" };
        let shown: Vec<String> = all.iter().map(|start| format!("{:.2}", start.serving_s)).collect();
        let last = all.last().unwrap();
        println!(
            "{party}, {with}, files {files}: serving after {} s; CPU {:.2} s; resident {} MiB, peak {} MiB",
            shown.join(" "),
            last.cpu_s,
            last.rss_mib,
            last.peak_mib
        );
        result.insert(format!("files_{files}"), all.iter().map(Start::json).collect());
    }
}

/// One start that replays everything, as after an upgrade.
async fn starts_without(cell: &Cell, party: &str, snapshot: &Path, result: &mut Map<String, Value>) {
    let aside = snapshot.with_extension("aside");
    std::fs::rename(snapshot, &aside).unwrap();
    let began = Instant::now();
    let (running, start) = cell.start(party).await;
    println!(
        "{party}, no snapshot: serving after {:.0} s; peak {} MiB",
        began.elapsed().as_secs_f64(),
        start.peak_mib
    );
    drop(running);
    std::fs::rename(&aside, snapshot).unwrap();
    result.insert("without_a_snapshot".to_owned(), start.json());
}
