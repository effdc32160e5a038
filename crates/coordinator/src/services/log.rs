//! `LogService`: the log itself, and proofs about it.

use std::time::Duration;

use holdfast_proto::convert::{self, FieldError};
use holdfast_proto::v1;
use holdfast_proto::v1::log_service_server::LogService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::streams::{Gone, Outlet, Streams};
use crate::coordinator::Coordinator;
use crate::log_book::{LogBookError, ReadError};
use crate::receipt::ReceiptError;
use crate::status::{Object, RequestError};

/// How long a proof waits for enough nodes to cosign its entry.
const COSIGNATURES_WITHIN: Duration = Duration::from_secs(3);

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct LogApi {
    pub(crate) parts: Coordinator,
    pub(crate) streams: Streams,
}

#[tonic::async_trait]
impl LogService for LogApi {
    type EntriesStream = ReceiverStream<Result<v1::Entry, Status>>;

    async fn entries(
        &self,
        request: Request<v1::EntriesRequest>,
    ) -> Result<Response<Self::EntriesStream>, Status> {
        Ok(Response::new(self.streamed(&request.into_inner()).await?))
    }

    async fn checkpoint(
        &self,
        _request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        let checkpoint = self.parts.published_checkpoint().await.map_err(RequestError::from)?;
        Ok(Response::new(v1::CheckpointResponse { note: checkpoint.to_bytes() }))
    }

    async fn inclusion_proof(
        &self,
        request: Request<v1::InclusionProofRequest>,
    ) -> Result<Response<v1::InclusionProofResponse>, Status> {
        Ok(Response::new(self.inclusion(&request.into_inner()).await?))
    }

    async fn consistency_proof(
        &self,
        request: Request<v1::ConsistencyProofRequest>,
    ) -> Result<Response<v1::ConsistencyProofResponse>, Status> {
        Ok(Response::new(self.consistency(&request.into_inner()).await?))
    }

    async fn proof(&self, request: Request<v1::ProofRequest>) -> Result<Response<v1::ProofResponse>, Status> {
        Ok(Response::new(self.proved(request.into_inner().index).await?))
    }
}

impl LogApi {
    async fn streamed(
        &self,
        request: &v1::EntriesRequest,
    ) -> Result<ReceiverStream<Result<v1::Entry, Status>>, RequestError> {
        let size = self.parts.book.read().await?.size();
        if request.start > size {
            return Err(unknown(request.start));
        }
        let limit = if request.limit == 0 { u64::MAX } else { request.limit };
        let end = request.start.saturating_add(limit).min(size);
        let (outlet, stream) = self.streams.open()?;
        tokio::spawn(send_entries(self.parts.clone(), request.start, end, outlet));
        Ok(stream)
    }

    async fn inclusion(
        &self,
        request: &v1::InclusionProofRequest,
    ) -> Result<v1::InclusionProofResponse, RequestError> {
        let size = self.size(request.size).await?;
        let reader = self.parts.book.read().await?;
        if request.index >= size || size > reader.size() {
            return Err(unknown(request.index));
        }
        let hashes = reader.inclusion_proof(request.index, size).map_err(tree)?;
        Ok(v1::InclusionProofResponse { size, hashes: convert::hashes(hashes) })
    }

    async fn consistency(
        &self,
        request: &v1::ConsistencyProofRequest,
    ) -> Result<v1::ConsistencyProofResponse, RequestError> {
        if request.old_size == 0 {
            return Err(FieldError::new("old_size", "must be at least 1").into());
        }
        let new_size = self.size(request.new_size).await?;
        let reader = self.parts.book.read().await?;
        if new_size > reader.size() {
            return Err(unknown(new_size));
        }
        if request.old_size > new_size {
            return Err(
                FieldError::new("old_size", format!("must be at most the newer size, {new_size}")).into()
            );
        }
        let hashes = reader.consistency_proof(request.old_size, new_size).map_err(tree)?;
        Ok(v1::ConsistencyProofResponse { new_size, hashes: convert::hashes(hashes) })
    }

    async fn proved(&self, index: u64) -> Result<v1::ProofResponse, RequestError> {
        if index >= self.parts.book.read().await?.size() {
            return Err(unknown(index));
        }
        let checkpoint = self.parts.proving_checkpoint(index, COSIGNATURES_WITHIN).await?;
        let proof = self.parts.proof(index, &checkpoint).await?;
        Ok(v1::ProofResponse { tlog_proof: proof.to_bytes() })
    }

    /// The size asked for; 0 is that of the newest checkpoint.
    async fn size(&self, asked: u64) -> Result<u64, RequestError> {
        if asked != 0 {
            return Ok(asked);
        }
        Ok(self.parts.published_checkpoint().await?.claimed().size)
    }
}

async fn send_entries(parts: Coordinator, start: u64, end: u64, outlet: Outlet<v1::Entry>) {
    let sending = async {
        let mut next = start;
        while next < end {
            let entries = parts.book.entries(next, end).await.map_err(Some)?;
            for entry in entries {
                outlet.send(v1::Entry { index: next, entry }).await.map_err(|Gone| None)?;
                next = next.saturating_add(1);
            }
        }
        Ok::<(), Option<ReadError>>(())
    };
    let sent = tokio::select! {
        sent = sending => sent,
        () = outlet.gone() => return,
    };
    if let Err(Some(error)) = sent {
        outlet.fail(error.into()).await;
    }
}

fn tree(error: holdfast_log::TreeError) -> RequestError {
    ReceiptError::from(LogBookError::from(error)).into()
}

fn unknown(index: u64) -> RequestError {
    RequestError::Unknown { kind: Object::LogEntry, id: index.to_string() }
}
