//! Calls that the table does not allow, as the caller sees them.

use holdfast_transport::{AccessTable, ERROR_DOMAIN, Limits, Role};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::cluster::{Cluster, Running, check};

const CHECK: &str = "/grpc.health.v1.Health/Check";

async fn coordinators_only(cluster: &Cluster) -> Running {
    let table = AccessTable::new(&[(CHECK, &[Role::Coordinator])]).unwrap();
    Running::start(&cluster.tls(Role::Node, "a"), table, Limits::default()).await
}

#[tokio::test]
async fn wrong_role_is_refused_with_its_reason() {
    let cluster = Cluster::new();
    let server = coordinators_only(&cluster).await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Coordinator) {
        let channel = server.connect(&cluster.tls(role, "x")).await.unwrap();
        let refused = check(&channel, "").await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
        let info = refused.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ROLE_NOT_ALLOWED", ERROR_DOMAIN));
        assert_eq!(info.metadata.get("method").map(String::as_str), Some(CHECK));
    }
    let channel = server.connect(&cluster.tls(Role::Coordinator, "c")).await.unwrap();
    assert_eq!(check(&channel, "").await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn method_that_is_served_but_not_listed_is_refused() {
    let cluster = Cluster::new();
    let server = coordinators_only(&cluster).await;
    let channel = server.connect(&cluster.tls(Role::Coordinator, "c")).await.unwrap();
    let mut health = HealthClient::new(channel);
    let watch = health.watch(HealthCheckRequest::default()).await;
    assert_eq!(watch.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn handler_sees_the_identity_of_its_own_connection() {
    let cluster = Cluster::new();
    let server = cluster.node(Limits::default()).await;
    let first = server.connect(&cluster.tls(Role::Client, "pipeline")).await.unwrap();
    let second = server.connect(&cluster.tls(Role::Officer, "alice")).await.unwrap();
    assert_eq!(check(&first, "spiffe://demo/client/pipeline").await.unwrap(), ServingStatus::Serving);
    assert_eq!(check(&second, "spiffe://demo/officer/alice").await.unwrap(), ServingStatus::Serving);
    assert_eq!(check(&first, "spiffe://demo/officer/alice").await.unwrap(), ServingStatus::ServiceUnknown);
}
