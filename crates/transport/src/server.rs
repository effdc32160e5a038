//! Serving gRPC: accepted, authenticated, bounded, and stopped within a known time.
//!
//! Must never hand a connection to HTTP/2 before its peer is verified, nor wait without a time limit.

mod accept;
mod connection;

use std::convert::Infallible;
use std::future::{Future, pending};

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::access::{AccessLayer, AccessTable};
use crate::limits::Limits;
use crate::tls::{GRPC_PROTOCOLS, TlsError, TlsIdentity};

pub(crate) use accept::incoming;
pub(crate) use connection::VerifiedConnection;

/// A stream may have this much unread data in flight; a connection as much as four of them.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Streams that a peer opened and reset before we looked at them (rapid reset), and errors it made us answer.
const MAX_PENDING_RESETS: usize = 32;
const MAX_LOCAL_RESETS: usize = 256;

/// Serves `routes` on `listener` until `shutdown` completes, then lets requests finish within the grace period.
///
/// Dropping the future cuts every connection.
///
/// # Errors
/// When the TLS material cannot be used, or the server cannot run.
pub async fn serve<F>(
    listener: TcpListener,
    tls: &TlsIdentity,
    routes: Routes,
    access: AccessTable,
    limits: Limits,
    shutdown: F,
) -> Result<(), ServeError>
where
    F: Future<Output = ()>,
{
    let (cut, cut_signal) = watch::channel(false);
    let (stopping, stopped) = oneshot::channel();
    let shutdown_grace = limits.shutdown_grace;
    let server = builder(&limits).layer(AccessLayer::new(access)).add_routes(routes);
    let incoming = incoming(listener, tls.server_config(&GRPC_PROTOCOLS)?, limits, cut_signal);
    let serving = server.serve_with_incoming_shutdown(incoming, async {
        shutdown.await;
        // The receiver below lives as long as this future.
        let _ = stopping.send(());
    });
    let cutting = async {
        let _ = stopped.await;
        sleep(shutdown_grace).await;
        cut.send_replace(true);
        pending::<Infallible>().await
    };
    tokio::select! {
        served = serving => served.map_err(ServeError::Transport),
        never = cutting => match never {},
    }
}

/// All HTTP/2 limits in one place. The age grace is not tonic's: with it set, tonic cuts connections without asking first.
fn builder(limits: &Limits) -> Server {
    Server::builder()
        .load_shed(true)
        .concurrency_limit_per_connection(limits.requests_per_connection)
        .timeout(limits.request_timeout)
        .max_concurrent_streams(limits.streams_per_connection)
        .max_connection_age(limits.connection_age)
        .http2_max_header_list_size(limits.header_bytes)
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

/// Why a server did not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The TLS material cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP/2 server failed.
    #[error("server failed")]
    Transport(#[source] tonic::transport::Error),
}

impl ServeError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Tls(error) => error.reason(),
            Self::Transport(_) => "SERVER_FAILED",
        }
    }
}
