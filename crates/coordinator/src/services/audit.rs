//! `AuditService`: what is in the log, found by what it is about. It reads and never writes.
//!
//! A search reads one small record for each entry of the part of the log that it is about, see `log_book/found.rs`: it applies no
//! entry and verifies no signature. Few run at a time. What it answers is this coordinator's word; an export proves it.

mod search;

use std::sync::Arc;

use holdfast_proto::v1;
use holdfast_proto::v1::audit_service_server::AuditService;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use self::search::{Filter, Search};
use super::streams::{Gone, Outlet, Streams};
use crate::coordinator::Coordinator;
use crate::log_book::{ReadError, evidence};
use crate::status::RequestError;

/// Searches at a time, of all callers.
const SEARCHES: usize = 2;
static SEARCHING: Semaphore = Semaphore::const_new(SEARCHES);

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

    async fn search(
        &self,
        request: Request<v1::SearchRequest>,
    ) -> Result<Response<Self::SearchStream>, Status> {
        let filter = Filter::of(request.into_inner()).map_err(RequestError::from)?;
        let place = SEARCHING.try_acquire().map_err(|_| RequestError::TooManyStreams)?;
        let search = {
            let reader = self.parts.book.read().await.map_err(RequestError::from)?;
            Search::new(filter, reader.index().times())
        };
        let (outlet, stream) = self.streams.open()?;
        let parts = self.parts.clone();
        tokio::spawn(async move {
            let _place = place;
            finish(send_hits(&parts, search, &outlet).await, &outlet).await;
        });
        Ok(Response::new(stream))
    }

    async fn checkpoints(
        &self,
        request: Request<v1::CheckpointsRequest>,
    ) -> Result<Response<Self::CheckpointsStream>, Status> {
        let (outlet, stream) = self.streams.open()?;
        let (parts, request) = (self.parts.clone(), request.into_inner());
        tokio::spawn(async move {
            finish(send_checkpoints(&parts, &request, &outlet).await, &outlet).await;
        });
        Ok(Response::new(stream))
    }
}

/// `None` is a caller who does not read any more.
async fn finish<T>(sent: Result<(), Option<RequestError>>, outlet: &Outlet<T>) {
    if let Err(Some(error)) = sent {
        outlet.fail(error).await;
    }
}

async fn send_hits(
    parts: &Coordinator,
    mut search: Search,
    outlet: &Outlet<v1::SearchHit>,
) -> Result<(), Option<RequestError>> {
    while !search.is_over() {
        let book = Arc::clone(&parts.book);
        let looked = tokio::task::spawn_blocking(move || {
            let hits = search.go_on(&book)?;
            Ok((search, hits))
        });
        let looked: Result<_, ReadError> = looked.await.map_err(|_| ReadError::Interrupted).flatten();
        let hits;
        (search, hits) = looked.map_err(|error| Some(error.into()))?;
        for hit in hits {
            outlet.send(hit).await.map_err(|Gone| None)?;
        }
        if outlet.is_gone() {
            return Err(None);
        }
    }
    Ok(())
}

async fn send_checkpoints(
    parts: &Coordinator,
    request: &v1::CheckpointsRequest,
    outlet: &Outlet<v1::CosignedCheckpoint>,
) -> Result<(), Option<RequestError>> {
    let mut left = if request.limit == 0 { u64::MAX } else { request.limit };
    let mut after = request.from_size.saturating_sub(1);
    loop {
        let page =
            evidence::page(parts.book.store(), after).map_err(|error| Some(ReadError::from(error).into()))?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (size, kept) in page {
            if left == 0 {
                return Ok(());
            }
            left = left.saturating_sub(1);
            let note = kept.checkpoint.to_bytes();
            let message = v1::CosignedCheckpoint { size, kept_at_ms: kept.kept_at.0, note };
            outlet.send(message).await.map_err(|Gone| None)?;
        }
    }
}

#[cfg(test)]
mod tests;
