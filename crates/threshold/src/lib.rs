//! Threshold engines: key generation, resharing and signing as sans-IO sessions.
//!
//! Owns what an engine is ([`Engine`]), one of them ([`dkls23`]: threshold ECDSA over secp256k1), the key share, and the
//! end-to-end sealed messages that nodes exchange through a courier they do not trust. It must never open a socket or a
//! file, read a clock, spawn a task, log anything, or let a type of an engine's library cross its public API: points,
//! scalars and digests cross as bytes only (33-byte SEC1, 32-byte big-endian).
//!
//! Three layers:
//!
//! - [`keygen::KeygenMachine`] and [`sign::SignMachine`] are what a node uses: bytes in, bytes out, one call a round,
//!   protocol and sealed channel together, idempotent on redelivery, for whatever engine.
//! - [`channel`] seals and opens.
//! - [`engine`] is the border to the protocols: plaintexts with authenticated senders in, plaintexts out.
//!
//! # Randomness
//!
//! `dkls23` draws its own randomness from `rand::rng()` (a ChaCha generator of the thread, seeded
//! and reseeded from the operating system). It cannot be injected in the engine's released version, and this crate
//! does not try to. Everything drawn here (the X25519 ephemeral of a session) comes from the caller's generator.
//!
//! # Cost
//!
//! Calls compute and block: about 0.4 s in each of rounds 3 and 4 of a 2-of-3 key generation or resharing, a few milliseconds in a
//! signing round. Call them off the asynchronous executor.
//!
//! # Wiping
//!
//! Shares and session states wipe themselves when dropped, and secret encodings are sized first and written once, so
//! that no reallocation leaves a copy. What Rust moves over the stack, and what `dkls23` and the decoder copy inside,
//! cannot be wiped from here: the node's memory locking and its ban on core dumps cover that.

pub mod channel;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dkls23;
mod encoding;
pub mod engine;
mod fault;
mod foreign;
pub mod keygen;
mod party;
mod public;
mod rounds;
mod share;
pub mod sign;
#[cfg(test)]
mod testing;

pub use dkls23::DKLS23;
pub use encoding::tagged_hash;
pub use engine::{
    Engine, EngineId, Engines, KeygenProgress, KeygenProtocol, MAX_ROUNDS, MadeKey, SecretShare,
    SignProgress, SignProtocol,
};
pub use fault::{FaultReason, ProtocolFault};
pub use foreign::{ForeignError, ForeignKey, ForeignShare, MAX_FOREIGN_FILE_LEN};
pub use keygen::{ChainCode, KeygenError, KeygenMachine, KeygenOutput, KeygenReply, KeygenTask, Resharing};
pub use party::{
    ClusterId, Epoch, MAX_PARTIES, Participants, PartyIndex, Round, SessionId, SetupError, SignerSet,
    Threshold,
};
pub use public::{InvalidKeyPublic, KeyPublic};
pub use rounds::{Outbound, RoundError};
pub use share::{KeyShare, ShareError};
pub use sign::{BannedPair, SignBrief, SignError, SignMachine, SignReply, SignTask, Signature};
