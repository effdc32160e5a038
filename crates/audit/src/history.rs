//! A replay that remembers: which entries touched which withdrawal or ceremony, who signed them, and what came of it.
//!
//! What it remembers is chosen when it begins, so that a log of any length can be replayed without keeping a trail of all of it.

pub(crate) mod says;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_ledger::{
    Act, Applied, CeremonyId, Event, Outcome, Replica, ReplicaError, State, Withdrawal, WithdrawalId,
};
use holdfast_log::Entry;
use holdfast_policy::{NodeId, PolicyDocument};
use serde::Serialize;

use crate::report::{Counts, NoOp};
use crate::shown::upper;

/// A replica and the trails of withdrawals and ceremonies in it.
#[derive(Clone, Debug)]
pub struct History {
    replica: Replica,
    interest: Interest,
    withdrawals: BTreeMap<WithdrawalId, Trail>,
    ceremonies: BTreeMap<CeremonyId, Vec<Step>>,
    counts: Counts,
}

/// Whose trails a replay keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Those of all withdrawals and ceremonies.
    Everything,
    /// That of one withdrawal.
    Withdrawal(WithdrawalId),
    /// None.
    Nothing,
}

/// What happened to one withdrawal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    pub(crate) steps: Vec<Step>,
    pub(crate) signers: Vec<NodeId>,
    /// As it was in detail after the last entry that concerned it: the state machine may keep less of closed ones.
    pub(crate) latest: Option<Withdrawal>,
}

/// One entry that concerned a withdrawal or a ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its log index.
    pub index: u64,
    /// Its time, ms.
    pub time_ms: u64,
    /// Who signed it: `<role>:<name>`.
    pub signer: String,
    /// What it says, in words.
    pub says: String,
    /// What came of it.
    #[serde(flatten)]
    pub result: StepResult,
    /// Its leaf hash, hex.
    pub leaf_hash: String,
}

/// What came of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StepResult {
    /// It took effect; this is where its subject stood afterwards.
    Admitted {
        /// State of the withdrawal or phase of the ceremony.
        state: String,
    },
    /// It stayed in the log as a no-op.
    NoOp {
        /// Why: a stable code.
        code: String,
        /// The same in words.
        detail: String,
    },
}

impl History {
    /// Begins with the first entry, whose document's SHA-256 must be the pinned one. Keeps all trails.
    ///
    /// # Errors
    /// [`ReplicaError`] if the entry is not that genesis, complete and signed.
    pub fn begin(genesis: &Entry, pinned: &[u8; 32]) -> Result<Self, ReplicaError> {
        Self::begin_with(genesis, pinned, Interest::Everything)
    }

    /// The same, and keeps the trails that are of interest.
    ///
    /// # Errors
    /// [`ReplicaError`] if the entry is not that genesis, complete and signed.
    pub fn begin_with(genesis: &Entry, pinned: &[u8; 32], interest: Interest) -> Result<Self, ReplicaError> {
        let replica = Replica::from_genesis(genesis, pinned)?;
        let (withdrawals, ceremonies) = (BTreeMap::new(), BTreeMap::new());
        let mut counts = Counts::default();
        counts.kind(holdfast_ledger::PayloadKind::Genesis.short_name());
        Ok(Self { replica, interest, withdrawals, ceremonies, counts })
    }

    /// The same, with another policy document counted and asked beside those in force. Only the first entry may be in.
    #[must_use]
    pub fn supposing(mut self, document: Option<&Arc<PolicyDocument>>) -> Self {
        if let Some(document) = document {
            self.replica.suppose(Arc::clone(document));
        }
        self
    }

    /// Goes on from a replica that was kept; trails and counts begin here.
    pub(crate) fn restored(replica: Replica, interest: Interest) -> Self {
        let (withdrawals, ceremonies) = (BTreeMap::new(), BTreeMap::new());
        Self { replica, interest, withdrawals, ceremonies, counts: Counts::default() }
    }

    /// Applies the next entry and notes what it touched.
    ///
    /// # Errors
    /// [`ReplicaError`] if no honest log holds it; nothing changed then.
    pub fn append(&mut self, entry: &Entry) -> Result<Applied, ReplicaError> {
        self.append_watched(entry, &mut |_| {})
    }

    /// The same, and shows it to somebody who watches.
    ///
    /// # Errors
    /// [`ReplicaError`] if no honest log holds it; nothing changed then and nothing was shown.
    pub fn append_watched(
        &mut self,
        entry: &Entry,
        watch: &mut dyn FnMut(&Event<'_>),
    ) -> Result<Applied, ReplicaError> {
        let applied = self.replica.append(entry)?;
        let event = Event::new(entry, &applied, self.replica.state());
        self.counts.kind(event.kind_name());
        if let Some(rejection) = event.rejection() {
            self.counts.noop(NoOp::new(&event, rejection));
        }
        watch(&event);
        note_withdrawal(&mut self.withdrawals, self.interest, &event);
        note_ceremony(&mut self.ceremonies, self.interest, &event);
        Ok(applied)
    }

    /// The state at the end of what was applied.
    pub fn state(&self) -> &State {
        self.replica.state()
    }

    /// State and tree.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The entries that concerned a withdrawal, in order; no-ops included.
    pub fn withdrawal_steps(&self, id: &WithdrawalId) -> &[Step] {
        self.withdrawals.get(id).map(|trail| trail.steps.as_slice()).unwrap_or_default()
    }

    /// The entries that concerned a ceremony, in order; no-ops included.
    pub fn ceremony_steps(&self, id: &CeremonyId) -> &[Step] {
        self.ceremonies.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The nodes that made a withdrawal's canonical signature, as the coordinator logged them.
    pub fn signers(&self, id: &WithdrawalId) -> &[NodeId] {
        self.withdrawals.get(id).map(|trail| trail.signers.as_slice()).unwrap_or_default()
    }

    pub(crate) fn trail(&self, id: &WithdrawalId) -> Option<&Trail> {
        self.withdrawals.get(id)
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn note_withdrawal(trails: &mut BTreeMap<WithdrawalId, Trail>, interest: Interest, event: &Event<'_>) {
    let wanted = |id: &WithdrawalId| match interest {
        Interest::Everything => true,
        Interest::Withdrawal(wanted) => wanted == *id,
        Interest::Nothing => false,
    };
    if let Some(id) = event.withdrawal.filter(wanted) {
        let says = says::event(event);
        let trail = trails.entry(id).or_default();
        trail.note(event, &id, says);
        if let (Some(Act::Signature(logged)), Outcome::Admitted(_)) = (event.act, &event.applied.outcome) {
            trail.signers.clone_from(&logged.signers);
        }
    }
    // An authorization ends the withdrawal that it replaces.
    if let (Some(id), Some(by)) = (event.replaced().filter(wanted), event.withdrawal) {
        trails.entry(id).or_default().note(event, &id, format!("authorizes {by} in its place"));
    }
}

impl Trail {
    fn note(&mut self, event: &Event<'_>, id: &WithdrawalId, says: String) {
        let withdrawal = event.state.withdrawal(id);
        let state = withdrawal.map(|withdrawal| upper(&withdrawal.state_at(event.applied.time)));
        self.steps.push(Step::of(event, says, state));
        let Some(withdrawal) = withdrawal else { return };
        let mut latest = withdrawal.clone();
        if let Some(known) =
            self.latest.take().filter(|known| known.positions.decision == latest.positions.decision)
        {
            latest.decision = known.decision;
            latest.request = known.request;
        }
        self.latest = Some(latest);
    }
}

fn note_ceremony(trails: &mut BTreeMap<CeremonyId, Vec<Step>>, interest: Interest, event: &Event<'_>) {
    let (Some(id), Interest::Everything) = (event.ceremony, interest) else { return };
    let phase = event.state.ceremony(&id).map(|ceremony| upper(&ceremony.phase_at(event.applied.time)));
    trails.entry(id).or_default().push(Step::of(event, says::event(event), phase));
}

impl Step {
    fn of(event: &Event<'_>, says: String, state: Option<String>) -> Self {
        let result = match event.rejection() {
            None => StepResult::Admitted { state: state.unwrap_or_default() },
            Some(rejection) => {
                StepResult::NoOp { code: rejection.code().to_string(), detail: rejection.detail().to_owned() }
            }
        };
        Self {
            index: event.index(),
            time_ms: event.time_ms(),
            signer: event.signer().to_owned(),
            says,
            result,
            leaf_hash: event.entry.leaf_hash().to_hex(),
        }
    }
}
