//! Directories of the parties of the test's log: configurations, certificates, and the keys that its genesis names.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::KeypairBytes;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use holdfast_ledger::Genesis;
use holdfast_log::tiles::parse_entry_bundle;
use holdfast_log::{Entry, SignedCheckpoint, TilePath};
use holdfast_tests::program;
use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::{PeerIdentity, Role, TlsIdentity, files};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::{Digest as _, Sha256};

use crate::program::{Running, Start};

pub(crate) const CLUSTER: &str = "million-1";
/// The node that holds the log.
pub(crate) const NODE: &str = "node-1";
/// The name that the log's entries give their coordinator.
pub(crate) const COORDINATOR: &str = "main";
const NODES: [&str; 3] = [NODE, "node-2", "node-3"];
const LIFETIME: Duration = Duration::from_secs(20 * 24 * 3_600);

/// The parties' directories, beside the log.
#[derive(Debug)]
pub(crate) struct Cell {
    directory: PathBuf,
    size: u64,
    addresses: Vec<(String, SocketAddr)>,
}

impl Cell {
    /// The cell of this log. Certificates and ports are new, keys and data stay.
    pub(crate) fn beside(log: &Path) -> Self {
        let name = log.file_name().unwrap().to_string_lossy().replace("log-", "cell-");
        let directory = log.with_file_name(name);
        let size =
            SignedCheckpoint::parse(&fs::read(log.join("checkpoint")).unwrap()).unwrap().claimed().size;
        let parties = NODES.iter().chain([&COORDINATOR]);
        let addresses = parties.map(|party| ((*party).to_owned(), free_address())).collect();
        let cell = Self { directory, size, addresses };
        cell.write(&genesis(log));
        cell
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn data_of(&self, party: &str) -> PathBuf {
        self.path(party).join("data")
    }

    pub(crate) fn address(&self, party: &str) -> SocketAddr {
        self.addresses.iter().find(|(name, _)| name == party).unwrap().1
    }

    pub(crate) fn identity(&self, role: Role, name: &str) -> PeerIdentity {
        PeerIdentity::new(CLUSTER, role, name).unwrap()
    }

    /// A party's TLS identity.
    pub(crate) fn tls(&self, party: &str) -> TlsIdentity {
        let at = self.path(party);
        TlsIdentity::load(&at.join("tls.pem"), &at.join("tls.key"), &self.path("ca.pem")).unwrap()
    }

    /// Starts a party's program and waits until it serves.
    pub(crate) async fn start(&self, party: &str) -> (Running, Start) {
        let (name, kind, role) = match party {
            COORDINATOR => ("holdfast-coordinator", "coordinator.toml", Role::Coordinator),
            _ => ("holdfast-node", "node.toml", Role::Node),
        };
        let (program, config) = (program(name).unwrap(), self.path(party).join(kind));
        let (expected, caller) = (self.identity(role, party), self.tls("operator"));
        Running::until_serving(&program, &config, self.address(party), expected, &caller).await
    }

    /// The node with the log, and two that have only its first entry.
    pub(crate) async fn nodes_running(&self) -> Vec<Running> {
        let mut running = Vec::new();
        for node in NODES {
            running.push(self.start(node).await.0);
        }
        running
    }

    /// Removes a party's data and what its program has said.
    pub(crate) fn clear(&self, party: &str) {
        let _ = fs::remove_dir_all(self.data_of(party));
        let _ = fs::remove_file(self.log_file(party));
    }

    /// What a party's program has said since.
    pub(crate) fn log_of(&self, party: &str) -> String {
        fs::read_to_string(self.log_file(party)).unwrap()
    }

    fn log_file(&self, party: &str) -> PathBuf {
        let name = if party == COORDINATOR { "coordinator.log" } else { "node.log" };
        self.path(party).join(name)
    }

    /// Makes the kernel forget a party's files, as after a restart of the machine.
    pub(crate) fn evict(&self, party: &str) {
        let mut open = vec![self.data_of(party)];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let file = fs::File::open(path).unwrap();
                file.sync_all().unwrap();
                posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
            }
        }
    }

    fn write(&self, genesis: &Entry) {
        let hash = hex::encode(Genesis::hash_of(&genesis.envelope().payload));
        fs::create_dir_all(&self.directory).unwrap();
        fs::write(self.path("genesis.entry.json"), genesis.bytes()).unwrap();
        let validity = Validity::new(SystemTime::now(), LIFETIME).unwrap();
        let authority = CertificateAuthority::generate(CLUSTER, &validity).unwrap();
        fs::write(self.path("ca.pem"), authority.certificate_pem()).unwrap();
        let roles =
            [(Role::Coordinator, COORDINATOR), (Role::Auditor, "auditor"), (Role::Operator, "operator")];
        for (role, name) in NODES.iter().map(|node| (Role::Node, *node)).chain(roles) {
            let at = self.path(name);
            fs::create_dir_all(&at).unwrap();
            let (certificate, key) = authority.issue(&self.identity(role, name), &[], &validity).unwrap();
            fs::write(at.join("tls.pem"), certificate).unwrap();
            files::write_secret(&at.join("tls.key"), key.as_bytes()).unwrap();
        }
        for (number, node) in (1..).zip(NODES) {
            let at = self.path(node);
            write_key(&at.join("cosigning.key"), &format!("cosign-{number}"));
            write_key(&at.join("message.key"), &format!("message-{number}"));
            files::write_secret(&at.join("passphrase"), b"correct horse battery staple").unwrap();
            let keys = "cosigning = \"cosigning.key\"\nmessage = \"message.key\"\n[sealing]\npassphrase_file = \"passphrase\"";
            fs::write(at.join("node.toml"), self.config(node, &hash, keys)).unwrap();
        }
        let at = self.path(COORDINATOR);
        write_key(&at.join("log.key"), "log");
        write_key(&at.join("entry.key"), "entry");
        let addresses =
            NODES.map(|node| format!("[[nodes]]\nname = \"{node}\"\naddress = \"{}\"\n", self.address(node)));
        let keys = format!("log = \"log.key\"\nentry = \"entry.key\"\n{}", addresses.concat());
        fs::write(at.join("coordinator.toml"), self.config(COORDINATOR, &hash, &keys)).unwrap();
    }

    fn config(&self, party: &str, genesis_sha256: &str, keys: &str) -> String {
        format!(
            "cluster = \"{CLUSTER}\"\nname = \"{party}\"\nlisten = \"{}\"\ndata_dir = \"data\"\nstore = \"redb\"\n\
             genesis = \"../genesis.entry.json\"\ngenesis_sha256 = \"{genesis_sha256}\"\n\
             [tls]\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\nca = \"../ca.pem\"\n[keys]\n{keys}\n",
            self.address(party)
        )
    }
}

/// The test's keys, as the log's generator derives them.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(name).into())
}

/// The entries of one bundle, as bytes.
pub(crate) fn bundle(log: &Path, path: &TilePath) -> Vec<Vec<u8>> {
    let bytes = fs::read(log.join(path.to_string())).unwrap();
    parse_entry_bundle(&bytes, path.width()).unwrap().into_iter().map(<[u8]>::to_vec).collect()
}

fn genesis(log: &Path) -> Entry {
    let first = TilePath::all_entries(256).next().unwrap();
    Entry::parse(&bundle(log, &first)[0]).unwrap()
}

fn write_key(path: &Path, name: &str) {
    let version_1 = KeypairBytes { secret_key: key(name).to_bytes(), public_key: None };
    files::write_secret(path, version_1.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
