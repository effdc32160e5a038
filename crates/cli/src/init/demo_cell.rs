//! A whole cell in one directory, with the keys of every party: for demonstrations and tests, never for funds.

mod written;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_ledger::{
    ClientEntry, CoordinatorEntry, GENESIS_NAMESPACE, Genesis, NodeEntry, OfficerEntry, ProviderEntry,
    ScreeningListEntry,
};
use holdfast_policy::{OfficerId, PolicyDocument, TimestampMs};
use holdfast_transport::issue::CertificateAuthority;
use holdfast_transport::{PeerIdentity, Role};
use rand::RngCore;
use rand::rngs::OsRng;
use serde_json::json;

use super::document::{self, Parts};
use super::{DemoArgs, authority};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keys;
use crate::output::{Answer, Output};
use crate::profile::Server;

const POLICY: &str = include_str!("../../../policy/fixtures/demo-policy.toml");
/// Every Ethereum address on the lists: OFAC files some of them under the token only.
const OFAC_ETH: &str = concat!(
    include_str!("../../../../fixtures/screening-2026-11-21/ofac_sanctioned_ETH.txt"),
    include_str!("../../../../fixtures/screening-2026-11-21/ofac_sanctioned_USDC.txt"),
    include_str!("../../../../fixtures/screening-2026-11-21/ofac_sanctioned_USDT.txt"),
);
const OFAC_SOURCE: &str =
    "OFAC SDN list, files ETH, USDC, USDT of 0xB10C/ofac-sanctioned-digital-currency-addresses";
const OFAC_DATE: &str = "2026-11-21";

const NODES: [(&str, &str, &str, &str); 3] = [
    ("node-1", "operator-a", "provider-a", "eu-west"),
    ("node-2", "operator-b", "provider-b", "us-east"),
    ("node-3", "operator-c", "provider-c", "ap-south"),
];
const OFFICERS: [(&str, &[&str]); 3] = [
    ("alice", &["security-officer", "withdrawal-approver"]),
    ("bob", &["security-officer", "withdrawal-approver"]),
    ("carol", &["withdrawal-approver", "compliance-officer"]),
];
const COORDINATOR: &str = "coordinator";
const ASSETS: [&str; 2] = ["USDT:1:6:0xdAC17F958D2ee523a2206206994597C13D831ec7", "ETH:1:18"];
const THRESHOLD: u8 = 2;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_DAYS: u32 = 365;
const CERTIFICATE_DAYS: u32 = 90;

/// A cell that was made.
#[derive(Clone, Debug)]
pub(crate) struct DemoCell {
    pub(crate) directory: PathBuf,
    pub(crate) cluster: String,
    pub(crate) genesis_sha256: String,
    pub(crate) nodes: Vec<Server>,
    pub(crate) coordinator: Server,
}

impl DemoCell {
    /// The profile that commands use with this cell.
    pub(crate) fn profile(&self) -> PathBuf {
        self.directory.join("holdfast.toml")
    }
}

/// The answer of `holdfast init --demo`.
pub(super) fn answer(cell: &DemoCell) -> Result<Answer, Failure> {
    let at = cell.directory.display();
    let nodes: String = cell
        .nodes
        .iter()
        .map(|node| format!("  holdfast-node run --config {at}/{}/node.toml &\n", node.name))
        .collect();
    let text = format!(
        "cell `{}` in `{at}`, genesis SHA-256 {}\nEvery party's keys are in this one directory: for demonstrations only.\nstart it:\n{nodes}  holdfast-coordinator run --config {at}/coordinator/coordinator.toml &\nuse it:\n  export HOLDFAST_PROFILE={at}/holdfast.toml\n  holdfast status",
        cell.cluster, cell.genesis_sha256
    );
    let json = json!({"directory": cell.directory, "cluster": cell.cluster, "genesis_sha256": cell.genesis_sha256,
        "profile": cell.profile(), "coordinator": cell.coordinator, "nodes": cell.nodes});
    Ok(Answer::new(json, text))
}

/// Makes a cell in a new or empty directory.
pub(crate) fn make(output: Output, directory: &Path, args: &DemoArgs) -> Result<DemoCell, Failure> {
    let occupied = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || directory.is_file() {
        return Err(Failure::new(
            Exit::Usage,
            "FILE_EXISTS",
            format!("`{}` is not empty", directory.display()),
        )
        .next("name a new directory: keys are never replaced"));
    }
    files::create_dir(directory)?;
    let spinner = output.spinner("making keys and certificates".to_owned());
    let maker = Maker::new(directory, args)?;
    let cell = maker.cell();
    spinner.finish_and_clear();
    cell
}

struct Maker {
    directory: PathBuf,
    cluster: String,
    authority: CertificateAuthority,
    ports: Vec<u16>,
    store: String,
    now: TimestampMs,
}

impl Maker {
    fn new(directory: &Path, args: &DemoArgs) -> Result<Self, Failure> {
        let mut random = [0; 4];
        OsRng.fill_bytes(&mut random);
        let cluster = format!("demo-{}", hex::encode(random));
        let validity = authority::validity(DAY.saturating_mul(AUTHORITY_DAYS))?;
        let authority = CertificateAuthority::generate(&cluster, &validity).map_err(authority::refused)?;
        Ok(Self {
            directory: directory.to_owned(),
            cluster,
            authority,
            ports: ports(args.base_port)?,
            store: args.store.clone().unwrap_or_else(|| "redb".to_owned()),
            now: clock::now(),
        })
    }

    fn cell(&self) -> Result<DemoCell, Failure> {
        authority::write(&self.authority, &self.path("ca.pem"), &self.path("ca.key"))?;
        let document = self.parts()?.document()?;
        let signatures = self.officers_sign(&document)?;
        let entry = Genesis::assemble(&document, &signatures)
            .map_err(|error| Failure::other("GENESIS_INVALID", error.to_string()))?;
        files::write(&self.path("genesis.json"), &document)?;
        files::write(&self.path("genesis.entry.json"), entry.bytes())?;
        let genesis_sha256 = hex::encode(Genesis::hash_of(&document));
        self.node_files(&genesis_sha256)?;
        self.coordinator_files(&genesis_sha256)?;
        self.people()?;
        self.profile(&genesis_sha256)?;
        Ok(DemoCell {
            directory: self.directory.clone(),
            cluster: self.cluster.clone(),
            genesis_sha256,
            nodes: self.node_servers(),
            coordinator: self.coordinator_server(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn address(&self, process: usize) -> String {
        format!("127.0.0.1:{}", self.ports.get(process).copied().unwrap_or_default())
    }

    fn metrics_address(&self, process: usize) -> String {
        self.address(process.saturating_add(NODES.len()).saturating_add(1))
    }

    fn coordinator_server(&self) -> Server {
        Server { name: COORDINATOR.to_owned(), address: self.address(NODES.len()) }
    }

    fn node_servers(&self) -> Vec<Server> {
        let servers = NODES.iter().enumerate();
        servers.map(|(i, (name, ..))| Server { name: (*name).to_owned(), address: self.address(i) }).collect()
    }

    /// Makes every key that genesis names, and the document's parts.
    fn parts(&self) -> Result<Parts, Failure> {
        Ok(Parts {
            cluster: self.cluster.clone(),
            created_at: self.now,
            threshold: THRESHOLD,
            hostile_nodes: 0,
            officers: self.officer_keys()?,
            clients: vec![ClientEntry {
                name: id("pipeline")?,
                public_key: self.key("client/pipeline.key")?,
                wallets: vec![id("hot-1")?],
                expires_at_ms: clock::after(self.now, DAY.saturating_mul(AUTHORITY_DAYS)),
            }],
            providers: vec![ProviderEntry {
                name: id("sessions")?,
                public_key: self.key("provider/sessions.key")?,
            }],
            nodes: self.node_keys()?,
            coordinator: CoordinatorEntry {
                log_key: self.key("coordinator/log.key")?,
                entry_key: self.key("coordinator/entry.key")?,
            },
            witnesses: Vec::new(),
            witnesses_required: 0,
            assets: ASSETS.into_iter().map(document::asset).collect::<Result<_, _>>()?,
            quorums: document::default_quorums()?,
            policy: POLICY.to_owned(),
            screening_lists: screening_lists()?,
        })
    }

    fn officer_keys(&self) -> Result<Vec<OfficerEntry>, Failure> {
        files::create_dir(&self.path("officers"))?;
        let officers = OFFICERS.iter().map(|(name, roles)| {
            let comment = format!("{name}@{}", self.cluster);
            Ok(OfficerEntry {
                name: id(name)?,
                roles: roles.iter().map(|role| id(role)).collect::<Result<_, _>>()?,
                ssh_public_key: keys::generate_ssh(&self.path("officers").join(name), &comment)?,
            })
        });
        officers.collect()
    }

    fn node_keys(&self) -> Result<Vec<NodeEntry>, Failure> {
        let nodes = NODES.iter().map(|(name, operator, provider, region)| {
            Ok(NodeEntry {
                name: id(name)?,
                operator: (*operator).to_owned(),
                provider: (*provider).to_owned(),
                region: (*region).to_owned(),
                cosigning_key: self.key(&format!("{name}/cosigning.key"))?,
                message_key: self.key(&format!("{name}/message.key"))?,
            })
        });
        nodes.collect()
    }

    /// Makes a key file and returns the public half.
    fn key(&self, name: &str) -> Result<[u8; 32], Failure> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            files::create_dir(parent)?;
        }
        Ok(keys::generate_ed25519(&path)?.verifying_key().to_bytes())
    }

    fn officers_sign(&self, document: &[u8]) -> Result<Vec<(OfficerId, Vec<u8>)>, Failure> {
        let signatures = OFFICERS.iter().map(|(name, _)| {
            let signature = keys::ssh_sign(&self.path("officers").join(name), GENESIS_NAMESPACE, document)?;
            Ok((id(name)?, signature))
        });
        signatures.collect()
    }

    /// A TLS identity, written to two files.
    fn certify(&self, role: Role, name: &str, certificate: &str, key: &str) -> Result<(), Failure> {
        let identity = PeerIdentity::new(&self.cluster, role, name)
            .map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
        // Servers also carry the host that demo clients dial, for TLS stacks that check host names.
        let hosts: &[&str] = if role.is_server() { &["localhost", "127.0.0.1"] } else { &[] };
        let validity = authority::validity(DAY.saturating_mul(CERTIFICATE_DAYS))?;
        let (pem, secret) = self.authority.issue(&identity, hosts, &validity).map_err(authority::refused)?;
        let path = self.path(key);
        if let Some(parent) = path.parent() {
            files::create_dir(parent)?;
        }
        holdfast_transport::files::create_secret(&path, secret.as_bytes())?;
        files::write(&self.path(certificate), pem.as_bytes())
    }
}

/// The lists that the policy names, from the fixtures in this program.
fn screening_lists() -> Result<Vec<ScreeningListEntry>, Failure> {
    let policy =
        PolicyDocument::parse(POLICY).map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    let lists = policy.screening_lists().into_iter().map(|list| match list.as_str() {
        "ofac-eth" => Ok(ScreeningListEntry {
            id: list.clone(),
            source: OFAC_SOURCE.to_owned(),
            as_of: OFAC_DATE.to_owned(),
            text: OFAC_ETH.to_owned(),
        }),
        other => Err(Failure::other("INTERNAL", format!("no fixture for the screening list `{other}`"))),
    });
    lists.collect()
}

/// One port for each process and one for its metrics.
fn ports(base: Option<u16>) -> Result<Vec<u16>, Failure> {
    let count = u16::try_from(NODES.len().saturating_add(1).saturating_mul(2)).unwrap_or(u16::MAX);
    if let Some(base) = base {
        let last = base.checked_add(count).ok_or_else(|| Failure::usage("`--base-port` is too high"))?;
        return Ok((base..last).collect());
    }
    let refuse =
        |error: std::io::Error| Failure::other("NO_FREE_PORT", format!("no free port on 127.0.0.1: {error}"));
    // All are held at once, so that no port is given twice.
    let held = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)).map_err(refuse))
        .collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| listener.local_addr().map(|address| address.port()).map_err(refuse)).collect()
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Failure::other("INTERNAL", error.to_string()))
}

#[cfg(test)]
mod tests;
