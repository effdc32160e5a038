//! What the tests of this crate act on: an honest coordinator in memory, real nodes without a network, and a clock.
//!
//! Compiled for tests only.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_policy::TimestampMs;

use crate::clock::Clock;

mod cell;
mod nodes;
mod ready;
mod rounds;

pub(crate) use cell::{
    Cell, PAYEE, checkpoint_of, coordinator, ed25519, sign as sign_payload, signed_checkpoint,
    signed_statement,
};
pub(crate) use nodes::{PASSPHRASE, TestNode};
pub(crate) use ready::ready;
#[cfg(feature = "gg20")]
pub(crate) use rounds::create_wallet_on;
pub(crate) use rounds::{
    Attempt, create_wallet, keygen_round, make_shares, migrate, prepare_keygen, reason, sign,
    sign_prepare_request,
};

/// When the cell's log begins.
pub(crate) const START: u64 = 1_763_700_000_000;

/// A clock that the test sets.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new(now: u64) -> Self {
        Self(AtomicU64::new(now))
    }

    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::SeqCst))
    }
}
