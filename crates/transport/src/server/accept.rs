//! From a listening socket to verified connections: each handshake in its own task, all of them bounded.
//!
//! Must never wait for one peer while another could be served, and never queue what is over a limit: it is closed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use super::connection::{Places, VerifiedConnection};
use crate::access::PeerConnection;
use crate::causes::with_causes;
use crate::identity::PeerIdentity;
use crate::identity::certificate::PeerCertificate;
use crate::limits::{KeyedLimit, Limits};

/// Verified connections that wait to be picked up; it takes no time to pick one up.
const READY_CONNECTIONS: usize = 64;

/// How long to wait when the system cannot accept, usually because it is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long, and for how many reads, a refused peer is given to notice.
const FAREWELL: Duration = Duration::from_millis(500);
const FAREWELL_READS: usize = 64;

type Ready = mpsc::Sender<Result<VerifiedConnection, io::Error>>;

/// Accepts connections until the returned stream is dropped.
pub(crate) fn incoming(
    listener: TcpListener,
    tls: ServerConfig,
    limits: Limits,
    cut: watch::Receiver<bool>,
) -> ReceiverStream<Result<VerifiedConnection, io::Error>> {
    let (ready, connections) = mpsc::channel(READY_CONNECTIONS);
    let gate = Arc::new(Gate::new(tls, limits, cut));
    tokio::spawn(accept(listener, gate, ready));
    ReceiverStream::new(connections)
}

async fn accept(listener: TcpListener, gate: Arc<Gate>, ready: Ready) {
    loop {
        let accepted = tokio::select! {
            () = ready.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => gate.enter(stream, address, &ready),
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// What every connection has to pass.
struct Gate {
    acceptor: TlsAcceptor,
    clock: Arc<dyn TimeProvider>,
    protocols: Vec<Vec<u8>>,
    limits: Limits,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    addresses: KeyedLimit<IpAddr>,
    peers: KeyedLimit<PeerIdentity>,
    cut: watch::Receiver<bool>,
}

impl Gate {
    fn new(tls: ServerConfig, limits: Limits, cut: watch::Receiver<bool>) -> Self {
        Self {
            clock: Arc::clone(&tls.time_provider),
            protocols: tls.alpn_protocols.clone(),
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            connections: Arc::new(Semaphore::new(limits.connections)),
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            addresses: KeyedLimit::new(limits.handshakes_per_address),
            peers: KeyedLimit::new(limits.connections_per_peer),
            limits,
            cut,
        }
    }

    /// Starts a connection's handshake, or closes it at once when there is no place for it.
    fn enter(self: &Arc<Self>, stream: TcpStream, address: SocketAddr, ready: &Ready) {
        let places = (
            Arc::clone(&self.connections).try_acquire_owned(),
            Arc::clone(&self.handshakes).try_acquire_owned(),
            self.addresses.take(address.ip()),
        );
        let (Ok(connection_place), Ok(handshake_place), Some(address_place)) = places else {
            tracing::debug!(%address, "connection refused: too many");
            return;
        };
        let (gate, ready) = (Arc::clone(self), ready.clone());
        tokio::spawn(async move {
            let verified = gate.verify(stream, address, connection_place).await;
            drop((handshake_place, address_place));
            match verified {
                // The server may have stopped meanwhile; then the connection is simply closed.
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(refusal) => {
                    tracing::debug!(%address, cause = with_causes(&refusal), "connection refused");
                }
            }
        });
    }

    async fn verify(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        connection_place: OwnedSemaphorePermit,
    ) -> Result<VerifiedConnection, Refusal> {
        stream.set_nodelay(true).map_err(Refusal::Handshake)?;
        let stream = self.shake(stream).await?;
        let certificate = peer_certificate(&stream, &self.protocols)?;
        let identity = certificate.identity;
        let peer_place = self.peers.take(identity.clone()).ok_or(Refusal::TooManyOfOnePeer)?;
        let lifetime = self.lifetime(certificate.not_after_s)?;
        let peer = PeerConnection { identity, remote_address: address };
        let places = Places { _connection: connection_place, _peer: peer_place };
        Ok(VerifiedConnection::new(stream, peer, places, lifetime, self.cut.clone()))
    }

    async fn shake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Refusal> {
        let handshake = self.acceptor.accept(stream).into_fallible();
        match timeout(self.limits.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err((error, stream))) => {
                // It does not matter whether the peer listens to the end.
                let _ = timeout(FAREWELL, take_leave(stream)).await;
                Err(Refusal::Handshake(error))
            }
            Err(_) => Err(Refusal::Stalled),
        }
    }

    /// How long this connection may live: up to its greatest age, and never longer than its certificate is valid.
    fn lifetime(&self, not_after_s: u64) -> Result<Duration, Refusal> {
        let now = self.clock.current_time().ok_or(Refusal::NoClock)?;
        let valid = Duration::from_secs(not_after_s.saturating_sub(now.as_secs()));
        let age = self.limits.connection_age.saturating_add(self.limits.connection_age_grace);
        Ok(age.min(valid))
    }
}

/// Closing with unread bytes would reset the connection, and the peer would never see the alert that says why.
async fn take_leave(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut unread = [0; 1_024];
    let mut budget = FAREWELL_READS;
    while budget > 0 && stream.read(&mut unread).await? > 0 {
        budget = budget.saturating_sub(1);
    }
    Ok(())
}

fn peer_certificate(
    stream: &TlsStream<TcpStream>,
    protocols: &[Vec<u8>],
) -> Result<PeerCertificate, Refusal> {
    let (_, session) = stream.get_ref();
    if !session.alpn_protocol().is_some_and(|agreed| protocols.iter().any(|protocol| protocol == agreed)) {
        return Err(Refusal::OtherProtocol);
    }
    let leaf = session.peer_certificates().and_then(<[_]>::first).ok_or(Refusal::NoCertificate)?;
    Ok(PeerCertificate::parse(leaf)?)
}

/// Why a connection was closed before its first request; for the log only.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("handshake failed")]
    Handshake(#[source] io::Error),
    #[error("handshake took too long")]
    Stalled,
    #[error("peer did not ask for a protocol that is spoken here")]
    OtherProtocol,
    #[error("peer has no certificate")]
    NoCertificate,
    #[error("peer has no identity")]
    NoIdentity(#[from] crate::identity::IdentityError),
    #[error("peer has too many connections")]
    TooManyOfOnePeer,
    #[error("the system clock cannot be read")]
    NoClock,
}
