//! The signer node: the last line of defence.
//!
//! Owns this node's replica of the log, its key shares, and every decision to take part in a signature. It must never
//! take a decision, a digest or a policy from anybody else, sign anything that its own replica does not permit at its own
//! clock, or sign two different things for one withdrawal.
//!
//! The path of a withdrawal: `service` (wire) → `signing` (steps) → `replica` (replay and cosign) → `latches`
//! (officers) → `ledger::State::authorized_withdrawal` (own evaluation) → `guard` (durable binding) → `vault` (share)
//! → `threshold::SignMachine` (rounds).

mod attestation;
mod bans;
mod clock;
mod config;
mod cosigned;
mod crash;
mod engines;
mod enrolled;
mod enrolment;
mod erasures;
mod guard;
mod halt;
mod hardening;
mod identity;
mod imports;
mod incidents;
mod keygen;
mod latches;
#[cfg(test)]
mod model;
mod node;
mod replica;
mod retirement;
mod run;
mod sealing;
mod server;
mod service;
mod signing;
mod status;
mod tables;
mod telemetry;
#[cfg(test)]
mod testing;
mod tombstones;
mod vault;
mod witnessed;

pub use clock::{Clock, SystemClock};
pub use config::NodeConfig;
pub use crash::{CrashPoint, CrashPoints, DurableWrite, NoCrashPoints, UnknownCrashPoint};
pub use enrolment::{EnrolError, Enrolment, EnrolmentRequest, enrol};
pub use halt::{HaltError, clear_halt};
pub use holdfast_server::config::ConfigError;
pub use holdfast_server::process::StartError;
pub use holdfast_server::telemetry::{TelemetryError, start_logging};
pub use imports::{ImportError, inspect_share};
pub use incidents::list_incidents;
pub use run::{RunError, run};
