//! Who we believe at the other end: webpki checks chain, dates and key usage; here the one URI name is checked.
//!
//! Must never accept a TLS 1.2 signature, nor look at a host name: hosts are not identities.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    RootCertStore, SignatureScheme,
};

use crate::identity::PeerIdentity;

/// For servers: any peer of our cluster. What it may call is decided for each request.
#[derive(Debug)]
pub(super) struct ClusterPeers {
    chain: Arc<dyn ClientCertVerifier>,
    cluster: String,
}

impl ClusterPeers {
    pub(super) fn new(chain: Arc<dyn ClientCertVerifier>, cluster: &str) -> Self {
        Self { chain, cluster: cluster.to_owned() }
    }
}

impl ClientCertVerifier for ClusterPeers {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now)?;
        let identity = PeerIdentity::from_certificate(certificate).map_err(refusal)?;
        if identity.cluster() != self.cluster {
            return Err(refusal(PeerRefusal::OtherCluster { found: identity }));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// For clients: exactly the server that was meant.
#[derive(Debug)]
pub(super) struct ExpectedServer {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    expected: PeerIdentity,
}

impl ExpectedServer {
    pub(super) fn new(roots: Arc<RootCertStore>, provider: &CryptoProvider, expected: PeerIdentity) -> Self {
        Self { roots, algorithms: provider.signature_verification_algorithms, expected }
    }
}

impl ServerCertVerifier for ExpectedServer {
    // INVARIANT: a connection exists only to the server whose identity the caller named, vouched for by our authority:
    // a stolen certificate of any other peer cannot stand in for it (G2).
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let identity = PeerIdentity::from_certificate(certificate).map_err(refusal)?;
        if identity != self.expected {
            return Err(refusal(PeerRefusal::OtherServer {
                expected: self.expected.clone(),
                found: identity,
            }));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why a certificate that webpki accepts is refused all the same.
#[derive(Debug, thiserror::Error)]
enum PeerRefusal {
    #[error("peer `{found}` belongs to another cluster")]
    OtherCluster { found: PeerIdentity },
    #[error("server is `{found}` instead of `{expected}`")]
    OtherServer { expected: PeerIdentity, found: PeerIdentity },
}

fn refusal(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(cause))))
}

fn tls12_refused() -> Error {
    Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
}
