//! A client of our own making, which offers what the real one never would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_transport::issue::CertificateAuthority;
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::{HOUR, identity, now};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A certificate with its key, both DER.
pub(crate) type Credential = (CertificateDer<'static>, PrivateKeyDer<'static>);

pub(crate) fn credential(certificate_pem: &str, key_pem: &str) -> Credential {
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap();
    (certificate, PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap())
}

/// A certificate by this authority with exactly these URI names: what its own `issue` refuses to make.
pub(crate) fn with_uris(authority: &CertificateAuthority, uris: &[&str]) -> Credential {
    crafted(authority, |params| {
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    })
}

/// A certificate by this authority, valid now, with whatever `shape` puts into it.
pub(crate) fn crafted(
    authority: &CertificateAuthority,
    shape: impl FnOnce(&mut CertificateParams),
) -> Credential {
    let signing = KeyPair::from_pem(&authority.key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(authority.certificate_pem(), signing).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.not_before = (now() - HOUR).into();
    params.not_after = (now() + HOUR).into();
    shape(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    credential(&certificate.pem(), &key.serialize_pem())
}

/// What a client offers.
pub(crate) struct Offer<'a> {
    pub(crate) authority: &'a CertificateAuthority,
    pub(crate) credential: Option<Credential>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) alpn: &'a [&'static [u8]],
}

impl<'a> Offer<'a> {
    /// What a well-behaved client offers, with this credential.
    pub(crate) fn proper(authority: &'a CertificateAuthority, credential: Option<Credential>) -> Self {
        Self { authority, credential, versions: vec![&rustls::version::TLS13], alpn: &[b"h2"] }
    }

    fn config(self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.credential {
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }

    /// Shakes hands with node `a`.
    pub(crate) async fn shake(self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(identity(holdfast_transport::Role::Node, "a").dns_name()).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(self.config())).connect(name, stream).await
    }

    /// Succeeds only if the server begins to speak HTTP/2, which it does for verified peers alone.
    pub(crate) async fn reach(self, address: SocketAddr) -> Result<(), String> {
        let mut stream = self.shake(address).await.map_err(|error| error.to_string())?;
        // The server may have closed already: then reading says why.
        let _ = stream.write_all(PREFACE).await;
        let mut frame = [0; 9];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut frame));
        match read.await.expect("the server neither answered nor closed") {
            Ok(_) if frame[3] == 4 => Ok(()),
            Ok(_) => panic!("not a SETTINGS frame: {frame:?}"),
            Err(error) => Err(error.to_string()),
        }
    }
}
