//! A replay that remembers: which entries touched which withdrawal or ceremony, who signed them, and what came of it.

mod says;

use std::collections::BTreeMap;

use holdfast_ledger::{
    Act, Applied, CeremonyId, Outcome, PayloadKind, Replica, ReplicaError, State, StatementBody,
    WithdrawalId, verify_act,
};
use holdfast_log::Entry;
use holdfast_policy::NodeId;
use serde::Serialize;

use crate::report::{NoOp, count, short_name};

/// A replica and the trail of every withdrawal and ceremony in it.
#[derive(Clone, Debug)]
pub struct History {
    replica: Replica,
    withdrawals: BTreeMap<WithdrawalId, Vec<Step>>,
    ceremonies: BTreeMap<CeremonyId, Vec<Step>>,
    signers: BTreeMap<WithdrawalId, Vec<NodeId>>,
    leaf_hashes: BTreeMap<u64, String>,
    entry_counts: BTreeMap<String, u64>,
    noops: Vec<NoOp>,
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

/// What an act is about.
#[derive(Clone, Debug, Default)]
struct Subject {
    withdrawal: Option<WithdrawalId>,
    ceremony: Option<CeremonyId>,
}

impl History {
    /// Begins with the first entry, whose document's SHA-256 must be the pinned one.
    ///
    /// # Errors
    /// [`ReplicaError`] if the entry is not that genesis, complete and signed.
    pub fn begin(genesis: &Entry, pinned: &[u8; 32]) -> Result<Self, ReplicaError> {
        let replica = Replica::from_genesis(genesis, pinned)?;
        Ok(Self {
            replica,
            withdrawals: BTreeMap::new(),
            ceremonies: BTreeMap::new(),
            signers: BTreeMap::new(),
            leaf_hashes: BTreeMap::new(),
            entry_counts: BTreeMap::from([(short_name(PayloadKind::Genesis), 1)]),
            noops: Vec::new(),
        })
    }

    /// Applies the next entry and notes what it touched.
    ///
    /// # Errors
    /// [`ReplicaError`] if no honest log holds it; nothing changed then.
    pub fn append(&mut self, entry: &Entry) -> Result<Applied, ReplicaError> {
        let verified = verify_act(self.state().roster(), entry.envelope());
        let applied = self.replica.append(entry)?;
        // The replica has just verified the same envelope, so it is authentic here too.
        let Ok(verified) = verified else { return Ok(applied) };
        let kind = short_name(verified.kind());
        count(&mut self.entry_counts, kind.clone());
        let signer = entry.envelope().signatures.first().map(|s| s.key_id.clone()).unwrap_or_default();
        let act = verified.act().ok();
        if let Outcome::Rejected(rejection) = &applied.outcome {
            self.noops.push(NoOp {
                index: applied.index,
                time_ms: applied.time.0,
                kind,
                signer: signer.clone(),
                code: rejection.code().to_string(),
                detail: rejection.detail().to_owned(),
                evidence: rejection.code().is_evidence(),
            });
        }
        if let Some(act) = act {
            self.note(act, signer, &applied, entry);
        }
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
        self.withdrawals.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The entries that concerned a ceremony, in order; no-ops included.
    pub fn ceremony_steps(&self, id: &CeremonyId) -> &[Step] {
        self.ceremonies.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The nodes that made a withdrawal's canonical signature, as the coordinator logged them.
    pub fn signers(&self, id: &WithdrawalId) -> &[NodeId] {
        self.signers.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn leaf_hash(&self, index: u64) -> Option<&str> {
        self.leaf_hashes.get(&index).map(String::as_str)
    }

    pub(crate) fn entry_counts(&self) -> &BTreeMap<String, u64> {
        &self.entry_counts
    }

    pub(crate) fn noops(&self) -> &[NoOp] {
        &self.noops
    }

    fn note(&mut self, act: &Act, signer: String, applied: &Applied, entry: &Entry) {
        let mut subject = subject_of(act);
        if let Outcome::Admitted(admission) = &applied.outcome {
            subject.withdrawal = admission.withdrawal.or(subject.withdrawal);
            subject.ceremony = admission.ceremony.or(subject.ceremony);
            if let (Act::Signature(logged), Some(id)) = (act, admission.withdrawal) {
                self.signers.insert(id, logged.signers.clone());
            }
        }
        let says = says::act(self.state(), act);
        let step = |result| Step {
            index: applied.index,
            time_ms: applied.time.0,
            signer: signer.clone(),
            says: says.clone(),
            result,
        };
        if let Some(id) = subject.withdrawal {
            let state = self.state().withdrawal(&id).map(|withdrawal| withdrawal.state_at(applied.time));
            let noted = step(result_of(applied, state.map(|state| format!("{state:?}").to_uppercase())));
            self.withdrawals.entry(id).or_default().push(noted);
        }
        if let Some(id) = subject.ceremony {
            let phase = self.state().ceremony(&id).map(|ceremony| ceremony.phase_at(applied.time));
            let noted = step(result_of(applied, phase.map(|phase| format!("{phase:?}").to_uppercase())));
            self.ceremonies.entry(id).or_default().push(noted);
        }
        if subject.withdrawal.is_some() || subject.ceremony.is_some() {
            self.leaf_hashes.insert(applied.index, entry.leaf_hash().to_hex());
        }
    }
}

fn result_of(applied: &Applied, state: Option<String>) -> StepResult {
    match &applied.outcome {
        Outcome::Admitted(_) => StepResult::Admitted { state: state.unwrap_or_default() },
        Outcome::Rejected(rejection) => {
            StepResult::NoOp { code: rejection.code().to_string(), detail: rejection.detail().to_owned() }
        }
    }
}

fn subject_of(act: &Act) -> Subject {
    let withdrawal = |id: &WithdrawalId| Subject { withdrawal: Some(*id), ceremony: None };
    let ceremony = |id: &CeremonyId| Subject { withdrawal: None, ceremony: Some(*id) };
    match act {
        Act::Request(request, _) => withdrawal(&request.withdrawal_id()),
        Act::Bind(bind) => withdrawal(&bind.withdrawal),
        Act::Cancel(cancel) => withdrawal(&cancel.withdrawal),
        Act::Authorize(authorize) => withdrawal(&authorize.withdrawal),
        Act::Signature(signature) => withdrawal(&signature.withdrawal),
        Act::Confirmation(confirmation) => ceremony(&confirmation.ceremony),
        Act::Activate(activated) => ceremony(&activated.ceremony),
        Act::Session(_) => Subject::default(),
        Act::Statement { statement, digest, .. } => match &statement.body {
            StatementBody::ApproveHold(id) | StatementBody::RejectHold(id) => withdrawal(id),
            StatementBody::ApproveCeremony(id) => ceremony(id),
            StatementBody::ProposeWallet(_)
            | StatementBody::ProposeWhitelistEntry(_)
            | StatementBody::ProposeResume { .. } => ceremony(&CeremonyId::of(digest)),
            StatementBody::RevokeWhitelistEntry(_) | StatementBody::PauseWallet(_) => Subject::default(),
        },
    }
}
