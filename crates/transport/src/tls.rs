//! Our own end of TLS: certificate, key, and the authorities we believe.
//!
//! Must never speak anything but TLS 1.3, accept a peer without a certificate, resume a session (a resumed session skips
//! the check of the peer), or show a private key in `Debug`.

mod reload;
mod verify;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use zeroize::{Zeroize, Zeroizing};

use crate::files::{FileError, read_public, read_secret};
use crate::identity::{IdentityError, PeerIdentity};
pub use reload::reload_on_hangup;
use verify::{ClusterPeers, ExpectedServer};

/// The only application protocol between our own programs: gRPC runs over HTTP/2.
pub(crate) const ALPN: &[u8] = b"h2";

/// What is spoken with gRPC's clients.
pub(crate) const GRPC_PROTOCOLS: [&[u8]; 1] = [ALPN];

/// What is spoken where files are served to other people's programs.
pub(crate) const HTTPS_PROTOCOLS: [&[u8]; 2] = [ALPN, b"http/1.1"];

/// Certificates in one file: a leaf with its intermediates, or the authorities during a rotation.
const MAX_CERTIFICATES: usize = 8;

/// One peer's TLS identity. Clones share it, so a rotation reaches every server and client that uses it.
#[derive(Clone)]
pub struct TlsIdentity {
    identity: PeerIdentity,
    current: Arc<Current>,
    roots: Arc<RootCertStore>,
}

impl TlsIdentity {
    /// Loads certificate chain, private key and authorities from PEM files.
    ///
    /// # Errors
    /// `SECRET_FILE_READABLE_BY_OTHERS` when anybody else can access the key file; others as [`Self::from_pem`].
    pub fn load(certificate: &Path, key: &Path, authorities: &Path) -> Result<Self, TlsError> {
        let key = read_secret(key)?;
        Self::from_pem(&read_public(certificate)?, &key, &read_public(authorities)?)
    }

    /// Takes certificate chain, private key and authorities as PEM text.
    ///
    /// # Errors
    /// When a part does not parse, the key is not the certificate's, or the certificate is no identity.
    pub fn from_pem(certificate: &[u8], key: &[u8], authorities: &[u8]) -> Result<Self, TlsError> {
        let (identity, certified) = certified_key(certificate, key)?;
        let mut roots = RootCertStore::empty();
        for authority in certificates("authorities", authorities)? {
            roots.add(authority).map_err(TlsError::Rejected)?;
        }
        Ok(Self { identity, current: Arc::new(Current(ArcSwap::new(certified))), roots: Arc::new(roots) })
    }

    /// Who we are.
    #[must_use]
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// Uses a new certificate and key of the same identity for every connection from now on.
    ///
    /// Open connections keep the old ones until they reach their age limit.
    ///
    /// # Errors
    /// `TLS_IDENTITY_CHANGED` when the certificate is somebody else's; others as [`Self::from_pem`].
    pub fn rotate(&self, certificate: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let (identity, certified) = certified_key(certificate, key)?;
        if identity != self.identity {
            return Err(TlsError::IdentityChanged { expected: self.identity.clone() });
        }
        self.current.0.store(certified);
        Ok(())
    }

    /// The same from PEM files.
    ///
    /// # Errors
    /// As [`Self::load`] and [`Self::rotate`].
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let key = read_secret(key)?;
        self.rotate(&read_public(certificate)?, &key)
    }

    /// For servers: TLS 1.3, and only clients of our own cluster with exactly one identity.
    pub(crate) fn server_config(&self, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider())
            .build()
            .map_err(|_| TlsError::Pem { part: "authorities" })?;
        let verifier = Arc::new(ClusterPeers::new(chain, self.identity.cluster()));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Rejected)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }

    /// For clients: TLS 1.3, and only the one server expected.
    pub(crate) fn client_config(&self, expected: &PeerIdentity) -> Result<ClientConfig, TlsError> {
        let verifier = Arc::new(ExpectedServer::new(Arc::clone(&self.roots), &provider(), expected.clone()));
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Rejected)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Ok(config)
    }
}

/// For requests to servers outside the cell: TLS 1.3, a certificate that one of these authorities vouches for, and nothing of
/// ours shown.
pub(crate) fn outside_client_config(authorities: &[u8]) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("authorities", authorities)? {
        roots.add(authority).map_err(TlsError::Rejected)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Rejected)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("identity", &self.identity)
            .field("key", &"<redacted>")
            .finish_non_exhaustive()
    }
}

/// The certificate in use, replaced as a whole.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified_key(certificate: &[u8], key: &[u8]) -> Result<(PeerIdentity, Arc<CertifiedKey>), TlsError> {
    let chain = certificates("certificate", certificate)?;
    let leaf = chain.first().ok_or(TlsError::Pem { part: "certificate" })?;
    let identity = PeerIdentity::from_certificate(leaf)?;
    let certified =
        CertifiedKey::from_der(chain, private_key(key)?, &provider()).map_err(TlsError::Rejected)?;
    Ok((identity, Arc::new(certified)))
}

fn certificates(part: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let parsed: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(pem).take(MAX_CERTIFICATES.saturating_add(1)).collect();
    match parsed {
        Ok(certificates) if (1..=MAX_CERTIFICATES).contains(&certificates.len()) => Ok(certificates),
        Ok(_) | Err(_) => Err(TlsError::Pem { part }),
    }
}

/// Exactly one private key: a second one in the file is a mistake that somebody should hear about.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let mut keys = PrivateKeyDer::pem_slice_iter(pem);
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => Ok(key),
        (first, second) => {
            [first, second].into_iter().flatten().flatten().for_each(|mut key| key.zeroize());
            Err(TlsError::Pem { part: "private key" })
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Private keys as PEM text: erased when dropped.
pub type SecretPem = Zeroizing<String>;

/// Why a TLS identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or must not be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part is not the PEM text it should be.
    #[error("{part} is not valid PEM, or holds too few or too many items")]
    Pem {
        /// Which part.
        part: &'static str,
    },
    /// The certificate does not say who we are.
    #[error("certificate carries no usable identity")]
    Identity(#[from] IdentityError),
    /// rustls refuses key, certificate or settings; a key that is not the certificate's is one case.
    #[error("certificate, private key or authorities are unusable")]
    Rejected(#[source] rustls::Error),
    /// A rotation may not change who we are.
    #[error("new certificate is not for `{expected}`")]
    IdentityChanged {
        /// Who we are.
        expected: PeerIdentity,
    },
}

impl TlsError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File(error) => error.reason(),
            Self::Pem { .. } => "TLS_PEM_INVALID",
            Self::Identity(error) => error.reason(),
            Self::Rejected(_) => "TLS_MATERIAL_REJECTED",
            Self::IdentityChanged { .. } => "TLS_IDENTITY_CHANGED",
        }
    }
}

#[cfg(test)]
mod tests;
