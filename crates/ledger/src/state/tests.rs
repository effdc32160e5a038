//! Attacks on the state machine, on a whole cell in memory.
#![expect(clippy::arithmetic_side_effects, reason = "test times and amounts are small")]

mod attestations;
mod cell;
mod ceremonies;
mod genesis;
mod snapshot;
mod withdrawals;
