//! What another policy would have decided: a document that is counted and asked beside the one in force, and never judges.
//!
//! INVARIANT (G10): nothing in here is part of what `apply` judges, of the state's digest, or of a snapshot.

use std::sync::Arc;

use holdfast_policy::{Decision, Outflows, PolicyDocument, PolicyVersion, TimestampMs};

use super::State;
use super::decide::Under;
use crate::withdrawal::{Approval, Withdrawal};

#[derive(Clone, Debug)]
pub(super) struct Supposed {
    document: Arc<PolicyDocument>,
    outflows: Outflows,
}

impl State {
    /// From now on counts for the windows of this document too, so that [`State::decision_supposed`] can tell what it would
    /// decide. Begin after the first entry: what was counted before had its worth by another policy.
    pub fn suppose(&mut self, document: Arc<PolicyDocument>) {
        let mut outflows = self.outflows.clone();
        outflows.measure(&document);
        self.supposed = Some(Supposed { document, outflows });
    }

    /// What the supposed document says about a withdrawal that is in the log, by the facts of this position; `None` if no
    /// document was supposed.
    ///
    /// Whoever approved the hold that the policy in force made is taken to have approved the one that this document makes.
    pub fn decision_supposed(&self, withdrawal: &Withdrawal, at: TimestampMs) -> Option<Decision> {
        let Supposed { document, outflows } = self.supposed.as_ref()?;
        let version = PolicyVersion(self.policy_version().0.saturating_add(1));
        let under = Under { state: self, document, version, outflows };
        let alone = under.decide_again(withdrawal, &[], at);
        let given = withdrawal.decision.satisfied_hold.as_ref().map(|satisfied| &satisfied.requirement);
        let given = given.or(withdrawal.decision.hold()).map(|hold| hold.digest());
        let approvals = match (given, alone.hold().map(|hold| hold.digest())) {
            (Some(given), Some(hold)) => {
                let approved = withdrawal.approvals.iter().filter(|approval| approval.hold == given);
                approved.map(|approval| Approval { hold, ..approval.clone() }).collect()
            }
            _ => withdrawal.approvals.clone(),
        };
        Some(under.decide_again(withdrawal, &approvals, at))
    }

    pub(super) fn supposed_document(&self) -> Option<&PolicyDocument> {
        self.supposed.as_ref().map(|supposed| supposed.document.as_ref())
    }

    pub(super) fn supposed_outflows(&mut self) -> Option<&mut Outflows> {
        self.supposed.as_mut().map(|supposed| &mut supposed.outflows)
    }
}
