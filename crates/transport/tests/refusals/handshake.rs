//! Clients that a server must not let in.

use std::time::Duration;

use holdfast_transport::access::HEALTH;
use holdfast_transport::client::{ProbeError, probe};
use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::{AccessTable, Limits, Role, TlsIdentity};
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use tonic::service::Routes;
use tonic_health::ServingStatus;

use crate::cluster::{Cluster, HOUR, Running, identity, now};
use crate::raw::{Credential, Offer, crafted, credential, with_uris};

const LIMIT: Duration = Duration::from_secs(5);

async fn started() -> (Cluster, Running) {
    let cluster = Cluster::new();
    let server = cluster.node(Limits::default()).await;
    (cluster, server)
}

fn officer(authority: &CertificateAuthority, validity: &Validity) -> Credential {
    let (certificate, key) = authority.issue(&identity(Role::Officer, "o"), &[], validity).unwrap();
    credential(&certificate, &key)
}

fn valid() -> Validity {
    Validity::new(now(), HOUR).unwrap()
}

async fn probe_as(server: &Running, tls: &TlsIdentity) -> Result<(), ProbeError> {
    // TLS 1.3 lets a client believe that it is connected before the server has judged its certificate.
    match server.connect(tls).await {
        Ok(channel) => probe(&channel, "", LIMIT).await,
        Err(error) => panic!("refused before the first call: {error}"),
    }
}

#[tokio::test]
async fn peer_of_the_cluster_is_served() {
    let (cluster, server) = started().await;
    for role in Role::ALL {
        probe_as(&server, &cluster.tls(role, "p")).await.unwrap();
    }
    let proper = Offer::proper(&cluster.authority, Some(officer(&cluster.authority, &valid())));
    proper.reach(server.address).await.unwrap();
}

#[tokio::test]
async fn standard_health_service_tells_whether_the_server_is_ready() {
    let cluster = Cluster::new();
    let (reporter, service) = tonic_health::server::health_reporter();
    let table = AccessTable::new(&HEALTH).unwrap();
    let node = cluster.tls(Role::Node, "a");
    let server = Running::start_with(&node, table, Limits::default(), Routes::new(service)).await;
    let channel = server.connect(&cluster.tls(Role::Coordinator, "c")).await.unwrap();
    probe(&channel, "", LIMIT).await.unwrap();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    assert_eq!(probe(&channel, "", LIMIT).await.unwrap_err().reason(), "SERVER_NOT_SERVING");
    assert_eq!(probe(&channel, "unknown", LIMIT).await.unwrap_err().reason(), "SERVER_NOT_SERVING");
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let (cluster, server) = started().await;
    let offer = |versions| Offer {
        versions,
        ..Offer::proper(&cluster.authority, Some(officer(&cluster.authority, &valid())))
    };
    let refused = offer(vec![&rustls::version::TLS12]).reach(server.address).await.unwrap_err();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    // Offered both, the server takes 1.3.
    let stream = offer(rustls::ALL_VERSIONS.to_vec()).shake(server.address).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn client_without_a_certificate_is_refused() {
    let (cluster, server) = started().await;
    let refused = Offer::proper(&cluster.authority, None).reach(server.address).await.unwrap_err();
    assert!(refused.contains("CertificateRequired"), "{refused}");
}

#[tokio::test]
async fn certificate_of_a_foreign_authority_is_refused() {
    let (cluster, server) = started().await;
    // The same cluster name and the same identity, from an authority of the attacker's own.
    let foreign = Cluster::new();
    let forged = officer(&foreign.authority, &valid());
    let refused = Offer::proper(&cluster.authority, Some(forged)).reach(server.address).await.unwrap_err();
    // The two authorities share a name, so it is the signature that gives the forgery away.
    assert!(refused.contains("DecryptError") || refused.contains("UnknownCA"), "{refused}");
}

#[tokio::test]
async fn self_signed_certificate_is_refused() {
    let (cluster, server) = started().await;
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("spiffe://demo/officer/o".try_into().unwrap())];
    let key = rcgen::KeyPair::generate().unwrap();
    let own = credential(&params.self_signed(&key).unwrap().pem(), &key.serialize_pem());
    Offer::proper(&cluster.authority, Some(own)).reach(server.address).await.unwrap_err();
}

#[tokio::test]
async fn expired_certificate_is_refused() {
    let (cluster, server) = started().await;
    let expired = Validity::new(now() - 2 * HOUR, HOUR).unwrap();
    let offer = Offer::proper(&cluster.authority, Some(officer(&cluster.authority, &expired)));
    let refused = offer.reach(server.address).await.unwrap_err();
    assert!(refused.contains("CertificateExpired"), "{refused}");

    let tls = cluster.tls_valid(Role::Officer, "o", &expired);
    assert_eq!(probe_as(&server, &tls).await.unwrap_err().reason(), "CERTIFICATE_REFUSED");
}

#[tokio::test]
async fn certificate_that_is_not_valid_yet_is_refused() {
    let (cluster, server) = started().await;
    let early = Validity::new(now() + HOUR, HOUR).unwrap();
    let offer = Offer::proper(&cluster.authority, Some(officer(&cluster.authority, &early)));
    offer.reach(server.address).await.unwrap_err();
    let tls = cluster.tls_valid(Role::Officer, "o", &early);
    assert_eq!(probe_as(&server, &tls).await.unwrap_err().reason(), "CERTIFICATE_REFUSED");
}

#[tokio::test]
async fn certificate_without_exactly_one_identity_of_the_cluster_is_refused() {
    let (cluster, server) = started().await;
    let own = "spiffe://demo/officer/o";
    let reach = |uris: &'static [&'static str]| {
        let offer = Offer::proper(&cluster.authority, Some(with_uris(&cluster.authority, uris)));
        offer.reach(server.address)
    };
    reach(&["spiffe://demo/officer/o"]).await.unwrap();
    let refused: [&[&str]; 6] = [
        &[],
        &["spiffe://demo/officer/o", "spiffe://demo/coordinator/c"],
        &["spiffe://demo/officer/o", "https://example.org/"],
        &["spiffe://prod/officer/o"],
        &["spiffe://demo/root/o"],
        &["spiffe://demo"],
    ];
    for uris in refused {
        let outcome = reach(uris).await;
        assert!(outcome.is_err(), "`{uris:?}` was accepted instead of `{own}`");
    }
}

#[tokio::test]
async fn certificate_for_servers_only_is_refused_as_a_client() {
    let (cluster, server) = started().await;
    let server_only = crafted(&cluster.authority, |params| {
        params.subject_alt_names = vec![SanType::URI("spiffe://demo/node/b".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    Offer::proper(&cluster.authority, Some(server_only)).reach(server.address).await.unwrap_err();
}

#[tokio::test]
async fn client_that_does_not_ask_for_http2_is_refused() {
    let (cluster, server) = started().await;
    let nothing_and_http1: [&[&[u8]]; 2] = [&[], &[b"http/1.1"]];
    for alpn in nothing_and_http1 {
        let proper = Offer::proper(&cluster.authority, Some(officer(&cluster.authority, &valid())));
        Offer { alpn, ..proper }.reach(server.address).await.unwrap_err();
    }
}
