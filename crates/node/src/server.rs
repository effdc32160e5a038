//! The server: which services there are, who may call them, and how much.
//!
//! Owns the table of methods and roles. It must never serve a method that the table does not name.

use std::sync::Arc;

use holdfast_proto::FILE_DESCRIPTOR_SET;
use holdfast_proto::limits::{MESSAGE_BYTES, NODE_MESSAGE_BYTES};
use holdfast_proto::v1::node_service_server::NodeServiceServer;
use holdfast_proto::v1::officer_service_server::OfficerServiceServer;
use holdfast_transport::access::{AccessTable, AccessTableError, Grant, HEALTH, REFLECTION};
use holdfast_transport::{Limits, Role};
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::node::Node;
use crate::service::{NodeApi, OfficerApi};

const COORDINATOR: &[Role] = &[Role::Coordinator];
const OFFICER: &[Role] = &[Role::Officer];

// INVARIANT (G2, G4): only the coordinator's certificate reaches `NodeService`, only officers' reach `OfficerService`:
// neither can pass for the other.
const METHODS: [Grant<'static>; 11] = [
    ("/holdfast.v1.NodeService/Status", COORDINATOR),
    ("/holdfast.v1.NodeService/Replicate", COORDINATOR),
    ("/holdfast.v1.NodeService/KeygenPrepare", COORDINATOR),
    ("/holdfast.v1.NodeService/KeygenRound", COORDINATOR),
    ("/holdfast.v1.NodeService/SignPrepare", COORDINATOR),
    ("/holdfast.v1.NodeService/SignRound", COORDINATOR),
    ("/holdfast.v1.NodeService/Abort", COORDINATOR),
    ("/holdfast.v1.NodeService/Tombstone", COORDINATOR),
    ("/holdfast.v1.NodeService/Entries", COORDINATOR),
    ("/holdfast.v1.OfficerService/Deliver", OFFICER),
    ("/holdfast.v1.OfficerService/Statements", OFFICER),
];

/// The services of a node cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServicesError {
    /// The table is malformed.
    #[error(transparent)]
    Access(#[from] AccessTableError),
    /// The descriptor set does not decode.
    #[error("the descriptor set for reflection does not decode")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Who may call what.
pub(crate) fn access() -> Result<AccessTable, AccessTableError> {
    AccessTable::new(&[METHODS.as_slice(), &HEALTH, &REFLECTION].concat())
}

/// All services, and the reporter that says whether they serve.
pub(crate) async fn services(node: &Arc<Node>) -> Result<(Routes, HealthReporter), ServicesError> {
    let nodes = NodeServiceServer::new(NodeApi::new(Arc::clone(node)))
        .max_decoding_message_size(NODE_MESSAGE_BYTES)
        .max_encoding_message_size(NODE_MESSAGE_BYTES);
    let officers = OfficerServiceServer::new(OfficerApi::new(Arc::clone(node)))
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<NodeServiceServer<NodeApi>>().await;
    health.set_serving::<OfficerServiceServer<OfficerApi>>().await;
    let routes = Routes::new(nodes).add_service(officers).add_service(health_service).add_service(reflection);
    Ok((routes, health))
}

/// Stops saying that the services serve.
pub(crate) async fn stop_serving(health: &HealthReporter) {
    health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    health.set_not_serving::<NodeServiceServer<NodeApi>>().await;
    health.set_not_serving::<OfficerServiceServer<OfficerApi>>().await;
}

/// Limits of one node: its callers are one coordinator and a few officers.
pub(crate) fn limits() -> Limits {
    Limits { connections: 128, connections_per_peer: 16, ..Limits::default() }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// The methods that the generated servers have, by path.
    fn served() -> Vec<String> {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services = set.file.iter().flat_map(|file| file.service.iter());
        let own = services.filter(|service| matches!(service.name(), "NodeService" | "OfficerService"));
        own.flat_map(|service| {
            let path = |method: &prost_types::MethodDescriptorProto| {
                format!("/holdfast.v1.{}/{}", service.name(), method.name())
            };
            service.method.iter().map(path).collect::<Vec<_>>()
        })
        .collect()
    }

    #[test]
    fn every_method_of_both_services_is_granted_to_exactly_one_role() {
        let (table, served) = (access().unwrap(), served());
        assert_eq!(served.len(), METHODS.len());
        for method in served {
            let roles: Vec<Role> =
                Role::ALL.into_iter().filter(|role| table.allows(&method, *role)).collect();
            let expected = if method.contains("OfficerService") { Role::Officer } else { Role::Coordinator };
            assert_eq!(roles, [expected], "{method}");
        }
    }
}
