//! The node's configuration file.
//!
//! Owns its format. It must never guess: an unknown member, a missing one or an address that exposes the metrics is an
//! error. Secrets are not in it, only the paths of their files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use holdfast_server::config::{self, ConfigError, TlsFiles};
use holdfast_store::{BackendKind, StoreConfig};
use serde::Deserialize;

use crate::identity::NodeName;

/// What a node is configured with. Paths are absolute or relative to the working directory once loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    pub(crate) name: NodeName,
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) data_dir: PathBuf,
    pub(crate) store: BackendKind,
    pub(crate) genesis: PathBuf,
    pub(crate) genesis_sha256: [u8; 32],
    pub(crate) tls: TlsFiles,
    pub(crate) keys: KeyFiles,
    pub(crate) passphrase_file: PathBuf,
    pub(crate) require_locked_memory: bool,
    /// Bytes.
    pub(crate) history_memory: usize,
    pub(crate) accept_unmaintained_protocol: bool,
}

/// Files of this node's Ed25519 keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFiles {
    pub(crate) cosigning: PathBuf,
    pub(crate) message: PathBuf,
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
    /// Whether the node does not start when its memory cannot be kept out of swap space.
    #[serde(default)]
    require_locked_memory: bool,
    /// How many MiB of customers' histories stay in memory; the others are read from the store.
    history_memory_mib: Option<usize>,
    /// Whether the operator wants a program that was built with an engine nobody maintains.
    #[serde(default)]
    accept_unmaintained_protocol: bool,
    tls: TlsFiles,
    keys: KeyFiles,
    sealing: SealingSection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealingSection {
    passphrase_file: PathBuf,
}

impl NodeConfig {
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
        config::check_metrics(file.metrics_listen)?;
        let history_memory = config::history_memory(file.history_memory_mib)?;
        let at = |path: PathBuf| directory.join(path);
        Ok(Self {
            name: NodeName { cluster: config::cluster(file.cluster)?, node: config::name(file.name)? },
            listen: file.listen,
            metrics_listen: file.metrics_listen,
            data_dir: at(file.data_dir),
            store: file.store,
            genesis: at(file.genesis),
            genesis_sha256: config::genesis_sha256(&file.genesis_sha256)?,
            tls: file.tls.at(directory),
            keys: KeyFiles { cosigning: at(file.keys.cosigning), message: at(file.keys.message) },
            passphrase_file: at(file.sealing.passphrase_file),
            require_locked_memory: file.require_locked_memory,
            history_memory,
            accept_unmaintained_protocol: file.accept_unmaintained_protocol,
        })
    }

    /// Where and how the store is kept.
    pub(crate) fn store_config(&self) -> StoreConfig {
        StoreConfig::at(self.data_dir.join("store")).with_backend(self.store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        cluster = "demo"
        name = "node-1"
        listen = "127.0.0.1:7101"
        metrics_listen = "127.0.0.1:9101"
        data_dir = "data"
        store = "sled"
        genesis = "../genesis.entry.json"
        genesis_sha256 = "abababababababababababababababababababababababababababababababab"
        [tls]
        certificate = "tls.pem"
        key = "tls.key"
        ca = "/etc/holdfast/ca.pem"
        [keys]
        cosigning = "cosigning.key"
        message = "message.key"
        [sealing]
        passphrase_file = "passphrase"
    "#;

    fn parse(text: &str) -> Result<NodeConfig, ConfigError> {
        NodeConfig::parse(text, Path::new("/cluster/node-1"))
    }

    #[test]
    fn relative_paths_are_relative_to_the_file() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.data_dir, Path::new("/cluster/node-1/data"));
        assert_eq!(config.tls.ca, Path::new("/etc/holdfast/ca.pem"));
        assert_eq!(config.passphrase_file, Path::new("/cluster/node-1/passphrase"));
        assert_eq!((config.store, config.genesis_sha256), (BackendKind::Sled, [0xab; 32]));
        assert_eq!(config.history_memory, 64 << 20);
        assert_eq!(config.store_config().path, Path::new("/cluster/node-1/data/store"));
    }

    #[test]
    fn store_and_metrics_have_defaults_and_nothing_else_has() {
        let without = |line: &str| {
            let kept: Vec<&str> = GOOD.lines().filter(|text| !text.trim().starts_with(line)).collect();
            parse(&kept.join("\n"))
        };
        assert_eq!(without("store").unwrap().store, BackendKind::Redb);
        assert_eq!(without("metrics_listen").unwrap().metrics_listen, None);
        for member in [
            "cluster",
            "name",
            "listen",
            "data_dir",
            "genesis ",
            "genesis_sha256",
            "key ",
            "message",
            "passphrase",
        ] {
            assert!(without(member).is_err(), "`{member}` was not missed");
        }
    }

    #[test]
    fn locked_memory_is_required_on_request() {
        assert!(!parse(GOOD).unwrap().require_locked_memory);
        assert!(parse(&format!("require_locked_memory = true\n{GOOD}")).unwrap().require_locked_memory);
    }

    #[test]
    fn unmaintained_protocol_is_accepted_on_request_only() {
        assert!(!parse(GOOD).unwrap().accept_unmaintained_protocol);
        assert!(
            parse(&format!("accept_unmaintained_protocol = true\n{GOOD}"))
                .unwrap()
                .accept_unmaintained_protocol
        );
    }

    #[test]
    fn unknown_members_are_refused() {
        assert!(parse(&format!("debug = true\n{GOOD}")).is_err());
        assert!(parse(&format!("{GOOD}\nallow_weak = true")).is_err());
    }

    #[test]
    fn values_that_are_not_allowed_are_refused_with_their_member() {
        let field = |text: &str| {
            let ConfigError::Member { field, .. } = parse(text).unwrap_err() else { panic!("another error") };
            field
        };
        assert_eq!(field(&GOOD.replace("node-1", "../node-1")), "name");
        assert_eq!(field(&GOOD.replace("\"demo\"", "\"\"")), "cluster");
        assert_eq!(field(&GOOD.replace("abababab", "ABababab")), "genesis_sha256");
        assert_eq!(field(&GOOD.replace("127.0.0.1:9101", "0.0.0.0:9101")), "metrics_listen");
        assert_eq!(field(&format!("history_memory_mib = 0\n{GOOD}")), "history_memory_mib");
    }
}
