//! Plain HTTPS beside gRPC: read-only files for peers with the right role, and requests to servers outside the cell.
//!
//! Serving has the same gate as gRPC: TLS 1.3, a certificate of this cell, one identity, bounded. Must never serve a peer
//! whose role was not named, and never read a request's body.

mod request;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::server::Connected as _;

use crate::causes::with_causes;
use crate::identity::{PeerIdentity, Role};
use crate::limits::Limits;
use crate::server::{VerifiedConnection, incoming};
use crate::tls::{HTTPS_PROTOCOLS, TlsError, TlsIdentity};

pub use request::{Answer, OutsideServer, RequestError, UrlError};

/// How long a peer may take to send a request's headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// What the body is.
    pub content_type: &'static str,
    /// How long it may be kept.
    pub cache_control: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Answers requests for a path. Called for `GET` and `HEAD` by admitted peers only.
pub trait Files: Send + Sync + 'static {
    /// What is at this path.
    fn file(&self, peer: &PeerIdentity, path: &str) -> BoxFuture<'static, Reply>;
}

impl Reply {
    /// A plain refusal, never kept.
    pub fn plain(status: StatusCode, text: &'static str) -> Self {
        let body = [text.as_bytes(), b"\n"].concat();
        Self { status, content_type: "text/plain; charset=utf-8", cache_control: "no-store", body }
    }
}

/// Serves files to peers with one of these roles until `shutdown` completes; then open requests are cut.
///
/// # Errors
/// When the TLS material cannot be used.
pub async fn serve_files(
    listener: TcpListener,
    tls: &TlsIdentity,
    roles: &'static [Role],
    files: Arc<dyn Files>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), TlsError> {
    let (cut, cut_signal) = watch::channel(false);
    let config = tls.server_config(&HTTPS_PROTOCOLS)?;
    let mut connections = incoming(listener, config, limits.clone(), cut_signal);
    let mut serving = JoinSet::new();
    let guard = Arc::new(Guard { roles, files, limits });
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(connection) = connections.next() => {
                let Ok(connection) = connection else { continue };
                serving.spawn(serve_connection(connection, Arc::clone(&guard)));
            }
            Some(_) = serving.join_next() => {}
        }
    }
    cut.send_replace(true);
    Ok(())
}

struct Guard {
    roles: &'static [Role],
    files: Arc<dyn Files>,
    limits: Limits,
}

async fn serve_connection(connection: VerifiedConnection, guard: Arc<Guard>) {
    let peer = connection.connect_info().identity().clone();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = guard.limits.header_bytes;
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(usize::try_from(header_bytes).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(guard.limits.streams_per_connection)
        .max_header_list_size(header_bytes)
        .keep_alive_interval(guard.limits.keepalive_interval)
        .keep_alive_timeout(guard.limits.keepalive_timeout);
    let service = service_fn(|request: Request<Incoming>| {
        let (guard, peer) = (Arc::clone(&guard), peer.clone());
        async move { Ok::<_, Infallible>(respond(&guard, &peer, &request).await) }
    });
    if let Err(error) = builder.serve_connection(TokioIo::new(connection), service).await {
        tracing::debug!(%peer, cause = with_causes(&*error), "HTTPS connection ended");
    }
}

// INVARIANT: nothing is read for a peer whose role is not named; whoever is refused learns only that.
async fn respond(guard: &Guard, peer: &PeerIdentity, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let is_head = request.method() == Method::HEAD;
    let reply = if !guard.roles.contains(&peer.role()) {
        tracing::warn!(%peer, path = request.uri().path(), "request refused");
        Reply::plain(StatusCode::FORBIDDEN, "ROLE_NOT_ALLOWED")
    } else if request.method() != Method::GET && !is_head {
        Reply::plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
    } else {
        let file = guard.files.file(peer, request.uri().path());
        let late = Reply::plain(StatusCode::SERVICE_UNAVAILABLE, "no answer in time");
        timeout(guard.limits.request_timeout, file).await.unwrap_or(late)
    };
    let length = HeaderValue::from(reply.body.len());
    let body = if is_head { Vec::new() } else { reply.body };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(reply.cache_control));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
