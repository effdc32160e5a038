//! What the tests of this crate share: a cell with keys of its own, and nodes that follow the log for real and make
//! "threshold" signatures with a whole key. Never compiled into the program.

#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "test")]

mod cell;
mod fake_node;

pub(crate) use cell::{
    Cell, START, TestClock, client_request, confirmation_in, ed25519, erased, pinned, sign, usdt_transfer,
    wallet_key, wallet_public,
};
pub(crate) use fake_node::{Behaviour, FakeNode};

use holdfast_transport::PeerIdentity;
use tonic::Request;

/// A request as the server hands it to a service: with the peer's verified identity.
pub(crate) fn called_by<T>(role: &str, name: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let identity: PeerIdentity = format!("spiffe://demo-1/{role}/{name}").parse().unwrap();
    request.extensions_mut().insert(identity);
    request
}
