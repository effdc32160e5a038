//! The replica in memory: what it finds in an extension, and how it takes entries over.
//!
//! Owns the comparison of two histories. It must never change before everything that can be checked without change was
//! checked.

use holdfast_ledger::{Replica, ReplicaError, State};
use holdfast_log::tree::stored_hash_count;
use holdfast_log::{Checkpoint, Entry, Hash, MemoryTree, StoredHashes, TreeError};
use holdfast_policy::TimestampMs;

use super::Extension;
use super::fork::ForkEvidence;
use super::refusal::ExtendRefusal;
use super::tip::TipRecord;

/// State, tree and durable tip, always of the same size outside this module.
#[derive(Debug)]
pub(crate) struct Held {
    replica: Replica,
    tree: MemoryTree,
    tip: TipRecord,
    standing: Standing,
}

/// Whether the replica can be relied on.
#[derive(Debug)]
enum Standing {
    Sound,
    /// The log's key signed two histories.
    Forked(ForkEvidence),
    /// Memory and disk may differ.
    Lost,
}

/// What is wrong with an extension.
#[derive(Debug)]
pub(super) enum Finding {
    Refused(ExtendRefusal),
    /// It contradicts what this node holds, under a checkpoint that the log's key signed.
    Forked {
        size: u64,
        index: Option<u64>,
    },
}

impl<E: Into<ExtendRefusal>> From<E> for Finding {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal.into())
    }
}

impl Held {
    pub(super) fn new(
        replica: Replica,
        tree: MemoryTree,
        tip: TipRecord,
        forked: Option<ForkEvidence>,
    ) -> Self {
        let standing = forked.map_or(Standing::Sound, Standing::Forked);
        Self { replica, tree, tip, standing }
    }

    /// The state, for answering questions.
    pub(crate) fn state(&self) -> &State {
        self.replica.state()
    }

    /// The durable tip with its newest cosignature.
    pub(crate) fn tip(&self) -> &TipRecord {
        &self.tip
    }

    /// The state, for acting on it.
    // INVARIANT (G9): a replica that is forked or unsure permits nothing.
    pub(crate) fn sound_state(&self) -> Result<&State, ExtendRefusal> {
        match &self.standing {
            Standing::Sound => Ok(self.replica.state()),
            Standing::Forked(evidence) => Err(ExtendRefusal::Forked { size: evidence.size }),
            Standing::Lost => Err(ExtendRefusal::Lost),
        }
    }

    /// Whether what [`Held::state`] says is on disk; if not, it may be ahead of it, never behind.
    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self.standing, Standing::Lost)
    }

    /// INVARIANT (G10): this node's last cosignature says that a moment has passed; a clock that is before it by more
    /// than the allowed skew went back, and nothing is signed by it.
    pub(crate) fn check_clock(&self, now: TimestampMs) -> Result<(), ExtendRefusal> {
        let skew_ms = self.state().genesis().document.max_clock_skew_ms;
        let behind_ms = self.tip.cosigned_at_s.saturating_mul(1_000).saturating_sub(now.0);
        if behind_ms > skew_ms {
            return Err(ExtendRefusal::ClockWentBack { behind_ms });
        }
        Ok(())
    }

    pub(super) fn set_tip(&mut self, tip: TipRecord) {
        self.tip = tip;
        if matches!(self.standing, Standing::Lost) {
            self.standing = Standing::Sound;
        }
    }

    pub(super) fn lose(&mut self) {
        self.standing = Standing::Lost;
    }

    pub(super) fn halt(&mut self, evidence: ForkEvidence) {
        self.standing = Standing::Forked(evidence);
    }

    /// Everything that can be checked without applying: what is new, and that the checkpoint's root is this node's own.
    pub(super) fn examine(
        &self,
        extension: &Extension,
        checkpoint: &Checkpoint,
        now: TimestampMs,
    ) -> Result<Vec<Entry>, Finding> {
        self.sound_state()?;
        let tip = self.replica.size();
        let known = tip
            .checked_sub(extension.from_index)
            .ok_or(ExtendRefusal::Behind { tip_size: tip, from_index: extension.from_index })?;
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(extension.entries.len());
        let (old, new) = extension.entries.split_at_checked(known).unwrap_or_default();

        let differing = self.first_difference(extension.from_index, old)?;
        let computed = self.root_with(new, checkpoint.size)?;
        match (differing, computed == checkpoint.root) {
            (None, true) => {}
            // The checkpoint is of this node's own history; only the message is wrong.
            (Some(index), true) => return Err(ExtendRefusal::EntryDiffers { index }.into()),
            (Some(index), false) => {
                return Err(Finding::Forked { size: checkpoint.size, index: Some(index) });
            }
            (None, false) if new.is_empty() => {
                return Err(Finding::Forked { size: checkpoint.size, index: None });
            }
            (None, false) => {
                let (size, stated) = (checkpoint.size, checkpoint.root);
                return Err(ExtendRefusal::RootMismatch { size, computed, stated }.into());
            }
        }
        let entries = parse(new, tip)?;
        self.check_times(&entries, now)?;
        self.check_authentic(&entries)?;
        Ok(entries)
    }

    /// Applies entries that were examined. On an error the replica is in the middle: the caller loads it again.
    pub(super) fn apply(&mut self, entries: &[Entry]) -> Result<(), ReplicaError> {
        // Until the new tip is durable, and for ever if anything stops in between.
        self.lose();
        for entry in entries {
            let applied = self.replica.append(entry)?;
            self.tree.append(entry.leaf_hash())?;
            tracing::debug!(index = applied.index, outcome = ?applied.outcome, "entry applied");
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn edge_for_tests(&self) -> holdfast_log::RightEdge {
        self.replica.edge().clone()
    }

    fn first_difference(&self, from_index: u64, old: &[Vec<u8>]) -> Result<Option<u64>, ExtendRefusal> {
        for (index, bytes) in (from_index..).zip(old) {
            if self.leaf_hash(index)? != Some(Hash::leaf(bytes)) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn leaf_hash(&self, index: u64) -> Result<Option<Hash>, TreeError> {
        // A leaf's hash is the first that its append stores.
        let position = stored_hash_count(index)?;
        self.tree.stored_hash(position).map_err(|source| TreeError::ReadFailed { index: position, source })
    }

    /// The root of this node's tree at `size`, or with the new leaves appended to a copy of its edge.
    fn root_with(&self, new: &[Vec<u8>], size: u64) -> Result<Hash, TreeError> {
        if new.is_empty() {
            return self.tree.root_at(size);
        }
        let mut edge = self.replica.edge().clone();
        new.iter().try_for_each(|bytes| edge.append(Hash::leaf(bytes)))?;
        Ok(edge.root())
    }

    /// What makes applying fail, tried on a copy that shares its maps with the state: going back costs reading the whole log
    /// again, and an entry can change who may sign the next one.
    fn check_authentic(&self, entries: &[Entry]) -> Result<(), ExtendRefusal> {
        let mut tried = self.state().clone();
        for (index, entry) in (self.replica.size()..).zip(entries) {
            tried
                .apply(entry)
                .map_err(|source| ExtendRefusal::EntryRefused(ReplicaError::Apply { index, source }))?;
        }
        Ok(())
    }

    /// INVARIANT (G10): the clock makes entries wait; it never changes what they mean.
    fn check_times(&self, entries: &[Entry], now: TimestampMs) -> Result<(), ExtendRefusal> {
        let skew_ms = self.state().genesis().document.max_clock_skew_ms;
        let latest = entries.iter().map(Entry::time_ms).max().unwrap_or_default();
        let ahead_ms = latest.saturating_sub(now.0);
        if ahead_ms > skew_ms {
            return Err(ExtendRefusal::AheadOfClock { ahead_ms });
        }
        Ok(())
    }
}

fn parse(new: &[Vec<u8>], first: u64) -> Result<Vec<Entry>, ExtendRefusal> {
    (first..)
        .zip(new)
        .map(|(index, bytes)| {
            Entry::parse(bytes).map_err(|source| ExtendRefusal::EntryMalformed { index, source })
        })
        .collect()
}
