//! Certificate requests: a key asks for an identity, and proves that it is its own.
//!
//! Must never let more out of a request than its public key.

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, KeyPair, PublicKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use zeroize::Zeroizing;

use super::{IssueError, uri_name};
use crate::identity::PeerIdentity;
use crate::tls::SecretPem;

/// The largest request that is parsed.
const MAX_REQUEST_BYTES: usize = 16 << 10;

/// Makes a new key and a request for `identity`; returns request and key. The key never leaves its owner.
///
/// # Errors
/// A failure of the cryptography underneath.
pub fn certificate_request(identity: &PeerIdentity) -> Result<(String, SecretPem), IssueError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{}:{}", identity.role(), identity.name()));
    params.subject_alt_names = vec![uri_name(&identity.to_string())?];
    let request = params.serialize_request(&key)?.pem()?;
    Ok((request, Zeroizing::new(key.serialize_pem())))
}

/// The key of a request that is signed by that key and asks for exactly this identity.
pub(super) fn requested_key(csr_pem: &str, identity: &PeerIdentity) -> Result<PublicKey, IssueError> {
    if csr_pem.len() > MAX_REQUEST_BYTES {
        return Err(refuse("is too large"));
    }
    let mut items = CertificateSigningRequestDer::pem_slice_iter(csr_pem.as_bytes());
    let (Some(Ok(der)), None) = (items.next(), items.next()) else {
        return Err(refuse("is not exactly one PEM item"));
    };
    let request = CertificateSigningRequestParams::from_der(&der)
        .map_err(|_| refuse("is malformed, or not signed by its own key"))?;
    if request.params.subject_alt_names != [uri_name(&identity.to_string())?] {
        return Err(refuse("asks for another identity"));
    }
    let algorithm = request.public_key.algorithm();
    let known = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519];
    if !known.contains(&algorithm) {
        return Err(refuse("uses a key other than P-256, P-384 or Ed25519"));
    }
    Ok(request.public_key)
}

/// The only certificate in a PEM text.
pub(super) fn single_der(pem: &str) -> Result<CertificateDer<'static>, IssueError> {
    let mut items = CertificateDer::pem_slice_iter(pem.as_bytes());
    match (items.next(), items.next()) {
        (Some(Ok(der)), None) => Ok(der),
        _ => Err(IssueError::Pem),
    }
}

fn refuse(problem: &'static str) -> IssueError {
    IssueError::Request { problem }
}

#[cfg(test)]
mod tests {
    use rcgen::SanType;

    use super::*;

    fn node(name: &str) -> PeerIdentity {
        format!("spiffe://demo/node/{name}").parse().unwrap()
    }

    fn request_with(names: Vec<SanType>, key: &KeyPair) -> String {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.serialize_request(key).unwrap().pem().unwrap()
    }

    fn problem(csr_pem: &str) -> &'static str {
        match requested_key(csr_pem, &node("a")) {
            Err(IssueError::Request { problem }) => problem,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("the request was accepted"),
        }
    }

    #[test]
    fn own_request_is_accepted() {
        let (request, _) = certificate_request(&node("a")).unwrap();
        requested_key(&request, &node("a")).unwrap();
    }

    #[test]
    fn request_for_another_or_a_further_identity_is_refused() {
        let key = KeyPair::generate().unwrap();
        let uri = |name| uri_name(&node(name).to_string()).unwrap();
        assert_eq!(problem(&request_with(vec![uri("b")], &key)), "asks for another identity");
        assert_eq!(problem(&request_with(vec![uri("a"), uri("b")], &key)), "asks for another identity");
        assert_eq!(problem(&request_with(vec![], &key)), "asks for another identity");
        let host = SanType::DnsName("coordinator.example".try_into().unwrap());
        assert_eq!(problem(&request_with(vec![uri("a"), host], &key)), "asks for another identity");
    }

    #[test]
    fn request_that_its_key_did_not_sign_is_refused() {
        let (request, _) = certificate_request(&node("a")).unwrap();
        // The signature is at the end: change one of its digits.
        let mut lines: Vec<String> = request.lines().map(str::to_owned).collect();
        let last = lines.iter_mut().rev().find(|line| !line.starts_with('-')).unwrap();
        let digit = if last.starts_with('A') { "B" } else { "A" };
        last.replace_range(..1, digit);
        let forged = lines.join("\n");
        assert_eq!(problem(&forged), "is malformed, or not signed by its own key");
    }

    #[test]
    fn oversized_and_repeated_requests_are_refused() {
        let (request, _) = certificate_request(&node("a")).unwrap();
        assert_eq!(problem(&format!("{request}{request}")), "is not exactly one PEM item");
        assert_eq!(problem(&"x".repeat(MAX_REQUEST_BYTES + 1)), "is too large");
        assert_eq!(problem(""), "is not exactly one PEM item");
    }
}
