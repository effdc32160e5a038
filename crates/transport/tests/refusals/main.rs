//! What a server and a client refuse, tried over real sockets against the real health service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "small numbers chosen by the test"
)]

mod access;
mod cluster;
mod handshake;
mod impersonation;
mod lifetime;
mod limits;
mod raw;
