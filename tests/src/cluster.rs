//! A cluster of real processes: three nodes and a coordinator, made by `holdfast init --demo`.
//!
//! Everything takes `&self`, so that the tests of one file can share a cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::connect::Server;
use crate::crash::{CRASH_AT, CRASH_BY, DiskTrouble};
use crate::hostile_node::Control;
use crate::ports::PortBlock;
use crate::process::{CpuTime, Process};
use crate::programs::program;
use crate::{COORDINATOR, CUSTOMER, PAYEE, WALLET, directory, eventually, now_ms};

const START: Duration = Duration::from_secs(60);
/// How long the harness's own whitelist entry is valid.
const MONTH_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// The storage engine of every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The default.
    Redb,
    /// The alternative.
    Sled,
}

/// How to make a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The storage engine.
    pub store: Store,
}

impl Default for Options {
    fn default() -> Self {
        Self { store: Store::Redb }
    }
}

/// A cluster. Dropping it kills its processes and removes its directory, unless a test has failed.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    name: String,
    pub(crate) genesis_sha256: [u8; 32],
    pub(crate) servers: BTreeMap<String, Server>,
    processes: Mutex<BTreeMap<String, Process>>,
    numbers: AtomicU64,
    account_nonces: AtomicU64,
    pub(crate) reporting: tokio::sync::Mutex<()>,
    pub(crate) ports: PortBlock,
}

impl Cluster {
    /// Makes the cluster's directory with the real program; no process runs yet.
    pub fn make(options: Options) -> Self {
        let (directory, ports) = (directory::fresh(), PortBlock::reserve());
        let store = match options.store {
            Store::Redb => "redb",
            Store::Sled => "sled",
        };
        let made = Command::new(program("holdfast").unwrap_or_else(|error| panic!("{error}")))
            .args(["--json", "init", "--store", store, "--base-port", &ports.base().to_string(), "--demo"])
            .arg(&directory)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&made.stdout).into_owned();
        assert!(made.status.success(), "{printed}{}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_str(&printed).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let server = |value: &Value| Server { name: text(&value["name"]), address: text(&value["address"]) };
        let servers: Vec<Server> =
            made["nodes"].as_array().unwrap().iter().chain([&made["coordinator"]]).map(server).collect();
        let mut genesis_sha256 = [0; 32];
        hex::decode_to_slice(text(&made["genesis_sha256"]), &mut genesis_sha256).unwrap();
        std::fs::create_dir(directory.join("logs")).unwrap();
        Self {
            directory,
            name: text(&made["cluster"]),
            genesis_sha256,
            servers: servers.into_iter().map(|server| (server.name.clone(), server)).collect(),
            processes: Mutex::default(),
            numbers: AtomicU64::new(0),
            account_nonces: AtomicU64::new(0),
            reporting: tokio::sync::Mutex::default(),
            ports,
        }
    }

    /// Makes a cluster and starts all four processes.
    pub async fn running(options: Options) -> Self {
        let cluster = Self::make(options);
        cluster.start_all().await;
        cluster
    }

    /// A running cluster with the wallet, a whitelisted payee and a harmless session: ready to pay.
    pub async fn ready(options: Options) -> Self {
        let cluster = Self::running(options).await;
        cluster.make_ready().await;
        cluster
    }

    /// Gives a running cluster the wallet, a whitelisted payee and a harmless session.
    pub async fn make_ready(&self) {
        self.create_wallet(WALLET).await;
        self.may_pay().await;
    }

    /// Whitelists the payee and reports a harmless session: what the demo's policy asks for.
    pub async fn may_pay(&self) {
        self.whitelist(PAYEE, now_ms() + MONTH_MS).await;
        self.provider().await.report(CUSTOMER, false, false).await;
    }

    /// Starts every process and waits until all are healthy.
    pub async fn start_all(&self) {
        self.servers.keys().for_each(|server| self.start(server));
        self.wait_all_healthy().await;
    }

    /// Waits until every server answers health checks.
    pub async fn wait_all_healthy(&self) {
        for server in self.servers.keys() {
            self.wait_healthy(server).await;
        }
    }

    /// The nodes' names, in party order.
    pub fn nodes(&self) -> Vec<String> {
        self.servers.keys().filter(|server| *server != COORDINATOR).cloned().collect()
    }

    /// Starts a node or the coordinator. Does not wait until it is healthy.
    pub fn start(&self, server: &str) {
        let program = if server == COORDINATOR { "holdfast-coordinator" } else { "holdfast-node" };
        self.start_program(server, program, &[]);
    }

    /// Starts a node or the coordinator so that it kills itself: see [`crate::crash::CRASH_AT`] for when.
    pub fn start_crashing(&self, server: &str, when: &str) {
        self.start_program(server, crashing(server), &[(CRASH_AT, when)]);
    }

    /// Starts a node or the coordinator whose data directory, a file system of its own, fails it from a crash point on.
    pub fn start_losing_disk(&self, server: &str, when: &str, trouble: DiskTrouble) {
        let disk = trouble.at(&self.path(server).join("data"));
        self.start_program(server, crashing(server), &[(CRASH_AT, when), (CRASH_BY, &disk)]);
    }

    /// Starts a node that is in the wrong hands.
    pub fn start_hostile(&self, node: &str, control: &Control) {
        let (name, value) = control.environment();
        self.start_program(node, "hostile_node", &[(name, &value)]);
    }

    /// How a server ended by itself, if it has; it is not running any more then.
    pub fn reap(&self, server: &str) -> Option<std::process::ExitStatus> {
        let status = self.with_process(server, Process::ended)?;
        self.take(server);
        Some(status)
    }

    /// Starts a server as another program of this workspace, with these environment variables. Does not wait until it is
    /// healthy.
    ///
    /// # Panics
    /// When that program is not built, or the server runs already.
    pub fn start_program(&self, server: &str, name: &str, environment: &[(&str, &str)]) {
        let program = program(name).unwrap_or_else(|error| panic!("{error}"));
        let kind = if server == COORDINATOR { COORDINATOR } else { "node" };
        let config = self.path(server).join(format!("{kind}.toml"));
        let log = self.log_file(server);
        let process = Process::start(server, &program, &config, environment, &log);
        let replaced = self.processes().insert(server.to_owned(), process);
        assert!(replaced.is_none(), "{server} ran already");
    }

    /// Waits until a server answers health checks.
    pub async fn wait_healthy(&self, server: &str) {
        eventually(&format!("{server} is healthy"), START, || async {
            self.with_process(server, Process::assert_running);
            self.answers(server).await
        })
        .await;
    }

    /// Starts a server and waits until it is healthy.
    pub async fn bring_up(&self, server: &str) {
        self.start(server);
        self.wait_healthy(server).await;
    }

    /// SIGKILL.
    pub fn kill_9(&self, server: &str) {
        self.take(server).kill_9();
    }

    /// SIGHUP.
    pub fn hang_up(&self, server: &str) {
        self.with_process(server, |process| process.hang_up());
    }

    /// SIGTERM, and how the process ended.
    pub async fn terminate(&self, server: &str, limit: Duration) -> std::process::ExitStatus {
        let mut process = self.take(server);
        process.terminate(limit).await
    }

    /// Waits for a process to end by itself.
    pub async fn ends_by_itself(&self, server: &str, limit: Duration) -> std::process::ExitStatus {
        let status = eventually(&format!("{server} ends"), limit, || async {
            self.with_process(server, |process| process.ended()).ok_or("it runs")
        })
        .await;
        self.take(server);
        status
    }

    /// The process id of a running server.
    pub fn pid(&self, server: &str) -> u32 {
        self.with_process(server, |process| process.pid())
    }

    /// The program that a server's process runs, by the kernel's account.
    pub fn executable(&self, server: &str) -> PathBuf {
        self.with_process(server, |process| process.executable())
    }

    /// Processor time of all running processes.
    pub fn cpu_times(&self) -> BTreeMap<String, CpuTime> {
        self.processes().iter().map(|(name, process)| (name.clone(), process.cpu_time())).collect()
    }

    /// What a server has logged, also before its last restart.
    pub fn log_text(&self, server: &str) -> String {
        std::fs::read_to_string(self.log_file(server)).unwrap_or_default()
    }

    fn log_file(&self, server: &str) -> PathBuf {
        self.path("logs").join(format!("{server}.log"))
    }

    /// A path in the cluster's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The cluster's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The cluster's id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the genesis document.
    pub fn genesis_sha256(&self) -> &[u8; 32] {
        &self.genesis_sha256
    }

    /// A server by name.
    pub fn server(&self, name: &str) -> &Server {
        self.servers.get(name).unwrap_or_else(|| panic!("no server `{name}`"))
    }

    /// A number that this cluster has not given out before.
    pub fn fresh_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// An account nonce of the wallet that no other withdrawal uses.
    pub fn next_account_nonce(&self) -> u64 {
        self.account_nonces.fetch_add(1, Ordering::Relaxed)
    }

    fn take(&self, server: &str) -> Process {
        self.processes().remove(server).unwrap_or_else(|| panic!("{server} does not run"))
    }

    fn with_process<T>(&self, server: &str, look: impl FnOnce(&mut Process) -> T) -> T {
        let mut processes = self.processes();
        look(processes.get_mut(server).unwrap_or_else(|| panic!("{server} does not run")))
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn crashing(server: &str) -> &'static str {
    if server == COORDINATOR { "crash_coordinator" } else { "crash_node" }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.processes().clear();
        if std::thread::panicking() {
            eprintln!("the cluster's logs: {}", self.path("logs").display());
        } else {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
