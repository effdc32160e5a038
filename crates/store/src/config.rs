//! What a configuration file says about a store: which backend, and where.
//!
//! Must never guess: an unknown backend or member is an error of the configuration.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One store: its backend (`"redb"` unless stated) and its directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The backend that keeps the records.
    #[serde(default)]
    pub backend: BackendKind,
    /// The store's own directory. Created with mode 0700; refused when group or others have any access to it.
    pub path: PathBuf,
}

impl StoreConfig {
    /// A store in the directory `path` with the default backend.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { backend: BackendKind::default(), path: path.into() }
    }

    /// The same store on another backend.
    #[must_use]
    pub fn with_backend(self, backend: BackendKind) -> Self {
        Self { backend, ..self }
    }
}

/// The backends a configuration can choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// redb 4 with immediate durability: the default.
    #[default]
    Redb,
    /// sled 0.34 with an `fsync` that sled itself leaves out.
    Sled,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_defaults_to_redb_and_sled_is_chosen_by_name() {
        let default: StoreConfig = serde_json::from_str(r#"{"path":"/s"}"#).unwrap();
        let sled: StoreConfig = serde_json::from_str(r#"{"backend":"sled","path":"/s"}"#).unwrap();
        assert_eq!((default.backend, sled.backend), (BackendKind::Redb, BackendKind::Sled));
    }

    #[test]
    fn unknown_backend_and_unknown_member_are_refused() {
        assert!(serde_json::from_str::<StoreConfig>(r#"{"backend":"rocksdb","path":"/s"}"#).is_err());
        assert!(serde_json::from_str::<StoreConfig>(r#"{"path":"/s","sync":false}"#).is_err());
    }
}
