//! Nodes compare their states: each signs its digest every [`ATTEST_EVERY`] entries, and a node that finds itself on the
//! wrong side signs nothing any more.

use holdfast_log::Hash;
use holdfast_policy::{NodeId, TimestampMs};

use super::{Change, State};
use crate::ids::StateDigest;
use crate::order::OrderRefusal;
use crate::payload::StateAttestation;
use crate::rejection::{Rejection, RejectionCode};

/// Nodes attest the state at every multiple of this many entries.
pub const ATTEST_EVERY: u64 = 1024;

/// A node's newest attestation, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The node.
    pub node: NodeId,
    /// The incarnation that said it.
    pub incarnation: u32,
    /// Entries applied.
    pub size: u64,
    /// The tree's root at that size, as the node says.
    pub root: Hash,
    /// The state's digest at that size, as the node says.
    pub state_digest: StateDigest,
    /// Whether this replica had the same digest.
    pub agrees: bool,
    /// Time of its entry.
    pub time: TimestampMs,
    /// Log index of its entry.
    pub index: u64,
}

impl State {
    pub(super) fn admit_attestation(
        &self,
        attestation: &StateAttestation,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&attestation.cluster)?;
        let refuse =
            |field: &str, detail: &str| Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field);
        let known = self.roster().node(&attestation.node);
        if known.is_none_or(|node| node.incarnation != attestation.incarnation) {
            return Err(refuse("incarnation", "not the node's incarnation in the roster"));
        }
        let own = self.digest_at(attestation.size).ok_or_else(|| {
            refuse("size", "must be a multiple of 1024, at most the log's size and among the last 64")
        })?;
        let earlier = self.attestations.get(&attestation.node);
        let newer = |earlier: &Attestation| {
            earlier.incarnation == attestation.incarnation && earlier.size >= attestation.size
        };
        if earlier.is_some_and(|earlier| newer(earlier)) {
            let detail = "this node attested this size or a later one already";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        let attestation = Attestation {
            node: attestation.node.clone(),
            incarnation: attestation.incarnation,
            size: attestation.size,
            root: attestation.root,
            state_digest: attestation.state_digest,
            agrees: own == attestation.state_digest,
            time,
            index,
        };
        Ok(Change { attestation: Some(attestation), ..Change::default() })
    }

    /// Each node's newest attestation, by name; of current incarnations only.
    pub fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        self.attestations.values().map(AsRef::as_ref).filter(|attestation: &&Attestation| {
            let known = self.roster().node(&attestation.node);
            known.is_some_and(|node| node.incarnation == attestation.incarnation)
        })
    }

    /// Nodes whose newest attestation is this state's own digest, by name.
    pub fn agreeing_nodes(&self) -> Vec<NodeId> {
        self.attestations().filter(|newest| newest.agrees).map(|newest| newest.node.clone()).collect()
    }

    /// Nodes whose newest attestation is another digest than this state's, by name.
    pub fn disagreeing_nodes(&self) -> Vec<NodeId> {
        self.attestations().filter(|newest| !newest.agrees).map(|newest| newest.node.clone()).collect()
    }

    /// INVARIANT (G9, G10): a replica that fewer than t nodes can agree with signs nothing. More than n - t nodes must speak
    /// against it, as many as could stop all signing by silence, so a liar gains nothing by lying.
    pub(super) fn check_agreement(&self) -> Result<(), OrderRefusal> {
        let disagreeing = self.disagreeing_nodes();
        let (n, t) = (self.roster().nodes().len(), usize::from(self.roster().threshold()));
        if disagreeing.len() > n.saturating_sub(t) {
            return Err(OrderRefusal::StateDiverged(disagreeing));
        }
        Ok(())
    }
}
