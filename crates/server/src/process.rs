//! What a program asks of the operating system to start and to stop.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The address cannot be listened on, or a signal handler cannot be set.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub struct StartError {
    action: String,
    source: io::Error,
}

/// Completes on SIGTERM or SIGINT, from the moment of this call on.
///
/// # Errors
/// [`StartError`] if a handler cannot be set.
pub fn stop_signal() -> Result<impl Future<Output = ()>, StartError> {
    let handler = |kind| signal(kind).map_err(no_handler);
    let (mut terminate, mut interrupt) =
        (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A signal handler cannot be set.
#[must_use]
pub fn no_handler(source: io::Error) -> StartError {
    StartError { action: "set a signal handler".to_owned(), source }
}

/// Listens on an address.
///
/// # Errors
/// [`StartError`] if it is taken or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |source| StartError { action: format!("listen on `{address}`"), source };
    TcpListener::bind(address).await.map_err(failed)
}
