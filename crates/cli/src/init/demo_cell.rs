//! A whole cell in one directory, with the keys of every party: for demonstrations and tests, never for funds.

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
use zeroize::Zeroizing;

use super::document::{self, Parts};
use super::layout::{
    CoordinatorKeysToml, CoordinatorToml, NodeAddressToml, NodeKeysToml, NodeToml, SealingToml, TlsToml,
    render,
};
use super::{DemoArgs, authority};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keys;
use crate::output::{Answer, Output};
use crate::profile::{Defaults, Person, PinnedGenesis, ProfileFile, Server};

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

    fn node_files(&self, genesis_sha256: &str) -> Result<(), Failure> {
        for (i, (name, ..)) in NODES.iter().enumerate() {
            self.certify(Role::Node, name, &format!("{name}/tls.pem"), &format!("{name}/tls.key"))?;
            self.passphrase(name)?;
            let config = NodeToml {
                cluster: self.cluster.clone(),
                name: (*name).to_owned(),
                listen: self.address(i),
                metrics_listen: self.metrics_address(i),
                data_dir: "data".into(),
                store: self.store.clone(),
                genesis: "../genesis.entry.json".into(),
                genesis_sha256: genesis_sha256.to_owned(),
                tls: TlsToml::beside(),
                keys: NodeKeysToml { cosigning: "cosigning.key".into(), message: "message.key".into() },
                sealing: SealingToml { passphrase_file: "passphrase".into() },
            };
            files::write(&self.path(&format!("{name}/node.toml")), &render("signer node", &config)?)?;
            files::create_private_dir(&self.path(&format!("{name}/data")))?;
        }
        Ok(())
    }

    fn passphrase(&self, node: &str) -> Result<(), Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(bytes.as_mut_slice());
        let mut text = Zeroizing::new(hex::encode(bytes.as_slice()));
        text.push('\n');
        let path = self.path(&format!("{node}/passphrase"));
        Ok(holdfast_transport::files::create_secret(&path, text.as_bytes())?)
    }

    fn coordinator_files(&self, genesis_sha256: &str) -> Result<(), Failure> {
        self.certify(Role::Coordinator, COORDINATOR, "coordinator/tls.pem", "coordinator/tls.key")?;
        let nodes = self.node_servers().into_iter();
        let config = CoordinatorToml {
            cluster: self.cluster.clone(),
            name: COORDINATOR.to_owned(),
            listen: self.address(NODES.len()),
            metrics_listen: self.metrics_address(NODES.len()),
            data_dir: "data".into(),
            store: self.store.clone(),
            genesis: "../genesis.entry.json".into(),
            genesis_sha256: genesis_sha256.to_owned(),
            tls: TlsToml::beside(),
            keys: CoordinatorKeysToml { log: "log.key".into(), entry: "entry.key".into() },
            nodes: nodes.map(|node| NodeAddressToml { name: node.name, address: node.address }).collect(),
        };
        files::write(&self.path("coordinator/coordinator.toml"), &render("coordinator", &config)?)?;
        files::create_private_dir(&self.path("coordinator/data"))
    }

    fn people(&self) -> Result<(), Failure> {
        for (name, _) in OFFICERS {
            self.certify(
                Role::Officer,
                name,
                &format!("officers/{name}.tls.pem"),
                &format!("officers/{name}.tls.key"),
            )?;
        }
        for (role, name) in [
            (Role::Client, "pipeline"),
            (Role::Provider, "sessions"),
            (Role::Auditor, "auditor"),
            (Role::Operator, "operator"),
        ] {
            let directory = role.as_str();
            self.certify(role, name, &format!("{directory}/tls.pem"), &format!("{directory}/tls.key"))?;
        }
        Ok(())
    }

    fn profile(&self, genesis_sha256: &str) -> Result<(), Failure> {
        let person = |directory: &str, key: Option<&str>| Person {
            certificate: format!("{directory}/tls.pem").into(),
            tls_key: format!("{directory}/tls.key").into(),
            key: key.map(PathBuf::from),
        };
        let officer = |name: &str| Person {
            certificate: format!("officers/{name}.tls.pem").into(),
            tls_key: format!("officers/{name}.tls.key").into(),
            key: Some(format!("officers/{name}").into()),
        };
        let named = |name: &str, person: Person| [(name.to_owned(), person)].into();
        let profile = ProfileFile {
            cluster: self.cluster.clone(),
            ca: "ca.pem".into(),
            genesis: PinnedGenesis { entry: "genesis.entry.json".into(), sha256: genesis_sha256.to_owned() },
            coordinator: self.coordinator_server(),
            nodes: self.node_servers(),
            defaults: Defaults {
                // No officer by default: whoever signs says so.
                officer: None,
                client: Some("pipeline".to_owned()),
                provider: Some("sessions".to_owned()),
                reader: Some("auditor/auditor".to_owned()),
                operator: Some("operator".to_owned()),
            },
            officers: OFFICERS.iter().map(|(name, _)| ((*name).to_owned(), officer(name))).collect(),
            clients: named("pipeline", person("client", Some("client/pipeline.key"))),
            providers: named("sessions", person("provider", Some("provider/sessions.key"))),
            auditors: named("auditor", person("auditor", None)),
            operators: named("operator", person("operator", None)),
        };
        files::write(&self.path("holdfast.toml"), &render("profile of the command line tool", &profile)?)
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
