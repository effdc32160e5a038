//! The coordinator of a Holdfast cell: it orders the log's entries, runs signing rounds and ceremonies, and answers the API.
//!
//! It is not trusted with funds (G2): it holds no share, cannot name one (this crate depends on neither `threshold` nor
//! `node`), and takes no decision. Entries carry the signatures of those they speak for; the state machine derives every
//! decision; every node evaluates again what it signs. Whoever owns the coordinator can delay and refuse, no more.
//!
//! Where to begin: `withdrawals.rs` is the withdrawal path, `ceremonies.rs` the ceremony path, `sequencer.rs` the only way
//! into the log, `run.rs` how it all is wired.

mod acknowledge;
mod call_rate;
mod ceremonies;
mod clock;
mod config;
mod coordinator;
mod cosigned;
mod crash;
mod given_up;
mod log_book;
mod nodes;
mod progress;
mod receipt;
mod risk_providers;
mod run;
mod seeding;
mod sequencer;
mod server;
mod services;
mod session;
mod speaker;
mod status;
mod telemetry;
mod tiles;
mod time_guard;
mod views;
mod withdrawals;
mod witnesses;

#[cfg(test)]
mod testing;

pub use config::CoordinatorConfig;
pub use crash::{CrashPoint, CrashPoints, DurableWrite, NoCrashPoints, UnknownCrashPoint};
pub use holdfast_server::config::ConfigError;
pub use holdfast_server::process::StartError;
pub use holdfast_server::telemetry::{TelemetryError, start_logging};
pub use log_book::{LogFailed, OpenError};
pub use run::{RunError, run};
pub use seeding::SeedError;
pub use server::ServicesError;
pub use tiles::{FileError, TilesError};
