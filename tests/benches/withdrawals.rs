//! Withdrawals a second through real processes, beside what the bare engine costs in the same run.
//!
//! Four processes on loopback, 2-of-3, mutual TLS, every entry and binding on disk before its message. Prints a table and
//! writes `target/bench/withdrawals.json`. It measures; it judges nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails stops")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "figures for people"
)]

#[path = "withdrawals/engine.rs"]
mod engine;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use holdfast_proto::v1::WithdrawalState;
use holdfast_tests::{Cluster, Options, target_directory};
use serde_json::{Value, json};

const WARM_UP: usize = 20;
const SEQUENTIAL: usize = 150;
const CONCURRENT: usize = 600;
const AT_ONCE: usize = 16;
const ENGINE: usize = 300;

#[tokio::main(worker_threads = 2)]
async fn main() {
    // `cargo test --benches` asks for a trial run only.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let engine = engine_cpu_ms();
    let cluster = Cluster::ready(Options::default()).await;
    run(&cluster, WARM_UP, 1).await;
    let sequential = run(&cluster, SEQUENTIAL, 1).await;
    let concurrent = run(&cluster, CONCURRENT, AT_ONCE).await;
    println!("\n2-of-3 on loopback, four processes, redb, durable before sent");
    println!("{:<28}{:>12}{:>14}", "", "one by one", format!("{AT_ONCE} at once"));
    for key in ["withdrawals_per_second", "latency_p50_ms", "latency_p99_ms", "cpu_ms_per_withdrawal"] {
        println!("{:<28}{:>12}{:>14}", key, sequential[key].to_string(), concurrent[key].to_string());
    }
    let ratio = tenths(concurrent["cpu_ms_per_withdrawal"].as_f64().unwrap() / engine);
    println!(
        "bare engine, both signers:  {engine} ms of CPU a signature; the whole cell takes {ratio} times that\n"
    );
    let report = json!({"engine_cpu_ms_per_signature": engine, "sequential": sequential, "concurrent": concurrent, "cpu_ratio": ratio});
    let directory = target_directory().join("bench");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("withdrawals.json"), serde_json::to_vec_pretty(&report).unwrap()).unwrap();
}

/// CPU of the protocol alone, both parties together.
fn engine_cpu_ms() -> f64 {
    let engine = engine::Engine::generate();
    engine.sign([0; 32]);
    let before = own_cpu_ms();
    for index in 0..ENGINE {
        engine.sign([u8::try_from(index % 256).unwrap(); 32]);
    }
    tenths((own_cpu_ms() - before) as f64 / ENGINE as f64)
}

async fn run(cluster: &Cluster, count: usize, at_once: usize) -> Value {
    let pipeline = cluster.pipeline().await;
    let cpu = cluster.cpu_times();
    let begun = Instant::now();
    let mut latencies: Vec<Duration> = futures::stream::iter(0..count)
        .map(|_| async {
            let request = cluster.request();
            let asked = Instant::now();
            let withdrawal = pipeline.submit(&request).await.unwrap();
            assert_eq!(withdrawal.state(), WithdrawalState::Signed, "{:?}", withdrawal.reason);
            asked.elapsed()
        })
        .buffer_unordered(at_once)
        .collect()
        .await;
    let elapsed = begun.elapsed();
    let spent = cluster.cpu_times();
    let by_process: BTreeMap<&String, f64> = spent
        .iter()
        .map(|(name, time)| (name, tenths((time.ms - cpu[name].ms) as f64 / count as f64)))
        .collect();
    latencies.sort();
    let at = |share: usize| tenths(latencies[(latencies.len() - 1) * share / 100].as_secs_f64() * 1000.0);
    json!({
        "withdrawals": count,
        "withdrawals_per_second": tenths(count as f64 / elapsed.as_secs_f64()),
        "latency_p50_ms": at(50),
        "latency_p99_ms": at(99),
        "cpu_ms_per_withdrawal": tenths(by_process.values().sum()),
        "cpu_ms_by_process": by_process,
    })
}

fn own_cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    ticks * 10
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
