//! A log applied: the state machine and the tree's right edge, always at the same position.

use std::sync::Arc;

use holdfast_log::{Entry, Hash, RightEdge, TreeError};
use holdfast_policy::{KeptPages, Pages, PolicyDocument};

use crate::genesis::GenesisError;
use crate::state::{Applied, ApplyError, State};

/// State and right edge of one log prefix.
#[derive(Clone, Debug)]
pub struct Replica {
    state: State,
    edge: RightEdge,
}

/// Why a replica cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The first entry is not an acceptable genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The genesis document is not the one this party was installed with.
    #[error("the log starts with genesis {found}, this party was installed with {expected}")]
    OtherGenesis {
        /// Pinned SHA-256, hex.
        expected: String,
        /// Found SHA-256, hex.
        found: String,
    },
    /// An entry cannot be in an honest log.
    #[error("entry {index}: {source}")]
    Apply {
        /// Log index of the entry.
        index: u64,
        /// What is wrong with it.
        source: ApplyError,
    },
    /// The tree cannot grow.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// State and tree are of different sizes.
    #[error("the state is of {state} entries, the tree of {tree}")]
    SizesDiffer {
        /// Entries applied.
        state: u64,
        /// Leaves of the tree.
        tree: u64,
    },
}

impl ReplicaError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            ReplicaError::Genesis(_) => "GENESIS_INVALID",
            ReplicaError::OtherGenesis { .. } => "OTHER_GENESIS",
            ReplicaError::Apply { source, .. } => source.code(),
            ReplicaError::Tree(_) => "TREE_FULL",
            ReplicaError::SizesDiffer { .. } => "REPLICA_SIZES_DIFFER",
        }
    }
}

impl Replica {
    /// A replica that holds the first entry, whose document's SHA-256 must be the pinned one.
    ///
    /// # Errors
    /// [`ReplicaError`] if the entry is not that genesis, complete and signed.
    pub fn from_genesis(entry: &Entry, pinned: &[u8; 32]) -> Result<Self, ReplicaError> {
        let state = State::from_genesis(entry)?;
        check_pinned(&state, pinned)?;
        let mut edge = RightEdge::new();
        edge.append(entry.leaf_hash())?;
        Ok(Self { state, edge })
    }

    /// A replica that was kept: state and right edge of the same size, `None` otherwise. The caller must have authenticated both.
    pub fn restored(state: State, edge: RightEdge) -> Option<Self> {
        (state.size() == edge.size()).then_some(Self { state, edge })
    }

    /// A replica that goes on where one of this party's own ended. The caller vouches for both parts: nothing is verified again.
    ///
    /// # Errors
    /// [`ReplicaError::SizesDiffer`] or [`ReplicaError::OtherGenesis`].
    pub fn resume(state: State, edge: RightEdge, pinned: &[u8; 32]) -> Result<Self, ReplicaError> {
        check_pinned(&state, pinned)?;
        if state.size() != edge.size() {
            return Err(ReplicaError::SizesDiffer { state: state.size(), tree: edge.size() });
        }
        Ok(Self { state, edge })
    }

    /// From now on pages are read from here: [`State::read_pages_from`].
    pub fn read_pages_from(&mut self, pages: &Pages) {
        self.state.read_pages_from(pages);
    }

    /// These pages are durable: [`State::settle_pages`].
    pub fn settle_pages(&mut self, kept: &KeptPages) {
        self.state.settle_pages(kept);
    }

    /// Another document to be counted and asked beside the one in force: [`State::suppose`].
    pub fn suppose(&mut self, document: Arc<PolicyDocument>) {
        self.state.suppose(document);
    }

    /// Applies the next entry to both.
    ///
    /// # Errors
    /// [`ReplicaError::Apply`]; nothing changed then, and nothing ever will if it is a page that could not be read.
    pub fn append(&mut self, entry: &Entry) -> Result<Applied, ReplicaError> {
        let index = self.state.size();
        let applied = self.state.apply(entry).map_err(|source| ReplicaError::Apply { index, source })?;
        self.edge.append(entry.leaf_hash())?;
        Ok(applied)
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The right edge.
    pub fn edge(&self) -> &RightEdge {
        &self.edge
    }

    /// Entries applied.
    pub fn size(&self) -> u64 {
        self.state.size()
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }
}

fn check_pinned(state: &State, pinned: &[u8; 32]) -> Result<(), ReplicaError> {
    if state.genesis().hash == *pinned {
        return Ok(());
    }
    let (expected, found) = (hex::encode(pinned), hex::encode(state.genesis().hash));
    Err(ReplicaError::OtherGenesis { expected, found })
}
