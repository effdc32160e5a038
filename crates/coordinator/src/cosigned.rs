//! What nodes have witnessed: checkpoints with verified cosignatures, and the newest that at least t nodes cosigned.
//!
//! Nodes cosign sizes as the log grows past them, so several sizes are kept until enough nodes met at one of them. It
//! must never keep a cosignature that it did not verify, nor one over a root that is not this log's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_ledger::Roster;
use holdfast_log::{CheckpointError, CosignatureVerifier, Hash, KeyName, NoteKeyError, SignedCheckpoint};
use holdfast_policy::NodeId;
use holdfast_proto::convert::Tip;
use holdfast_store::Batch;
use tokio::sync::watch;

use crate::log_book::schema::{CHECKPOINTS, COSIGNED_CHECKPOINT};
use crate::log_book::{LogBook, LogBookError, LogFailed};

/// Sizes that are kept while too few nodes have cosigned them.
const KEPT_SIZES: usize = 128;

/// Verified cosignatures. Shared.
pub(crate) struct Cosigned {
    book: Arc<LogBook>,
    verifiers: BTreeMap<NodeId, CosignatureVerifier>,
    enough: usize,
    kept: Mutex<BTreeMap<u64, Kept>>,
    best: watch::Sender<Option<Arc<SignedCheckpoint>>>,
}

/// A checkpoint and who cosigned it.
struct Kept {
    checkpoint: SignedCheckpoint,
    nodes: BTreeSet<NodeId>,
}

/// Why a node's tip is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TipRefusal {
    /// It holds entries that this log does not.
    #[error("the node holds {theirs} entries, this log has {ours}: it was not made by this log")]
    Ahead {
        /// Its size.
        theirs: u64,
        /// The log's.
        ours: u64,
    },
    /// It has another root at the same size.
    #[error("the node's root at size {size} is {found}, this log's is {expected}: one of the two has forked")]
    OtherRoot {
        /// The size.
        size: u64,
        /// The log's root.
        expected: Hash,
        /// The node's root.
        found: Hash,
    },
    /// Its cosignature does not verify.
    #[error(transparent)]
    Cosignature(#[from] CheckpointError),
    /// It is no node of this cluster.
    #[error("`{0}` is no node of this cluster")]
    Unknown(NodeId),
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// No checkpoint can be made.
    #[error(transparent)]
    Log(#[from] LogBookError),
}

impl TipRefusal {
    /// Whether the node holds another log than this one, which people have to look at.
    pub(crate) fn is_fork(&self) -> bool {
        match self {
            Self::Ahead { .. } | Self::OtherRoot { .. } => true,
            Self::Cosignature(_) | Self::Unknown(_) | Self::Failed(_) | Self::Log(_) => false,
        }
    }
}

impl Cosigned {
    /// Loads the newest cosigned checkpoint, if there is one and it is still of this log.
    ///
    /// # Errors
    /// [`NoteKeyError`] if a node's name makes no key name; [`LogFailed`].
    pub(crate) async fn load(book: Arc<LogBook>) -> Result<Self, CosignedError> {
        let (verifiers, threshold) = {
            let reader = book.read().await?;
            (verifiers(reader.state().roster())?, reader.state().roster().threshold())
        };
        let cosigned = Self {
            book,
            verifiers,
            enough: threshold.into(),
            kept: Mutex::new(BTreeMap::new()),
            best: watch::Sender::new(None),
        };
        let stored = cosigned.stored().await;
        cosigned.best.send_replace(stored.map(Arc::new));
        Ok(cosigned)
    }

    async fn stored(&self) -> Option<SignedCheckpoint> {
        let bytes = self.book.store().read(CHECKPOINTS, COSIGNED_CHECKPOINT).ok()??;
        let stored = SignedCheckpoint::parse(&bytes).ok()?;
        let checkpoint = stored.verify(self.book.verifier()).ok()?;
        let root = self.book.read().await.ok()?.root_at(checkpoint.size).ok()?;
        let verifiers: Vec<_> = self.verifiers.values().cloned().collect();
        let enough = stored.cosignatures(&verifiers).ok()?.len() >= self.enough;
        (enough && root == checkpoint.root).then_some(stored)
    }

    /// Takes over a node's tip with its cosignature; returns the cosignature's time in seconds, if there is one.
    // INVARIANT (G7): a node's root is compared with this log's before anything of it is kept.
    pub(crate) async fn add(&self, node: &NodeId, tip: &Tip) -> Result<Option<u64>, TipRefusal> {
        let verifier = self.verifiers.get(node).ok_or_else(|| TipRefusal::Unknown(node.clone()))?;
        let checkpoint = {
            let reader = self.book.read().await?;
            if tip.size > reader.size() {
                return Err(TipRefusal::Ahead { theirs: tip.size, ours: reader.size() });
            }
            let expected = reader.root_at(tip.size).map_err(LogBookError::from)?;
            if tip.root != expected {
                return Err(TipRefusal::OtherRoot { size: tip.size, expected, found: tip.root });
            }
            if tip.cosignature.is_none() {
                return Ok(None);
            }
            reader.checkpoint_at(tip.size)?
        };
        let Some(cosignature) = &tip.cosignature else { return Ok(None) };
        let verified = cosignature.verify(checkpoint.claimed(), verifier)?;
        let mut kept = self.lock();
        let entry = kept.entry(tip.size).or_insert(Kept { checkpoint, nodes: BTreeSet::new() });
        entry.checkpoint = entry.checkpoint.clone().with_cosignature(cosignature)?;
        entry.nodes.insert(node.clone());
        if entry.nodes.len() >= self.enough {
            self.offer(entry.checkpoint.clone());
        }
        while kept.len() > KEPT_SIZES {
            kept.pop_first();
        }
        Ok(Some(verified.time_s))
    }

    /// The newest wins; at the same size, the one with more or newer cosignatures, which is the one offered.
    fn offer(&self, offered: SignedCheckpoint) {
        self.best.send_if_modified(|best| {
            let newer = best.as_ref().is_none_or(|best| best.claimed().size <= offered.claimed().size);
            if newer {
                *best = Some(Arc::new(offered));
            }
            newer
        });
    }

    /// The newest checkpoint that enough nodes cosigned.
    pub(crate) fn best(&self) -> Option<Arc<SignedCheckpoint>> {
        self.best.borrow().clone()
    }

    /// Waits, at most `limit`, for a checkpoint that covers the entry at `index` and that enough nodes cosigned.
    pub(crate) async fn covering(&self, index: u64, limit: Duration) -> Option<Arc<SignedCheckpoint>> {
        let covers = |best: &Option<Arc<SignedCheckpoint>>| {
            best.as_ref().is_some_and(|best| best.claimed().size > index)
        };
        let mut best = self.best.subscribe();
        let found = tokio::time::timeout(limit, best.wait_for(covers)).await;
        found.ok()?.ok()?.clone()
    }

    /// The newest checkpoint that covers the entry at `index`, with whatever cosignatures it has.
    pub(crate) fn best_effort(&self, index: u64) -> Option<SignedCheckpoint> {
        let kept = self.lock();
        let covering = kept.range(index.saturating_add(1)..);
        covering
            .max_by_key(|(size, kept)| (kept.nodes.len(), **size))
            .map(|(_, kept)| kept.checkpoint.clone())
    }

    /// Stores the newest cosigned checkpoint whenever it changes, until `stop` turns true: proofs survive a restart.
    pub(crate) async fn persist(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut best = self.best.subscribe();
        loop {
            tokio::select! {
                changed = best.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let newest = best.borrow_and_update().clone();
            let Some(newest) = newest else { continue };
            let batch = Batch::new().put(CHECKPOINTS, COSIGNED_CHECKPOINT, newest.to_bytes());
            if let Err(error) = self.book.store().commit(batch).await {
                tracing::error!(reason = error.reason(), "the cosigned checkpoint cannot be stored");
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why cosignatures cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum CosignedError {
    /// A node's name makes no key name.
    #[error(transparent)]
    Name(#[from] NoteKeyError),
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
}

fn verifiers(roster: &Roster) -> Result<BTreeMap<NodeId, CosignatureVerifier>, NoteKeyError> {
    let verifier = |node: &holdfast_ledger::Node| {
        let name = KeyName::of_node(roster.cluster().as_str(), node.id.as_str())?;
        Ok((node.id.clone(), CosignatureVerifier::new(name, node.cosigning_key)))
    };
    roster.nodes().iter().map(verifier).collect()
}

impl fmt::Debug for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.best().map(|best| best.claimed().size);
        f.debug_struct("Cosigned").field("best", &size).finish_non_exhaustive()
    }
}
