//! What another policy would have decided about a log's history: every withdrawal at its request, and again with each approval
//! and attestation that it got, by the facts of that position.
//!
//! Owns the comparison and its digest. It never changes what a replay derives, and takes nothing as input but the replay.
//!
//! What was decided is compared with what was really decided then, by whichever policy was in force. Windows count what really
//! left, not what the other policy would have let through; its circuit breakers count what was really denied and authorized, and
//! a trip stops nothing in the replay. Whoever approved a hold is taken to have approved the hold that the
//! other policy makes of the same withdrawal.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_ledger::{Act, BacktestClaim, Before, Event, StatementBody, SupposedTrip, WithdrawalId};
use holdfast_policy::{
    BacktestDigest, CustomerRef, Decision, ExpectedOutcome, PolicyDocument, PolicyHash, ReasonCode, RuleId,
    WalletId,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A backtest in the making: watches a replay that supposes the document from the first entry on.
#[derive(Debug)]
pub struct Backtester {
    document: PolicyHash,
    /// Only entries below this index count.
    end: Option<u64>,
    subject: Option<(WithdrawalId, Option<Decision>)>,
    waiting: BTreeMap<WithdrawalId, Row>,
    sums: Sums,
    flips: BTreeMap<u64, Flip>,
    trips: Vec<Trips>,
}

/// What a policy would have decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backtest {
    /// SHA-256 of the policy.
    pub policy: PolicyHash,
    /// Entries of the log that it is over, from the first one on.
    pub size: u64,
    /// Withdrawals that were decided, of all kinds.
    pub decided: u64,
    /// Outcomes at the requests.
    pub at_request: Outcomes,
    /// Outcomes with the approvals and attestations that were given.
    pub with_approvals: Outcomes,
    /// Customers whose withdrawals flip.
    pub customers: u64,
    /// Withdrawals with another outcome, in the order of their requests.
    pub flips: Vec<Flip>,
    /// Circuit breakers of the policy that would have tripped, by rule and wallet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trips: Vec<Trips>,
}

/// A circuit breaker that would have tripped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trips {
    /// The rule.
    pub rule: RuleId,
    /// The wallet that it would have paused.
    pub wallet: WalletId,
    /// How often, if officers had resumed the wallet at once.
    pub times: u64,
    /// Log index of the first entry that trips it.
    pub first: u64,
}

/// Outcomes by the policies that were in force and by the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// As it was.
    pub before: Counts,
    /// As it would have been.
    pub after: Counts,
}

/// How many of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Allowed.
    pub allow: u64,
    /// Held.
    pub hold: u64,
    /// Denied.
    pub deny: u64,
    /// Held, of 10,000; rounded down.
    pub hold_per_10k: u64,
    /// Denied, of 10,000; rounded down.
    pub deny_per_10k: u64,
}

/// A withdrawal with another outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// Log index of its request.
    pub index: u64,
    /// Its customer.
    pub customer: CustomerRef,
    /// At the request.
    pub at_request: Turn,
    /// With the approvals and attestations that were given.
    pub with_approvals: Turn,
}

/// Two outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// As it was.
    pub before: Said,
    /// As it would have been.
    pub after: Said,
}

/// An outcome and its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The outcome.
    pub outcome: ExpectedOutcome,
    /// The reasons of all rules that decided it, the main one first.
    pub codes: Vec<ReasonCode>,
}

#[derive(Debug, Default)]
struct Sums {
    size: u64,
    decided: u64,
    at_request: Outcomes,
    with_approvals: Outcomes,
}

#[derive(Clone, Debug)]
struct Row {
    index: u64,
    customer: CustomerRef,
    at_request: Turn,
    newest: Turn,
}

impl Backtester {
    /// Compares with this document, which the replay must suppose from its first entry on; up to `end` entries, if given.
    pub fn new(document: &PolicyDocument, end: Option<u64>) -> Self {
        Self {
            document: document.hash(),
            end,
            subject: None,
            waiting: BTreeMap::new(),
            sums: Sums { size: 1, ..Sums::default() },
            flips: BTreeMap::new(),
            trips: Vec::new(),
        }
    }

    /// Also keeps what the document says about one withdrawal in the end.
    #[must_use]
    pub fn explaining(self, withdrawal: WithdrawalId) -> Self {
        Self { subject: Some((withdrawal, None)), ..self }
    }

    /// What the document says about the withdrawal that was to be explained; `None` if it was never decided.
    pub fn explained(&self) -> Option<&Decision> {
        self.subject.as_ref()?.1.as_ref()
    }

    /// The next entry after the first.
    pub fn watch(&mut self, event: &Event<'_>) {
        if self.end.is_some_and(|end| event.index() >= end) {
            return;
        }
        self.sums.size = event.index().saturating_add(1);
        self.trips = event.state.trips_supposed().into_iter().map(Trips::from).collect();
        let (Some(point), Some(before)) = (event.act.and_then(Point::of), event.decision()) else { return };
        let Some(withdrawal) = event.withdrawal_after() else { return };
        let Some(after) = event.state.decision_supposed(withdrawal, event.applied.time) else { return };
        if let Some((id, decision)) = &mut self.subject
            && *id == withdrawal.id
        {
            *decision = Some(after.clone());
        }
        let turn = Turn { before: Said::of(before), after: Said::of(&after) };
        match point {
            Point::Request => {
                self.sums.decided = self.sums.decided.saturating_add(1);
                self.sums.at_request.count(&turn);
                let (index, customer) = (event.index(), withdrawal.request.customer.clone());
                let row = Row { index, customer, at_request: turn.clone(), newest: turn };
                self.settle_or_wait(withdrawal.id, row);
            }
            Point::Answer => {
                if let Some(mut row) = self.waiting.remove(&withdrawal.id) {
                    row.newest.follow(turn);
                    self.settle_or_wait(withdrawal.id, row);
                }
            }
        }
    }

    /// The result. What still waits for people stays as it is.
    pub fn finish(mut self) -> Backtest {
        for (id, row) in std::mem::take(&mut self.waiting) {
            self.settle(id, row);
        }
        let customers: BTreeSet<&CustomerRef> = self.flips.values().map(|flip| &flip.customer).collect();
        let customers = u64::try_from(customers.len()).unwrap_or(u64::MAX);
        let Sums { size, decided, at_request, with_approvals } = self.sums;
        Backtest {
            policy: self.document,
            size,
            decided,
            at_request: at_request.with_rates(decided),
            with_approvals: with_approvals.with_rates(decided),
            customers,
            flips: self.flips.into_values().collect(),
            trips: self.trips,
        }
    }

    fn settle_or_wait(&mut self, id: WithdrawalId, row: Row) {
        let waits = |said: &Said| said.outcome == ExpectedOutcome::Hold;
        if waits(&row.newest.before) || waits(&row.newest.after) {
            self.waiting.insert(id, row);
        } else {
            self.settle(id, row);
        }
    }

    fn settle(&mut self, withdrawal: WithdrawalId, row: Row) {
        let Row { index, customer, at_request, newest: with_approvals } = row;
        self.sums.with_approvals.count(&with_approvals);
        if at_request.flips() || with_approvals.flips() {
            self.flips.insert(index, Flip { withdrawal, index, customer, at_request, with_approvals });
        }
    }
}

impl From<SupposedTrip> for Trips {
    fn from(SupposedTrip { rule, wallet, times, first }: SupposedTrip) -> Self {
        Self { rule, wallet, times, first }
    }
}

/// Where a decision is compared.
enum Point {
    Request,
    Answer,
}

impl Point {
    fn of(act: &Act) -> Option<Self> {
        let approves = |body: &StatementBody| {
            matches!(body, StatementBody::ApproveHold(_) | StatementBody::WithdrawApproval(_))
        };
        let answers = matches!(act, Act::Identity(_) | Act::Travel(_) | Act::OrderConfirmation(_))
            || matches!(act, Act::Statement { statement, .. } if approves(&statement.body));
        if answers {
            return Some(Self::Answer);
        }
        matches!(act, Act::Request(..) | Act::Replace(..) | Act::Sweep(..)).then_some(Self::Request)
    }
}

impl Turn {
    /// A decision for good stays; what waited goes on.
    fn follow(&mut self, next: Self) {
        for (mine, next) in [(&mut self.before, next.before), (&mut self.after, next.after)] {
            if mine.outcome == ExpectedOutcome::Hold {
                *mine = next;
            }
        }
    }

    fn flips(&self) -> bool {
        self.before.outcome != self.after.outcome
    }
}

impl Said {
    fn of(decision: &Decision) -> Self {
        Self { outcome: ExpectedOutcome::of(decision), codes: decision.reasons() }
    }
}

impl Outcomes {
    fn count(&mut self, turn: &Turn) {
        self.before.count(turn.before.outcome);
        self.after.count(turn.after.outcome);
    }

    fn with_rates(self, of: u64) -> Self {
        Self { before: self.before.with_rates(of), after: self.after.with_rates(of) }
    }
}

impl Counts {
    fn count(&mut self, outcome: ExpectedOutcome) {
        let count = match outcome {
            ExpectedOutcome::Allow => &mut self.allow,
            ExpectedOutcome::Hold => &mut self.hold,
            ExpectedOutcome::Deny => &mut self.deny,
        };
        *count = count.saturating_add(1);
    }

    fn with_rates(self, of: u64) -> Self {
        let rate = |count: u64| count.saturating_mul(10_000).checked_div(of).unwrap_or(0);
        Self { hold_per_10k: rate(self.hold), deny_per_10k: rate(self.deny), ..self }
    }
}

impl Backtest {
    /// SHA-256 of its canonical form: compact JSON with the members in the order of this type.
    // INVARIANT (G10): no map, no float, no clock is in it: one log and one policy give one digest in every process.
    pub fn digest(&self) -> BacktestDigest {
        BacktestDigest::from_bytes(Sha256::digest(self.canonical_json()).into())
    }

    /// What the digest is of.
    pub fn canonical_json(&self) -> Vec<u8> {
        // Numbers, names and codes: nothing in it cannot be written as JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What a proposal claims about it.
    pub fn claim(&self) -> BacktestClaim {
        let Outcomes { before, after } = self.at_request;
        BacktestClaim {
            size: self.size,
            digest: self.digest(),
            decided: self.decided,
            flips: u64::try_from(self.flips.len()).unwrap_or(u64::MAX),
            customers: self.customers,
            held: Before { before: before.hold, after: after.hold },
            denied: Before { before: before.deny, after: after.deny },
        }
    }
}
