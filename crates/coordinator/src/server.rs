//! The server: which services there are, who may call them, and how much.
//!
//! Owns the table of methods and roles. It must never serve a method that the table does not name.

use std::time::Duration;

use holdfast_proto::FILE_DESCRIPTOR_SET;
use holdfast_proto::limits::{CALL_MS, MESSAGE_BYTES};
use holdfast_proto::v1::audit_service_server::AuditServiceServer;
use holdfast_proto::v1::ceremony_service_server::CeremonyServiceServer;
use holdfast_proto::v1::cluster_service_server::ClusterServiceServer;
use holdfast_proto::v1::fact_service_server::FactServiceServer;
use holdfast_proto::v1::legal_order_service_server::LegalOrderServiceServer;
use holdfast_proto::v1::log_service_server::LogServiceServer;
use holdfast_proto::v1::wallet_service_server::WalletServiceServer;
use holdfast_proto::v1::whitelist_service_server::WhitelistServiceServer;
use holdfast_proto::v1::withdrawal_service_server::WithdrawalServiceServer;
use holdfast_transport::access::{AccessTable, AccessTableError, Grant, HEALTH, REFLECTION};
use holdfast_transport::{Limits, Role};
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic_health::server::HealthReporter;

use crate::call_rate::CallRates;
use crate::coordinator::Coordinator;
use crate::services::{
    AuditApi, CeremonyApi, ClusterApi, FactApi, LegalOrderApi, LogApi, Streams, WalletApi, WhitelistApi,
    WithdrawalApi,
};

const CLIENT: &[Role] = &[Role::Client];
const OFFICER: &[Role] = &[Role::Officer];
const AUDITOR: &[Role] = &[Role::Auditor];
const CLIENTS_AND_OFFICERS: &[Role] = &[Role::Client, Role::Officer];
const REVIEWERS: &[Role] = &[Role::Officer, Role::Auditor, Role::Operator];
const READERS: &[Role] = &[Role::Client, Role::Officer, Role::Auditor, Role::Operator];
const LOG_READERS: &[Role] = &[Role::Officer, Role::Auditor];
const REPORTERS: &[Role] = &[Role::Client, Role::Provider];

/// `docs/api.md` prints this table, and a test compares the two.
const METHODS: [Grant<'static>; 38] = [
    ("/holdfast.v1.WithdrawalService/Evaluate", CLIENT),
    ("/holdfast.v1.WithdrawalService/Submit", CLIENT),
    ("/holdfast.v1.WithdrawalService/BindTransaction", CLIENT),
    ("/holdfast.v1.WithdrawalService/Get", READERS),
    ("/holdfast.v1.WithdrawalService/GetByIdempotencyKey", CLIENT),
    ("/holdfast.v1.WithdrawalService/List", READERS),
    ("/holdfast.v1.WithdrawalService/Cancel", CLIENT),
    ("/holdfast.v1.WithdrawalService/ReportOutcome", CLIENT),
    ("/holdfast.v1.WithdrawalService/GiveUp", CLIENTS_AND_OFFICERS),
    ("/holdfast.v1.WithdrawalService/ApproveHold", OFFICER),
    ("/holdfast.v1.WithdrawalService/RejectHold", OFFICER),
    ("/holdfast.v1.WithdrawalService/WithdrawApproval", OFFICER),
    ("/holdfast.v1.WithdrawalService/Watch", READERS),
    ("/holdfast.v1.WalletService/Get", READERS),
    ("/holdfast.v1.WalletService/List", READERS),
    ("/holdfast.v1.WalletService/DepositAddress", READERS),
    ("/holdfast.v1.WhitelistService/Add", OFFICER),
    ("/holdfast.v1.WhitelistService/Request", CLIENT),
    ("/holdfast.v1.WhitelistService/Revoke", CLIENTS_AND_OFFICERS),
    ("/holdfast.v1.WhitelistService/Get", READERS),
    ("/holdfast.v1.WhitelistService/List", READERS),
    ("/holdfast.v1.CeremonyService/Propose", OFFICER),
    ("/holdfast.v1.CeremonyService/Approve", OFFICER),
    ("/holdfast.v1.CeremonyService/Get", REVIEWERS),
    ("/holdfast.v1.CeremonyService/List", REVIEWERS),
    ("/holdfast.v1.CeremonyService/Watch", REVIEWERS),
    ("/holdfast.v1.CeremonyService/UploadPolicy", OFFICER),
    ("/holdfast.v1.CeremonyService/UploadScreening", OFFICER),
    ("/holdfast.v1.FactService/Report", REPORTERS),
    ("/holdfast.v1.LegalOrderService/Submit", OFFICER),
    ("/holdfast.v1.LogService/Entries", LOG_READERS),
    ("/holdfast.v1.LogService/Checkpoint", READERS),
    ("/holdfast.v1.LogService/InclusionProof", READERS),
    ("/holdfast.v1.LogService/ConsistencyProof", READERS),
    ("/holdfast.v1.LogService/Proof", READERS),
    ("/holdfast.v1.ClusterService/Status", REVIEWERS),
    ("/holdfast.v1.AuditService/Search", AUDITOR),
    ("/holdfast.v1.AuditService/Checkpoints", AUDITOR),
];

/// The services cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
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

/// Bounds of the server: calls may wait for a signature.
pub(crate) fn limits() -> Limits {
    Limits { request_timeout: Duration::from_millis(CALL_MS), ..Limits::default() }
}

/// Bounds a service's messages, and how often one client may call it.
macro_rules! bounded {
    ($rates:expr, $server:ident, $api:expr) => {{
        let server = $server::new($api);
        let server = server.max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES);
        InterceptedService::new(server, $rates.clone())
    }};
}

/// All services, and the reporter that says whether they serve.
pub(crate) async fn services(
    parts: &Coordinator,
    streams: Streams,
    rates: &CallRates,
) -> Result<(Routes, HealthReporter), ServicesError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    set_serving(&health, true).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let all = || (parts.clone(), streams.clone());
    let (parts, streams) = all();
    let routes = Routes::new(bounded!(rates, WithdrawalServiceServer, WithdrawalApi { parts, streams }));
    let (parts, streams) = all();
    let routes = routes.add_service(bounded!(rates, CeremonyServiceServer, CeremonyApi { parts, streams }));
    let (parts, streams) = all();
    let routes = routes
        .add_service(bounded!(rates, WalletServiceServer, WalletApi(parts.clone())))
        .add_service(bounded!(rates, WhitelistServiceServer, WhitelistApi(parts.clone())))
        .add_service(bounded!(rates, FactServiceServer, FactApi(parts.clone())))
        .add_service(bounded!(rates, LegalOrderServiceServer, LegalOrderApi(parts.clone())))
        .add_service(bounded!(rates, ClusterServiceServer, ClusterApi(parts.clone())))
        .add_service(bounded!(
            rates,
            AuditServiceServer,
            AuditApi { parts: parts.clone(), streams: streams.clone() }
        ))
        .add_service(bounded!(rates, LogServiceServer, LogApi { parts, streams }))
        .add_service(health_service)
        .add_service(reflection);
    Ok((routes, health))
}

/// Says whether the services serve.
pub(crate) async fn set_serving(health: &HealthReporter, serving: bool) {
    let status =
        if serving { tonic_health::ServingStatus::Serving } else { tonic_health::ServingStatus::NotServing };
    for service in
        ["", "Withdrawal", "Wallet", "Whitelist", "Ceremony", "Fact", "LegalOrder", "Log", "Cluster", "Audit"]
    {
        let name = if service.is_empty() { String::new() } else { format!("holdfast.v1.{service}Service") };
        health.set_service_status(name, status).await;
    }
}

#[cfg(test)]
mod tests;
