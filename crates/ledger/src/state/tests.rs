//! Attacks on the state machine, on a whole cell in memory.
#![expect(clippy::arithmetic_side_effects, reason = "test times and amounts are small")]

mod attestations;
mod authority;
mod cell;
mod ceremonies;
mod clients;
mod genesis;
mod incarnations;
mod officers;
mod policies;
mod snapshot;
mod withdrawals;
