//! Connections that must not live for ever.

use std::time::{Duration, Instant};

use holdfast_transport::issue::Validity;
use holdfast_transport::{Limits, Role, TlsIdentity};
use tonic::Streaming;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::cluster::{Cluster, Running, check, now};

/// A stream that the peer never closes.
async fn watch(server: &Running, tls: &TlsIdentity) -> Streaming<HealthCheckResponse> {
    let channel = server.connect(tls).await.unwrap();
    let mut stream =
        HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    stream
}

/// How long it takes until the stream ends, whether with an error or without.
async fn ends_after(mut stream: Streaming<HealthCheckResponse>) -> Duration {
    let start = Instant::now();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    assert!(!matches!(end, Ok(Ok(Some(_)))), "a message nobody sent");
    end.expect("the stream never ended").ok();
    start.elapsed()
}

#[tokio::test]
async fn old_connection_is_cut_even_when_the_peer_keeps_it_busy() {
    let cluster = Cluster::new();
    let limits = Limits {
        connection_age: Duration::from_millis(300),
        connection_age_grace: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = cluster.node(limits).await;
    let after = ends_after(watch(&server, &cluster.tls(Role::Client, "c")).await).await;
    assert!((Duration::from_millis(300)..Duration::from_secs(2)).contains(&after), "{after:?}");
}

#[tokio::test]
async fn calls_go_on_over_a_new_connection_when_the_old_one_reached_its_age() {
    let cluster = Cluster::new();
    let limits = Limits { connection_age: Duration::from_millis(200), ..Limits::default() };
    let server = cluster.node(limits).await;
    let channel = server.connect(&cluster.tls(Role::Client, "c")).await.unwrap();
    for _ in 0..20 {
        check(&channel, "").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn connection_ends_with_the_certificate_of_its_peer() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits::default()).await;
    let brief = Validity::new(now(), Duration::from_secs(3)).unwrap();
    let after = ends_after(watch(&server, &cluster.tls_valid(Role::Client, "c", &brief)).await).await;
    assert!(after < Duration::from_secs(5), "{after:?}");
}

#[tokio::test]
async fn server_stops_in_time_although_a_peer_holds_a_stream() {
    let cluster = Cluster::new();
    let limits = Limits { shutdown_grace: Duration::from_millis(300), ..Limits::default() };
    let server = cluster.node(limits).await;
    let stream = watch(&server, &cluster.tls(Role::Client, "c")).await;
    let start = Instant::now();
    server.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    ends_after(stream).await;
}

#[tokio::test]
async fn requests_in_progress_finish_before_the_server_stops() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits::default()).await;
    let channel = server.connect(&cluster.tls(Role::Client, "c")).await.unwrap();
    let slow = tokio::spawn(async move { check(&channel, crate::cluster::SLOW).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.stop().await.unwrap();
    slow.await.unwrap().expect("the request was cut off");
}
