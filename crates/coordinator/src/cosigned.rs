//! What others have witnessed: checkpoints with verified cosignatures of nodes and outside witnesses, the newest that at
//! least t nodes cosigned, and the newest that carries everything that a signature may rest on.
//!
//! Nodes cosign sizes as the log grows past them, so several sizes are kept until enough of them met at one. It must never
//! keep a cosignature that it did not verify, nor one over a root that is not this log's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_ledger::{Roster, State};
use holdfast_log::{
    CheckpointError, Cosignature, CosignatureVerifier, Hash, KeyName, NoteKeyError, SignedCheckpoint,
    VerifiedCosignature,
};
use holdfast_policy::NodeId;
use holdfast_proto::convert::Tip;
use holdfast_server::telemetry::cause;
use holdfast_store::Batch;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::log_book::evidence::Evidence;
use crate::log_book::schema::{CHECKPOINTS, COSIGNED_CHECKPOINT};
use crate::log_book::{LogBook, LogBookError, LogFailed};

/// Sizes that are kept while too few have cosigned them.
const KEPT_SIZES: usize = 512;

type Newest = watch::Sender<Option<Arc<SignedCheckpoint>>>;

/// Verified cosignatures. Shared.
pub(crate) struct Cosigned {
    book: Arc<LogBook>,
    kept: Mutex<BTreeMap<u64, Kept>>,
    best: Newest,
    sufficient: Newest,
}

/// A checkpoint and who cosigned it.
struct Kept {
    checkpoint: SignedCheckpoint,
    nodes: BTreeSet<NodeId>,
    witnesses: BTreeSet<String>,
}

/// What a checkpoint has to carry, by the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Demand {
    /// Nodes, so that a proof is worth something: t.
    proof: usize,
    /// Nodes, before a signature may rest on it: more than (n + f) / 2, none if f is 0.
    nodes: usize,
    /// Outside witnesses, before a signature may rest on it.
    witnesses: usize,
}

/// Why a node's tip, or a witness's cosignature, is not believed.
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
    /// It is no node or witness of this cluster.
    #[error("`{0}` is no cosigner of this cluster")]
    Unknown(String),
    /// Its name makes no key name.
    #[error(transparent)]
    Name(#[from] NoteKeyError),
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
            Self::Cosignature(_) | Self::Unknown(_) | Self::Name(_) | Self::Failed(_) | Self::Log(_) => false,
        }
    }
}

impl Cosigned {
    /// Loads the newest cosigned checkpoint, if there is one and it is still of this log.
    ///
    /// # Errors
    /// [`LogFailed`].
    pub(crate) async fn load(book: Arc<LogBook>) -> Result<Self, LogFailed> {
        let cosigned = Self {
            book,
            kept: Mutex::new(BTreeMap::new()),
            best: watch::Sender::new(None),
            sufficient: watch::Sender::new(None),
        };
        let stored = cosigned.stored().await;
        cosigned.best.send_replace(stored.map(Arc::new));
        Ok(cosigned)
    }

    async fn stored(&self) -> Option<SignedCheckpoint> {
        let bytes = self.book.store().read(CHECKPOINTS, COSIGNED_CHECKPOINT).ok()??;
        let stored = SignedCheckpoint::parse(&bytes).ok()?;
        let reader = self.book.read().await.ok()?;
        let checkpoint = stored.verify(&reader.verifier_at(stored.claimed().size).ok()?).ok()?;
        let root = reader.root_at(checkpoint.size).ok()?;
        let verifiers: Vec<_> = verifiers(reader.state().roster()).into_values().collect();
        let enough = stored.cosignatures(&verifiers).ok()?.len() >= Demand::of(reader.state()).proof;
        (enough && root == checkpoint.root).then_some(stored)
    }

    /// Takes over a node's tip with its cosignature; returns the cosignature's time in seconds, if there is one.
    // INVARIANT (G7): a node's root is compared with this log's before anything of it is kept.
    pub(crate) async fn add(&self, node: &NodeId, tip: &Tip) -> Result<Option<u64>, TipRefusal> {
        let (checkpoint, verifier, demand) = {
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
            let roster = reader.state().roster();
            let verifier = verifier_of(roster, node)?;
            (reader.checkpoint_at(tip.size)?, verifier, Demand::of(reader.state()))
        };
        let Some(cosignature) = &tip.cosignature else { return Ok(None) };
        let verified = cosignature.verify(checkpoint.claimed(), &verifier)?;
        self.keep(checkpoint, cosignature, demand, |kept| {
            kept.nodes.insert(node.clone());
        })?;
        Ok(Some(verified.time_s))
    }

    /// Takes over an outside witness's cosignature of this log at this size.
    // INVARIANT (G7): what an HTTP server answers counts for nothing but the witness's own signature over our own root.
    pub(crate) async fn add_witness(
        &self,
        name: &str,
        size: u64,
        cosignature: &Cosignature,
    ) -> Result<VerifiedCosignature, TipRefusal> {
        let (checkpoint, verifier, demand) = {
            let reader = self.book.read().await?;
            let witness = reader.state().roster().witnesses().iter().find(|witness| witness.name == name);
            let witness = witness.ok_or_else(|| TipRefusal::Unknown(name.to_owned()))?;
            let verifier = CosignatureVerifier::new(KeyName::new(&witness.name)?, witness.key);
            (reader.checkpoint_at(size)?, verifier, Demand::of(reader.state()))
        };
        let verified = cosignature.verify(checkpoint.claimed(), &verifier)?;
        self.keep(checkpoint, cosignature, demand, |kept| {
            kept.witnesses.insert(name.to_owned());
        })?;
        Ok(verified)
    }

    fn keep(
        &self,
        checkpoint: SignedCheckpoint,
        cosignature: &Cosignature,
        demand: Demand,
        note: impl FnOnce(&mut Kept),
    ) -> Result<(), CheckpointError> {
        let mut kept = self.lock();
        let entry = kept.entry(checkpoint.claimed().size).or_insert(Kept {
            checkpoint,
            nodes: BTreeSet::new(),
            witnesses: BTreeSet::new(),
        });
        entry.checkpoint = entry.checkpoint.clone().with_cosignature(cosignature)?;
        note(entry);
        if entry.nodes.len() >= demand.proof {
            offer(&self.best, entry.checkpoint.clone());
        }
        if entry.nodes.len() >= demand.nodes && entry.witnesses.len() >= demand.witnesses {
            offer(&self.sufficient, entry.checkpoint.clone());
        }
        while kept.len() > KEPT_SIZES {
            kept.pop_first();
        }
        Ok(())
    }

    /// The newest checkpoint that enough nodes cosigned.
    pub(crate) fn best(&self) -> Option<Arc<SignedCheckpoint>> {
        self.best.borrow().clone()
    }

    /// Follows what is published: what a signature may rest on where the genesis document demands anything, otherwise what
    /// enough nodes cosigned.
    pub(crate) async fn follow_published(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        let demands = match self.book.read().await {
            Ok(reader) => Demand::of(reader.state()).is_more_than_a_proof(),
            Err(LogFailed) => false,
        };
        if demands { self.sufficient.subscribe() } else { self.best.subscribe() }
    }

    /// Follows the newest checkpoint that enough nodes cosigned.
    pub(crate) fn follow_best(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        self.best.subscribe()
    }

    /// Waits, at most `limit`, for a checkpoint that covers the entry at `index` and that enough nodes cosigned.
    pub(crate) async fn covering(&self, index: u64, limit: Duration) -> Option<Arc<SignedCheckpoint>> {
        covering(&self.best, index, limit).await
    }

    /// Waits, at most `limit`, for a checkpoint that covers the entry at `index` and carries what the genesis document demands
    /// before anything may be signed. `Ok(None)` if it demands nothing.
    pub(crate) async fn sufficient(
        &self,
        index: u64,
        limit: Duration,
    ) -> Result<Option<Arc<SignedCheckpoint>>, Insufficient> {
        let demand = {
            let reader = self.book.read().await?;
            Demand::of(reader.state())
        };
        if !demand.is_more_than_a_proof() {
            return Ok(None);
        }
        if let Some(found) = covering(&self.sufficient, index, limit).await {
            return Ok(Some(found));
        }
        let kept = self.lock();
        let most = |count: fn(&Kept) -> usize| {
            kept.range(index.saturating_add(1)..).map(|(_, kept)| count(kept)).max().unwrap_or_default()
        };
        let (nodes, witnesses) = (most(|kept| kept.nodes.len()), most(|kept| kept.witnesses.len()));
        if nodes < demand.nodes {
            return Err(Insufficient::Nodes { found: nodes, needed: demand.nodes });
        }
        Err(Insufficient::Witnesses { found: witnesses, needed: demand.witnesses })
    }

    /// The newest checkpoint that covers the entry at `index`, with whatever cosignatures it has.
    pub(crate) fn best_effort(&self, index: u64) -> Option<SignedCheckpoint> {
        let kept = self.lock();
        let covering = kept.range(index.saturating_add(1)..);
        covering
            .max_by_key(|(size, kept)| (kept.nodes.len(), **size))
            .map(|(_, kept)| kept.checkpoint.clone())
    }

    /// For each node the newest checkpoint that it cosigned: together they show what everybody holds.
    pub(crate) fn newest_of_each(&self) -> Vec<SignedCheckpoint> {
        let kept = self.lock();
        let mut seen = BTreeSet::new();
        let mut newest = Vec::new();
        for kept in kept.values().rev() {
            let before = seen.len();
            seen.extend(kept.nodes.iter());
            if seen.len() > before {
                newest.push(kept.checkpoint.clone());
            }
        }
        newest
    }

    /// Stores the newest cosigned checkpoint whenever it changes, and keeps one a minute as evidence, until `stop` turns
    /// true: proofs survive a restart.
    pub(crate) async fn persist(self: Arc<Self>, clock: Clock, mut stop: watch::Receiver<bool>) {
        let mut best = self.best.subscribe();
        let mut evidence = match Evidence::load(self.book.store()) {
            Ok(evidence) => evidence,
            Err(error) => {
                return tracing::error!(error = cause(&error), "the kept checkpoints cannot be read");
            }
        };
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
            if let Err(error) = evidence.offer(&newest, clock.now()).await {
                tracing::error!(reason = error.reason(), "a cosigned checkpoint cannot be kept as evidence");
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing may be signed yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Insufficient {
    /// Too few nodes cosigned one checkpoint.
    #[error("{found} of {needed} nodes have cosigned a checkpoint with the authorization")]
    Nodes {
        /// The most that did.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Too few outside witnesses did.
    #[error("{found} of {needed} outside witnesses have cosigned a checkpoint with the authorization")]
    Witnesses {
        /// The most that did.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
}

impl Demand {
    fn is_more_than_a_proof(self) -> bool {
        self.nodes > 0 || self.witnesses > 0
    }

    fn of(state: &State) -> Self {
        Self {
            proof: state.roster().threshold().into(),
            nodes: state.cosigners_needed(),
            witnesses: state.witnesses_required(),
        }
    }
}

/// The newest wins; at the same size, the one with more or newer cosignatures, which is the one offered.
fn offer(newest: &Newest, offered: SignedCheckpoint) {
    newest.send_if_modified(|best| {
        let newer = best.as_ref().is_none_or(|best| best.claimed().size <= offered.claimed().size);
        if newer {
            *best = Some(Arc::new(offered));
        }
        newer
    });
}

async fn covering(newest: &Newest, index: u64, limit: Duration) -> Option<Arc<SignedCheckpoint>> {
    let covers =
        |best: &Option<Arc<SignedCheckpoint>>| best.as_ref().is_some_and(|best| best.claimed().size > index);
    let mut newest = newest.subscribe();
    let found = tokio::time::timeout(limit, newest.wait_for(covers)).await;
    found.ok()?.ok()?.clone()
}

fn verifier_of(roster: &Roster, node: &NodeId) -> Result<CosignatureVerifier, TipRefusal> {
    let found = roster.node(node).ok_or_else(|| TipRefusal::Unknown(node.to_string()))?;
    let name = KeyName::of_node(roster.cluster().as_str(), node.as_str())?;
    Ok(CosignatureVerifier::new(name, found.cosigning_key))
}

/// The nodes' verifiers. A name that makes no key name can cosign nothing.
pub(crate) fn verifiers(roster: &Roster) -> BTreeMap<NodeId, CosignatureVerifier> {
    let verifier =
        |node: &holdfast_ledger::Node| Some((node.id.clone(), verifier_of(roster, &node.id).ok()?));
    roster.nodes().iter().filter_map(verifier).collect()
}

impl fmt::Debug for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.best().map(|best| best.claimed().size);
        f.debug_struct("Cosigned").field("best", &size).finish_non_exhaustive()
    }
}
