//! The gRPC services: wire messages in, work on [`crate::node::Node`], wire messages or errors out.
//!
//! Owns the passage between the wire and the node, and the rule that work which has begun runs to its end. It must never
//! decide anything.

use std::future::Future;

use holdfast_proto::ApiError;
use tonic::{Code, Response, Status};
use tracing::Instrument as _;

mod node;
mod officer;
mod wire;

pub(crate) use node::NodeApi;
pub(crate) use officer::OfficerApi;

/// Runs work on a task of its own, which goes on when the caller has gone away.
// INVARIANT (G8): a caller that disconnects cannot stop this node between a change in memory and the same change on disk.
async fn to_the_end<T, F>(work: F) -> Result<Response<T>, Status>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send + 'static,
{
    match tokio::spawn(work.in_current_span()).await {
        Ok(Ok(answer)) => Ok(Response::new(answer)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            let error = ApiError::with_code(Code::Internal, "INTERNAL", "the node failed: see its log");
            Err(error.into())
        }
    }
}
