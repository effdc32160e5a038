//! One program of all tests over whole clusters, so that it is linked once and its tests share the processor.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod aftermath;
mod bad_input;
mod binding;
mod breaker;
mod command_line;
mod contract_calls;
mod coordinator_crash;
mod crashes;
mod default_programs;
mod dependencies;
mod disk_full;
mod foreign_verifiers;
mod holds;
mod hostile_coordinator;
mod hostile_node;
mod import;
mod legal_orders;
mod log_key;
mod log_service;
mod long_list;
mod outside_witnesses;
mod pause;
mod policy;
mod power_cut;
mod python_client;
mod re_enrolment;
mod roles;
mod screening;
mod threat_model;
mod tiers;
mod two_hostile_nodes;
mod whitelist_life;
mod windows;
mod withdrawal;

/// Whether the long forms are wanted, as by `make test-long`.
fn is_long() -> bool {
    std::env::var_os("HOLDFAST_LONG_TESTS").is_some()
}
