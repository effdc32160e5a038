//! Whether the log's newest roster names the keys that this process holds.
//!
//! Owns the standing of a node that was restored or replaced. It must never let keys speak for a name that the officers gave
//! to other keys, or keys that the officers tied to another history.

use ed25519_dalek::VerifyingKey;
use holdfast_ledger::State;
use holdfast_log::MemoryTree;
use holdfast_policy::NodeId;

/// The public halves of what this process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnKeys {
    pub(crate) node: NodeId,
    pub(crate) cosigning: VerifyingKey,
    pub(crate) message: VerifyingKey,
}

/// Why this node only replicates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotEnrolled {
    /// The roster names other keys for this node.
    #[error(
        "the roster of this node's log does not name its keys: officers enrol them with `holdfast roster replace-node-keys`"
    )]
    OtherKeys,
    /// The officers enrolled these keys for a log that goes on from another tree.
    #[error("the officers enrolled these keys from a log of {size} entries that is not this node's")]
    OtherHistory { size: u64 },
}

impl OwnKeys {
    /// The incarnation under which this node may speak.
    // INVARIANT (G4, G5): keys act only while the newest roster names them, and only on the history that the officers saw when
    // they enrolled them: what the lost machine had promised until then is in it.
    pub(crate) fn standing(&self, state: &State, tree: &MemoryTree) -> Result<u32, NotEnrolled> {
        let known = state.roster().node(&self.node).ok_or(NotEnrolled::OtherKeys)?;
        if known.cosigning_key != self.cosigning || known.message_key != self.message {
            return Err(NotEnrolled::OtherKeys);
        }
        if let Some(minimum) = &known.minimum {
            let size = minimum.size;
            // Of a size that the tree has not reached it knows no root.
            if !tree.root_at(size).is_ok_and(|root| root == minimum.root) {
                return Err(NotEnrolled::OtherHistory { size });
            }
        }
        Ok(known.incarnation)
    }
}
