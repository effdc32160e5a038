//! Owns the counts: what became of honest customers, and of each incident. The only place that reads labels.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_policy::{Decision, ReasonCode};
use holdfast_traffic::{AttackKind, CustomerId, Incident, Label, Record, Skill, WithdrawalRequest};

use crate::{
    interval::Share,
    outcome::{Verdict, fails_a_step_up},
};

/// What became of everybody in the evaluation, under one policy.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    withdrawals: Share,
    denied: Share,
    stepped_up: Share,
    customers: BTreeMap<CustomerId, Treatment>,
    incidents: BTreeMap<u32, IncidentTally>,
    honest_reasons: BTreeMap<ReasonCode, u64>,
}

/// What became of the attacks of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindTally {
    /// Incidents stopped before half of their money had left: held, denied, or asked for a proof of identity that the thief does not
    /// have.
    pub stopped: Share,
    /// The same by holds and denials alone, as if everybody passed every step-up.
    pub held: Share,
    /// Incidents in which nothing left.
    pub nothing_lost: Share,
    /// Incidents in which anything was stopped.
    pub noticed: Share,
    /// US cents that were asked for.
    pub asked_usd_cents: u128,
    /// US cents that left, if nobody reacts to what was held.
    pub lost_usd_cents: u128,
    /// US cents that left before the first withdrawal of each incident was held or denied.
    pub lost_before_notice_usd_cents: u128,
}

/// What an honest customer met with.
#[derive(Debug, Clone, Copy, Default)]
struct Treatment {
    stopped: bool,
    stepped_up: bool,
}

#[derive(Debug, Clone, Copy)]
struct IncidentTally {
    incident: Incident,
    asked: u128,
    lost: u128,
    /// What had left when the first withdrawal was stopped.
    before_notice: Option<u128>,
    /// What had been asked for when the first withdrawal was held or denied.
    before_hold: Option<u128>,
}

impl Tally {
    pub(crate) fn add(&mut self, record: &Record, request: &WithdrawalRequest, decision: &Decision) {
        let verdict = Verdict::of(decision);
        match record.label {
            Label::Honest(_) => {
                let stopped = verdict.is_stopped();
                self.withdrawals.add(stopped);
                self.denied.add(verdict == Verdict::Denied);
                let before = self.customers.entry(request.customer).or_default();
                before.stopped |= stopped;
                before.stepped_up |= verdict == Verdict::SteppedUp;
                self.stepped_up.add(verdict == Verdict::SteppedUp);
                if stopped {
                    self.note(decision);
                }
            }
            Label::Attack(incident) => {
                let nothing =
                    IncidentTally { incident, asked: 0, lost: 0, before_notice: None, before_hold: None };
                let tally = self.incidents.entry(incident.number).or_insert(nothing);
                tally.add(request.usd_cents.into(), verdict);
            }
        }
    }

    /// Which reasons held or denied honest customers: each once for a withdrawal.
    fn note(&mut self, decision: &Decision) {
        let components = decision.risk.components.iter().filter(|part| part.contribution > 0);
        let codes: BTreeSet<_> =
            decision.reasons().into_iter().chain(components.map(|part| part.code)).collect();
        for code in codes {
            let seen = self.honest_reasons.entry(code).or_default();
            *seen = seen.saturating_add(1);
        }
    }

    /// Honest customers who withdrew in the evaluation, and those of them of whom anything was held or denied.
    pub fn customers(&self) -> Share {
        self.customers_who(|treatment| treatment.stopped)
    }

    /// Honest customers who withdrew in the evaluation, and those of them who had to prove at least once who they are.
    pub fn customers_stepped_up(&self) -> Share {
        self.customers_who(|treatment| treatment.stepped_up)
    }

    fn customers_who(&self, met: impl Fn(&Treatment) -> bool) -> Share {
        let mut share = Share::default();
        self.customers.values().for_each(|treatment| share.add(met(treatment)));
        share
    }

    /// Honest withdrawals, and those of them for which the customer had to prove who it is.
    pub fn stepped_up(&self) -> Share {
        self.stepped_up
    }

    /// Honest withdrawals, and those of them that were held or denied.
    pub fn withdrawals(&self) -> Share {
        self.withdrawals
    }

    /// Honest withdrawals, and those of them that were denied.
    pub fn denied(&self) -> Share {
        self.denied
    }

    /// How often each reason or component was behind a held or denied honest withdrawal.
    pub fn honest_reasons(&self) -> &BTreeMap<ReasonCode, u64> {
        &self.honest_reasons
    }

    /// What became of one kind of attack.
    pub fn kind(&self, kind: AttackKind) -> KindTally {
        self.of(|incident| incident.kind == kind)
    }

    /// What became of one kind of attack by attackers of one skill.
    pub fn kind_and_skill(&self, kind: AttackKind, skill: Skill) -> KindTally {
        self.of(|incident| incident.kind == kind && incident.skill == skill)
    }

    fn of(&self, wanted: impl Fn(&Incident) -> bool) -> KindTally {
        let mut all = KindTally::default();
        for tally in self.incidents.values().filter(|tally| wanted(&tally.incident)) {
            let before = tally.before_notice;
            let early = |gone: u128| gone.saturating_mul(2) <= tally.asked;
            all.stopped.add(before.is_some_and(early));
            all.held.add(tally.before_hold.is_some_and(early));
            all.nothing_lost.add(tally.lost == 0);
            all.noticed.add(before.is_some());
            all.asked_usd_cents = all.asked_usd_cents.saturating_add(tally.asked);
            all.lost_usd_cents = all.lost_usd_cents.saturating_add(tally.lost);
            let lost = before.unwrap_or(tally.lost);
            all.lost_before_notice_usd_cents = all.lost_before_notice_usd_cents.saturating_add(lost);
        }
        all
    }
}

impl IncidentTally {
    fn add(&mut self, usd_cents: u128, verdict: Verdict) {
        if verdict.is_stopped() {
            self.before_hold.get_or_insert(self.asked);
        }
        self.asked = self.asked.saturating_add(usd_cents);
        if verdict.is_stopped() || verdict == Verdict::SteppedUp && fails_a_step_up(self.incident.kind) {
            self.before_notice.get_or_insert(self.lost);
        } else {
            self.lost = self.lost.saturating_add(usd_cents);
        }
    }
}
