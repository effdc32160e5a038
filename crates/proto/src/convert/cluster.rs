//! The cluster's health towards the wire.

use holdfast_ledger::LatchScope;
use holdfast_log::Hash;
use holdfast_policy::NodeId;

use super::LatchReport;
use crate::v1;

/// A node as the coordinator sees it.
#[derive(Clone, Debug)]
pub struct ClusterNodeView<'a> {
    /// Its name.
    pub name: &'a NodeId,
    /// Who operates it.
    pub operator: &'a str,
    /// Whose machines it runs on.
    pub provider: &'a str,
    /// Where it is.
    pub region: &'a str,
    /// Whether it answered the last call.
    pub reachable: bool,
    /// Entries durable on it.
    pub tip_size: u64,
    /// Root at that size.
    pub root: Option<Hash>,
    /// Time of its newest cosignature, ms.
    pub cosignature_time_ms: Option<u64>,
    /// The coordinator's clock, ms.
    pub now_ms: u64,
    /// Its clock minus the coordinator's, ms.
    pub clock_offset_ms: Option<i64>,
    /// The last round trip, µs.
    pub round_trip_us: Option<u64>,
    /// What it refuses by officers' direct orders.
    pub latches: &'a [LatchReport],
    /// The last error, empty if the last call went well.
    pub last_error: &'a str,
    /// Whether the roster names the keys that it holds, by its own account.
    pub enrolled: bool,
    /// Whether it cosigns and signs, by its own account.
    pub serving: bool,
    /// Which of its keys the roster names, from 1.
    pub incarnation: u32,
    /// Size of the log in its newest logged attestation that agrees with the coordinator's replica.
    pub attested_size: u64,
    /// Engines in its program that nobody maintains, by its own account.
    pub unmaintained_engines: &'a [String],
}

impl ClusterNodeView<'_> {
    /// The wire form.
    pub fn to_wire(&self) -> v1::ClusterNode {
        v1::ClusterNode {
            name: self.name.to_string(),
            operator: self.operator.to_owned(),
            provider: self.provider.to_owned(),
            region: self.region.to_owned(),
            reachable: self.reachable,
            tip_size: self.tip_size,
            root: self.root.map(|root| root.0.to_vec()).unwrap_or_default(),
            cosignature_time_ms: self.cosignature_time_ms.unwrap_or_default(),
            cosignature_age_ms: self.cosignature_time_ms.map(|time| self.now_ms.saturating_sub(time)),
            clock_offset_ms: self.clock_offset_ms,
            round_trip_us: self.round_trip_us,
            latches: self.latches.iter().map(latch).collect(),
            last_error: self.last_error.to_owned(),
            enrolled: self.enrolled,
            serving: self.serving,
            incarnation: self.incarnation,
            attested_size: self.attested_size,
            unmaintained_engines: self.unmaintained_engines.to_vec(),
        }
    }
}

/// A latch, as nodes and the coordinator report it.
pub fn latch(latch: &LatchReport) -> v1::RefusalLatch {
    let (scope, id) = match &latch.scope {
        LatchScope::Wallet(wallet) => ("wallet", wallet.to_string()),
        LatchScope::WhitelistEntry(entry) => ("whitelist-entry", entry.to_string()),
        LatchScope::Client(client) => ("client", client.to_string()),
        LatchScope::Listed { list, address } => ("screening-list", format!("{list}:{address}")),
    };
    v1::RefusalLatch {
        scope: scope.to_owned(),
        id,
        officer: latch.officer.to_string(),
        statement_hash: latch.statement.as_bytes().to_vec(),
        since_ms: latch.since_ms,
    }
}
