//! What both server programs share, the node and the coordinator: reading their configuration, crash points, the snapshot beside the
//! store, logs and metrics, start and stop.
//!
//! Owns no decision and no protocol. It must never name a key share (it does not depend on `threshold`), or know which of the two programs
//! it is part of: what differs is given by them.

pub mod config;
pub mod crash;
pub mod process;
pub mod snapshot;
pub mod telemetry;
