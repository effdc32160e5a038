//! Why an extension of the log is refused.
//!
//! Owns the reason codes on which a coordinator acts.

use holdfast_ledger::ReplicaError;
use holdfast_log::{CheckpointError, EntryError, Hash, TreeError};
use holdfast_policy::PageFault;
use holdfast_store::StoreError;

use crate::enrolled::NotEnrolled;

use super::{MAX_ENTRIES, MAX_EXTENSION_BYTES, short};

/// A refused extension. The replica is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtendRefusal {
    /// More than one batch can hold.
    #[error(
        "{entries} entries of {bytes} bytes: at most {MAX_ENTRIES} of {MAX_EXTENSION_BYTES} bytes in one message"
    )]
    TooLarge { entries: usize, bytes: usize },
    /// Not a checkpoint that the log signed.
    #[error("the checkpoint is not acceptable: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is not of the tree that ends with the last entry.
    #[error("the checkpoint has size {stated}, the entries end at {end}")]
    CheckpointSize { stated: u64, end: u64 },
    /// Entries before the first one are missing here.
    #[error("this node has {tip_size} entries, the message begins at {from_index}: send the entries between")]
    Behind { tip_size: u64, from_index: u64 },
    /// A new entry does not parse.
    #[error("entry {index} is malformed: {source}")]
    EntryMalformed { index: u64, source: EntryError },
    /// A new entry cannot be in an honest log.
    #[error("{0}")]
    EntryRefused(#[source] ReplicaError),
    /// An entry that is here already came with other bytes, under a checkpoint of this node's own history.
    #[error("entry {index} has other bytes than the log: the message was damaged or made up")]
    EntryDiffers { index: u64 },
    /// The new entries do not give the checkpoint's root.
    #[error("the root at {size} is {}, the checkpoint says {}", short(computed), short(stated))]
    RootMismatch { size: u64, computed: Hash, stated: Hash },
    /// The newest entry is ahead of this node's clock.
    #[error("the newest entry is {ahead_ms} ms ahead of this node's clock: send it again later")]
    AheadOfClock { ahead_ms: u64 },
    /// This node's clock is before its own last cosignature.
    #[error(
        "this node's clock is {behind_ms} ms behind its own last cosignature: nothing is signed until it is right again"
    )]
    ClockWentBack { behind_ms: u64 },
    /// The roster names other keys: this node replicates and does nothing else.
    #[error(transparent)]
    NotEnrolled(#[from] NotEnrolled),
    /// The log's key signed two histories.
    #[error(
        "the log has forked at or before {size}: this node signs nothing until its operator has looked at the evidence"
    )]
    Forked { size: u64 },
    /// A part of the state is gone or not what it was.
    #[error("a page of customers' histories is lost, so this node decides nothing more: start it again: {0}")]
    PageLost(#[from] PageFault),
    /// This node no longer knows what it holds.
    #[error("this node's replica is unsure: restart the node")]
    Lost,
    /// The tree cannot be computed.
    #[error("the tree cannot be computed")]
    Tree(#[from] TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ExtendRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "REPLICATION_TOO_LARGE",
            Self::Checkpoint(_) | Self::CheckpointSize { .. } => "CHECKPOINT_INVALID",
            Self::Behind { .. } => "NODE_BEHIND",
            Self::EntryMalformed { .. } | Self::EntryRefused(_) => "ENTRY_REFUSED",
            Self::EntryDiffers { .. } => "ENTRY_DIFFERS",
            Self::RootMismatch { .. } => "ROOT_MISMATCH",
            Self::AheadOfClock { .. } => "ENTRY_AHEAD_OF_CLOCK",
            Self::ClockWentBack { .. } => "CLOCK_WENT_BACK",
            Self::NotEnrolled(_) => "NOT_ENROLLED",
            Self::Forked { .. } => "FORK_DETECTED",
            Self::PageLost(_) => "PAGE_LOST",
            Self::Lost => "REPLICA_UNSURE",
            Self::Tree(_) => "TREE_FAILED",
            Self::Store(_) => "STORE_FAILED",
        }
    }

    /// Whether it is the ordinary course of replication, and not something that people should look at.
    pub(crate) fn is_ordinary(&self) -> bool {
        match self {
            Self::Behind { .. } => true,
            // Honest coordinators stamp within the skew of the nodes' clocks: theirs or this node's is wrong.
            Self::AheadOfClock { .. }
            | Self::TooLarge { .. }
            | Self::Checkpoint(_)
            | Self::CheckpointSize { .. }
            | Self::EntryMalformed { .. }
            | Self::EntryRefused(_)
            | Self::EntryDiffers { .. }
            | Self::RootMismatch { .. }
            | Self::ClockWentBack { .. }
            | Self::NotEnrolled(_)
            | Self::Forked { .. }
            | Self::PageLost(_)
            | Self::Lost
            | Self::Tree(_)
            | Self::Store(_) => false,
        }
    }
}
