//! What a verified log holds, counted.

use std::collections::BTreeMap;

use holdfast_ledger::{Event, Rejection, State};
use holdfast_log::{Checkpoint, VerifiedCosignature};
use serde::Serialize;

use crate::history::History;
use crate::keys::{LogKeys, node_of};
use crate::shown::upper;

/// Most refused entries that a report lists one by one; the others are counted.
const MAX_NOOPS: usize = 1_000;

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
    /// Outside witnesses that cosigned it.
    pub witnesses: Vec<Cosigned>,
    /// Version of the roster in force; 1 is that of genesis.
    pub roster_version: u64,
    /// Version of the policy in force.
    pub policy_version: u64,
    /// Its SHA-256.
    pub policy_sha256: String,
    /// Nodes whose newest attestation of their state is the replay's.
    pub agreeing_nodes: Vec<String>,
    /// Nodes whose newest attestation is another.
    pub disagreeing_nodes: Vec<String>,
    /// The t-th newest time among the cosignatures, seconds since the epoch: entries that are missing at the end are newer.
    pub witnessed_s: u64,
    /// The verifier key strings in force: the log's first, then those of the cosigners.
    pub keys: Vec<String>,
    /// Earlier checkpoints that this log continues, by size.
    pub continues: Vec<u64>,
    /// Recorded decisions that were compared with the replay's.
    pub decisions_compared: u64,
    /// Entries by kind of payload.
    pub entries: BTreeMap<String, u64>,
    /// Withdrawals by state at the time of the last entry.
    pub withdrawals: BTreeMap<String, u64>,
    /// Ceremonies by phase at the time of the last entry.
    pub ceremonies: BTreeMap<String, u64>,
    /// Authentic entries that changed nothing, by reason code.
    pub noop_counts: BTreeMap<String, u64>,
    /// The first thousand of them, one by one.
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

impl Cosigned {
    fn new(node: String, time_s: u64) -> Self {
        Self { node, time_s }
    }
}

impl NoOp {
    pub(crate) fn new(event: &Event<'_>, rejection: &Rejection) -> Self {
        Self {
            index: event.index(),
            time_ms: event.time_ms(),
            kind: event.kind_name().to_owned(),
            signer: event.signer().to_owned(),
            code: rejection.code().to_string(),
            detail: rejection.detail().to_owned(),
            evidence: rejection.code().is_evidence(),
        }
    }
}

/// What a replay counts on its way; bounded, whatever the log's length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    entries: BTreeMap<&'static str, u64>,
    noop_counts: BTreeMap<String, u64>,
    noops: Vec<NoOp>,
}

impl Counts {
    pub(crate) fn kind(&mut self, kind: &'static str) {
        count(&mut self.entries, kind);
    }

    pub(crate) fn noop(&mut self, noop: NoOp) {
        count(&mut self.noop_counts, noop.code.clone());
        if self.noops.len() < MAX_NOOPS {
            self.noops.push(noop);
        }
    }
}

impl Report {
    pub(crate) fn new(
        history: &History,
        keys: &LogKeys,
        checkpoint: &Checkpoint,
        cosigned: &[VerifiedCosignature],
        witnessed: &[VerifiedCosignature],
    ) -> Self {
        let state = history.state();
        let counts = history.counts();
        let names: Vec<_> = cosigned.iter().map(|cosignature| &cosignature.name).collect();
        let missing = keys.cosigners().iter().map(|cosigner| cosigner.name());
        Self {
            cluster: state.cluster().to_string(),
            genesis_sha256: hex::encode(state.genesis().hash),
            size: checkpoint.size,
            root: checkpoint.root.to_hex(),
            last_entry_ms: state.last_time().0,
            cosigners: cosigned.iter().map(|c| Cosigned::new(node_of(&c.name), c.time_s)).collect(),
            witnesses: witnessed.iter().map(|c| Cosigned::new(c.name.to_string(), c.time_s)).collect(),
            roster_version: state.roster().version().0,
            policy_version: state.policy_version().0,
            policy_sha256: state.policy_digest().to_string(),
            agreeing_nodes: state.agreeing_nodes().iter().map(ToString::to_string).collect(),
            disagreeing_nodes: state.disagreeing_nodes().iter().map(ToString::to_string).collect(),
            missing_cosigners: missing.filter(|name| !names.contains(name)).map(node_of).collect(),
            witnessed_s: keys.witnessed_s(cosigned),
            keys: keys.vkeys(),
            continues: Vec::new(),
            decisions_compared: 0,
            entries: counts.entries.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            withdrawals: withdrawals(state),
            ceremonies: ceremonies(state),
            noop_counts: counts.noop_counts.clone(),
            noops: counts.noops.clone(),
        }
    }
}

fn withdrawals(state: &State) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for withdrawal in state.withdrawals() {
        count(&mut counts, upper(&withdrawal.state_at(state.last_time())));
    }
    counts
}

fn ceremonies(state: &State) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for ceremony in state.ceremonies() {
        count(&mut counts, upper(&ceremony.phase_at(state.last_time())));
    }
    counts
}

pub(crate) fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}
