//! The coordinator's metrics, by name, and how many withdrawals are in each state.

use std::net::SocketAddr;

use holdfast_ledger::{WithdrawalId, WithdrawalState};
use holdfast_policy::TimestampMs;
use holdfast_server::telemetry::{self, TelemetryError};

use crate::log_book::{LogFailed, Reader, SharedLog};

/// Upper bounds of the histogram of how long withdrawals take, in seconds.
const WITHDRAWAL_SECONDS: [f64; 13] =
    [0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0];

/// Serves `/metrics`. The configuration has checked that the address is a loopback one.
pub(crate) fn serve_metrics(address: SocketAddr) -> Result<(), TelemetryError> {
    telemetry::serve_metrics(address, &[("holdfast_withdrawal_seconds", &WITHDRAWAL_SECONDS)])?;
    metrics::describe_gauge!("holdfast_withdrawals", "withdrawals, by state");
    metrics::describe_histogram!(
        "holdfast_withdrawal_seconds",
        "from a withdrawal's request to its logged signature"
    );
    metrics::describe_counter!("holdfast_sign_attempts_total", "signing attempts that ended, by result");
    metrics::describe_counter!(
        "holdfast_session_bytes_total",
        "sealed bytes that were carried between nodes, by kind of session"
    );
    metrics::describe_counter!(
        "holdfast_breaker_trips_total",
        "times that a circuit breaker paused a wallet"
    );
    metrics::describe_counter!("holdfast_log_entries", "entries in the log");
    metrics::describe_gauge!("holdfast_node_up", "1 if the node answers and holds this log");
    metrics::describe_counter!("holdfast_node_tip", "entries that are durable on the node");
    metrics::describe_counter!(
        "holdfast_calls_limited_total",
        "calls refused because a peer calls too often"
    );
    metrics::describe_counter!(
        "holdfast_tiles_failed_total",
        "times that the log's tiles could not be published"
    );
    metrics::describe_counter!(
        "holdfast_witness_failures_total",
        "times that an outside witness did not cosign"
    );
    metrics::describe_counter!(
        "holdfast_node_root_mismatch_total",
        "times that a node was found to hold another log"
    );
    Ok(())
}

/// Publishes how many withdrawals are in each state.
pub(crate) async fn publish_withdrawals(book: &SharedLog, now: TimestampMs) -> Result<(), LogFailed> {
    let (counts, escalated) = {
        let reader = book.read().await?;
        (reader.index().counts(), escalated(&reader, now))
    };
    metrics::gauge!("holdfast_holds_escalated").set(f64::from(u32::try_from(escalated).unwrap_or(u32::MAX)));
    for state in STATES {
        let count = counts.get(&state).copied().unwrap_or_default();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("holdfast_withdrawals", "state" => label(state)).set(f64::from(count));
    }
    Ok(())
}

/// How many holds wait for longer than the policy wants.
fn escalated(reader: &Reader<'_>, now: TimestampMs) -> usize {
    let held = reader.index().open().iter().filter(|(_, state)| **state == WithdrawalState::Held);
    let is_escalated = |id: &WithdrawalId| {
        let hold = reader.state().withdrawal(id).and_then(|found| found.decision.hold());
        hold.and_then(|hold| hold.escalation.as_ref()).is_some_and(|escalation| now >= escalation.at)
    };
    held.filter(|(id, _)| is_escalated(id)).count()
}

const STATES: [WithdrawalState; 11] = [
    WithdrawalState::Received,
    WithdrawalState::Held,
    WithdrawalState::Allowed,
    WithdrawalState::Bound,
    WithdrawalState::Authorized,
    WithdrawalState::Signed,
    WithdrawalState::Denied,
    WithdrawalState::Cancelled,
    WithdrawalState::Expired,
    WithdrawalState::Replaced,
    WithdrawalState::Tombstoned,
];

fn label(state: WithdrawalState) -> &'static str {
    match state {
        WithdrawalState::Received => "received",
        WithdrawalState::Held => "held",
        WithdrawalState::Allowed => "allowed",
        WithdrawalState::Bound => "bound",
        WithdrawalState::Authorized => "authorized",
        WithdrawalState::Signed => "signed",
        WithdrawalState::Denied => "denied",
        WithdrawalState::Cancelled => "cancelled",
        WithdrawalState::Expired => "expired",
        WithdrawalState::Replaced => "replaced",
        WithdrawalState::Tombstoned => "tombstoned",
    }
}
