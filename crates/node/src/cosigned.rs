//! Whether enough others are bound to the history in which this node is asked to sign.
//!
//! Owns the counting of cosignatures on one checkpoint. It must never count a node twice, one that the roster does not
//! name, or a checkpoint that is not of this node's own log.

use std::collections::BTreeSet;

use holdfast_ledger::State;
use holdfast_log::{CheckpointError, CosignatureVerifier, KeyName, MemoryTree, SignedCheckpoint};
use holdfast_policy::{NodeId, TimestampMs};

/// Why a checkpoint does not show that enough others hold the same history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CosignedRefusal {
    /// None came, or it does not read.
    #[error("a cosigned checkpoint is needed: {0}")]
    Note(#[from] CheckpointError),
    /// It ends before the authorization.
    #[error("the cosigned checkpoint has {size} entries, the authorization is entry {authorization}")]
    TooEarly { size: u64, authorization: u64 },
    /// It is not of this node's log.
    #[error("the cosigned checkpoint is not of this node's log at {size}")]
    OtherHistory { size: u64 },
    /// Too few cosigned it.
    #[error("{found} of {needed} nodes and {found_witnesses} of {needed_witnesses} witnesses cosigned it")]
    TooFew { found: usize, needed: usize, found_witnesses: usize, needed_witnesses: usize },
}

impl CosignedRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        "COSIGNATURES_MISSING"
    }
}

/// What a verified note shows.
pub(crate) struct Shown {
    pub(crate) size: u64,
    /// Nodes that cosigned it, with their times in milliseconds.
    pub(crate) nodes: Vec<(NodeId, TimestampMs)>,
    pub(crate) witnesses: usize,
}

/// Reads a note and counts who of the roster at its size cosigned it; the root must be this node's own.
pub(crate) fn read(state: &State, tree: &MemoryTree, note: &[u8]) -> Result<Shown, CosignedRefusal> {
    let signed = SignedCheckpoint::parse(note)?;
    let (size, root) = (signed.claimed().size, signed.claimed().root);
    if !tree.root_at(size).is_ok_and(|own| own == root) {
        return Err(CosignedRefusal::OtherHistory { size });
    }
    let roster = state.roster_at(size);
    let verifiers: Vec<(NodeId, CosignatureVerifier)> = roster
        .nodes()
        .iter()
        // Keys that have left the roster since may be in anybody's hands.
        .filter(|node| {
            state.roster().node(&node.id).is_some_and(|now| now.cosigning_key == node.cosigning_key)
        })
        .filter_map(|node| {
            let name = KeyName::of_node(state.cluster().as_str(), node.id.as_str()).ok()?;
            Some((node.id.clone(), CosignatureVerifier::new(name, node.cosigning_key)))
        })
        .collect();
    let keys: Vec<CosignatureVerifier> = verifiers.iter().map(|(_, verifier)| verifier.clone()).collect();
    let cosigned = signed.cosignatures(&keys)?;
    let nodes = cosigned.into_iter().filter_map(|cosignature| {
        let (node, _) = verifiers.iter().find(|(_, verifier)| *verifier.name() == cosignature.name)?;
        Some((node.clone(), TimestampMs(cosignature.time_s.saturating_mul(1_000))))
    });
    let nodes = nodes.collect();
    let outside: Vec<CosignatureVerifier> = roster
        .witnesses()
        .iter()
        .filter_map(|witness| Some(CosignatureVerifier::new(KeyName::new(&witness.name).ok()?, witness.key)))
        .collect();
    let witnesses = signed.cosignatures(&outside)?.len();
    Ok(Shown { size, nodes, witnesses })
}

/// Requires what genesis demands before a signature: cosigners of more than (n + f) / 2 nodes, and outside witnesses.
// INVARIANT (G5): with f > 0, two histories cannot both collect so many cosignatures: their sets meet in an honest node, and
// that one cosigns one history.
pub(crate) fn check(
    state: &State,
    tree: &MemoryTree,
    note: &[u8],
    authorization: u64,
    own: &NodeId,
) -> Result<(), CosignedRefusal> {
    let (needed, needed_witnesses) = (state.cosigners_needed(), state.witnesses_required());
    if needed == 0 && needed_witnesses == 0 {
        return Ok(());
    }
    let shown = read(state, tree, note)?;
    if shown.size <= authorization {
        return Err(CosignedRefusal::TooEarly { size: shown.size, authorization });
    }
    // This node is bound by holding the entries.
    let mut bound: BTreeSet<&NodeId> = shown.nodes.iter().map(|(node, _)| node).collect();
    bound.insert(own);
    if bound.len() < needed || shown.witnesses < needed_witnesses {
        return Err(CosignedRefusal::TooFew {
            found: bound.len(),
            needed,
            found_witnesses: shown.witnesses,
            needed_witnesses,
        });
    }
    Ok(())
}

/// The moment by which at least one honest node held the note's entries: the t-th smallest of the times of distinct nodes.
pub(crate) fn held_by(shown: &Shown, threshold: u8) -> Option<TimestampMs> {
    let mut times: Vec<TimestampMs> = shown.nodes.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    times.get(usize::from(threshold).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests;
