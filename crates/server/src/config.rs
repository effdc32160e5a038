//! What the configuration files of both programs have in common: how they are read, the checks of their common members, and errors.
//!
//! Each program owns its own format. Nothing here may guess: an unknown member, a missing one or an address that exposes the metrics is an
//! error. Secrets are not in these files, only the paths of their files.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use holdfast_policy::{ClusterId, NodeId};
use holdfast_transport::files::{self, FileError};
use serde::Deserialize;

const DEFAULT_HISTORY_MIB: usize = 64;
const HISTORY_MIB: RangeInclusive<usize> = 1..=65_536;
const NAME: &str = "must be 1 to 64 characters of `a-z`, `0-9`, `.`, `_` or `-`";

/// Files of a program's TLS identity: the table `[tls]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Its certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub key: PathBuf,
    /// The cluster's certificate authority, PEM.
    pub ca: PathBuf,
}

impl TlsFiles {
    /// The same files; relative paths are relative to `directory`.
    #[must_use]
    pub fn at(self, directory: &Path) -> Self {
        Self {
            certificate: directory.join(self.certificate),
            key: directory.join(self.key),
            ca: directory.join(self.ca),
        }
    }
}

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not text.
    #[error("the configuration file is not UTF-8 text")]
    NotText,
    /// It is not TOML with exactly the known members.
    #[error("the configuration file is not acceptable:\n{0}")]
    Toml(#[from] toml::de::Error),
    /// A member has a value that is not allowed.
    #[error("`{field}` {problem}")]
    Member {
        /// The member.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl ConfigError {
    /// A member has a value that is not allowed: [`ConfigError::Member`].
    #[must_use]
    pub fn member(field: &'static str, problem: &'static str) -> Self {
        Self::Member { field, problem }
    }
}

/// Loads a configuration file: `parse` is given its text and its directory, which relative paths in it are relative to.
///
/// # Errors
/// [`ConfigError::File`], [`ConfigError::NotText`], and those of `parse`.
pub fn load<T>(
    path: &Path,
    parse: impl FnOnce(&str, &Path) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let bytes = files::read_public(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ConfigError::NotText)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parse(text, directory.unwrap_or(Path::new(".")))
}

/// Checks `metrics_listen`: nobody but this machine may read the metrics.
///
/// # Errors
/// [`ConfigError::Member`] for an address that is no loopback one.
pub fn check_metrics(address: Option<SocketAddr>) -> Result<(), ConfigError> {
    if address.is_some_and(|address| !address.ip().is_loopback()) {
        let problem = "must be a loopback address: metrics are not authenticated";
        return Err(ConfigError::member("metrics_listen", problem));
    }
    Ok(())
}

/// The bytes that `history_memory_mib` allows customers' histories in memory: 64 MiB unless it says otherwise.
///
/// # Errors
/// [`ConfigError::Member`] for less than 1 or more than 65536 MiB.
pub fn history_memory(mib: Option<usize>) -> Result<usize, ConfigError> {
    let mib = mib.unwrap_or(DEFAULT_HISTORY_MIB);
    if !HISTORY_MIB.contains(&mib) {
        return Err(ConfigError::member("history_memory_mib", "must be 1 to 65536"));
    }
    Ok(mib.saturating_mul(1 << 20))
}

/// The member `cluster`.
///
/// # Errors
/// [`ConfigError::Member`] for what is no id.
pub fn cluster(text: String) -> Result<ClusterId, ConfigError> {
    ClusterId::new(text).map_err(|_| ConfigError::member("cluster", NAME))
}

/// The member `name`: the program's own name, of the form of a node's.
///
/// # Errors
/// [`ConfigError::Member`] for what is no id.
pub fn name(text: String) -> Result<NodeId, ConfigError> {
    NodeId::new(text).map_err(|_| ConfigError::member("name", NAME))
}

/// The member `genesis_sha256`.
///
/// # Errors
/// [`ConfigError::Member`] for anything but 64 lower-case hexadecimal digits.
pub fn genesis_sha256(text: &str) -> Result<[u8; 32], ConfigError> {
    let mut bytes = [0; 32];
    let is_hash = hex::decode_to_slice(text, &mut bytes).is_ok() && hex::encode(bytes) == text;
    is_hash
        .then_some(bytes)
        .ok_or(ConfigError::member("genesis_sha256", "must be 64 lower-case hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_histories_has_a_default_and_bounds() {
        assert_eq!(history_memory(None).unwrap(), 64 << 20);
        assert_eq!(history_memory(Some(1)).unwrap(), 1 << 20);
        assert_eq!(history_memory(Some(65_536)).unwrap(), 64 << 30);
        for beyond in [0, 65_537] {
            let error = history_memory(Some(beyond)).unwrap_err();
            assert!(matches!(error, ConfigError::Member { field: "history_memory_mib", .. }), "{beyond}");
        }
    }

    #[test]
    fn hash_is_64_lower_case_digits() {
        assert_eq!(genesis_sha256(&"ab".repeat(32)).unwrap(), [0xab; 32]);
        for wrong in ["AB".repeat(32), "ab".repeat(31), "ab".repeat(33), "xy".repeat(32), String::new()] {
            assert!(genesis_sha256(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn file_is_parsed_with_its_directory_and_refused_if_it_is_not_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.toml");
        std::fs::write(&path, "text").unwrap();
        let found = load(&path, |text, directory| Ok((text.to_owned(), directory.to_owned()))).unwrap();
        assert_eq!(found, ("text".to_owned(), directory.path().to_owned()));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(matches!(load(&path, |_, _| Ok(())), Err(ConfigError::NotText)));
    }
}
