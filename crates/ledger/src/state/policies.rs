//! Policies: documents that wait in the log, and the ceremony that puts one in force.

use std::sync::Arc;

use holdfast_policy::{PolicyDiff, PolicyDocument, PolicyHash, PolicyVersion, TimestampMs};

use super::authority::{PolicyRecord, UploadedPolicy};
use super::{Change, State};
use crate::ceremony::{BacktestClaim, CeremonyKind, CeremonyPhase, PolicyProposal, TIGHTEN_POLICY};
use crate::codec::record;
use crate::ids::CeremonyId;
use crate::payload::PolicyUpload;
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::Statement;

/// Most documents that wait; the oldest goes when another comes.
const MAX_UPLOADS: usize = 16;

/// A policy that takes effect.
#[derive(Debug)]
pub(crate) struct NextPolicy {
    document: Arc<PolicyDocument>,
    record: PolicyRecord,
}

record!(NextPolicy { document, record });

/// The quorum that must approve these changes: the larger one if any of them loosens.
pub(super) fn policy_quorum(diff: &PolicyDiff) -> &'static str {
    if diff.loosens() { "change-policy" } else { TIGHTEN_POLICY }
}

impl State {
    /// A document means nothing by itself: officers approve its hash.
    pub(super) fn admit_policy(&self, upload: &PolicyUpload, index: u64) -> Result<Change, Rejection> {
        self.check_cluster(&upload.cluster)?;
        let refuse =
            |detail: String| Rejection::new(RejectionCode::PolicyInvalid, detail).with_field("policy");
        let document = PolicyDocument::parse(&upload.policy).map_err(|error| refuse(error.to_string()))?;
        let missing = |list: &&holdfast_policy::ListId| self.lists.index().list(list).is_none();
        if let Some(list) = document.screening_lists().into_iter().find(missing) {
            return Err(refuse(format!("screening list `{list}` is not in this log")));
        }
        if document.hash() == self.policy_digest() || self.uploaded_policy(&document.hash()).is_ok() {
            return Err(Rejection::new(
                RejectionCode::AlreadyRecorded,
                "this document is in the log already",
            ));
        }
        let upload = UploadedPolicy { document: Arc::new(document), index };
        Ok(Change { policy_upload: Some(upload), ..Change::default() })
    }

    pub(super) fn propose_policy(
        &self,
        statement: &Statement,
        proposal: &PolicyProposal,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        // Version and document were found when its text was compared.
        let diff = self.policy_diff(&proposal.policy)?;
        if proposal.diff != diff.digest() {
            let detail = format!("the diff of these two policies has the digest {}", diff.digest());
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("diff"));
        }
        // INVARIANT (G1): what it is over must be in the log: every officer's tool replays up to there.
        if proposal.backtest.size == 0 || proposal.backtest.size > index {
            let detail = format!("must be 1 to {index}, the entries before this one");
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("backtest size"));
        }
        let kind = CeremonyKind::ChangePolicy(proposal.clone());
        self.propose_by(policy_quorum(&diff), statement, kind, text, index)
    }

    /// What a waiting document would change.
    ///
    /// # Errors
    /// `UNKNOWN_POLICY` if no waiting document has this hash.
    pub fn policy_diff(&self, new: &PolicyHash) -> Result<PolicyDiff, Rejection> {
        Ok(PolicyDiff::between(self.policy(), &self.uploaded_policy(new)?.document))
    }

    /// The proposal to put a waiting document in force in place of the present one.
    ///
    /// # Errors
    /// `UNKNOWN_POLICY` if no waiting document has this hash.
    pub fn policy_proposal(
        &self,
        new: &PolicyHash,
        backtest: BacktestClaim,
    ) -> Result<PolicyProposal, Rejection> {
        Ok(PolicyProposal {
            version: self.policy_version(),
            replaces: self.policy_digest(),
            policy: *new,
            diff: self.policy_diff(new)?.digest(),
            backtest,
        })
    }

    /// The quorum is met.
    pub(super) fn change_policy(
        &self,
        proposal: &PolicyProposal,
        ceremony: CeremonyId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_policy_version(proposal)?;
        let uploaded = self.uploaded_policy(&proposal.policy)?;
        let record = PolicyRecord {
            version: PolicyVersion(proposal.version.0.saturating_add(1)),
            hash: proposal.policy,
            in_force_from: index.saturating_add(1),
            ceremony: Some(ceremony),
        };
        let others = self.ceremonies().filter(|other| {
            other.id != ceremony
                && other.is_open_at(time)
                && matches!(other.kind, CeremonyKind::ChangePolicy(_))
        });
        let superseded = others.cloned().map(|mut other| {
            other.phase = CeremonyPhase::Superseded;
            other
        });
        Ok(Change {
            policy: Some(NextPolicy { document: Arc::clone(&uploaded.document), record }),
            other_ceremonies: superseded.collect(),
            ..Change::default()
        })
    }

    /// INVARIANT (G4): a proposal names the policy it replaces by version and hash, so that an older policy cannot be put back
    /// by replaying what officers once signed; going back takes a new proposal.
    pub(super) fn check_policy_version(&self, proposal: &PolicyProposal) -> Result<(), Rejection> {
        let version = self.policy_version();
        if (proposal.version, proposal.replaces) == (version, self.policy_digest()) {
            return Ok(());
        }
        let detail = format!("made for policy version {}, version {version} is in force", proposal.version);
        Err(Rejection::new(RejectionCode::VersionSuperseded, detail).with_field("policy version"))
    }

    /// The waiting document with this hash.
    ///
    /// # Errors
    /// `UNKNOWN_POLICY` if none has it.
    pub(super) fn uploaded_policy(&self, hash: &PolicyHash) -> Result<&UploadedPolicy, Rejection> {
        let mut uploads = self.uploaded_policies().iter();
        uploads.find(|upload| upload.document.hash() == *hash).ok_or_else(|| {
            let detail = format!("no policy document with SHA-256 {hash} waits in the log: upload it first");
            Rejection::new(RejectionCode::UnknownPolicy, detail).with_field("new policy")
        })
    }

    pub(super) fn write_policy_upload(&mut self, upload: UploadedPolicy) {
        let uploads = &mut Arc::make_mut(&mut self.authority).uploads;
        if uploads.len() >= MAX_UPLOADS {
            uploads.remove(0);
        }
        uploads.push(upload);
    }

    pub(super) fn write_policy(&mut self, next: NextPolicy) {
        let authority = Arc::make_mut(&mut self.authority);
        authority.uploads.retain(|upload| upload.document.hash() != next.record.hash);
        authority.earlier_policies.push(authority.policy_record);
        authority.policy_record = next.record;
        authority.policy = next.document;
        let policy = Arc::clone(&self.authority);
        self.outflows.measure(&policy.policy);
        self.breakers.measure(&policy.policy);
    }
}
