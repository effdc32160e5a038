//! Who talks to whom, and how much of it: TLS 1.3 with mutual authentication, one identity for each peer, one table of
//! who may call what, and limits on everything a peer can make us hold.
//!
//! Must never let an unauthenticated byte reach a handler, accept an identity that is not exactly one SPIFFE id of our
//! own cluster, or know anything about withdrawals, wallets or keys other than TLS keys.

pub mod access;
pub mod causes;
pub mod client;
pub mod files;
pub mod https;
pub mod identity;
pub mod issue;
pub mod limits;
pub mod server;
pub mod signing_key;
pub mod tls;

pub use access::{AccessTable, peer_identity};
pub use causes::with_causes;
pub use identity::{PeerIdentity, Role};
pub use limits::{Limits, MAX_MESSAGE_BYTES};
pub use tls::TlsIdentity;

/// The `domain` of every `google.rpc.ErrorInfo` that Holdfast sends.
pub const ERROR_DOMAIN: &str = "holdfast.v1";
