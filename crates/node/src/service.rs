//! The gRPC services: wire messages in, work on [`crate::node::Node`], wire messages or errors out.
//!
//! Owns the passage between the wire and the node, the rule that work which has begun runs to its end, and how much such
//! work there is. It must never decide anything.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::ApiError;
use tokio::sync::Semaphore;
use tonic::{Code, Response, Status};
use tracing::Instrument as _;

use crate::node::Node;

mod node;
mod officer;
mod wire;

pub(crate) use node::NodeApi;
pub(crate) use officer::OfficerApi;

/// Work of one kind that runs at a time, whether its callers still wait or not; for each kind there is room of its own.
#[derive(Clone, Debug)]
struct Room {
    places: Arc<Semaphore>,
    // Who is told when there is no place.
    node: Option<Arc<Node>>,
}

impl Room {
    /// How long to wait when there is none.
    const RETRY: Duration = Duration::from_millis(250);

    fn of(calls: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(calls)), node: None }
    }

    /// A room whose refusals are this node's incidents.
    fn at(node: &Arc<Node>, calls: usize) -> Self {
        Self { node: Some(Arc::clone(node)), ..Self::of(calls) }
    }

    fn busy(&self) -> Status {
        let text = "this node works on as many calls as it takes: try again later";
        if let Some(node) = &self.node {
            node.incidents.record(node.now(), "NODE_BUSY", "calls", &text);
        }
        ApiError::with_code(Code::ResourceExhausted, "NODE_BUSY", text).retry_after(Self::RETRY).into()
    }
}

/// Runs work on a task of its own, which goes on when the caller has gone away; refused at once if there is no room.
// INVARIANT (G8): a caller that disconnects cannot stop this node between a change in memory and the same change on disk.
async fn to_the_end<T, F>(room: &Room, work: F) -> Result<Response<T>, Status>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send + 'static,
{
    let Ok(place) = Arc::clone(&room.places).try_acquire_owned() else { return Err(room.busy()) };
    let work = async move {
        let done = work.await;
        drop(place);
        done
    };
    match tokio::spawn(work.in_current_span()).await {
        Ok(Ok(answer)) => Ok(Response::new(answer)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            let error = ApiError::with_code(Code::Internal, "INTERNAL", "the node failed: see its log");
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::{reason_of, retry_after};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_whose_caller_left_keeps_its_place_until_its_end() {
        let room = Room::of(1);
        // Given work that goes on when its caller has given up
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let abandoned = to_the_end(&room, async move {
            let _ = may_go_on.await;
            Ok(())
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), abandoned).await.is_err());
        // Then further work of its kind is refused, and other work is not
        let refused = to_the_end(&room, async { Ok(()) }).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason_of(&refused).as_deref()),
            (Code::ResourceExhausted, Some("NODE_BUSY"))
        );
        assert_eq!(retry_after(&refused), Some(Room::RETRY));
        to_the_end(&Room::of(1), async { Ok(()) }).await.unwrap();
        // Until it has ended
        go_on.send(()).unwrap();
        while room.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        to_the_end(&room, async { Ok(()) }).await.unwrap();
    }
}
