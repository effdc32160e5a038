//! The coordinator's configuration file.
//!
//! Owns its format. It must never guess: an unknown member, a missing one or an address that exposes the metrics is an
//! error. Secrets are not in it, only the paths of their files.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use holdfast_policy::{ClusterId, NodeId, ProviderId};
use holdfast_server::config::{self, ConfigError, TlsFiles};
use holdfast_store::{BackendKind, StoreConfig};
use serde::Deserialize;

/// What a coordinator is configured with. Paths are absolute or relative to the working directory once loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    pub(crate) cluster: ClusterId,
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) data_dir: PathBuf,
    pub(crate) store: BackendKind,
    pub(crate) genesis: PathBuf,
    pub(crate) genesis_sha256: [u8; 32],
    pub(crate) tls: TlsFiles,
    pub(crate) keys: KeyFiles,
    pub(crate) nodes: Vec<NodeAddress>,
    pub(crate) tiles_listen: Option<SocketAddr>,
    pub(crate) witnesses: Vec<WitnessAddress>,
    pub(crate) client_calls: CallRate,
    pub(crate) risk_providers: Vec<ProviderAddress>,
    /// Bytes.
    pub(crate) history_memory: usize,
}

/// Files of the coordinator's Ed25519 keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFiles {
    /// The log's keys: the one in force, and around a rotation the next or the last one.
    pub(crate) log: OneOrMore,
    /// The coordinator's entry keys, likewise.
    pub(crate) entry: OneOrMore,
}

/// A path, or a list of paths.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

impl OneOrMore {
    pub(crate) fn paths(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::More(paths) => paths,
        }
    }

    fn at(self, directory: &Path) -> Self {
        match self {
            Self::One(path) => Self::One(directory.join(path)),
            Self::More(paths) => Self::More(paths.iter().map(|path| directory.join(path)).collect()),
        }
    }
}

/// How an outside witness is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessAddress {
    /// Its name in the genesis document.
    pub(crate) name: String,
    /// The prefix of its submission addresses, `https://` or, on this machine only, `http://`.
    pub(crate) url: String,
    /// The authorities that may vouch for its HTTPS certificate; for `https://` only.
    pub(crate) ca: Option<PathBuf>,
}

/// How often a client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallRate {
    /// Calls a second that one client may make for long.
    pub(crate) per_second: u32,
    /// Calls that it may make at once after it made none for a while.
    pub(crate) burst: u32,
}

impl Default for CallRate {
    fn default() -> Self {
        Self { per_second: 500, burst: 2_000 }
    }
}

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeAddress {
    pub(crate) name: NodeId,
    /// `host:port`. Only a hint: the TLS identity decides who answers.
    pub(crate) address: String,
}

/// Where a risk provider is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderAddress {
    /// Its name in the roster and in its certificate.
    pub(crate) name: ProviderId,
    /// `host:port`. Only a hint: the TLS identity decides who answers.
    pub(crate) address: String,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    cluster: String,
    name: String,
    listen: SocketAddr,
    metrics_listen: Option<SocketAddr>,
    data_dir: PathBuf,
    #[serde(default)]
    store: BackendKind,
    genesis: PathBuf,
    genesis_sha256: String,
    tls: TlsFiles,
    keys: KeyFiles,
    nodes: Vec<NodeAddress>,
    tiles_listen: Option<SocketAddr>,
    #[serde(default)]
    witnesses: Vec<WitnessAddress>,
    #[serde(default)]
    client_calls: CallRate,
    #[serde(default)]
    risk_providers: Vec<ProviderAddress>,
    /// How many MiB of customers' histories stay in memory; the others are read from the store.
    history_memory_mib: Option<usize>,
}

impl CoordinatorConfig {
    /// Loads a configuration file; relative paths in it are relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError`] with the member at fault.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config::load(path, Self::parse)
    }

    /// Reads a configuration whose relative paths are relative to `directory`.
    ///
    /// # Errors
    /// [`ConfigError`] with the member at fault.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(text)?;
        let member = ConfigError::member;
        config::check_metrics(file.metrics_listen)?;
        let names: BTreeSet<&NodeId> = file.nodes.iter().map(|node| &node.name).collect();
        if names.len() != file.nodes.len() {
            return Err(member("nodes", "names a node twice"));
        }
        let providers: BTreeSet<&ProviderId> =
            file.risk_providers.iter().map(|provider| &provider.name).collect();
        if providers.len() != file.risk_providers.len() {
            return Err(member("risk_providers", "names a provider twice"));
        }
        if file.client_calls.per_second == 0 || file.client_calls.burst == 0 {
            return Err(member("client_calls", "must allow at least one call"));
        }
        if file.keys.log.paths().is_empty() || file.keys.entry.paths().is_empty() {
            return Err(member("keys", "must name at least one file of each kind"));
        }
        let history_memory = config::history_memory(file.history_memory_mib)?;
        let at = |path: PathBuf| directory.join(path);
        Ok(Self {
            cluster: config::cluster(file.cluster)?,
            // Checked like any id, although nothing but the certificate and the key id carries it.
            name: config::name(file.name)?.to_string(),
            listen: file.listen,
            metrics_listen: file.metrics_listen,
            data_dir: at(file.data_dir),
            store: file.store,
            genesis: at(file.genesis),
            genesis_sha256: config::genesis_sha256(&file.genesis_sha256)?,
            tls: file.tls.at(directory),
            keys: KeyFiles { log: file.keys.log.at(directory), entry: file.keys.entry.at(directory) },
            nodes: file.nodes,
            tiles_listen: file.tiles_listen,
            witnesses: witnesses(file.witnesses, directory)?,
            client_calls: file.client_calls,
            risk_providers: file.risk_providers,
            history_memory,
        })
    }

    /// Where and how the store is kept.
    pub(crate) fn store_config(&self) -> StoreConfig {
        StoreConfig::at(self.data_dir.join("store")).with_backend(self.store)
    }
}

/// What a witness's server sees is not secret, but who it is must be known: HTTPS with named authorities, or this machine.
fn witnesses(listed: Vec<WitnessAddress>, directory: &Path) -> Result<Vec<WitnessAddress>, ConfigError> {
    let member = |problem| ConfigError::member("witnesses", problem);
    let names: BTreeSet<&str> = listed.iter().map(|witness| witness.name.as_str()).collect();
    if names.len() != listed.len() {
        return Err(member("names a witness twice"));
    }
    let checked = |mut witness: WitnessAddress| {
        let (secure, host) = match (witness.url.strip_prefix("https://"), witness.url.strip_prefix("http://"))
        {
            (Some(host), _) => (true, host),
            (None, Some(host)) => (false, host),
            (None, None) => return Err(member("has a `url` that is neither `https://` nor `http://`")),
        };
        let is_here = ["127.0.0.1:", "[::1]:", "localhost:"].iter().any(|here| host.starts_with(here));
        if !secure && !is_here {
            return Err(member("has an `http://` address of another machine: use `https://`"));
        }
        if secure != witness.ca.is_some() {
            return Err(member("needs `ca` with `https://`, and takes none with `http://`"));
        }
        witness.ca = witness.ca.map(|path| directory.join(path));
        witness.url = witness.url.trim_end_matches('/').to_owned();
        Ok(witness)
    };
    listed.into_iter().map(checked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        cluster = "demo"
        name = "main"
        listen = "127.0.0.1:7100"
        metrics_listen = "127.0.0.1:9100"
        data_dir = "data"
        store = "sled"
        genesis = "../genesis.entry.json"
        genesis_sha256 = "abababababababababababababababababababababababababababababababab"
        [tls]
        certificate = "tls.pem"
        key = "tls.key"
        ca = "/etc/holdfast/ca.pem"
        [keys]
        log = "log.key"
        entry = "entry.key"
        [[nodes]]
        name = "node-1"
        address = "127.0.0.1:7101"
        [[nodes]]
        name = "node-2"
        address = "node-2.example:7101"
    "#;

    fn parse(text: &str) -> Result<CoordinatorConfig, ConfigError> {
        CoordinatorConfig::parse(text, Path::new("/cluster/coordinator"))
    }

    fn field(text: &str) -> &'static str {
        let ConfigError::Member { field, .. } = parse(text).unwrap_err() else { panic!("another error") };
        field
    }

    #[test]
    fn relative_paths_are_relative_to_the_file() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.data_dir, Path::new("/cluster/coordinator/data"));
        assert_eq!(config.keys.log.paths(), [Path::new("/cluster/coordinator/log.key")]);
        assert_eq!((config.tiles_listen, config.witnesses.len()), (None, 0));
        assert_eq!(config.tls.ca, Path::new("/etc/holdfast/ca.pem"));
        assert_eq!((config.store, config.genesis_sha256), (BackendKind::Sled, [0xab; 32]));
        assert_eq!((config.nodes.len(), config.history_memory), (2, 64 << 20));
    }

    #[test]
    fn unknown_and_missing_members_are_refused() {
        assert!(parse(&format!("debug = true\n{GOOD}")).is_err());
        for line in
            ["cluster", "name = \"main\"", "listen", "data_dir", "genesis ", "genesis_sha256", "log", "entry"]
        {
            let kept: Vec<&str> = GOOD.lines().filter(|text| !text.trim().starts_with(line)).collect();
            assert!(parse(&kept.join("\n")).is_err(), "`{line}` was not missed");
        }
    }

    #[test]
    fn several_keys_may_be_configured_around_a_rotation_and_not_none() {
        let two = parse(&GOOD.replace("\"log.key\"", "[\"log.key\", \"/keys/log-2.key\"]")).unwrap();
        let expected = ["/cluster/coordinator/log.key", "/keys/log-2.key"].map(PathBuf::from);
        assert_eq!(two.keys.log.paths(), expected);
        assert_eq!(field(&GOOD.replace("\"log.key\"", "[]")), "keys");
    }

    #[test]
    fn witnesses_are_reached_by_https_with_named_authorities_or_on_this_machine() {
        let with =
            |url: &str, ca: &str| format!("{GOOD}\n[[witnesses]]\nname = \"w\"\nurl = \"{url}\"\n{ca}");
        let ca = "ca = \"witness-ca.pem\"";
        let found = parse(&with("https://witness.example/prefix/", ca)).unwrap().witnesses.remove(0);
        assert_eq!(found.url, "https://witness.example/prefix");
        assert_eq!(found.ca.unwrap(), Path::new("/cluster/coordinator/witness-ca.pem"));
        parse(&with("http://127.0.0.1:8080", "")).unwrap();
        for (url, ca) in [
            ("https://witness.example", ""),
            ("http://witness.example", ""),
            ("http://127.0.0.1.example:80", ""),
            ("http://127.0.0.1:80", ca),
            ("ftp://127.0.0.1", ""),
            ("", ""),
        ] {
            assert_eq!(field(&with(url, ca)), "witnesses", "{url}");
        }
        let twice = with("http://127.0.0.1:80", "[[witnesses]]\nname = \"w\"\nurl = \"http://127.0.0.1:81\"");
        assert_eq!(field(&twice), "witnesses");
    }

    #[test]
    fn risk_providers_are_named_once() {
        let with = |names: [&str; 2]| {
            let [one, other] =
                names.map(|name| format!("[[risk_providers]]\nname = \"{name}\"\naddress = \"p:1\"\n"));
            format!("{GOOD}\n{one}{other}")
        };
        assert_eq!(parse(&with(["chainwatch", "tracer"])).unwrap().risk_providers.len(), 2);
        assert_eq!(field(&with(["tracer", "tracer"])), "risk_providers");
        assert!(parse(GOOD).unwrap().risk_providers.is_empty());
    }

    #[test]
    fn values_that_are_not_allowed_are_refused_with_their_member() {
        assert_eq!(field(&GOOD.replace("\"main\"", "\"../main\"")), "name");
        assert_eq!(field(&GOOD.replace("\"demo\"", "\"\"")), "cluster");
        assert_eq!(field(&GOOD.replace("abababab", "ABababab")), "genesis_sha256");
        assert_eq!(field(&GOOD.replace("\"node-2\"", "\"node-1\"")), "nodes");
        assert_eq!(field(&GOOD.replace("127.0.0.1:9100", "0.0.0.0:9100")), "metrics_listen");
        assert_eq!(field(&format!("history_memory_mib = 0\n{GOOD}")), "history_memory_mib");
    }
}
