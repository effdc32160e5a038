//! What a verified log holds, counted.

use std::collections::BTreeMap;

use holdfast_ledger::PayloadKind;
use holdfast_log::{Checkpoint, VerifiedCosignature};
use serde::Serialize;

use crate::history::History;
use crate::keys::{LogKeys, node_of};

/// What a verified log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The cell.
    pub cluster: String,
    /// SHA-256 of the genesis document, hex.
    pub genesis_sha256: String,
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree, hex.
    pub root: String,
    /// Time of the last entry, ms.
    pub last_entry_ms: u64,
    /// Nodes that cosigned the checkpoint, in committee order.
    pub cosigners: Vec<Cosigned>,
    /// Nodes that did not.
    pub missing_cosigners: Vec<String>,
    /// The t-th newest time among the cosignatures, seconds since the epoch: entries that are missing at the end are newer.
    pub witnessed_s: u64,
    /// Entries by kind of payload.
    pub entries: BTreeMap<String, u64>,
    /// Withdrawals by state at the time of the last entry.
    pub withdrawals: BTreeMap<String, u64>,
    /// Ceremonies by phase at the time of the last entry.
    pub ceremonies: BTreeMap<String, u64>,
    /// Authentic entries that changed nothing, with their reasons.
    pub noops: Vec<NoOp>,
}

/// A node's cosignature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// The node.
    pub node: String,
    /// When, by the node's clock, seconds since the epoch.
    pub time_s: u64,
}

/// An authentic entry that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoOp {
    /// Its log index.
    pub index: u64,
    /// Its time, ms.
    pub time_ms: u64,
    /// Kind of payload.
    pub kind: String,
    /// Who signed it.
    pub signer: String,
    /// Why it changed nothing: a stable code.
    pub code: String,
    /// The same in words.
    pub detail: String,
    /// Whether the attempt itself deserves an auditor's attention.
    pub evidence: bool,
}

impl Report {
    pub(crate) fn new(
        history: &History,
        keys: &LogKeys,
        checkpoint: &Checkpoint,
        cosigned: &[VerifiedCosignature],
    ) -> Self {
        let state = history.state();
        let now = state.last_time();
        let mut withdrawals = BTreeMap::new();
        for withdrawal in state.withdrawals() {
            count(&mut withdrawals, format!("{:?}", withdrawal.state_at(now)).to_uppercase());
        }
        let mut ceremonies = BTreeMap::new();
        for ceremony in state.ceremonies() {
            count(&mut ceremonies, format!("{:?}", ceremony.phase_at(now)).to_uppercase());
        }
        let names: Vec<_> = cosigned.iter().map(|cosignature| &cosignature.name).collect();
        let missing = keys.cosigners().iter().map(|cosigner| cosigner.name());
        Self {
            cluster: state.cluster().to_string(),
            genesis_sha256: hex::encode(state.genesis().hash),
            size: checkpoint.size,
            root: checkpoint.root.to_hex(),
            last_entry_ms: now.0,
            cosigners: cosigned
                .iter()
                .map(|cosignature| Cosigned { node: node_of(&cosignature.name), time_s: cosignature.time_s })
                .collect(),
            missing_cosigners: missing.filter(|name| !names.contains(name)).map(node_of).collect(),
            witnessed_s: keys.witnessed_s(cosigned),
            entries: history.entry_counts().clone(),
            withdrawals,
            ceremonies,
            noops: history.noops().to_vec(),
        }
    }
}

pub(crate) fn count(counts: &mut BTreeMap<String, u64>, key: String) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

/// A payload kind's short name: `withdrawal-request`.
pub(crate) fn short_name(kind: PayloadKind) -> String {
    let name = kind.as_str();
    let name = name.split_once("vnd.holdfast.").map_or(name, |(_, rest)| rest);
    name.split_once(".v1").map_or(name, |(name, _)| name).to_owned()
}
