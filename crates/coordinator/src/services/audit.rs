//! `AuditService`: what is in the log, found by what it is about. It reads and never writes.
//!
//! A search replays the log from its first entry on a thread of its own: what an entry led to is derived again and not looked up,
//! so that nothing has to be stored beside the log that could differ from it. That costs a processor; few run at a time.

mod search;

use holdfast_log::Entry;
use holdfast_proto::v1;
use holdfast_proto::v1::audit_service_server::AuditService;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use self::search::{Filter, Replaying};
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
        let size = self.parts.book.read().await.map_err(RequestError::from)?.size();
        let (outlet, stream) = self.streams.open()?;
        let parts = self.parts.clone();
        tokio::spawn(async move {
            let _place = place;
            finish(send_hits(&parts, filter, size, &outlet).await, &outlet).await;
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
    filter: Filter,
    size: u64,
    outlet: &Outlet<v1::SearchHit>,
) -> Result<(), Option<RequestError>> {
    let mut left = filter.limit();
    let mut replaying = Replaying::new(filter);
    let mut next = 0;
    while next < size && left > 0 {
        let entries = read(parts, next, size).await?;
        next = next.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        // Every entry's signature is verified again: work for a thread that serves nobody else.
        let worked = tokio::task::spawn_blocking(move || {
            let hits = replaying.apply(&entries)?;
            Ok((replaying, hits))
        });
        let hits;
        (replaying, hits) = worked
            .await
            .map_err(|_| ReadError::Interrupted)
            .and_then(|worked: Result<_, ReadError>| worked)
            .map_err(|error| Some(error.into()))?;
        for hit in hits {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(1);
            outlet.send(hit).await.map_err(|Gone| None)?;
        }
    }
    Ok(())
}

async fn read(parts: &Coordinator, from: u64, to: u64) -> Result<Vec<Entry>, Option<RequestError>> {
    let entries = parts.book.entries(from, to).await.map_err(|error| Some(error.into()))?;
    let parsed = entries.iter().zip(from..).map(|(bytes, index)| {
        Entry::parse(bytes).map_err(|_| Some(RequestError::from(ReadError::Missing { index })))
    });
    parsed.collect()
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
