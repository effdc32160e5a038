//! A cluster to attack: an authority, identities, and running servers.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use holdfast_transport::access::HEALTH;
use holdfast_transport::client::{ConnectError, Endpoint, Timeouts, connect};
use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::server::{ServeError, serve};
use holdfast_transport::{AccessTable, Limits, PeerIdentity, Role, TlsIdentity, peer_identity};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const MESSAGE_LIMIT: usize = 64 << 10;

/// The service name that makes [`Inquirer::check`] take long.
pub(crate) const SLOW: &str = "slow";

pub(crate) fn now() -> SystemTime {
    time::OffsetDateTime::now_utc().into()
}

pub(crate) struct Cluster {
    pub(crate) authority: CertificateAuthority,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let validity = Validity::new(now() - 24 * HOUR, 48 * HOUR).unwrap();
        Self { authority: CertificateAuthority::generate("demo", &validity).unwrap() }
    }

    pub(crate) fn tls(&self, role: Role, name: &str) -> TlsIdentity {
        self.tls_valid(role, name, &Validity::new(now(), HOUR).unwrap())
    }

    pub(crate) fn tls_valid(&self, role: Role, name: &str, validity: &Validity) -> TlsIdentity {
        let (certificate, key) = self.authority.issue(&identity(role, name), &[], validity).unwrap();
        self.tls_from(&certificate, &key)
    }

    /// An identity from any certificate, believing this cluster's authority.
    pub(crate) fn tls_from(&self, certificate: &str, key: &str) -> TlsIdentity {
        let authorities = self.authority.certificate_pem().as_bytes();
        TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes(), authorities).unwrap()
    }

    /// The server under attack: node `a`, open to everyone for health checks.
    pub(crate) async fn node(&self, limits: Limits) -> Running {
        Running::start(&self.tls(Role::Node, "a"), AccessTable::new(&HEALTH).unwrap(), limits).await
    }
}

pub(crate) fn identity(role: Role, name: &str) -> PeerIdentity {
    PeerIdentity::new("demo", role, name).unwrap()
}

/// A server in this process.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub(crate) async fn start(tls: &TlsIdentity, access: AccessTable, limits: Limits) -> Self {
        let service = HealthServer::new(Inquirer).max_decoding_message_size(MESSAGE_LIMIT);
        Self::start_with(tls, access, limits, Routes::new(service)).await
    }

    pub(crate) async fn start_with(
        tls: &TlsIdentity,
        access: AccessTable,
        limits: Limits,
        routes: Routes,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = tls.clone();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            serve(listener, &tls, routes, access, limits, shutdown).await
        });
        Self { address, stop: Some(stop), task }
    }

    pub(crate) fn endpoint(&self, role: Role, name: &str) -> Endpoint {
        Endpoint { address: self.address.to_string(), expected: identity(role, name) }
    }

    /// Connects to this server as node `a`.
    pub(crate) async fn connect(&self, tls: &TlsIdentity) -> Result<Channel, ConnectError> {
        connect(&self.endpoint(Role::Node, "a"), tls, &Timeouts::default()).await
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), ServeError> {
        self.stop.take().unwrap().send(()).unwrap();
        let stopped = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        stopped.expect("the server never stopped").unwrap()
    }
}

/// A health service that answers `SERVING` exactly when asked for the identity that it sees in the request.
struct Inquirer;

#[tonic::async_trait]
impl Health for Inquirer {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let asked = request.get_ref().service.as_str();
        if asked == SLOW {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let seen = peer_identity(&request)?.to_string();
        let known = asked.is_empty() || asked == SLOW || asked == seen;
        let status = if known { ServingStatus::Serving } else { ServingStatus::ServiceUnknown };
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    /// One message, and then a stream that stays open.
    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let first = HealthCheckResponse { status: ServingStatus::Serving.into() };
            let _ = sender.send(Ok(first)).await;
            sender.closed().await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// One health check for `service`.
pub(crate) async fn check(channel: &Channel, service: &str) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(channel.clone()).check(request).await?;
    Ok(response.into_inner().status())
}
