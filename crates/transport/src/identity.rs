//! A peer's identity: cluster, role and name, written as `spiffe://<cluster>/<role>/<name>`.
//!
//! Must never exist half-checked: every [`PeerIdentity`] has been parsed strictly, wherever it came from.

pub(crate) mod certificate;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const SCHEME: &str = "spiffe://";
const MAX_LABEL_BYTES: usize = 63;

/// What a peer is, and with it what it may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders the log and runs signing rounds; trusted with no funds.
    Coordinator,
    /// Holds key shares.
    Node,
    /// Asks for withdrawals.
    Client,
    /// Approves, holds and pauses.
    Officer,
    /// Reads the log.
    Auditor,
    /// Reports facts: scores, prices, session signals.
    Provider,
    /// Runs the machines.
    Operator,
}

impl Role {
    /// Every role, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::Coordinator,
        Self::Node,
        Self::Client,
        Self::Officer,
        Self::Auditor,
        Self::Provider,
        Self::Operator,
    ];

    /// The role as identities spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Node => "node",
            Self::Client => "client",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Provider => "provider",
            Self::Operator => "operator",
        }
    }

    /// Whether peers of this role accept connections; all of them make some.
    #[must_use]
    pub const fn is_server(self) -> bool {
        match self {
            // The coordinator asks risk providers.
            Self::Coordinator | Self::Node | Self::Provider => true,
            Self::Client | Self::Officer | Self::Auditor | Self::Operator => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(IdentityError::UnknownRole)
    }
}

/// A checked identity. `Display` and `FromStr` use the form `spiffe://<cluster>/<role>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerIdentity {
    cluster: String,
    role: Role,
    name: String,
}

impl PeerIdentity {
    /// Builds an identity; cluster and name have 1 to 63 characters of `a-z`, `0-9` and inner `-`.
    ///
    /// # Errors
    /// `IDENTITY_LABEL_INVALID`.
    pub fn new(cluster: &str, role: Role, name: &str) -> Result<Self, IdentityError> {
        check_label("cluster", cluster)?;
        check_label("name", name)?;
        Ok(Self { cluster: cluster.to_owned(), role, name: name.to_owned() })
    }

    /// Reads the identity out of a certificate's only URI subject alternative name.
    ///
    /// This looks at names only: whether to believe the certificate is decided by TLS.
    ///
    /// # Errors
    /// When the certificate does not parse, holds no URI or several, or the URI is not an identity.
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        certificate::PeerCertificate::parse(der).map(|certificate| certificate.identity)
    }

    /// The cluster, which is also the SPIFFE trust domain.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The name, unique within cluster and role.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fixed host name in this peer's certificate, for TLS stacks that check nothing else.
    ///
    /// It contains the role: a node must not pass for a coordinator of the same name.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}.{}.holdfast.internal", self.name, self.role, self.cluster)
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.cluster, self.role, self.name)
    }
}

impl FromStr for PeerIdentity {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let path = uri.strip_prefix(SCHEME).ok_or(IdentityError::NotSpiffe)?;
        let mut segments = path.split('/');
        match (segments.next(), segments.next(), segments.next(), segments.next()) {
            (Some(cluster), Some(role), Some(name), None) => Self::new(cluster, role.parse()?, name),
            _ => Err(IdentityError::NotSpiffe),
        }
    }
}

impl TryFrom<String> for PeerIdentity {
    type Error = IdentityError;

    fn try_from(uri: String) -> Result<Self, Self::Error> {
        uri.parse()
    }
}

impl From<PeerIdentity> for String {
    fn from(identity: PeerIdentity) -> Self {
        identity.to_string()
    }
}

/// The name of a cluster as an authority's certificate carries it.
pub(crate) fn trust_domain_uri(cluster: &str) -> Result<String, IdentityError> {
    check_label("cluster", cluster)?;
    Ok(format!("{SCHEME}{cluster}"))
}

/// The reverse of [`trust_domain_uri`].
pub(crate) fn parse_trust_domain(uri: &str) -> Result<String, IdentityError> {
    let cluster = uri.strip_prefix(SCHEME).ok_or(IdentityError::NotSpiffe)?;
    check_label("cluster", cluster)?;
    Ok(cluster.to_owned())
}

/// Labels are host name labels, so that every identity also has a valid host name.
fn check_label(field: &'static str, label: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let length_fits = (1..=MAX_LABEL_BYTES).contains(&label.len());
    if length_fits && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-') {
        Ok(())
    } else {
        Err(IdentityError::InvalidLabel { field })
    }
}

/// Why something is not an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of the form `spiffe://<cluster>/<role>/<name>`.
    #[error("identity is not of the form `spiffe://<cluster>/<role>/<name>`")]
    NotSpiffe,
    /// The role is none of ours.
    #[error("identity has an unknown role")]
    UnknownRole,
    /// Cluster or name has a character or a length that is not allowed.
    #[error("{field} must have 1 to 63 characters of `a-z`, `0-9` and inner `-`")]
    InvalidLabel {
        /// `cluster` or `name`.
        field: &'static str,
    },
    /// The certificate does not parse.
    #[error("certificate is malformed")]
    MalformedCertificate,
    /// The certificate carries no URI name, or more than one.
    #[error("certificate has {found} URI names instead of exactly one")]
    NotOneUri {
        /// How many it carries.
        found: usize,
    },
}

impl IdentityError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSpiffe => "IDENTITY_NOT_SPIFFE",
            Self::UnknownRole => "IDENTITY_ROLE_UNKNOWN",
            Self::InvalidLabel { .. } => "IDENTITY_LABEL_INVALID",
            Self::MalformedCertificate => "CERTIFICATE_MALFORMED",
            Self::NotOneUri { .. } => "CERTIFICATE_NOT_ONE_URI",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_reads_back_as_written() {
        for role in Role::ALL {
            let identity = PeerIdentity::new("eu-1", role, "n-7").unwrap();
            assert_eq!(identity.to_string(), format!("spiffe://eu-1/{role}/n-7"));
            assert_eq!(identity.to_string().parse(), Ok(identity.clone()));
            let json = serde_json::to_string(&identity).unwrap();
            assert_eq!(serde_json::from_str::<PeerIdentity>(&json).unwrap(), identity);
        }
    }

    #[test]
    fn near_identities_are_refused() {
        let long = format!("spiffe://c/node/{}", "a".repeat(64));
        let refused = [
            "",
            "spiffe://",
            "spiffe://c",
            "spiffe://c/node",
            "spiffe://c/node/",
            "spiffe:///node/n",
            "spiffe://c/node/n/",
            "spiffe://c/node/n/m",
            "spiffe://c//n",
            "SPIFFE://c/node/n",
            "https://c/node/n",
            "spiffe://C/node/n",
            "spiffe://c/Node/n",
            "spiffe://c/root/n",
            "spiffe://c/node/N",
            "spiffe://c/node/n_1",
            "spiffe://c/node/n.1",
            "spiffe://c/node/n%31",
            "spiffe://c/node/n ",
            "spiffe://c/node/n?x",
            "spiffe://c/node/n#x",
            "spiffe://c:1/node/n",
            "spiffe://u@c/node/n",
            "spiffe://c/node/-n",
            "spiffe://c/node/n-",
            "spiffe://c/node/n\0",
            "spiffe://c/node/\u{43d}",
            &long,
        ];
        for uri in refused {
            assert!(uri.parse::<PeerIdentity>().is_err(), "`{uri}` was accepted");
        }
    }

    #[test]
    fn host_names_of_different_roles_differ() {
        let node = PeerIdentity::new("demo", Role::Node, "a").unwrap();
        let coordinator = PeerIdentity::new("demo", Role::Coordinator, "a").unwrap();
        assert_eq!(node.dns_name(), "a.node.demo.holdfast.internal");
        assert_ne!(node.dns_name(), coordinator.dns_name());
    }
}
