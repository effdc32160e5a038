//! A signer node in the wrong hands: it has a genuine node's keys, takes part in everything, and deviates when told to.
//!
//! Owns a program that speaks the node's protocol with the threshold engine's public interface, and an implementation of
//! the sealed channel of its own, so that it can change what is inside the seals. No shipped crate knows of it: whatever
//! it does, anybody who owns one node's machine could do. It checks nothing of what it is told; it wants to take part.
//!
//! What it does wrong is read from a file while it runs: see [`Control`].

mod confirmation;
mod control;
mod fields;
mod node;
mod offers;
mod seals;
mod service;
mod session;

pub use control::{Control, Deviation, Phase};
pub use fields::{KEYGEN_FIELDS, SIGN_FIELDS};
pub use service::run;
