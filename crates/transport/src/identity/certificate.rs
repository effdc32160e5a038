//! What a certificate says about a peer: its identity and how long it may be believed.
//!
//! Must never be lenient: trailing bytes, a missing name or a second one refuse the whole certificate.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{IdentityError, PeerIdentity};

/// The parts of a peer's certificate that matter here.
#[derive(Debug, Clone)]
pub(crate) struct PeerCertificate {
    pub(crate) identity: PeerIdentity,
    /// Seconds since the Unix epoch.
    pub(crate) not_after_s: u64,
}

impl PeerCertificate {
    pub(crate) fn parse(der: &[u8]) -> Result<Self, IdentityError> {
        let certificate = parse_exactly(der)?;
        let identity = only_uri(&certificate)?.parse()?;
        let not_after_s = u64::try_from(certificate.validity().not_after.timestamp())
            .map_err(|_| IdentityError::MalformedCertificate)?;
        Ok(Self { identity, not_after_s })
    }
}

/// Parses a certificate that fills its bytes.
pub(crate) fn parse_exactly(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(IdentityError::MalformedCertificate),
    }
}

/// The certificate's URI subject alternative name, if there is exactly one.
pub(crate) fn only_uri<'a>(certificate: &'a X509Certificate<'a>) -> Result<&'a str, IdentityError> {
    // A repeated extension is an error here, so names cannot hide in a second one.
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::MalformedCertificate)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    match uris.as_slice() {
        [uri] => Ok(uri),
        _ => Err(IdentityError::NotOneUri { found: uris.len() }),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(uris: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn exactly_one_uri_is_the_identity() {
        let identity = PeerIdentity::from_certificate(&certificate(&["spiffe://demo/node/a"])).unwrap();
        assert_eq!(identity.to_string(), "spiffe://demo/node/a");
    }

    #[test]
    fn no_uri_and_two_uris_are_refused() {
        let none = PeerIdentity::from_certificate(&certificate(&[]));
        assert_eq!(none, Err(IdentityError::NotOneUri { found: 0 }));
        // The second is not even ours: its presence alone refuses the certificate.
        let two = certificate(&["spiffe://demo/node/a", "https://example.org/"]);
        assert_eq!(PeerIdentity::from_certificate(&two), Err(IdentityError::NotOneUri { found: 2 }));
    }

    #[test]
    fn bytes_after_the_certificate_are_refused() {
        let mut der = certificate(&["spiffe://demo/node/a"]);
        der.push(0);
        assert_eq!(PeerIdentity::from_certificate(&der), Err(IdentityError::MalformedCertificate));
        assert_eq!(PeerIdentity::from_certificate(&[]), Err(IdentityError::MalformedCertificate));
    }
}
