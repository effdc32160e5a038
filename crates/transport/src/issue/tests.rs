//! What an authority issues, and what it refuses.

#![allow(clippy::arithmetic_side_effects, reason = "dates chosen by the test")]

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::Role;

const NOW_S: u64 = 1_763_700_000;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn validity(lifetime: Duration) -> Validity {
    Validity::new(UNIX_EPOCH + Duration::from_secs(NOW_S), lifetime).unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("demo", &validity(YEAR)).unwrap()
}

fn identity(role: Role) -> PeerIdentity {
    PeerIdentity::new("demo", role, "x").unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn issued_certificate_carries_exactly_the_identity() {
    for role in Role::ALL {
        let (certificate, _) =
            authority().issue(&identity(role), &["localhost", "127.0.0.1"], &validity(YEAR)).unwrap();
        assert_eq!(PeerIdentity::from_certificate(&der(&certificate)).unwrap(), identity(role));
    }
}

#[test]
fn only_servers_may_act_as_servers() {
    for role in Role::ALL {
        let (certificate, _) = authority().issue(&identity(role), &[], &validity(YEAR)).unwrap();
        let der = der(&certificate);
        let parsed = parse_exactly(&der).unwrap();
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth);
        assert_eq!(usage.server_auth, role.is_server(), "{role}");
        assert!(!parsed.is_ca());
    }
}

#[test]
fn authority_reads_back_and_issues_under_the_same_name() {
    let first = authority();
    let second = CertificateAuthority::from_pem(first.certificate_pem(), &first.key_pem()).unwrap();
    assert_eq!(second.cluster(), "demo");
    let (certificate, _) = second.issue(&identity(Role::Node), &[], &validity(YEAR)).unwrap();
    let (leaf, root) = (der(&certificate), der(first.certificate_pem()));
    let (leaf, root) = (parse_exactly(&leaf).unwrap(), parse_exactly(&root).unwrap());
    assert_eq!(leaf.issuer(), root.subject());
    leaf.verify_signature(Some(root.public_key())).unwrap();
}

#[test]
fn leaf_or_foreign_key_does_not_make_an_authority() {
    let authority = authority();
    let (certificate, key) = authority.issue(&identity(Role::Node), &[], &validity(YEAR)).unwrap();
    let leaf = CertificateAuthority::from_pem(&certificate, &key).unwrap_err();
    assert_eq!(leaf.reason(), "NOT_AN_AUTHORITY");
    let foreign = CertificateAuthority::from_pem(authority.certificate_pem(), &key).unwrap_err();
    assert_eq!(foreign.reason(), "AUTHORITY_KEY_MISMATCH");
}

#[test]
fn other_clusters_and_too_long_lives_are_refused() {
    let other = PeerIdentity::new("prod", Role::Node, "x").unwrap();
    assert_eq!(authority().issue(&other, &[], &validity(YEAR)).unwrap_err().reason(), "CLUSTER_MISMATCH");
    let long = validity(YEAR + Duration::from_secs(1));
    let refused = authority().issue(&identity(Role::Node), &[], &long).unwrap_err();
    assert_eq!(refused.reason(), "VALIDITY_TOO_LONG");
}

#[test]
fn malformed_and_reserved_host_names_are_refused() {
    let coordinator = identity(Role::Coordinator).dns_name();
    for name in ["", "a b", "a..b", "-a", "*.example.org", "h\u{f6}st", coordinator.as_str()] {
        let refused = authority().issue(&identity(Role::Node), &[name], &validity(YEAR));
        assert_eq!(refused.map(drop).unwrap_err().reason(), "HOST_NAME_INVALID", "`{name}`");
    }
    let many = vec!["localhost"; MAX_EXTRA_NAMES + 1];
    assert!(authority().issue(&identity(Role::Node), &many, &validity(YEAR)).is_err());
}

#[test]
fn certificate_for_a_request_carries_the_requested_key_and_nothing_else_of_it() {
    let authority = authority();
    let node = identity(Role::Node);
    let (request, key) = certificate_request(&node).unwrap();
    let certificate =
        authority.issue_for_csr(&request, &node, &["node.example.org"], &validity(YEAR)).unwrap();
    let der = der(&certificate);
    let parsed = parse_exactly(&der).unwrap();
    let key = KeyPair::from_pem(&key).unwrap();
    assert_eq!(parsed.public_key().subject_public_key.data.as_ref(), key.der_bytes());
    assert_eq!(only_uri(&parsed).unwrap(), node.to_string());
    let other = authority.issue_for_csr(&request, &identity(Role::Coordinator), &[], &validity(YEAR));
    assert_eq!(other.unwrap_err().reason(), "CERTIFICATE_REQUEST_INVALID");
}

#[test]
fn renewed_certificate_has_a_new_serial_number() {
    let (authority, node) = (authority(), identity(Role::Node));
    let (request, _) = certificate_request(&node).unwrap();
    let serial = || {
        let der = der(&authority.issue_for_csr(&request, &node, &[], &validity(YEAR)).unwrap());
        parse_exactly(&der).unwrap().raw_serial().to_vec()
    };
    assert_ne!(serial(), serial());
}

#[test]
fn debug_output_shows_no_key() {
    let authority = authority();
    let shown = format!("{authority:?}");
    assert!(shown.contains("<redacted>") && !shown.contains("PRIVATE"), "{shown}");
}
