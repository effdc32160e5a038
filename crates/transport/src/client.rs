//! Connecting to one server, known by its identity and reached at an address.
//!
//! Must never connect to whoever answers at the address: only to the peer that was meant.
//!
//! With TLS 1.3 a server judges our certificate after the client considers the handshake done, so a refusal shows up on
//! the first call: [`probe`] makes one that changes nothing.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Uri};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::causes::causes;
use crate::identity::PeerIdentity;
use crate::tls::{ALPN, TlsError, TlsIdentity};

/// A server: where to dial and whom to expect there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`. Only a hint: the identity decides.
    pub address: String,
    /// Who has to answer.
    pub expected: PeerIdentity,
}

/// How long a client waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection and the TLS handshake together (5 s).
    pub connect: Duration,
    /// For a call until its response begins (30 s); a shorter one can be set for each request.
    ///
    /// A call that timed out has an unknown outcome: the server may have done what was asked.
    pub request: Duration,
    /// How often an idle connection is pinged (20 s).
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take before the connection is given up (10 s).
    pub keepalive_timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

/// The size of all headers of one response, error details included.
const MAX_HEADER_BYTES: u32 = 64 << 10;

const PROBE_ATTEMPTS: usize = 4;

/// How rustls begins its message about an alert.
const ALERT_BY_RUSTLS: &str = "received fatal alert";

/// Connects now, so that a server that is not there or not the expected one is reported at once.
///
/// The channel reconnects by itself when the connection breaks.
///
/// # Errors
/// `SERVER_UNREACHABLE`, `SERVER_IDENTITY_REFUSED`, or what is wrong with our own TLS material.
pub async fn connect(
    endpoint: &Endpoint,
    tls: &TlsIdentity,
    timeouts: &Timeouts,
) -> Result<Channel, ConnectError> {
    let dialer = Dialer::new(endpoint, tls, timeouts)?;
    let settings = settings(endpoint, timeouts)?;
    let connected = settings.connect_with_connector(dialer.into_service()).await;
    connected.map_err(|source| ConnectError::from_transport(endpoint, source))
}

/// A channel that connects on its first call, and again whenever the connection breaks.
///
/// # Errors
/// Only what is wrong with our own TLS material.
pub fn connect_lazy(
    endpoint: &Endpoint,
    tls: &TlsIdentity,
    timeouts: &Timeouts,
) -> Result<Channel, ConnectError> {
    let dialer = Dialer::new(endpoint, tls, timeouts)?;
    Ok(settings(endpoint, timeouts)?.connect_with_connector_lazy(dialer.into_service()))
}

/// Asks the server whether `service` (or, if empty, the server as a whole) is ready, and thereby whether it accepts us.
///
/// # Errors
/// `SERVER_NOT_SERVING`, `CERTIFICATE_REFUSED` when the server does not accept our certificate, and other failures.
pub async fn probe(channel: &Channel, service: &str, limit: Duration) -> Result<(), ProbeError> {
    let serving = timeout(limit, ask(channel, service)).await.map_err(|_| ProbeError::NoAnswer)??;
    match serving {
        ServingStatus::Serving => Ok(()),
        ServingStatus::NotServing | ServingStatus::ServiceUnknown | ServingStatus::Unknown => {
            Err(ProbeError::NotServing)
        }
    }
}

/// Asks again when the connection was lost without a reason: a refusal may close it before the alert is read.
async fn ask(channel: &Channel, service: &str) -> Result<ServingStatus, Status> {
    let mut health = HealthClient::new(channel.clone());
    let mut attempts_left = PROBE_ATTEMPTS;
    loop {
        attempts_left = attempts_left.saturating_sub(1);
        match health.check(HealthCheckRequest { service: service.to_owned() }).await {
            Ok(response) => return Ok(response.into_inner().status()),
            Err(status) if attempts_left > 0 && was_lost(&status) => {}
            Err(status) => return Err(status),
        }
    }
}

fn settings(endpoint: &Endpoint, timeouts: &Timeouts) -> Result<tonic::transport::Endpoint, ConnectError> {
    // The scheme is `http` because TLS is the dialer's business, not tonic's.
    let uri = format!("http://{}", endpoint.expected.dns_name());
    let settings = tonic::transport::Endpoint::from_shared(uri)
        .map_err(|source| ConnectError::from_transport(endpoint, source))?;
    Ok(settings
        .timeout(timeouts.request)
        .http2_keep_alive_interval(timeouts.keepalive_interval)
        .keep_alive_timeout(timeouts.keepalive_timeout)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(MAX_HEADER_BYTES))
}

/// Makes verified connections to one server.
#[derive(Clone)]
struct Dialer {
    address: Arc<str>,
    server_name: ServerName<'static>,
    tls: TlsConnector,
    limit: Duration,
}

impl Dialer {
    fn new(endpoint: &Endpoint, tls: &TlsIdentity, timeouts: &Timeouts) -> Result<Self, ConnectError> {
        let config: ClientConfig = tls.client_config(&endpoint.expected)?;
        let server_name =
            ServerName::try_from(endpoint.expected.dns_name()).map_err(|_| ConnectError::Name)?;
        Ok(Self {
            address: endpoint.address.as_str().into(),
            server_name,
            tls: TlsConnector::from(Arc::new(config)),
            limit: timeouts.connect,
        })
    }

    fn into_service(
        self,
    ) -> impl tower::Service<
        Uri,
        Response = TokioIo<TlsStream<TcpStream>>,
        Error = io::Error,
        Future = impl Future<Output = io::Result<TokioIo<TlsStream<TcpStream>>>> + Send,
    > + Send
    + 'static {
        tower::service_fn(move |_: Uri| {
            let dialer = self.clone();
            async move { dialer.dial().await.map(TokioIo::new) }
        })
    }

    async fn dial(&self) -> io::Result<TlsStream<TcpStream>> {
        timeout(self.limit, self.dial_unlimited()).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn dial_unlimited(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&*self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.server_name.clone(), stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "server does not speak HTTP/2"));
        }
        Ok(stream)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Our own TLS material cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The expected identity makes no host name.
    #[error("expected identity has no valid host name")]
    Name,
    /// Whoever answered is not the expected server, or cannot prove it.
    #[error("server at `{address}` did not prove to be `{expected}`")]
    Identity {
        /// The address dialed.
        address: String,
        /// Who was expected.
        expected: PeerIdentity,
        /// What was wrong.
        source: tonic::transport::Error,
    },
    /// Nobody answered, or not in time.
    #[error("server at `{address}` cannot be reached")]
    Unreachable {
        /// The address dialed.
        address: String,
        /// What was wrong.
        source: tonic::transport::Error,
    },
}

impl ConnectError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Tls(error) => error.reason(),
            Self::Name => "IDENTITY_LABEL_INVALID",
            Self::Identity { .. } => "SERVER_IDENTITY_REFUSED",
            Self::Unreachable { .. } => "SERVER_UNREACHABLE",
        }
    }

    fn from_transport(endpoint: &Endpoint, source: tonic::transport::Error) -> Self {
        let address = endpoint.address.clone();
        match tls_cause(&source) {
            Some(rustls::Error::InvalidCertificate(_)) => {
                Self::Identity { address, expected: endpoint.expected.clone(), source }
            }
            Some(_) | None => Self::Unreachable { address, source },
        }
    }
}

/// Why a server is not ready for us.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The server is there but not ready.
    #[error("server is not ready")]
    NotServing,
    /// The answer took too long.
    #[error("server did not answer in time")]
    NoAnswer,
    /// The call failed.
    #[error("server could not be asked")]
    Failed(#[from] Status),
}

impl ProbeError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotServing => "SERVER_NOT_SERVING",
            Self::NoAnswer => "SERVER_UNREACHABLE",
            Self::Failed(status) => match (tls_cause(status), status.code()) {
                (Some(rustls::Error::InvalidCertificate(_)), _) => "SERVER_IDENTITY_REFUSED",
                _ if was_alerted(status) => "CERTIFICATE_REFUSED",
                (_, Code::PermissionDenied) => "ROLE_NOT_ALLOWED",
                (_, Code::NotFound) => "SERVER_NOT_SERVING",
                _ => "SERVER_UNREACHABLE",
            },
        }
    }
}

/// The TLS failure behind an error of the layers above, if there is one.
fn tls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

/// Whether the server ended the connection with a TLS alert. HTTP/2 hands such an error on as text only.
fn was_alerted(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.to_string().starts_with(ALERT_BY_RUSTLS))
}

/// Whether the connection broke, and nothing tells why.
fn was_lost(status: &Status) -> bool {
    let broke = causes(status).any(|cause| cause.is::<tonic::transport::Error>());
    broke && tls_cause(status).is_none() && !was_alerted(status)
}
