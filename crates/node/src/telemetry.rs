//! The node's metrics, by name. None may ever be given a secret.

use std::net::SocketAddr;

use holdfast_server::telemetry::{self, TelemetryError};

/// Serves `/metrics`. The configuration has checked that the address is a loopback one.
pub(crate) fn serve_metrics(address: SocketAddr) -> Result<(), TelemetryError> {
    telemetry::serve_metrics(address, &[])?;
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
