//! Attacks on the state machine, on a whole cell in memory.
#![expect(clippy::arithmetic_side_effects, reason = "test times and amounts are small")]

mod activity;
mod after;
mod attestations;
mod authority;
mod authorization;
mod bounds;
mod breakers;
mod cell;
mod ceremonies;
mod clients;
mod contract_calls;
mod exposures;
mod genesis;
mod holds;
mod incarnations;
mod keygen;
mod legal_orders;
mod lists;
mod officers;
mod outcomes;
mod places;
mod policies;
mod replacements;
mod replica;
mod restored;
mod sessions;
mod snapshot;
mod step_ups;
mod sweeps;
mod tombstones;
mod travel;
mod whitelist;
mod whitelists;
mod windows;
mod withdrawals;
