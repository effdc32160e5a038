//! How much one peer, and all peers together, can make a server hold.
//!
//! Must never have an unbounded default.

mod keyed;

use std::time::Duration;

pub(crate) use keyed::{KeyedLimit, Place};

/// The largest message that any service accepts or sends.
///
/// Each service is given it by its owner: `.max_decoding_message_size(MAX_MESSAGE_BYTES)` and
/// `.max_encoding_message_size(MAX_MESSAGE_BYTES)`.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Limits of one server. [`Limits::default`] suits a server of a small cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in total, those still in their handshake included (512). Further ones are closed at once.
    pub connections: usize,
    /// Open connections of one identity (32). Further ones are closed after their handshake.
    pub connections_per_peer: usize,
    /// Handshakes at the same time (128). Further connections are closed at once.
    pub handshakes: usize,
    /// Handshakes at the same time from one address (64). Further connections are closed at once.
    pub handshakes_per_address: usize,
    /// How long a handshake may take (5 s).
    pub handshake_timeout: Duration,
    /// Requests that one connection may have in progress (128). Further ones get `RESOURCE_EXHAUSTED`.
    pub requests_per_connection: usize,
    /// HTTP/2 streams that one connection may have open (256), long-lived watches included.
    pub streams_per_connection: u32,
    /// How long a handler may take until its response begins (30 s). A shorter `grpc-timeout` of the caller counts.
    pub request_timeout: Duration,
    /// The size of all headers of one request (16 KiB).
    pub header_bytes: u32,
    /// How often an idle connection is pinged (20 s).
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take before the connection is closed (10 s).
    pub keepalive_timeout: Duration,
    /// How old a connection may get before it is asked to close (1 h). A certificate is looked at once for each
    /// connection, so this bounds how long a peer stays after its identity was replaced.
    pub connection_age: Duration,
    /// How long requests may still run after that, before the connection is cut (1 min). A connection is also cut
    /// when the peer's certificate expires.
    pub connection_age_grace: Duration,
    /// How long requests may still run after the server was told to stop (10 s).
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_peer: 32,
            handshakes: 128,
            handshakes_per_address: 64,
            handshake_timeout: Duration::from_secs(5),
            requests_per_connection: 128,
            streams_per_connection: 256,
            request_timeout: Duration::from_secs(30),
            header_bytes: 16 << 10,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            connection_age: Duration::from_secs(3_600),
            connection_age_grace: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
