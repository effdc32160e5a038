//! GG20 (<https://eprint.iacr.org/2020/540>) by `multi-party-ecdsa` 0.8.1, as an engine of `holdfast-threshold`: to compare
//! with, and to migrate from.
//!
//! **Do not make new wallets with it.** The library is unmaintained since 2023. Its Paillier moduli are not products of safe
//! primes and come without the proofs that they have two large factors and no small one, its multiplications come without the
//! second party's range proofs, and its proofs bind neither session nor party: one hostile signer can extract the key with
//! the published attacks BitForge, TSSHOCK and Alpha-Rays. Nothing here mends that. `docs/decisions/0014-engines-compared.md` says
//! more.
//!
//! This crate is GPL-3.0-or-later, as the library is, and so is every program that is built with it. It is in none by default.
//!
//! Owns the protocol runs around the library's functions, which it calls one sender at a time so that a failure has a name.
//! It must never let a number of a peer reach the library before its size and sign are checked where the arithmetic depends
//! on them (GMP ends the process on a division by zero), and never let a panic of the library out ([`library::guarded`]).
//!
//! # Wiping
//!
//! Scalars of the curve wipe themselves. GMP's numbers cannot be wiped: the library's own `zeroize` writes a new number over
//! the pointer and leaves the old digits on the heap. Primes of the Paillier keys, nonces in their big-integer form and what
//! is multiplied with them stay in freed memory until it is used again. Memory locking and the ban on core dumps are all
//! there is against that.

mod derive;
mod keygen;
mod library;
mod share;
mod sign;

use std::sync::Arc;

use holdfast_threshold::channel::{Outgoing, Purpose, Seat};
use holdfast_threshold::{Engine, EngineId, KeygenError, KeygenProtocol, Round, SecretShare, ShareError};

/// The engine.
#[derive(Clone, Copy, Debug)]
pub struct Gg20;

/// The engine, as [`holdfast_threshold::Engines`] takes it.
pub static GG20: Gg20 = Gg20;

impl Engine for Gg20 {
    fn id(&self) -> EngineId {
        EngineId::Gg20EcdsaSecp256k1V08
    }

    fn last_round(&self, purpose: Purpose) -> Round {
        match purpose {
            Purpose::Keygen => Round(6),
            Purpose::Sign => Round(8),
            // Keys move out, never in.
            Purpose::Reshare => Round(0),
        }
    }

    fn begin_keygen(&self, seat: &Seat) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
        keygen::begin(seat)
    }

    fn resume_keygen(&self, state: &[u8]) -> Option<Box<dyn KeygenProtocol>> {
        keygen::resume(state)
    }

    fn open_share(&self, bytes: &[u8]) -> Result<Arc<dyn SecretShare>, ShareError> {
        Ok(Arc::new(share::Gg20Share::from_bytes(bytes)?))
    }
}
