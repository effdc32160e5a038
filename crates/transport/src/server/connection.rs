//! One verified connection: its peer, the places it holds, and the moment at which it is cut.
//!
//! Must never outlive its cut: after it, every read and write fails, whatever the peer does.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::access::PeerConnection;
use crate::identity::PeerIdentity;
use crate::limits::Place;

/// What a connection gives back when it closes.
pub(super) struct Places {
    pub(super) _connection: OwnedSemaphorePermit,
    pub(super) _peer: Place<PeerIdentity>,
}

/// A stream to a peer that TLS has verified.
pub(crate) struct VerifiedConnection {
    stream: TlsStream<TcpStream>,
    peer: PeerConnection,
    /// Completes when the connection has to end; `None` once it has.
    cut: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _places: Places,
}

impl VerifiedConnection {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        peer: PeerConnection,
        places: Places,
        lifetime: Duration,
        mut cut: watch::Receiver<bool>,
    ) -> Self {
        let cut = Box::pin(async move {
            tokio::select! {
                () = sleep(lifetime) => {}
                // An error means that the server is gone.
                _ = cut.wait_for(|cut| *cut) => {}
            }
        });
        Self { stream, peer, cut: Some(cut), _places: places }
    }

    /// The stream, as long as the connection may live.
    fn live(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TlsStream<TcpStream>>> {
        if let Some(cut) = &mut self.cut
            && cut.as_mut().poll(context).is_ready()
        {
            tracing::debug!(peer = %self.peer.identity, "connection cut");
            self.cut = None;
        }
        match self.cut {
            Some(_) => Ok(Pin::new(&mut self.stream)),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Connected for VerifiedConnection {
    type ConnectInfo = PeerConnection;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.peer.clone()
    }
}

impl AsyncRead for VerifiedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.live(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for VerifiedConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.live(context)?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.live(context)?.poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.live(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.live(context)?.poll_shutdown(context)
    }
}
