//! The configuration files of a demonstration cell: one TOML file for each process, and the profile.

use std::path::PathBuf;

use serde::Serialize;

use crate::failure::Failure;

/// `node.toml`.
#[derive(Debug, Serialize)]
pub(super) struct NodeToml {
    pub(super) cluster: String,
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) metrics_listen: String,
    pub(super) data_dir: PathBuf,
    pub(super) store: String,
    pub(super) genesis: PathBuf,
    pub(super) genesis_sha256: String,
    pub(super) tls: TlsToml,
    pub(super) keys: NodeKeysToml,
    pub(super) sealing: SealingToml,
}

/// `coordinator.toml`.
#[derive(Debug, Serialize)]
pub(super) struct CoordinatorToml {
    pub(super) cluster: String,
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) metrics_listen: String,
    pub(super) data_dir: PathBuf,
    pub(super) store: String,
    pub(super) genesis: PathBuf,
    pub(super) genesis_sha256: String,
    pub(super) tls: TlsToml,
    pub(super) keys: CoordinatorKeysToml,
    pub(super) nodes: Vec<NodeAddressToml>,
}

#[derive(Debug, Serialize)]
pub(super) struct TlsToml {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) ca: PathBuf,
}

#[derive(Debug, Serialize)]
pub(super) struct NodeKeysToml {
    pub(super) cosigning: PathBuf,
    pub(super) message: PathBuf,
}

#[derive(Debug, Serialize)]
pub(super) struct CoordinatorKeysToml {
    pub(super) log: PathBuf,
    pub(super) entry: PathBuf,
}

#[derive(Debug, Serialize)]
pub(super) struct SealingToml {
    pub(super) passphrase_file: PathBuf,
}

#[derive(Debug, Serialize)]
pub(super) struct NodeAddressToml {
    pub(super) name: String,
    pub(super) address: String,
}

impl TlsToml {
    /// The files of a process in the demo's layout.
    pub(super) fn beside() -> Self {
        Self { certificate: "tls.pem".into(), key: "tls.key".into(), ca: "../ca.pem".into() }
    }
}

/// A file's text, with a first line that says where it came from.
pub(super) fn render(what: &str, value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let text = toml::to_string(value).map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    Ok(format!("# {what}, made by `holdfast init --demo`. Paths are relative to this file.\n{text}")
        .into_bytes())
}
