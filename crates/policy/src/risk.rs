//! Owns the risk score: an integer from 0 to 100, the saturating sum of components that can only add. It never decides:
//! `risk` restrictions do, in `evaluate/risk.rs`.

mod account;
mod component;
mod destination;
mod facts;
mod habit;
mod parts;
mod terms;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::reason::ReasonCode;
use component::{Component, condition};

pub(crate) use facts::{Known, RiskFacts};
pub use terms::{
    AccountTerms, Alike, DestinationTerms, Dormant, Established, FanIn, Graded, HabitTerms, Lately,
    NearLimit, NearListed, RiskTerms, UnusualHour, Within,
};

/// The highest score.
pub const MAX_SCORE: u8 = 100;

/// The score and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskScore {
    /// The saturating sum of all contributions.
    pub score: u8,
    /// Every component the policy names, also those that contribute nothing.
    pub components: Vec<RiskComponent>,
}

/// One component of the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskComponent {
    /// Which component.
    pub code: ReasonCode,
    /// Whether its condition holds.
    pub state: ComponentState,
    /// The most it adds; from the policy.
    pub weight: u8,
    /// What it adds here.
    pub contribution: u8,
    /// Why, in words with the numbers, for officers.
    pub reason: String,
}

/// Whether a component's condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentState {
    /// It holds.
    Present,
    /// It does not hold.
    Absent,
    /// Nobody can tell: without a session report `risk` restrictions hold, without a list `screening` restrictions deny.
    Unknown,
}

/// Facts about which a `risk` restriction may say that they must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RiskFact {
    /// What the customer usually does.
    History,
    /// Who else is paid at the destination.
    Destination,
    /// The device of the session.
    Device,
    /// What the withdrawal is worth.
    Worth,
}

impl RiskFact {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::History, Self::Destination, Self::Device, Self::Worth];

    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Destination => "destination",
            Self::Device => "device",
            Self::Worth => "worth",
        }
    }
}

impl fmt::Display for RiskFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RiskFact {
    type Err = &'static str;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|fact| fact.name() == name);
        found.ok_or("use `history`, `destination`, `device` or `worth`")
    }
}

impl RiskScore {
    /// The score of these facts.
    pub(crate) fn assess(terms: &RiskTerms, facts: &RiskFacts<'_>) -> Self {
        let mut all = from_the_start(terms, facts);
        destination::components(&terms.destination, facts, &mut all);
        habit::components(&terms.habit, facts, &mut all);
        account::components(&terms.account, facts, &mut all);
        let percent = remaining_percent(terms, facts);
        let components: Vec<_> = all.into_iter().map(|component| component.finish(percent)).collect();
        let sum = components.iter().fold(0_u8, |sum, part| sum.saturating_add(part.contribution));
        Self { score: sum.min(MAX_SCORE), components }
    }

    /// The components that raise the score.
    pub(crate) fn contributing(&self) -> impl Iterator<Item = &RiskComponent> {
        self.components.iter().filter(|part| part.contribution > 0)
    }
}

/// The three components that every document names.
fn from_the_start(terms: &RiskTerms, facts: &RiskFacts<'_>) -> Vec<Component> {
    let report = facts.report();
    let parts = [
        (ReasonCode::ListedAddress, terms.listed_address, facts.listed),
        (ReasonCode::NewDevice, terms.new_device, report.map(|report| report.new_device)),
        (
            ReasonCode::SecondFactorReset,
            terms.second_factor_reset,
            report.map(|report| report.second_factor_reset),
        ),
    ];
    let of = |(code, weight, holds): (ReasonCode, u8, Option<bool>)| {
        let sentence = code.officer_sentence();
        // What is on a list is on it however long it has been paid.
        let fades = code != ReasonCode::ListedAddress;
        Component { code, weight, answer: condition(weight, holds, sentence, sentence), fades }
    };
    parts.into_iter().map(of).collect()
}

/// How many of 100 points count of what fades with an established destination.
fn remaining_percent(terms: &RiskTerms, facts: &RiskFacts<'_>) -> u8 {
    let Some(established) = terms.destination.established else { return 100 };
    match facts.first_paid().flatten() {
        Some(first) if !first.is_within(established.after, facts.now) => established.percent,
        Some(_) | None => 100,
    }
}

#[cfg(test)]
mod tests;
