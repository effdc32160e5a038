//! Nodes with the engine that nobody maintains, and wallets on it: the program `gg20_node` of `tests/gg20`.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_proto::v1;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::crash::CRASH_AT;
use crate::{COORDINATOR, eventually};

/// A node with the engine. It dies where [`CRASH_AT`] says, if that is set.
const PROGRAM: &str = "gg20_node";
const ACCEPTED: &str = "accept_unmaintained_protocol = true\n";

impl Cluster {
    /// The operator accepts that the node's program has the engine.
    pub fn accept_unmaintained(&self, node: &str) {
        let path = self.node_config(node);
        let config = std::fs::read_to_string(&path).unwrap();
        if !config.starts_with(ACCEPTED) {
            std::fs::write(&path, format!("{ACCEPTED}{config}")).unwrap();
        }
    }

    /// Starts a node that has the engine. Does not wait until it is healthy.
    pub fn start_with_gg20(&self, node: &str) {
        self.start_program(node, PROGRAM, &[]);
    }

    /// The same, and it kills itself: see [`CRASH_AT`] for when.
    pub fn start_with_gg20_crashing(&self, node: &str, when: &str) {
        self.start_program(node, PROGRAM, &[(CRASH_AT, when)]);
    }

    /// Starts the coordinator, and every node with the engine accepted; waits until all are healthy.
    pub async fn start_all_with_gg20(&self) {
        for node in self.nodes() {
            self.accept_unmaintained(&node);
            self.start_with_gg20(&node);
        }
        self.start(COORDINATOR);
        self.wait_all_healthy().await;
    }

    /// Proposes a wallet on an engine with the real command, as `alice`, and approves it as two officers; returns the
    /// ceremony's id while the nodes generate the key.
    pub fn start_wallet_on(&self, engine: &str, wallet: &str) -> String {
        let terminal = self.terminal();
        let proposed =
            terminal.ok(&format!("wallet create {wallet} --engine {engine} --officer alice --yes"));
        let ceremony = proposed["id"].as_str().unwrap().to_owned();
        terminal.approve(&ceremony, &["alice", "bob"]);
        ceremony
    }

    /// A wallet on an engine, in force.
    pub async fn create_wallet_on(&self, engine: &str, wallet: &str) -> v1::Ceremony {
        let ceremony = self.start_wallet_on(engine, wallet);
        self.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await
    }

    /// Sealed bytes that the coordinator has carried between nodes since its start, in sessions of a kind (`keygen`, `sign`).
    pub async fn session_bytes(&self, kind: &str) -> u64 {
        self.counted(&format!("holdfast_session_bytes_total{{session=\"{kind}\"}}")).await
    }

    /// Signing attempts that brought no signature since the coordinator's start.
    pub async fn failed_attempts(&self) -> u64 {
        let all = self.counted("holdfast_sign_attempts_total").await;
        all - self.counted("holdfast_sign_attempts_total{result=\"signed\"}").await
    }

    /// The sum of the coordinator's counters whose name and labels begin like this.
    async fn counted(&self, begins: &str) -> u64 {
        let config = std::fs::read_to_string(self.path(COORDINATOR).join("coordinator.toml")).unwrap();
        let line = config.lines().find(|line| line.starts_with("metrics_listen")).unwrap();
        let address = line.split('"').nth(1).unwrap();
        let page = eventually("the coordinator's metrics", Duration::from_secs(10), || async {
            metrics(address).await.map_err(|error| error.to_string())
        })
        .await;
        let counters = page.lines().filter(|line| line.starts_with(begins));
        counters.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    fn node_config(&self, node: &str) -> PathBuf {
        self.path(node).join("node.toml")
    }
}

async fn metrics(address: &str) -> std::io::Result<String> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut page = String::new();
    tcp.read_to_string(&mut page).await?;
    Ok(page)
}
