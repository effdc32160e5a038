//! Tests of the policy from outside: only the public API, the demo's policy and invented facts. Shared facts lie in
//! `world`; each other module attacks one part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helper functions of tests")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "helper functions of tests")]

mod approvals;
mod bands;
mod boundaries;
mod breakers;
mod codes;
mod contract_calls;
mod diff_calls;
mod diff_rules;
mod diff_scopes;
mod diffs;
mod docs;
mod exposure;
mod footings;
mod holds;
mod legal_orders;
mod lists;
mod misspelt;
mod own_transfers;
mod properties;
mod risk;
mod step_up;
mod tiers;
mod time_windows;
mod timers;
mod travel;
mod windows;
mod world;
