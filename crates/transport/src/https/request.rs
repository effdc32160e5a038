//! Requests to servers outside the cell, which have no identity of ours: HTTPS vouched for by named authorities, or plain
//! HTTP on this machine.
//!
//! One connection for each request, everything bounded. What such a server answers is a claim; whoever asks verifies it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls::{TlsError, outside_client_config};

/// A server outside the cell.
#[derive(Clone)]
pub struct OutsideServer {
    authority: String,
    address: String,
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The type that the server gives to the body.
    pub content_type: String,
    /// The body, as long as was asked for at most.
    pub body: Vec<u8>,
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not `http://host:port/prefix` or `https://host[:port]/prefix`.
    #[error("`{0}` is not an address of the form `https://host/prefix`")]
    Malformed(String),
    /// The authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection failed.
    #[error("the server cannot be reached")]
    Io(#[from] io::Error),
    /// The server does not speak HTTP.
    #[error("the server's answer is not HTTP")]
    Http(#[from] hyper::Error),
    /// The request cannot be made.
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    /// The body is too long, or was cut off.
    #[error("the server's answer is too long, or was cut off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OutsideServer {
    /// The server at this address: `https` with the authorities (PEM) that may vouch for it, or `http` without any.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str, authorities: Option<&[u8]>) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(url.chars().take(256).collect());
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let (authority, host) =
            (uri.authority().ok_or_else(malformed)?, uri.host().ok_or_else(malformed)?.to_owned());
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(malformed()),
        };
        if uri.query().is_some() || authority.as_str().contains('@') || is_secure != authorities.is_some() {
            return Err(malformed());
        }
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let tls = match authorities {
            None => None,
            Some(authorities) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(bare).map_err(|_| malformed())?;
                let config: ClientConfig = outside_client_config(authorities)?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
        };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { authority: authority.to_string(), address: format!("{host}:{port}"), prefix, tls })
    }

    /// Posts a body to a path below the prefix; the answer's body may have `most` bytes.
    ///
    /// # Errors
    /// [`RequestError`]: whether the server did what was asked is open then.
    pub async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        most: usize,
        limit: Duration,
    ) -> Result<Answer, RequestError> {
        timeout(limit, self.post_unlimited(path, body, most))
            .await
            .map_err(|_| RequestError::TimedOut(limit))?
    }

    async fn post_unlimited(&self, path: &str, body: Vec<u8>, most: usize) -> Result<Answer, RequestError> {
        let request = Request::post(format!("{}{path}", self.prefix))
            .header(header::HOST, self.authority.as_str())
            .header(header::CONNECTION, HeaderValue::from_static("close"))
            .body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => exchange(stream, request, most).await,
            Some((tls, name)) => exchange(tls.connect(name.clone(), stream).await?, request, most).await,
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, most: usize) -> Result<Answer, RequestError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = Limited::new(body, most).collect().await.map_err(RequestError::Body)?;
        let content_type = content_type.unwrap_or_default().to_owned();
        Ok(Answer { status: head.status, content_type, body: body.to_bytes().to_vec() })
    };
    let answer = answered.await;
    // The connection is of no further use, however it ended.
    driver.abort();
    answer
}

impl std::fmt::Debug for OutsideServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutsideServer")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}
