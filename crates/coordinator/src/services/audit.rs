//! `AuditService`: what is in the log, found by what it is about. It reads and never writes.

use holdfast_proto::v1;
use holdfast_proto::v1::audit_service_server::AuditService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::streams::Streams;
use crate::coordinator::Coordinator;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct AuditApi {
    pub(crate) parts: Coordinator,
    pub(crate) streams: Streams,
}

#[tonic::async_trait]
impl AuditService for AuditApi {
    type SearchStream = ReceiverStream<Result<v1::SearchHit, Status>>;
    type CheckpointsStream = ReceiverStream<Result<v1::CosignedCheckpoint, Status>>;

    async fn search(&self, _: Request<v1::SearchRequest>) -> Result<Response<Self::SearchStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn checkpoints(
        &self,
        _: Request<v1::CheckpointsRequest>,
    ) -> Result<Response<Self::CheckpointsStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
