//! Owns the score of one evaluation: what the policy makes of the customer's history, the destination, the device and the session.
//! Whoever asks only whether a grant gives a withdrawal does not pay for it.

use std::collections::BTreeSet;

use super::case::Case;
use crate::{
    facts::PolicyView,
    risk::{Known, RiskFact, RiskFacts, RiskScore},
};

pub(super) struct Score {
    pub(super) risk: RiskScore,
    /// Facts of the score that nobody knows.
    pub(super) unknown: BTreeSet<RiskFact>,
}

impl Score {
    pub(super) fn of<V: PolicyView + ?Sized>(view: &V, case: &Case<'_>) -> Self {
        let known = Known {
            at: case.at,
            named: case.call.as_ref().map(|call| call.addresses.as_slice()).unwrap_or_default(),
            listed: listed(case),
            session: case.session.current(),
            asset: case.asset.ok(),
            whitelisted: case.whitelist.is_ok(),
            usd_cents: case.outflow.as_ref().ok().and_then(|outflow| outflow.usd_cents),
            exposure: &case.exposure,
        };
        let facts = RiskFacts::gather(view, case.withdrawal, known);
        Self { risk: RiskScore::assess(case.document.risk(), &facts), unknown: facts.unknown() }
    }
}

/// Whether a list that the document names lists the destination or an address in the call; `None` when a list is missing and no
/// other one does.
fn listed(case: &Case<'_>) -> Option<bool> {
    let named: Vec<_> = case.withdrawal.addresses().collect();
    let mut complete = true;
    for id in case.document.screening_lists() {
        match case.screening.list(id) {
            Some(list) if named.iter().any(|address| list.contains(address)) => return Some(true),
            Some(_) => {}
            None => complete = false,
        }
    }
    complete.then_some(false)
}
