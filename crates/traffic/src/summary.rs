//! Owns counts over a stream, by class: what is in it, and how large. It must never judge anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    event::{Event, Record, TimeMs},
    label::{AttackKind, Label, Oddity, Skill},
    number::{count, real, whole},
};

/// What withdrawals of one class came to.
#[derive(Debug, Clone, Default)]
pub struct Class {
    /// Withdrawals.
    pub withdrawals: u64,
    /// US cents in all.
    pub usd_cents: u128,
    incidents: BTreeSet<u32>,
    /// Withdrawals by amount, to three significant digits.
    amounts: BTreeMap<u64, u64>,
}

impl Class {
    fn add(&mut self, usd_cents: u64, incident: Option<u32>) {
        self.withdrawals = self.withdrawals.saturating_add(1);
        self.usd_cents = self.usd_cents.saturating_add(u128::from(usd_cents));
        self.incidents.extend(incident);
        let slot = self.amounts.entry(three_digits(usd_cents)).or_default();
        *slot = slot.saturating_add(1);
    }

    /// Different incidents.
    #[must_use]
    pub fn incidents(&self) -> u64 {
        count(self.incidents.len())
    }

    /// The amount in US cents, to three digits, that a share of withdrawals does not exceed; `None` without withdrawals.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let rank = whole(real(self.withdrawals) * share);
        let mut seen = 0_u64;
        for (amount, number) in &self.amounts {
            seen = seen.saturating_add(*number);
            if seen > rank {
                return Some(*amount);
            }
        }
        self.amounts.last_key_value().map(|(amount, _)| *amount)
    }
}

/// Counts over a stream.
#[derive(Debug, Clone)]
pub struct Summary {
    evaluation_start: TimeMs,
    /// Events by name.
    pub events: BTreeMap<&'static str, u64>,
    /// Honest withdrawals before the evaluation.
    pub history: Class,
    /// Honest withdrawals in the evaluation.
    pub honest: Class,
    /// Attacks by kind.
    pub attacks: BTreeMap<AttackKind, Class>,
    /// Attacks' withdrawals by kind and skill.
    pub skills: BTreeMap<(AttackKind, Skill), Class>,
    /// Honest withdrawals of the evaluation that are odd in this way.
    pub oddities: BTreeMap<Oddity, u64>,
    /// Honest withdrawals of the evaluation that are odd in no way.
    pub plain: u64,
}

impl Summary {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(evaluation_start: TimeMs) -> Self {
        Self {
            evaluation_start,
            events: BTreeMap::new(),
            history: Class::default(),
            honest: Class::default(),
            attacks: BTreeMap::new(),
            skills: BTreeMap::new(),
            oddities: BTreeMap::new(),
            plain: 0,
        }
    }

    /// Counts one record.
    pub fn add(&mut self, record: &Record) {
        let seen = self.events.entry(name(&record.event)).or_default();
        *seen = seen.saturating_add(1);
        let Event::Withdrawal(request) = &record.event else { return };
        match record.label {
            Label::Honest(_) if record.at < self.evaluation_start => {
                self.history.add(request.usd_cents, None);
            }
            Label::Honest(odd) => {
                self.honest.add(request.usd_cents, None);
                self.plain = self.plain.saturating_add(u64::from(odd.is_empty()));
                for oddity in Oddity::ALL.into_iter().filter(|oddity| odd.has(*oddity)) {
                    let seen = self.oddities.entry(oddity).or_default();
                    *seen = seen.saturating_add(1);
                }
            }
            Label::Attack(incident) => {
                let number = Some(incident.number);
                self.attacks.entry(incident.kind).or_default().add(request.usd_cents, number);
                let slot = self.skills.entry((incident.kind, incident.skill)).or_default();
                slot.add(request.usd_cents, number);
            }
        }
    }

    /// Share of the evaluation's withdrawals that belong to attacks.
    #[must_use]
    pub fn attack_share(&self) -> f64 {
        let attacks = real(self.attacks.values().map(|class| class.withdrawals).sum());
        attacks / (attacks + real(self.honest.withdrawals)).max(1.0)
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Registered(_) => "registered",
        Event::Price(_) => "price",
        Event::Deposited(_) => "deposited",
        Event::Whitelisted(_) => "whitelisted",
        Event::Session(_) => "session",
        Event::Exposure(_) => "exposure",
        Event::Withdrawal(_) => "withdrawal",
    }
}

fn three_digits(number: u64) -> u64 {
    let mut step = 1_u64;
    while number.checked_div(step).unwrap_or(0) >= 1_000 {
        step = step.saturating_mul(10);
    }
    number.checked_div(step).unwrap_or(0).saturating_mul(step)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "events")?;
        for (name, number) in &self.events {
            writeln!(f, "  {name:<24}{number:>10}")?;
        }
        writeln!(f, "withdrawals by class, amounts in USD")?;
        write!(f, "  {:<24}{:>9}{:>12}{:>14}", "class", "incidents", "withdrawals", "total")?;
        writeln!(f, "{:>9}{:>9}{:>11}{:>11}{:>12}", "p5", "p50", "p95", "p99", "max")?;
        row(f, "honest, history", &self.history)?;
        row(f, "honest, evaluation", &self.honest)?;
        for (kind, class) in &self.attacks {
            row(f, kind.name(), class)?;
        }
        let percent = 100.0 * self.attack_share();
        writeln!(f, "attacks are {percent:.1} % of the evaluation's withdrawals (oversampled by design)")?;
        writeln!(f, "honest withdrawals of the evaluation that are odd, in %")?;
        let all = real(self.honest.withdrawals).max(1.0);
        for (oddity, number) in &self.oddities {
            writeln!(f, "  {:<24}{:>10.2}", format!("{oddity:?}"), 100.0 * real(*number) / all)?;
        }
        writeln!(f, "  {:<24}{:>10.2}", "in no way", 100.0 * real(self.plain) / all)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, class: &Class) -> fmt::Result {
    let total = class.usd_cents.checked_div(100).unwrap_or(0);
    write!(f, "  {name:<24}{:>9}{:>12}{total:>14}", class.incidents(), class.withdrawals)?;
    for (share, width) in [(0.05, 9), (0.5, 9), (0.95, 11), (0.99, 11), (1.0, 12)] {
        let usd = class.quantile(share).unwrap_or(0).checked_div(100).unwrap_or(0);
        write!(f, "{usd:>width$}")?;
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_amounts_to_three_digits() {
        let mut class = Class::default();
        (1..=1_000_u64).for_each(|dollars| class.add(dollars * 100, None));
        assert_eq!(class.quantile(0.5), Some(50_100));
        assert_eq!(class.quantile(1.0), Some(100_000));
        assert_eq!(Class::default().quantile(0.5), None);
    }
}
