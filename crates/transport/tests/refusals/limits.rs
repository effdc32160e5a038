//! Peers that ask for too much.

use std::time::{Duration, Instant};

use holdfast_transport::{Limits, Role};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::cluster::{Cluster, MESSAGE_LIMIT, Running, SLOW, check};

/// Whether a further peer gets in, and gets an answer.
async fn is_served(cluster: &Cluster, server: &Running, name: &str) -> bool {
    match server.connect(&cluster.tls(Role::Client, name)).await {
        Ok(channel) => check(&channel, "").await.is_ok(),
        Err(_) => false,
    }
}

/// Whether the server closes a silent connection within `limit`.
async fn is_closed_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let mut byte = [0];
    match tokio::time::timeout(limit, stream.read(&mut byte)).await {
        Ok(Ok(read)) => read == 0,
        Ok(Err(_)) => true,
        Err(_) => false,
    }
}

#[tokio::test]
async fn stalled_handshakes_do_not_block_others_and_are_closed() {
    let cluster = Cluster::new();
    let limits = Limits { handshake_timeout: Duration::from_secs(3), ..Limits::default() };
    let server = cluster.node(limits).await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(TcpStream::connect(server.address).await.unwrap());
    }
    let start = Instant::now();
    assert!(is_served(&cluster, &server, "honest").await);
    assert!(
        start.elapsed() < Duration::from_millis(2_500),
        "waited for stalled handshakes: {:?}",
        start.elapsed()
    );
    for stream in &mut stalled {
        assert!(is_closed_within(stream, Duration::from_secs(6)).await, "a stalled handshake was kept");
    }
}

#[tokio::test]
async fn handshakes_beyond_the_limit_are_closed_at_once() {
    let cluster = Cluster::new();
    for limits in [
        Limits { handshakes: 3, ..Limits::default() },
        Limits { handshakes_per_address: 3, ..Limits::default() },
    ] {
        let server = cluster.node(limits).await;
        let mut stalled = Vec::new();
        for _ in 0..3 {
            stalled.push(TcpStream::connect(server.address).await.unwrap());
        }
        let mut fourth = TcpStream::connect(server.address).await.unwrap();
        assert!(is_closed_within(&mut fourth, Duration::from_secs(1)).await);
        assert!(!is_closed_within(&mut stalled[0], Duration::from_millis(50)).await);
        drop(stalled);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(is_served(&cluster, &server, "honest").await, "places did not come back");
    }
}

#[tokio::test]
async fn connections_beyond_the_total_are_refused_until_one_closes() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits { connections: 2, ..Limits::default() }).await;
    let mut held = Vec::new();
    for name in ["first", "second"] {
        let channel = server.connect(&cluster.tls(Role::Client, name)).await.unwrap();
        check(&channel, "").await.unwrap();
        held.push(channel);
    }
    assert!(!is_served(&cluster, &server, "third").await);
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(is_served(&cluster, &server, "third").await, "places did not come back");
}

#[tokio::test]
async fn connections_of_one_peer_are_bounded_without_harm_to_others() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits { connections_per_peer: 2, ..Limits::default() }).await;
    let greedy = cluster.tls(Role::Client, "greedy");
    let mut held = Vec::new();
    for _ in 0..2 {
        let channel = server.connect(&greedy).await.unwrap();
        check(&channel, "").await.unwrap();
        held.push(channel);
    }
    assert!(!is_served(&cluster, &server, "greedy").await);
    assert!(is_served(&cluster, &server, "modest").await);
}

#[tokio::test]
async fn oversized_message_is_refused_with_its_reason() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits::default()).await;
    let channel = server.connect(&cluster.tls(Role::Client, "c")).await.unwrap();
    check(&channel, &"x".repeat(MESSAGE_LIMIT - 16)).await.unwrap();
    let refused = check(&channel, &"x".repeat(MESSAGE_LIMIT + 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");
    check(&channel, "").await.expect("the connection did not survive the refusal");
}

#[tokio::test]
async fn oversized_headers_are_refused() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits::default()).await;
    let channel = server.connect(&cluster.tls(Role::Client, "c")).await.unwrap();
    let with_header = |length: usize| {
        let mut request = Request::new(HealthCheckRequest::default());
        let value = MetadataValue::try_from("x".repeat(length)).unwrap();
        request.metadata_mut().insert("x-filler", value);
        request
    };
    let mut health = HealthClient::new(channel);
    health.check(with_header(8 << 10)).await.unwrap();
    health.check(with_header(32 << 10)).await.unwrap_err();
}

#[tokio::test]
async fn requests_beyond_the_limit_of_a_connection_are_shed() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits { requests_per_connection: 2, ..Limits::default() }).await;
    let channel = server.connect(&cluster.tls(Role::Client, "c")).await.unwrap();
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { check(&channel, SLOW).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shed = check(&channel, "").await.unwrap_err();
    assert_eq!(shed.code(), Code::ResourceExhausted);
    assert!(is_served(&cluster, &server, "other").await, "one connection's requests count for all");
    for task in busy {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn handler_that_takes_too_long_is_abandoned() {
    let cluster = Cluster::new();
    let limits = Limits { request_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = cluster.node(limits).await;
    let channel = server.connect(&cluster.tls(Role::Client, "c")).await.unwrap();
    let start = Instant::now();
    check(&channel, SLOW).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    check(&channel, "").await.unwrap();
}
