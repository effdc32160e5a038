//! Withdrawals a second through real processes on loopback, 2-of-3, beside what the bare engine costs in the same run.
//!
//! Prints a table and writes `bench/withdrawals.json` into cargo's target directory. Start it with `make bench`: numbers of an
//! unoptimised build say nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use futures::future::join_all;
use holdfast_proto::v1::WithdrawalState;
use holdfast_tests::{Cluster, NODES, Options, target_directory};
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{
    ClusterId, DKLS23, Epoch, KeyPublic, KeyShare, KeygenMachine, KeygenReply, KeygenTask, Outbound,
    PartyIndex, Round, SessionId, SignMachine, SignReply, SignTask, SignerSet, Threshold,
};
use nix::sys::resource::{UsageWho, getrusage};
use rand::rngs::OsRng;
use serde_json::{Value, json};

const WARM_UP: usize = 5;
const SEQUENTIAL: usize = 100;
const CONCURRENT: usize = 480;
const CLIENTS: usize = 16;
const ENGINE_SIGNATURES: u32 = 100;

/// One way of asking for withdrawals, measured.
struct Measured {
    name: &'static str,
    withdrawals: usize,
    elapsed: Duration,
    /// From the request to the signed answer, sorted.
    latencies: Vec<Duration>,
    /// Of all four processes together.
    cpu_ms: u64,
}

fn main() {
    let engine_us = engine_cpu_us();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (sequential, concurrent) = runtime.block_on(async {
        let cluster = Cluster::ready(Options::default()).await;
        run(&cluster, "warm-up", WARM_UP, 1).await;
        (
            run(&cluster, "one after another", SEQUENTIAL, 1).await,
            run(&cluster, "16 at a time", CONCURRENT, CLIENTS).await,
        )
    });
    let runs = [sequential, concurrent];
    print_table(&runs, engine_us);
    write_json(&runs, engine_us);
}

/// Asks for withdrawals from so many clients at once and waits until each is signed.
async fn run(cluster: &Cluster, name: &'static str, withdrawals: usize, clients: usize) -> Measured {
    let pipelines = join_all((0..clients).map(|_| cluster.pipeline())).await;
    let before = cpu_ms(cluster);
    let started = Instant::now();
    let latencies = join_all(pipelines.iter().map(|pipeline| async move {
        let mut latencies = Vec::new();
        for _ in 0..withdrawals / clients {
            let asked = Instant::now();
            let signed = pipeline.submit(&cluster.request()).await.unwrap();
            assert_eq!(signed.state(), WithdrawalState::Signed, "{:?}", signed.reason);
            latencies.push(asked.elapsed());
        }
        latencies
    }))
    .await;
    let elapsed = started.elapsed();
    let mut latencies = latencies.concat();
    latencies.sort_unstable();
    Measured { name, withdrawals: latencies.len(), elapsed, latencies, cpu_ms: cpu_ms(cluster) - before }
}

fn cpu_ms(cluster: &Cluster) -> u64 {
    cluster.cpu_times().values().map(|time| time.ms).sum()
}

impl Measured {
    fn per_second(&self) -> f64 {
        count(self.withdrawals) / self.elapsed.as_secs_f64()
    }

    fn percentile_ms(&self, percent: usize) -> f64 {
        let last = self.latencies.len() - 1;
        self.latencies[last * percent / 100].as_secs_f64() * 1_000.0
    }

    fn cpu_ms_each(&self) -> f64 {
        f64::from(u32::try_from(self.cpu_ms).unwrap()) / count(self.withdrawals)
    }

    fn json(&self, engine_ms: f64) -> Value {
        json!({
            "withdrawals": self.withdrawals,
            "per_second": self.per_second(),
            "latency_ms": {"p50": self.percentile_ms(50), "p99": self.percentile_ms(99)},
            "cpu_ms_per_withdrawal": self.cpu_ms_each(),
            "cpu_times_the_engine": self.cpu_ms_each() / engine_ms,
        })
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn ms(us: u64) -> f64 {
    f64::from(u32::try_from(us).unwrap()) / 1_000.0
}

fn print_table(runs: &[Measured], engine_us: u64) {
    let engine_ms = ms(engine_us);
    println!(
        "withdrawals on loopback, 2 of 3 nodes sign, four processes, TLS, every entry durable on coordinator and nodes"
    );
    println!(
        "{:<20}{:>10}{:>10}{:>10}{:>14}{:>12}",
        "", "per s", "p50 ms", "p99 ms", "CPU ms each", "x engine"
    );
    for run in runs {
        println!(
            "{:<20}{:>10.1}{:>10.1}{:>10.1}{:>14.2}{:>12.1}",
            run.name,
            run.per_second(),
            run.percentile_ms(50),
            run.percentile_ms(99),
            run.cpu_ms_each(),
            run.cpu_ms_each() / engine_ms
        );
    }
    println!("{:<20}{:>44.2}{:>12.1}", "the bare engine", engine_ms, 1.0);
    println!(
        "CPU: all processes together; the engine: both signers, sealed messages included, in this process"
    );
}

fn write_json(runs: &[Measured], engine_us: u64) {
    let engine_ms = ms(engine_us);
    let [sequential, concurrent] = runs else { panic!("two runs") };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let document = json!({
        "threshold": "2 of 3",
        "cores": cores,
        "optimised": !cfg!(debug_assertions),
        "sequential": sequential.json(engine_ms),
        "concurrent_16": concurrent.json(engine_ms),
        "engine_cpu_ms_per_signature": engine_ms,
    });
    let directory = target_directory().join("bench");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("withdrawals.json");
    std::fs::write(&path, format!("{document:#}\n")).unwrap();
    println!("written to {}", path.display());
}

/// Processor time of this process, in microseconds.
fn own_cpu_us() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let us = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    u64::try_from(us(usage.user_time()) + us(usage.system_time())).unwrap()
}

/// What one signature costs both signers together, without processes, network, log or policy.
fn engine_cpu_us() -> u64 {
    let engine = Engine::generate();
    engine.sign(0);
    let before = own_cpu_us();
    (1..=ENGINE_SIGNATURES).for_each(|number| engine.sign(number));
    (own_cpu_us() - before) / u64::from(ENGINE_SIGNATURES)
}

/// A key in three shares, all in this process.
struct Engine {
    threshold: Threshold,
    keys: Vec<SigningKey>,
    message_keys: MessageKeys,
    shares: Vec<Arc<KeyShare>>,
    public: KeyPublic,
}

fn cluster_id() -> ClusterId {
    ClusterId::new("bench").unwrap()
}

fn session(number: u32) -> SessionId {
    let mut id = [0x5e; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    SessionId(id)
}

/// What the parties sent to one of them, in party order of the senders.
fn mail(sent: &[Vec<Outbound>], to: PartyIndex) -> Vec<Vec<u8>> {
    sent.iter().flatten().filter(|message| message.to == to).map(|message| message.bytes.clone()).collect()
}

impl Engine {
    fn generate() -> Self {
        let threshold = Threshold::new(2, 3).unwrap();
        let keys: Vec<SigningKey> = NODES.iter().map(|_| SigningKey::generate(&mut OsRng)).collect();
        let public_keys = keys.iter().map(|key| key.verifying_key().to_bytes());
        let message_keys = MessageKeys::new(threshold.committee().iter().zip(public_keys)).unwrap();
        let task = |party| KeygenTask {
            cluster: cluster_id(),
            session: session(u32::MAX),
            epoch: Epoch(0),
            threshold,
            party,
            ceremony: [0xce; 32],
            message_keys: message_keys.clone(),
        };
        let parties: Vec<PartyIndex> = threshold.committee().iter().collect();
        let mut machines: Vec<KeygenMachine> = parties
            .iter()
            .zip(&keys)
            .map(|(party, key)| KeygenMachine::prepare(&DKLS23, task(*party), key, &mut OsRng).unwrap())
            .collect();
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let (mut sent, mut outputs) = (Vec::new(), Vec::new());
        for round in 1..=5 {
            let mut next = Vec::new();
            for (machine, party) in machines.iter_mut().zip(&parties) {
                let input = if round == 1 { offers.clone() } else { mail(&sent, *party) };
                let (_, held) = machine.round(Round(round), &input).unwrap().into_parts();
                match held.release_after_stored() {
                    KeygenReply::Messages(messages) => next.push(messages),
                    KeygenReply::Finished(output) => outputs.push(output),
                }
            }
            sent = next;
        }
        let public = outputs[0].public.clone();
        let shares = outputs.into_iter().map(|output| Arc::new(output.share)).collect();
        Self { threshold, keys, message_keys, shares, public }
    }

    /// One signature by parties 1 and 2, both verifying it.
    fn sign(&self, number: u32) {
        let parties: Vec<PartyIndex> = self.threshold.committee().iter().take(2).collect();
        let task = SignTask {
            cluster: cluster_id(),
            session: session(number),
            signers: SignerSet::new(self.threshold, parties.iter().copied()).unwrap(),
            authorization: [0xa7; 32],
            path: Vec::new(),
            digest: session(number).0,
            message_keys: self.message_keys.clone(),
            bans: Vec::new(),
        };
        let mut machines: Vec<SignMachine> = (0..parties.len())
            .map(|i| {
                let share = Arc::clone(&self.shares[i]);
                SignMachine::prepare(task.clone(), share, &self.public, &self.keys[i], &mut OsRng).unwrap()
            })
            .collect();
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        let (mut sent, mut signatures) = (Vec::new(), Vec::new());
        for round in 1..=4 {
            let mut next = Vec::new();
            for (machine, party) in machines.iter_mut().zip(&parties) {
                let input = if round == 1 { offers.clone() } else { mail(&sent, *party) };
                match machine.round(Round(round), &input).unwrap() {
                    SignReply::Messages(messages) => next.push(messages),
                    SignReply::Signed(signature) => signatures.push(signature),
                }
            }
            sent = next;
        }
        assert_eq!(signatures.len(), 2);
    }
}
