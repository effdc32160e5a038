//! The program itself: enrolled, certified, started, asked over mutual TLS, refused where it must refuse, stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test")]
#![allow(
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    reason = "test: real clock, real processes"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use holdfast_ledger::{GENESIS_NAMESPACE, Genesis, OfficerKey};
use holdfast_log::{Checkpoint, Entry, LogSigner, Origin, RightEdge};
use holdfast_node::EnrolmentRequest;
use holdfast_policy::OfficerId;
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_transport::client::{Endpoint, Timeouts, connect, probe};
use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::{PeerIdentity, Role, TlsIdentity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tonic::Code;
use tonic::transport::Channel;

const CLUSTER: &str = "demo-1";
const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast-node");

/// A node's directory with everything in it, and the authority that certified it.
struct Installed {
    directory: tempfile::TempDir,
    authority: CertificateAuthority,
    validity: Validity,
    genesis: Entry,
    listen: SocketAddr,
    metrics: SocketAddr,
}

struct Running(Child);

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn ed25519(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(name).into())
}

fn ssh(name: &str) -> ssh_key::PrivateKey {
    let seed = <[u8; 32]>::from(Sha256::digest(name));
    ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed))
}

fn identity(role: Role, name: &str) -> PeerIdentity {
    PeerIdentity::new(CLUSTER, role, name).unwrap()
}

fn enroll(directory: &Path) -> std::process::Output {
    Command::new(PROGRAM)
        .args([
            "enroll",
            "--cluster",
            CLUSTER,
            "--name",
            "node-1",
            "--operator",
            "op-1",
            "--provider",
            "cloud-1",
        ])
        .args(["--region", "region-1", "--dir"])
        .arg(directory)
        .output()
        .unwrap()
}

/// The genesis entry that names the enrolled node and two others.
fn genesis(enrolled: &EnrolmentRequest) -> Entry {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let officer = |name: &str| {
        json!({"name": name, "roles": ["security-officer", "withdrawal-approver"],
               "ssh_public_key": ssh(name).public_key().to_openssh().unwrap()})
    };
    let node = |i: u8, cosigning: String, message: String| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"),
               "region": format!("region-{i}"), "cosigning_key": cosigning, "message_key": message})
    };
    let quorum = json!({"security-officer": 2});
    let document: Value = json!({
        "version": 1, "rules_version": 1, "cluster": CLUSTER, "created_at_ms": now, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0}, "officers": [officer("alice"), officer("bob")],
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1"],
                     "expires_at_ms": now + 1_000_000_000}],
        "providers": [{"name": "sessions", "public_key": key("sessions")}],
        "nodes": [node(1, hex::encode(enrolled.cosigning_key), hex::encode(enrolled.message_key)),
                  node(2, key("cosign-2"), key("message-2")), node(3, key("cosign-3"), key("message-3"))],
        "coordinator": {"log_key": key("log"), "entry_key": key("entry")},
        "assets": [{"symbol": "USDT", "chain_id": 1, "contract": "0xdAC17F958D2ee523a2206206994597C13D831ec7",
                    "decimals": 6},
                   {"symbol": "ETH", "chain_id": 1, "contract": null, "decimals": 18}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
                    "change-roster": quorum, "change-policy": quorum},
        "witnesses": [], "witnesses_required": 0,
        "policy": include_str!("../fixtures/test-policy.toml"),
        "screening_lists": [{"id": "ofac-eth", "source": "test", "as_of": "2026-11-01",
                             "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"}],
    });
    let bytes = serde_json::to_vec(&document).unwrap();
    let sign = |name: &str| {
        let signature = OfficerKey::sign(&ssh(name), GENESIS_NAMESPACE, &bytes).unwrap();
        (OfficerId::new(name).unwrap(), signature)
    };
    Genesis::assemble(&bytes, &[sign("alice"), sign("bob")]).unwrap()
}

impl Installed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let enrolled = enroll(directory.path());
        assert!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
        let request = fs::read(directory.path().join("enrolment.json")).unwrap();
        let request: EnrolmentRequest = serde_json::from_slice(&request).unwrap();

        let validity = Validity::new(SystemTime::now(), Duration::from_secs(3_600)).unwrap();
        let authority = CertificateAuthority::generate(CLUSTER, &validity).unwrap();
        let node = identity(Role::Node, "node-1");
        let certificate = authority.issue_for_csr(&request.tls_csr, &node, &[], &validity).unwrap();
        fs::write(directory.path().join("tls.pem"), certificate).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.certificate_pem()).unwrap();

        let genesis = genesis(&request);
        fs::write(directory.path().join("genesis.entry.json"), genesis.bytes()).unwrap();
        let (listen, metrics) = (free_address(), free_address());
        let installed = Self { directory, authority, validity, genesis, listen, metrics };
        installed.write_config(&hex::encode(Genesis::hash_of(&installed.genesis.envelope().payload)));
        installed
    }

    fn write_config(&self, genesis_sha256: &str) {
        let config = format!(
            "cluster = \"{CLUSTER}\"\nname = \"node-1\"\nlisten = \"{}\"\nmetrics_listen = \"{}\"\ndata_dir = \"data\"\n\
             genesis = \"genesis.entry.json\"\ngenesis_sha256 = \"{genesis_sha256}\"\n\
             [tls]\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\nca = \"ca.pem\"\n\
             [keys]\ncosigning = \"cosigning.key\"\nmessage = \"message.key\"\n\
             [sealing]\npassphrase_file = \"passphrase\"\n",
            self.listen, self.metrics
        );
        fs::write(self.config(), config).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("node.toml")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg("--config").arg(self.config()).stderr(Stdio::piped());
        command
    }

    /// Runs a node that must not start; returns what it says.
    fn does_not_start(&self) -> String {
        let output = self.command().output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    async fn channel(&self, role: Role) -> Channel {
        let (certificate, key) = self.authority.issue(&identity(role, "main"), &[], &self.validity).unwrap();
        let authority = self.authority.certificate_pem();
        let tls =
            TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes(), authority.as_bytes()).unwrap();
        let endpoint =
            Endpoint { address: self.listen.to_string(), expected: identity(Role::Node, "node-1") };
        for _ in 0..200 {
            if let Ok(channel) = connect(&endpoint, &tls, &Timeouts::default()).await {
                probe(&channel, "holdfast.v1.NodeService", Duration::from_secs(5)).await.unwrap();
                return channel;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the node does not answer");
    }

    fn start(&self) -> Running {
        Running(self.command().spawn().unwrap())
    }
}

impl Running {
    /// Ends the process in order; returns its log.
    fn stop(mut self) -> String {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.0.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone if it was stopped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Stops the node while this process's connections go on to be served, so that they can end in order.
async fn stop(running: Running) -> String {
    tokio::task::spawn_blocking(move || running.stop()).await.unwrap()
}

async fn status(channel: &Channel) -> v1::NodeStatus {
    NodeServiceClient::new(channel.clone()).status(v1::NodeStatusRequest {}).await.unwrap().into_inner()
}

fn heartbeat(genesis: &Entry) -> v1::Replication {
    let mut edge = RightEdge::new();
    edge.append(genesis.leaf_hash()).unwrap();
    let origin = Origin::of_cluster(CLUSTER).unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size: 1, root: edge.root() };
    let checkpoint = LogSigner::new(origin, ed25519("log")).sign(&checkpoint).unwrap().to_bytes();
    v1::Replication { from_index: 1, checkpoint, ..v1::Replication::default() }
}

fn metrics(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn node_enrols_serves_its_coordinator_refuses_others_and_stops_cleanly() {
    let installed = Installed::new();
    let running = installed.start();

    // Given a coordinator, an officer and a client of the cluster
    let coordinator = installed.channel(Role::Coordinator).await;
    let report = status(&coordinator).await;
    assert_eq!((report.name.as_str(), report.cluster.as_str()), ("node-1", CLUSTER));
    assert_eq!(report.genesis_hash, Genesis::hash_of(&installed.genesis.envelope().payload));
    let tip = NodeServiceClient::new(coordinator.clone()).replicate(heartbeat(&installed.genesis)).await;
    let cosignature = String::from_utf8(tip.unwrap().into_inner().cosignature).unwrap();
    assert!(cosignature.starts_with("— holdfast/demo-1/node-1 "), "{cosignature}");
    // Then only the coordinator reaches what is the coordinator's
    for role in [Role::Officer, Role::Client, Role::Node, Role::Auditor] {
        let channel = installed.channel(role).await;
        let refused = NodeServiceClient::new(channel).status(v1::NodeStatusRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
    }
    assert!(metrics(installed.metrics).contains("holdfast_node_open_sessions"));
    // And a second process cannot open the same data
    assert!(installed.does_not_start().contains("holdfast-node: "));

    // When it is told to stop, it stops, and starts again where it was
    let log = stop(running).await;
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    let running = installed.start();
    let again = status(&installed.channel(Role::Coordinator).await).await;
    assert_eq!(again.tip.unwrap().cosignature, cosignature.into_bytes());
    stop(running).await;
}

#[test]
fn node_does_not_start_with_open_secrets_another_genesis_or_another_certificate() {
    let installed = Installed::new();
    let path = |name: &str| installed.directory.path().join(name);
    let mode = |name: &str, mode| fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    for secret in ["passphrase", "tls.key", "cosigning.key", "message.key"] {
        mode(secret, 0o640);
        let said = installed.does_not_start();
        assert!(said.contains("accessible to other users"), "{secret}: {said}");
        mode(secret, 0o600);
    }

    installed.write_config(&"ab".repeat(32));
    assert!(installed.does_not_start().contains("genesis_sha256"));
    installed.write_config(&hex::encode(Genesis::hash_of(&installed.genesis.envelope().payload)));

    let (certificate, key) =
        installed.authority.issue(&identity(Role::Node, "node-2"), &[], &installed.validity).unwrap();
    fs::write(path("tls.pem"), certificate).unwrap();
    fs::write(path("tls.key"), key.as_bytes()).unwrap();
    assert!(installed.does_not_start().contains("spiffe://demo-1/node/node-2"));
}

#[test]
fn enrolling_twice_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    assert!(enroll(directory.path()).status.success());
    let key = fs::read(directory.path().join("cosigning.key")).unwrap();
    let second = enroll(directory.path());
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("exists already"));
    assert_eq!(fs::read(directory.path().join("cosigning.key")).unwrap(), key);
}
