//! The harness of the process tests: real programs, real TLS, real keys, and attackers.
//!
//! Owns clusters of operating-system processes in directories and on ports of their own. It must never leave a process
//! behind, and never stand in for a part of the system: what it does, an outside party with those keys could do.
//!
//! - [`Cluster`] makes a cluster with `holdfast init --demo` and runs its processes.
//! - [`Pipeline`], [`Officer`] and [`Provider`] are the honest parties; [`Hostile`] is whoever stole the coordinator's keys.
//! - [`refused`] says what an error has to look like.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test harness fails by panicking"
)]

mod cluster;
mod connect;
pub mod crash;
mod directory;
mod engines;
mod five;
mod flows;
mod genesis;
mod hostile;
pub mod hostile_node;
mod incidents;
mod migration;
mod officer;
mod pipeline;
mod ports;
pub mod power;
mod process;
mod programs;
mod provider;
mod reaper;
mod refusal;
mod replica;
mod request;
mod steadfast;
mod terminal;
mod time;
mod witness;

pub use cluster::{Cluster, Options, Store};
pub use connect::Server;
pub use directory::target_directory;
pub use flows::Flow;
pub use hostile::{Attempt, Hostile, admitted, new_session, party, restamped};
pub use incidents::{Incident, Incidents};
pub use officer::{Officer, house_entry};
pub use pipeline::{Pipeline, reason_code};
pub use process::{CpuTime, Process};
pub use programs::{ProgramError, program};
pub use provider::Provider;
pub use refusal::{Refusal, refused};
pub use replica::LogCopy;
pub use request::{PAYEE, Request, STRANGER, THIEF, priced_transfer, transfer};
pub use steadfast::{Checked, Steadfast};
pub use terminal::Terminal;
pub use time::{eventually, now_ms};
pub use witness::{Witness, free_address};

/// The wallet that the demo cluster's client may pay from.
pub const WALLET: &str = "hot-1";
/// A customer on whose session the provider has reported nothing suspicious.
pub const CUSTOMER: &str = "customer-7f3a";
/// The engine that wallets are made with, unless a test says otherwise.
pub const ENGINE: &str = "dkls23-ecdsa-secp256k1/0.6";
/// The engine that nobody maintains.
pub const GG20: &str = "gg20-ecdsa-secp256k1/0.8";
/// The client's name.
pub const CLIENT: &str = "pipeline";
/// The nodes' names, in party order.
pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// The coordinator's name.
pub const COORDINATOR: &str = "coordinator";
