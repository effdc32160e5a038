//! Servers that a client must not talk to.

use holdfast_transport::access::HEALTH;
use holdfast_transport::client::{Timeouts, connect, connect_lazy, probe};
use holdfast_transport::issue::Validity;
use holdfast_transport::{AccessTable, Limits, Role, TlsIdentity};

use crate::cluster::{Cluster, HOUR, Running, check, now};

async fn serve_as(tls: &TlsIdentity) -> Running {
    Running::start(tls, AccessTable::new(&HEALTH).unwrap(), Limits::default()).await
}

/// How a client of the cluster that expects node `a` fares.
async fn outcome(cluster: &Cluster, server: &Running) -> &'static str {
    let client = cluster.tls(Role::Coordinator, "c");
    match server.connect(&client).await {
        Ok(channel) => probe(&channel, "", HOUR).await.map_or_else(|error| error.reason(), |()| "ACCEPTED"),
        Err(error) => error.reason(),
    }
}

#[tokio::test]
async fn expected_server_is_accepted() {
    let cluster = Cluster::new();
    let server = serve_as(&cluster.tls(Role::Node, "a")).await;
    assert_eq!(outcome(&cluster, &server).await, "ACCEPTED");
}

#[tokio::test]
async fn right_authority_with_another_identity_is_refused() {
    let cluster = Cluster::new();
    for (role, name) in [(Role::Node, "b"), (Role::Coordinator, "a"), (Role::Node, "a-1")] {
        let server = serve_as(&cluster.tls(role, name)).await;
        assert_eq!(outcome(&cluster, &server).await, "SERVER_IDENTITY_REFUSED", "{role} {name}");
    }
}

#[tokio::test]
async fn right_identity_of_a_foreign_authority_is_refused() {
    let (cluster, foreign) = (Cluster::new(), Cluster::new());
    let server = serve_as(&foreign.tls(Role::Node, "a")).await;
    assert_eq!(outcome(&cluster, &server).await, "SERVER_IDENTITY_REFUSED");
}

#[tokio::test]
async fn expired_server_is_refused() {
    let cluster = Cluster::new();
    let expired = Validity::new(now() - 2 * HOUR, HOUR).unwrap();
    let server = serve_as(&cluster.tls_valid(Role::Node, "a", &expired)).await;
    assert_eq!(outcome(&cluster, &server).await, "SERVER_IDENTITY_REFUSED");
}

#[tokio::test]
async fn stolen_certificate_of_a_client_does_not_make_a_server() {
    let cluster = Cluster::new();
    let server = serve_as(&cluster.tls(Role::Officer, "o")).await;
    let client = cluster.tls(Role::Coordinator, "c");
    // Even a client that was told to expect the officer: its certificate is not for serving.
    let endpoint = server.endpoint(Role::Officer, "o");
    let refused = connect(&endpoint, &client, &Timeouts::default()).await.unwrap_err();
    assert_eq!(refused.reason(), "SERVER_IDENTITY_REFUSED");
}

#[tokio::test]
async fn lazy_channel_makes_no_exception() {
    let cluster = Cluster::new();
    let server = serve_as(&cluster.tls(Role::Node, "b")).await;
    let client = cluster.tls(Role::Coordinator, "c");
    let channel = connect_lazy(&server.endpoint(Role::Node, "a"), &client, &Timeouts::default()).unwrap();
    let refused = probe(&channel, "", HOUR).await.unwrap_err();
    assert_eq!(refused.reason(), "SERVER_IDENTITY_REFUSED");
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let cluster = Cluster::new();
    let server = serve_as(&cluster.tls(Role::Node, "a")).await;
    let endpoint = server.endpoint(Role::Node, "a");
    server.stop().await.unwrap();
    let client = cluster.tls(Role::Coordinator, "c");
    let refused = connect(&endpoint, &client, &Timeouts::default()).await.unwrap_err();
    assert_eq!(refused.reason(), "SERVER_UNREACHABLE");
}

#[tokio::test]
async fn rotated_certificate_is_used_for_new_connections() {
    let cluster = Cluster::new();
    let expired = Validity::new(now() - 2 * HOUR, HOUR).unwrap();
    let tls = cluster.tls_valid(Role::Node, "a", &expired);
    let server = serve_as(&tls).await;
    let (certificate, key) =
        cluster.authority.issue(tls.identity(), &[], &Validity::new(now(), HOUR).unwrap()).unwrap();
    tls.rotate(certificate.as_bytes(), key.as_bytes()).unwrap();
    let channel = server.connect(&cluster.tls(Role::Coordinator, "c")).await.unwrap();
    check(&channel, "").await.unwrap();
}
