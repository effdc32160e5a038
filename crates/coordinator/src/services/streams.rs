//! Streams to callers: bounded in number and in what waits to be sent. A caller that does not read is not read for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::status::RequestError;

/// Streams at a time, of all callers.
const STREAMS: usize = 256;
/// Messages that wait to be sent on one stream.
const WAITING: usize = 16;

/// The receiving end of one stream, which tonic sends to the caller.
pub(super) type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Where streams are opened. Clones share the bound.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// The sending end of one stream.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    sender: mpsc::Sender<Result<T, Status>>,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// Nobody reads any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

impl Streams {
    /// Streams that end once `stop` turns true.
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS)), stop }
    }

    pub(super) fn open<T>(&self) -> Result<(Outlet<T>, Stream<T>), RequestError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| RequestError::TooManyStreams)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let outlet = Outlet { sender, stop: self.stop.clone(), _place: place };
        Ok((outlet, ReceiverStream::new(receiver)))
    }
}

impl<T> Outlet<T> {
    /// Sends a message, waiting while too many wait.
    pub(super) async fn send(&self, message: T) -> Result<(), Gone> {
        self.sender.send(Ok(message)).await.map_err(|_| Gone)
    }

    /// Ends the stream with an error.
    pub(super) async fn fail(&self, error: RequestError) {
        // If nobody reads, nobody misses it.
        let _ = self.sender.send(Err(error.into())).await;
    }

    /// Whether nobody reads any more, or the coordinator stops.
    pub(super) fn is_gone(&self) -> bool {
        self.sender.is_closed() || *self.stop.borrow()
    }

    /// Completes when nobody reads any more, or when the coordinator stops.
    pub(super) async fn gone(&self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.sender.closed() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
