//! What another policy would have decided: a document that is counted and asked beside the one in force, and never judges.
//!
//! INVARIANT (G10): nothing in here is part of what `apply` judges, of the state's digest, or of a snapshot.

use std::sync::Arc;

use holdfast_policy::{
    Breakers, Decision, Outflows, PolicyDocument, PolicyVersion, RuleId, TimestampMs, WalletId,
};
use imbl::OrdMap;

use super::State;
use super::decide::Under;
use crate::withdrawal::{Approval, Withdrawal};

#[derive(Clone, Debug)]
pub(super) struct Supposed {
    document: Arc<PolicyDocument>,
    outflows: Outflows,
    pub(super) breakers: Breakers,
    /// How often each of its breakers tripped for each wallet, and the first entry that did it.
    trips: OrdMap<(RuleId, WalletId), (u64, u64)>,
}

/// A circuit breaker of the supposed document that would have tripped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupposedTrip {
    /// The rule.
    pub rule: RuleId,
    /// The wallet that it would have paused.
    pub wallet: WalletId,
    /// How often, if officers had resumed the wallet at once.
    pub times: u64,
    /// Log index of the first entry that trips it.
    pub first: u64,
}

impl Supposed {
    pub(super) fn note_trip(&mut self, rule: RuleId, wallet: WalletId, index: u64) {
        let (times, _) = self.trips.entry((rule, wallet)).or_insert((0, index));
        *times = times.saturating_add(1);
    }
}

impl State {
    /// From now on counts for the windows of this document too, so that [`State::decision_supposed`] can tell what it would
    /// decide. Begin after the first entry: what was counted before had its worth by another policy.
    pub fn suppose(&mut self, document: Arc<PolicyDocument>) {
        let mut outflows = self.outflows.clone();
        outflows.measure(&document);
        let mut breakers = Breakers::default();
        breakers.measure(&document);
        self.supposed = Some(Supposed { document, outflows, breakers, trips: OrdMap::new() });
    }

    /// What the supposed document says about a withdrawal that is in the log, by the facts of this position; `None` if no
    /// document was supposed.
    ///
    /// Whoever approved the hold that the policy in force made is taken to have approved the one that this document makes.
    pub fn decision_supposed(&self, withdrawal: &Withdrawal, at: TimestampMs) -> Option<Decision> {
        let Supposed { document, outflows, .. } = self.supposed.as_ref()?;
        let version = PolicyVersion(self.policy_version().0.saturating_add(1));
        let under = Under { state: self, document, version, outflows, after: self.size.checked_sub(1) };
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

    /// Circuit breakers of the supposed document that would have tripped so far: they count what was really denied and
    /// authorized, and a trip stops nothing.
    pub fn trips_supposed(&self) -> Vec<SupposedTrip> {
        let trips = self.supposed.iter().flat_map(|supposed| &supposed.trips);
        let trips = trips.map(|((rule, wallet), (times, first))| SupposedTrip {
            rule: rule.clone(),
            wallet: wallet.clone(),
            times: *times,
            first: *first,
        });
        trips.collect()
    }

    pub(super) fn supposed_document(&self) -> Option<&PolicyDocument> {
        self.supposed.as_ref().map(|supposed| supposed.document.as_ref())
    }

    pub(super) fn supposed_outflows(&mut self) -> Option<&mut Outflows> {
        self.supposed.as_mut().map(|supposed| &mut supposed.outflows)
    }
}
