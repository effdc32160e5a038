//! A cluster's certificate authority: it issues one identity to one key.
//!
//! Must never take a name, a usage or a validity from a certificate request: of a request only the key counts, and only
//! after it was shown to ask for exactly the identity that is issued. Must never read a clock.

mod request;
mod validity;

use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use zeroize::Zeroizing;

use crate::identity::certificate::{only_uri, parse_exactly};
use crate::identity::{IdentityError, PeerIdentity, parse_trust_domain, trust_domain_uri};
use crate::tls::SecretPem;

pub use request::certificate_request;
pub use validity::Validity;

const SERIAL_BYTES: usize = 16;

/// Host names and addresses that one certificate may carry beside its identity.
const MAX_EXTRA_NAMES: usize = 16;

/// The authority of one cluster.
pub struct CertificateAuthority {
    cluster: String,
    certificate_pem: String,
    not_after_s: i64,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Makes a new authority with a new key.
    ///
    /// # Errors
    /// `IDENTITY_LABEL_INVALID`, or a failure of the cryptography underneath.
    pub fn generate(cluster: &str, validity: &Validity) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let mut params = base_params(&format!("holdfast {cluster} authority"), validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![uri_name(&trust_domain_uri(cluster)?)?];
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            cluster: cluster.to_owned(),
            certificate_pem,
            not_after_s: validity.not_after.unix_timestamp(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Loads an authority that [`Self::generate`] made.
    ///
    /// # Errors
    /// When a part does not parse, the certificate is no authority's, or the key is not its key.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, IssueError> {
        let key = KeyPair::from_pem(key_pem)?;
        let der = request::single_der(certificate_pem)?;
        let certificate = parse_exactly(&der)?;
        let is_authority =
            certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca);
        if !is_authority {
            return Err(IssueError::NotAnAuthority);
        }
        if certificate.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(IssueError::KeyMismatch);
        }
        Ok(Self {
            cluster: parse_trust_domain(only_uri(&certificate)?)?,
            certificate_pem: certificate_pem.to_owned(),
            not_after_s: certificate.validity().not_after.timestamp(),
            issuer: Issuer::from_ca_cert_der(&der, key)?,
        })
    }

    /// The cluster that this authority vouches for.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The authority's certificate, which every peer needs.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key: whoever has it can be anybody.
    #[must_use]
    pub fn key_pem(&self) -> SecretPem {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// Issues a certificate with a new key; returns certificate and key.
    ///
    /// `extra_names` are host names and addresses beside the fixed one, for clients that check host names.
    ///
    /// # Errors
    /// `CLUSTER_MISMATCH`, `VALIDITY_TOO_LONG`, `HOST_NAME_INVALID`, or a failure of the cryptography underneath.
    pub fn issue(
        &self,
        identity: &PeerIdentity,
        extra_names: &[&str],
        validity: &Validity,
    ) -> Result<(String, SecretPem), IssueError> {
        let key = KeyPair::generate()?;
        let certificate = self.certify(identity, extra_names, validity, &key)?;
        Ok((certificate, Zeroizing::new(key.serialize_pem())))
    }

    /// Issues a certificate for the key in a request; the requester keeps its private key to itself.
    ///
    /// # Errors
    /// `CERTIFICATE_REQUEST_INVALID` when the request is not signed by its own key, asks for anything but `identity`, or
    /// uses a kind of key that we do not; others as [`Self::issue`].
    pub fn issue_for_csr(
        &self,
        csr_pem: &str,
        identity: &PeerIdentity,
        extra_names: &[&str],
        validity: &Validity,
    ) -> Result<String, IssueError> {
        let key = request::requested_key(csr_pem, identity)?;
        self.certify(identity, extra_names, validity, &key)
    }

    fn certify(
        &self,
        identity: &PeerIdentity,
        extra_names: &[&str],
        validity: &Validity,
        key: &impl PublicKeyData,
    ) -> Result<String, IssueError> {
        if identity.cluster() != self.cluster {
            return Err(IssueError::OtherCluster { cluster: self.cluster.clone() });
        }
        if validity.not_after.unix_timestamp() > self.not_after_s {
            return Err(IssueError::OutlivesAuthority);
        }
        let mut params = base_params(&format!("{}:{}", identity.role(), identity.name()), validity)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages(identity);
        params.subject_alt_names = names(identity, extra_names)?;
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("cluster", &self.cluster)
            .field("key", &"<redacted>")
            .finish_non_exhaustive()
    }
}

/// Only servers get the usage without which no client accepts them as one.
fn usages(identity: &PeerIdentity) -> Vec<ExtendedKeyUsagePurpose> {
    if identity.role().is_server() {
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
    } else {
        vec![ExtendedKeyUsagePurpose::ClientAuth]
    }
}

/// The one URI, and for servers host names: the fixed one, and what was asked for.
fn names(identity: &PeerIdentity, extra_names: &[&str]) -> Result<Vec<SanType>, IssueError> {
    if extra_names.len() > MAX_EXTRA_NAMES {
        return Err(IssueError::HostName { name: format!("{} names", extra_names.len()) });
    }
    let mut names = vec![uri_name(&identity.to_string())?];
    if identity.role().is_server() {
        names.push(host_name(&identity.dns_name())?);
    }
    for name in extra_names {
        // The fixed names say who a server is, so nobody may have one that is not theirs.
        if name.ends_with(".holdfast.internal") {
            return Err(IssueError::HostName { name: (*name).to_owned() });
        }
        names.push(host_name(name)?);
    }
    Ok(names)
}

fn host_name(name: &str) -> Result<SanType, IssueError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || IssueError::HostName { name: name.to_owned() };
    rustls::pki_types::DnsName::try_from(name).map_err(|_| refused())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| refused())?))
}

fn uri_name(uri: &str) -> Result<SanType, IssueError> {
    Ok(SanType::URI(uri.try_into()?))
}

fn base_params(common_name: &str, validity: &Validity) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.serial_number = Some(random_serial()?);
    Ok(params)
}

/// Without this the serial number would be a hash of the key, and a renewed certificate would repeat it.
fn random_serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; SERIAL_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| IssueError::NoRandomness)?;
    // Positive, and never shorter than it looks.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Why a certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A cluster, an identity or a certificate is malformed.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The identity belongs to another cluster than the authority.
    #[error("authority vouches for cluster `{cluster}` only")]
    OtherCluster {
        /// The authority's cluster.
        cluster: String,
    },
    /// The certificate would be valid for longer than the authority.
    #[error("certificate would outlive its authority: choose a shorter validity")]
    OutlivesAuthority,
    /// The dates are not ones that certificates can carry.
    #[error("validity cannot be expressed")]
    Validity,
    /// A host name or address is malformed or reserved.
    #[error("host name `{name}` is malformed or reserved")]
    HostName {
        /// The name as given.
        name: String,
    },
    /// The request is malformed, badly signed, or asks for something else.
    #[error("certificate request {problem}")]
    Request {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The certificate is not an authority's.
    #[error("certificate is not an authority's")]
    NotAnAuthority,
    /// The private key does not belong to the certificate.
    #[error("private key does not belong to the authority's certificate")]
    KeyMismatch,
    /// The text is not one PEM item.
    #[error("text is not exactly one PEM item")]
    Pem,
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
    /// The certificate library refused.
    #[error("certificate cannot be made")]
    Rejected(#[from] rcgen::Error),
}

impl IssueError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Identity(error) => error.reason(),
            Self::OtherCluster { .. } => "CLUSTER_MISMATCH",
            Self::OutlivesAuthority => "VALIDITY_TOO_LONG",
            Self::Validity => "VALIDITY_INVALID",
            Self::HostName { .. } => "HOST_NAME_INVALID",
            Self::Request { .. } => "CERTIFICATE_REQUEST_INVALID",
            Self::NotAnAuthority => "NOT_AN_AUTHORITY",
            Self::KeyMismatch => "AUTHORITY_KEY_MISMATCH",
            Self::Pem => "PEM_INVALID",
            Self::NoRandomness => "NO_RANDOMNESS",
            Self::Rejected(_) => "CERTIFICATE_REJECTED",
        }
    }
}

#[cfg(test)]
mod tests;
