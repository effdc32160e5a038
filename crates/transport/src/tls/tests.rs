//! Loading and rotating TLS material.

#![allow(clippy::arithmetic_side_effects, reason = "dates chosen by the test")]

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::Role;
use crate::files::{write_public, write_secret};
use crate::issue::{CertificateAuthority, Validity};

fn validity() -> Validity {
    Validity::new(UNIX_EPOCH + Duration::from_secs(1_763_700_000), Duration::from_secs(3_600)).unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("demo", &validity()).unwrap()
}

fn issue(authority: &CertificateAuthority, name: &str) -> (String, SecretPem) {
    let identity = PeerIdentity::new("demo", Role::Node, name).unwrap();
    authority.issue(&identity, &[], &validity()).unwrap()
}

fn from_pem(certificate: &str, key: &str, authorities: &str) -> Result<TlsIdentity, TlsError> {
    TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes(), authorities.as_bytes())
}

#[test]
fn key_file_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let authority = authority();
    let (certificate, key) = issue(&authority, "a");
    write_public(&path("cert.pem"), certificate.as_bytes()).unwrap();
    write_public(&path("ca.pem"), authority.certificate_pem().as_bytes()).unwrap();
    write_public(&path("key.pem"), key.as_bytes()).unwrap();
    let load = || TlsIdentity::load(&path("cert.pem"), &path("key.pem"), &path("ca.pem"));
    assert_eq!(load().unwrap_err().reason(), "SECRET_FILE_READABLE_BY_OTHERS");

    write_secret(&path("key.pem"), key.as_bytes()).unwrap();
    assert_eq!(load().unwrap().identity().name(), "a");
}

#[test]
fn key_of_another_certificate_is_refused() {
    let authority = authority();
    let ((certificate, _), (_, key)) = (issue(&authority, "a"), issue(&authority, "b"));
    let refused = from_pem(&certificate, &key, authority.certificate_pem()).unwrap_err();
    assert_eq!(refused.reason(), "TLS_MATERIAL_REJECTED");
}

#[test]
fn missing_and_superfluous_pem_items_are_refused() {
    let authority = authority();
    let (certificate, key) = issue(&authority, "a");
    let ca = authority.certificate_pem();
    let two_keys = format!("{}{}", *key, *key);
    let many = ca.repeat(MAX_CERTIFICATES + 1);
    let cases = [
        ("", key.as_str(), ca),
        (&certificate, "", ca),
        (&certificate, &key, ""),
        (&certificate, &two_keys, ca),
    ];
    for (certificate, key, ca) in cases {
        assert_eq!(from_pem(certificate, key, ca).unwrap_err().reason(), "TLS_PEM_INVALID");
    }
    assert_eq!(from_pem(&certificate, &key, &many).unwrap_err().reason(), "TLS_PEM_INVALID");
}

#[test]
fn certificate_without_an_identity_is_refused() {
    let authority = authority();
    let refused = from_pem(authority.certificate_pem(), &authority.key_pem(), authority.certificate_pem());
    assert_eq!(refused.unwrap_err().reason(), "IDENTITY_NOT_SPIFFE");
}

#[test]
fn rotation_keeps_the_identity() {
    let authority = authority();
    let (certificate, key) = issue(&authority, "a");
    let tls = from_pem(&certificate, &key, authority.certificate_pem()).unwrap();
    let (renewed, renewed_key) = issue(&authority, "a");
    tls.rotate(renewed.as_bytes(), renewed_key.as_bytes()).unwrap();
    let (other, other_key) = issue(&authority, "b");
    let refused = tls.rotate(other.as_bytes(), other_key.as_bytes()).unwrap_err();
    assert_eq!(refused.reason(), "TLS_IDENTITY_CHANGED");
}

#[test]
fn debug_output_shows_no_key() {
    let authority = authority();
    let (certificate, key) = issue(&authority, "a");
    let tls = from_pem(&certificate, &key, authority.certificate_pem()).unwrap();
    let shown = format!("{tls:?} {:?}", tls.current);
    assert!(shown.contains("<redacted>") && !shown.contains("PRIVATE"), "{shown}");
}
