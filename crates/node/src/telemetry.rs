//! Logs and metrics: structured lines on standard error, Prometheus on a loopback port.
//!
//! Owns their set-up. Nothing here may ever be given a secret; every secret type of this program prints `<redacted>`.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};
use tracing_subscriber::EnvFilter;

/// Logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter in `RUST_LOG` does not parse, or logging was set up before.
    #[error("logging cannot be set up: {0}")]
    Logging(String),
    /// The port is taken, or metrics were set up before.
    #[error("metrics cannot be served on `{address}`")]
    Metrics {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: BuildError,
    },
}

/// One JSON object a line on standard error, from level `info` on unless `RUST_LOG` says otherwise. The lines of a
/// withdrawal carry its id as `trace_id` in their span.
///
/// # Errors
/// [`TelemetryError::Logging`].
pub fn start_logging() -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    let filter = filter.from_env().map_err(|error| TelemetryError::Logging(error.to_string()))?;
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init()
        .map_err(|error| TelemetryError::Logging(error.to_string()))
}

/// Serves `/metrics`. The configuration has checked that the address is a loopback one.
pub(crate) fn serve_metrics(address: SocketAddr) -> Result<(), TelemetryError> {
    let installed = PrometheusBuilder::new().with_http_listener(address).install();
    installed.map_err(|source| TelemetryError::Metrics { address, source })?;
    metrics::describe_counter!("holdfast_node_refusals_total", "refused requests, by reason code");
    metrics::describe_counter!(
        "holdfast_node_signatures_total",
        "signatures this node took part in to the end"
    );
    metrics::describe_counter!("holdfast_node_log_entries", "entries in this node's replica of the log");
    metrics::describe_counter!(
        "holdfast_node_incidents_dropped_total",
        "refusals that were logged but not stored"
    );
    metrics::describe_gauge!(
        "holdfast_node_able",
        "0 from the moment a write failed until the node is started again"
    );
    metrics::describe_gauge!("holdfast_node_open_sessions", "signing attempts in progress");
    metrics::describe_gauge!(
        "holdfast_node_latches",
        "officers' statements that this node obeys without its log"
    );
    Ok(())
}
