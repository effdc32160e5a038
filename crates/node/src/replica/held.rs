//! The replica in memory: what it finds in an extension, and how it takes entries over.
//!
//! Owns the comparison of two histories. It must never change before everything that can be checked without change was
//! checked.

use std::collections::BTreeMap;

use holdfast_ledger::{ApplyError, Outcome, Replica, ReplicaError, State, Wallet};
use holdfast_log::tree::stored_hash_count;
use holdfast_log::{Checkpoint, Entry, Hash, MemoryTree, SignedCheckpoint, StoredHashes, TreeError};
use holdfast_policy::{KeptPages, NodeId, TimestampMs};

use super::Extension;
use super::fork::ForkEvidence;
use super::refusal::ExtendRefusal;
use super::tip::TipRecord;
use crate::cosigned::{self, Shown};
use crate::enrolled::OwnKeys;
use crate::identity::Witness;
use crate::witnessed::{self, Moment, Witnessed};

/// State, tree and durable tip, always of the same size outside this module.
#[derive(Debug)]
pub(crate) struct Held {
    replica: Replica,
    tree: MemoryTree,
    tip: TipRecord,
    witnessed: Witnessed,
    /// How much of this log others have cosigned.
    cosigned: BTreeMap<NodeId, u64>,
    standing: Standing,
}

/// An extension that passed every check, applied to a copy that shares its maps with the replica.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) entries: Vec<Entry>,
    pub(super) replica: Replica,
    pub(super) checkpoint: Checkpoint,
    /// Whether a rule may ask when the entries came: it asks about what officers said in ceremonies, about customers' confirmations,
    /// and about requests that the policy lets wait.
    pub(super) asked_about: bool,
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
        witnessed: Witnessed,
        forked: Option<ForkEvidence>,
    ) -> Self {
        let standing = forked.map_or(Standing::Sound, Standing::Forked);
        Self { replica, tree, tip, witnessed, cosigned: BTreeMap::new(), standing }
    }

    /// The state, for answering questions.
    pub(crate) fn state(&self) -> &State {
        self.replica.state()
    }

    /// The tree, for its leaves and for roots of earlier sizes.
    pub(crate) fn tree(&self) -> &MemoryTree {
        &self.tree
    }

    /// The durable tip with its newest cosignature.
    pub(crate) fn tip(&self) -> &TipRecord {
        &self.tip
    }

    /// The state, for acting on it.
    // INVARIANT (G9): a replica that is forked or unsure permits nothing.
    pub(crate) fn sound_state(&self) -> Result<&State, ExtendRefusal> {
        match &self.standing {
            // INVARIANT (G9): a history that cannot be read is none, and so is every decision after it.
            Standing::Sound => match self.replica.state().page_fault() {
                None => Ok(self.replica.state()),
                Some(fault) => Err(ExtendRefusal::PageLost(fault)),
            },
            Standing::Forked(evidence) => Err(ExtendRefusal::Forked { size: evidence.size }),
            Standing::Lost => Err(ExtendRefusal::Lost),
        }
    }

    /// The state, for acting on it in this node's name.
    pub(crate) fn acting_state(&self, own: &OwnKeys) -> Result<&State, ExtendRefusal> {
        let state = self.sound_state()?;
        own.standing(state, &self.tree)?;
        Ok(state)
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

    pub(super) fn lose(&mut self) {
        self.standing = Standing::Lost;
    }

    pub(super) fn halt(&mut self, evidence: ForkEvidence) {
        self.standing = Standing::Forked(evidence);
    }

    /// Everything that can be checked, on a copy: what is new applied, and the checkpoint the log's own with this node's root.
    // INVARIANT (G7): nothing of this replica changes here; the copy takes its place when it is on disk.
    pub(super) fn examine(
        &self,
        extension: &Extension,
        signed: &SignedCheckpoint,
        witness: &Witness,
        now: TimestampMs,
    ) -> Result<Staged, Finding> {
        self.sound_state()?;
        let checkpoint = signed.claimed();
        let tip = self.replica.size();
        let known = tip
            .checked_sub(extension.from_index)
            .ok_or(ExtendRefusal::Behind { tip_size: tip, from_index: extension.from_index })?;
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(extension.entries.len());
        let (old, new) = extension.entries.split_at_checked(known).unwrap_or_default();

        let differing = self.first_difference(extension.from_index, old)?;
        let computed = self.root_with(new, checkpoint.size)?;
        if differing.is_some() || computed != checkpoint.root {
            // Only what the log's key signed is evidence of anything.
            witness.verify(self.state(), signed)?;
        }
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
        let (mut replica, mut asked_about) = (self.replica.clone(), false);
        for entry in &entries {
            let applied = replica.append(entry).map_err(refused)?;
            asked_about |= is_asked_about(replica.state(), &applied.outcome);
            tracing::debug!(index = applied.index, outcome = ?applied.outcome, "entry tried");
        }
        // The entries may have changed the log's key: the one in force after them has to have signed.
        let checkpoint = witness.verify(replica.state(), signed)?;
        Ok(Staged { entries, replica, checkpoint, asked_about })
    }

    /// Takes the place of what was there, once it is on disk.
    pub(super) fn replace(&mut self, staged: Staged, tip: TipRecord, moment: Option<Moment>) {
        for entry in &staged.entries {
            if self.tree.append(entry.leaf_hash()).is_err() {
                self.lose();
                return;
            }
        }
        self.replica = staged.replica;
        self.tip = tip;
        moment.into_iter().for_each(|moment| self.witnessed.add(moment));
    }

    /// These pages are durable.
    pub(super) fn settle_pages(&mut self, kept: &KeptPages) {
        self.replica.settle_pages(kept);
    }

    /// Only for a tip of the same entries.
    pub(super) fn set_tip(&mut self, tip: TipRecord) {
        self.tip = tip;
    }

    /// When the log's positions were held.
    pub(crate) fn witnessed(&self) -> &Witnessed {
        &self.witnessed
    }

    /// What these notes show, as far as they are of this log.
    pub(super) fn shown(&self, evidence: &[Vec<u8>]) -> Vec<Shown> {
        let Ok(state) = self.sound_state() else { return Vec::new() };
        evidence.iter().filter_map(|note| cosigned::read(state, &self.tree, note).ok()).collect()
    }

    /// Remembers until the program ends who cosigned how much of this log.
    pub(super) fn hear(&mut self, shown: &[Shown]) {
        for shown in shown {
            for (node, _) in &shown.nodes {
                let size = self.cosigned.entry(node.clone()).or_default();
                *size = shown.size.max(*size);
            }
        }
    }

    /// Whether every node of the wallet's committee but this one has shown that it holds this log's first `size` entries.
    pub(crate) fn is_held_by_all(&self, wallet: &Wallet, own: &NodeId, size: u64) -> bool {
        let mut others = wallet.nodes.iter().filter(|node| *node != own);
        others.all(|node| self.cosigned.get(node).is_some_and(|held| *held >= size))
    }

    /// What they newly vouch for.
    pub(super) fn vouched(&self, shown: &[Shown]) -> Vec<Moment> {
        let Ok(state) = self.sound_state() else { return Vec::new() };
        if shown.is_empty() {
            return Vec::new();
        }
        let threshold = state.roster().threshold();
        let asked = witnessed::asked(state);
        let moments = shown.iter().filter_map(|shown| {
            self.witnessed.vouching(shown.size, cosigned::held_by(shown, threshold)?, &asked)
        });
        moments.collect()
    }

    /// What is left of the moments when those that no rule can ask for are forgotten; `None` while there are few.
    pub(super) fn condensed_moments(&self) -> Option<Witnessed> {
        self.sound_state().ok().and_then(|state| self.witnessed.condensed(state))
    }

    pub(super) fn set_moments(&mut self, left: Witnessed) {
        self.witnessed = left;
    }

    pub(super) fn add_moments(&mut self, moments: Vec<Moment>) {
        moments.into_iter().for_each(|moment| self.witnessed.add(moment));
    }

    /// What no path of this program does: memory ahead of the disk.
    #[cfg(test)]
    pub(super) fn apply_in_memory_for_tests(&mut self, entries: &[Entry]) {
        self.lose();
        for entry in entries {
            self.replica.append(entry).unwrap();
            self.tree.append(entry.leaf_hash()).unwrap();
        }
    }

    /// The same memory a second time, for a test that goes on in two ways from one point.
    #[cfg(test)]
    pub(super) fn copied(&self) -> Self {
        let forked = match &self.standing {
            Standing::Sound => None,
            Standing::Forked(evidence) => Some(evidence.clone()),
            Standing::Lost => unreachable!("a lost replica is not copied"),
        };
        let (replica, tree) = (self.replica.clone(), self.tree.clone());
        Self::new(replica, tree, self.tip.clone(), self.witnessed.clone(), forked)
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

/// A page that is lost says nothing about the entry.
fn refused(error: ReplicaError) -> ExtendRefusal {
    match error {
        ReplicaError::Apply { source: ApplyError::Page(fault), .. } => ExtendRefusal::PageLost(fault),
        error @ (ReplicaError::Apply { .. }
        | ReplicaError::Genesis(_)
        | ReplicaError::OtherGenesis { .. }
        | ReplicaError::Tree(_)
        | ReplicaError::SizesDiffer { .. }) => ExtendRefusal::EntryRefused(error),
    }
}

fn is_asked_about(state: &State, outcome: &Outcome) -> bool {
    let Outcome::Admitted(admission) = outcome else { return false };
    let waits = admission.withdrawal.is_some_and(|id| state.rests_on_time(&id));
    admission.ceremony.is_some() || admission.whitelist_entry.is_some() || waits
}

fn parse(new: &[Vec<u8>], first: u64) -> Result<Vec<Entry>, ExtendRefusal> {
    (first..)
        .zip(new)
        .map(|(index, bytes)| {
            Entry::parse(bytes).map_err(|source| ExtendRefusal::EntryMalformed { index, source })
        })
        .collect()
}
