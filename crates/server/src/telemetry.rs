//! Logs and metrics: structured lines on standard error, Prometheus on a loopback port.
//!
//! Owns their set-up; what is counted each program says. Nothing here may ever be given a secret; every secret type prints `<redacted>`.

use std::net::SocketAddr;

use holdfast_transport::with_causes;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use tracing::field::DisplayValue;
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

/// Serves `/metrics`; `histograms` by name, each with the upper bounds of its buckets in the metric's unit. The configuration has checked
/// that the address is a loopback one.
///
/// # Errors
/// [`TelemetryError::Metrics`].
pub fn serve_metrics(address: SocketAddr, histograms: &[(&str, &[f64])]) -> Result<(), TelemetryError> {
    let builder = PrometheusBuilder::new().with_http_listener(address);
    histograms
        .iter()
        .try_fold(builder, |builder, (name, bounds)| {
            builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)
        })
        .and_then(PrometheusBuilder::install)
        .map_err(|source| TelemetryError::Metrics { address, source })
}

/// An error for the log with its whole chain of causes, of which the JSON lines would show the outermost only.
pub fn cause(error: &(dyn std::error::Error + 'static)) -> DisplayValue<String> {
    tracing::field::display(with_causes(error))
}
