//! Measures one cluster: generations of keys, withdrawals one after another, withdrawals at the same time.

use std::time::{Duration, Instant};

use futures::future::join_all;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState;
use holdfast_tests::{COORDINATOR, CUSTOMER, Cluster, PAYEE, WALLET, now_ms};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How long a withdrawal may take before the benchmark fails.
const PATIENCE: Duration = Duration::from_secs(300);
const WARM_UP: usize = 3;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amounts {
    /// Key generations, of which the median counts: one engine looks for primes.
    pub(crate) keys: usize,
    /// Withdrawals one after another.
    pub(crate) sequential: usize,
    /// Withdrawals in all from clients at the same time.
    pub(crate) concurrent: usize,
    /// Clients at the same time.
    pub(crate) clients: usize,
}

impl Amounts {
    /// As in the documents, or few, to see that it works, if `HOLDFAST_BENCH_QUICKLY` is set.
    pub(crate) fn from_environment() -> Self {
        match std::env::var_os("HOLDFAST_BENCH_QUICKLY") {
            Some(_) => Self { keys: 1, sequential: 3, concurrent: 8, clients: 4 },
            None => Self { keys: 5, sequential: 40, concurrent: 128, clients: 16 },
        }
    }
}

/// One engine in one committee.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) engine: &'static str,
    pub(crate) committee: &'static str,
    /// From the last approval to the wallet in force: the median, and all.
    pub(crate) key_s: f64,
    pub(crate) keys_s: Vec<f64>,
    /// Of all processes, each generation.
    pub(crate) key_cpu_s: f64,
    pub(crate) key_bytes: u64,
    pub(crate) sequential: Run,
    pub(crate) concurrent: Run,
}

/// Withdrawals, measured.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) withdrawals: usize,
    pub(crate) elapsed: Duration,
    /// From the request to the signed answer, sorted.
    latencies: Vec<Duration>,
    /// Of the nodes together, and of the coordinator.
    nodes_cpu_ms: u64,
    coordinator_cpu_ms: u64,
    /// Sealed, between nodes.
    bytes: u64,
    pub(crate) failed_attempts: u64,
}

impl Run {
    pub(crate) fn per_second(&self) -> f64 {
        number(self.withdrawals) / self.elapsed.as_secs_f64()
    }

    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let last = self.latencies.len() - 1;
        self.latencies[last * percent / 100].as_secs_f64() * 1_000.0
    }

    /// Of the nodes, each withdrawal.
    pub(crate) fn nodes_cpu_ms_each(&self) -> f64 {
        number(self.nodes_cpu_ms) / number(self.withdrawals)
    }

    /// Of all processes, each withdrawal.
    pub(crate) fn cpu_ms_each(&self) -> f64 {
        number(self.nodes_cpu_ms + self.coordinator_cpu_ms) / number(self.withdrawals)
    }

    pub(crate) fn bytes_each(&self) -> f64 {
        number(self.bytes) / number(self.withdrawals)
    }
}

/// Everything about one cluster, whose processes run and which has no wallet yet.
pub(crate) async fn engine(
    cluster: &Cluster,
    engine: &'static str,
    committee: &'static str,
    amounts: Amounts,
) -> Measured {
    let before = (cpu_ms(cluster), cluster.session_bytes("keygen").await);
    let mut keys_s = Vec::new();
    for number in 0..amounts.keys {
        let wallet = if number == 0 { WALLET.to_owned() } else { format!("spare-{number}") };
        keys_s.push(key(cluster, engine, &wallet).await.as_secs_f64());
    }
    let key_cpu_s = number(cpu_ms(cluster) - before.0) / 1_000.0 / number(amounts.keys);
    let key_bytes = (cluster.session_bytes("keygen").await - before.1) / u64::try_from(amounts.keys).unwrap();
    keys_s.sort_by(f64::total_cmp);
    cluster.whitelist(PAYEE, now_ms() + DAY_MS).await;
    run(cluster, WARM_UP, 1).await;
    Measured {
        engine,
        committee,
        key_s: keys_s[keys_s.len() / 2],
        keys_s,
        key_cpu_s,
        key_bytes,
        sequential: run(cluster, amounts.sequential, 1).await,
        concurrent: run(cluster, amounts.concurrent, amounts.clients).await,
    }
}

/// From the approval that completes the quorum to the wallet in force.
async fn key(cluster: &Cluster, engine: &str, wallet: &str) -> Duration {
    let terminal = cluster.terminal();
    let proposed = terminal.ok(&format!("wallet create {wallet} --engine {engine} --officer alice --yes"));
    let ceremony = proposed["id"].as_str().unwrap();
    terminal.approve(ceremony, &["alice"]);
    let bob = cluster.officer("bob");
    let started = Instant::now();
    bob.approve(ceremony).await.unwrap();
    cluster.ceremony_reaches(ceremony, v1::CeremonyPhase::Activated).await;
    started.elapsed()
}

/// Asks for withdrawals from so many clients at once and waits until each is signed.
async fn run(cluster: &Cluster, withdrawals: usize, clients: usize) -> Run {
    // A report of long ago counts for nothing.
    cluster.provider().await.report(CUSTOMER, false, false).await;
    let pipelines = join_all((0..clients).map(|_| cluster.pipeline())).await;
    let (bytes, failed) = (cluster.session_bytes("sign").await, cluster.failed_attempts().await);
    let (nodes, coordinator) = cpu_of(cluster);
    let started = Instant::now();
    let latencies = join_all(pipelines.iter().map(|pipeline| async move {
        let mut latencies = Vec::new();
        for _ in 0..withdrawals / clients {
            let asked = Instant::now();
            let answer = pipeline.submit(&cluster.request()).await.unwrap();
            if answer.state() != WithdrawalState::Signed {
                pipeline.reaches(&answer.id, WithdrawalState::Signed, PATIENCE).await;
            }
            latencies.push(asked.elapsed());
        }
        latencies
    }))
    .await;
    let elapsed = started.elapsed();
    let mut latencies = latencies.concat();
    latencies.sort_unstable();
    let (nodes_after, coordinator_after) = cpu_of(cluster);
    Run {
        withdrawals: latencies.len(),
        elapsed,
        latencies,
        nodes_cpu_ms: nodes_after - nodes,
        coordinator_cpu_ms: coordinator_after - coordinator,
        bytes: cluster.session_bytes("sign").await - bytes,
        failed_attempts: cluster.failed_attempts().await - failed,
    }
}

/// Processor time of the nodes together, and of the coordinator, in milliseconds.
fn cpu_of(cluster: &Cluster) -> (u64, u64) {
    let (mut nodes, mut coordinator) = (0, 0);
    for (server, time) in cluster.cpu_times() {
        *(if server == COORDINATOR { &mut coordinator } else { &mut nodes }) += time.ms;
    }
    (nodes, coordinator)
}

fn cpu_ms(cluster: &Cluster) -> u64 {
    let (nodes, coordinator) = cpu_of(cluster);
    nodes + coordinator
}

/// Counts of a benchmark are far below 2^32.
pub(crate) fn number<T: TryInto<u32>>(count: T) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}
