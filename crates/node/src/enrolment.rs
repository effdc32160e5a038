//! Enrolment: a node makes its own keys, and a request that the genesis document is built from.
//!
//! Owns the layout of a node's directory. It must never let a secret key out of it, and never replace a file.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use holdfast_policy::{ClusterId, NodeId};
use holdfast_transport::files::{self, FileError};
use holdfast_transport::identity::IdentityError;
use holdfast_transport::issue::{IssueError, certificate_request};
use holdfast_transport::signing_key::{self, SigningKeyError};
use holdfast_transport::{PeerIdentity, Role};
use rand::RngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const VERSION: u32 = 1;
const REQUEST_FILE: &str = "enrolment.json";
const MAX_PLACE_CHARS: usize = 64;
/// 256 bits, written as 64 hexadecimal digits.
const PASSPHRASE_BYTES: usize = 32;

/// Who enrols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The cell, as it will stand in genesis.
    pub cluster: String,
    /// The node's name.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// On whose infrastructure.
    pub provider: String,
    /// Where.
    pub region: String,
    /// Where it will be reached, for the cluster's profile; no part of its identity.
    pub address: Option<String>,
}

/// The request: public keys and places, for whoever builds the genesis document. Written as `enrolment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// Format version, 1.
    pub version: u32,
    /// The cell.
    pub cluster: ClusterId,
    /// The node's name.
    pub name: NodeId,
    /// Who runs it.
    pub operator: String,
    /// On whose infrastructure.
    pub provider: String,
    /// Where.
    pub region: String,
    /// Where it will be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Ed25519 key that cosigns checkpoints, hex.
    #[serde(with = "hex::serde")]
    pub cosigning_key: [u8; 32],
    /// Ed25519 key that signs messages, confirmations and receipts, hex.
    #[serde(with = "hex::serde")]
    pub message_key: [u8; 32],
    /// Certificate signing request for its TLS identity, PEM.
    pub tls_csr: String,
}

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// A name or place is not acceptable.
    #[error("`{field}` {problem}")]
    Field {
        /// The option.
        field: &'static str,
        /// What it should be.
        problem: &'static str,
    },
    /// A file of this name exists; nothing was written.
    #[error("`{}` exists already: enrol into an empty directory", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The directory cannot be made.
    #[error("cannot create directory `{}`", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The names make no TLS identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate request cannot be made.
    #[error(transparent)]
    Request(#[from] IssueError),
}

/// Makes a node's keys in `directory` and returns the request, which is also written there.
///
/// Blocks.
///
/// # Errors
/// [`EnrolError::Exists`] if any of the files is there already; then nothing was written.
pub fn enrol(directory: &Path, enrolment: &Enrolment) -> Result<EnrolmentRequest, EnrolError> {
    let name = "must be 1 to 63 characters of `a-z`, `0-9` and inner `-`";
    let field = |field, problem| EnrolError::Field { field, problem };
    let cluster = ClusterId::new(enrolment.cluster.as_str()).map_err(|_| field("cluster", name))?;
    let node = NodeId::new(enrolment.name.as_str()).map_err(|_| field("name", name))?;
    let identity = PeerIdentity::new(cluster.as_str(), Role::Node, node.as_str())?;
    for (option, place) in [
        ("operator", Some(&enrolment.operator)),
        ("provider", Some(&enrolment.provider)),
        ("region", Some(&enrolment.region)),
        ("address", enrolment.address.as_ref()),
    ] {
        if place.is_some_and(|place| !is_place(place)) {
            return Err(field(option, "must be 1 to 64 printable ASCII characters without quotes"));
        }
    }
    create_private(directory)?;
    let file = |name: &str| directory.join(name);
    let names = ["tls.key", "tls.csr", "cosigning.key", "message.key", "passphrase", REQUEST_FILE];
    if let Some(path) = names.map(file).into_iter().find(|path| path.exists()) {
        return Err(EnrolError::Exists { path });
    }

    let (tls_csr, tls_key) = certificate_request(&identity)?;
    files::create_secret(&file("tls.key"), tls_key.as_bytes())?;
    files::create_secret(&file("passphrase"), passphrase().as_bytes())?;
    let request = EnrolmentRequest {
        version: VERSION,
        cluster,
        name: node,
        operator: enrolment.operator.clone(),
        provider: enrolment.provider.clone(),
        region: enrolment.region.clone(),
        address: enrolment.address.clone(),
        cosigning_key: signing_key::generate(&file("cosigning.key"))?.verifying_key().to_bytes(),
        message_key: signing_key::generate(&file("message.key"))?.verifying_key().to_bytes(),
        tls_csr: tls_csr.clone(),
    };
    files::write_public(&file("tls.csr"), tls_csr.as_bytes())?;
    // Last, so that a request on disk means that everything else is.
    let json = serde_json::to_string_pretty(&request).unwrap_or_default();
    files::write_public(&file(REQUEST_FILE), format!("{json}\n").as_bytes())?;
    Ok(request)
}

fn passphrase() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; PASSPHRASE_BYTES]);
    OsRng.fill_bytes(bytes.as_mut_slice());
    let mut text = Zeroizing::new(hex::encode(bytes.as_slice()));
    text.push('\n');
    text
}

fn is_place(text: &str) -> bool {
    let allowed = |c: char| c == ' ' || (c.is_ascii_graphic() && c != '"' && c != '\\');
    !text.is_empty() && text.len() <= MAX_PLACE_CHARS && text.chars().all(allowed)
}

fn create_private(path: &Path) -> Result<(), EnrolError> {
    let created = DirBuilder::new().mode(0o700).recursive(true).create(path);
    created.map_err(|source| EnrolError::Directory { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn enrolment() -> Enrolment {
        Enrolment {
            cluster: "demo".to_owned(),
            name: "node-1".to_owned(),
            operator: "Operator A".to_owned(),
            provider: "provider-a".to_owned(),
            region: "eu-west".to_owned(),
            address: Some("node-1.example:7101".to_owned()),
        }
    }

    #[test]
    fn enrolment_keeps_its_secrets_private_and_its_request_has_the_public_halves() {
        let directory = tempfile::tempdir().unwrap();
        let request = enrol(directory.path(), &enrolment()).unwrap();
        for secret in ["tls.key", "cosigning.key", "message.key", "passphrase"] {
            let mode = std::fs::metadata(directory.path().join(secret)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{secret}");
        }
        let cosigning = signing_key::load(&directory.path().join("cosigning.key")).unwrap();
        let message = signing_key::load(&directory.path().join("message.key")).unwrap();
        assert_eq!(request.cosigning_key, cosigning.verifying_key().to_bytes());
        assert_eq!(request.message_key, message.verifying_key().to_bytes());
        assert_ne!(request.cosigning_key, request.message_key);
        let written = std::fs::read(directory.path().join(REQUEST_FILE)).unwrap();
        assert_eq!(serde_json::from_slice::<EnrolmentRequest>(&written).unwrap(), request);
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains("BEGIN CERTIFICATE REQUEST") && !text.contains("PRIVATE KEY"));
    }

    #[test]
    fn second_enrolment_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        enrol(directory.path(), &enrolment()).unwrap();
        let before = std::fs::read(directory.path().join("message.key")).unwrap();
        assert!(matches!(enrol(directory.path(), &enrolment()), Err(EnrolError::Exists { .. })));
        assert_eq!(std::fs::read(directory.path().join("message.key")).unwrap(), before);
    }

    #[test]
    fn names_that_make_no_identity_are_refused_before_anything_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let bad = [
            Enrolment { name: "Node 1".to_owned(), ..enrolment() },
            Enrolment { name: "node.1".to_owned(), ..enrolment() },
            Enrolment { cluster: "../demo".to_owned(), ..enrolment() },
            Enrolment { region: "eu\nwest".to_owned(), ..enrolment() },
            Enrolment { operator: String::new(), ..enrolment() },
        ];
        for enrolment in bad {
            assert!(enrol(directory.path(), &enrolment).is_err(), "{enrolment:?}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
