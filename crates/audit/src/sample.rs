//! Random samples that anybody can draw again: which withdrawals of a period an auditor looks at.
//!
//! The method needs nothing but SHA-256, so that another program, or a person with `sha256sum`, can check that nobody steered
//! the choice: give each withdrawal of the period the rank `SHA-256(seed ":" withdrawal)`, sort by rank, take the first N.

use holdfast_ledger::{Act, Event, Outcome, WithdrawalId};
use holdfast_policy::TimestampMs;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The method, in words.
pub const METHOD: &str = "rank = SHA-256(seed || \":\" || withdrawal id), both as UTF-8; sort by rank as hexadecimal; take the first N";

/// Collects the withdrawals whose requests were logged within a period.
#[derive(Clone, Debug)]
pub struct Sampler {
    from: TimestampMs,
    to: TimestampMs,
    population: Vec<(WithdrawalId, u64, u64)>,
}

/// A sample with everything that is needed to draw it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The seed.
    pub seed: String,
    /// How it was drawn.
    pub method: &'static str,
    /// Requests of this time or later, ms.
    pub from_ms: u64,
    /// Requests before this time, ms.
    pub to_ms: u64,
    /// How many withdrawals the period has.
    pub population: usize,
    /// SHA-256 over their ids in ascending order, each followed by a line feed, hex.
    pub population_sha256: String,
    /// Those drawn, by rank.
    pub drawn: Vec<Drawn>,
}

/// A withdrawal that was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drawn {
    /// Its id.
    pub withdrawal: String,
    /// Its rank, hex.
    pub rank: String,
    /// Log index of its request.
    pub index: u64,
    /// Time of its request, ms.
    pub time_ms: u64,
}

impl Sampler {
    /// For requests from `from` until just before `to`.
    pub fn new(from: TimestampMs, to: TimestampMs) -> Self {
        Self { from, to, population: Vec::new() }
    }

    /// Looks at the next entry.
    pub fn watch(&mut self, event: &Event<'_>) {
        let (time, admitted) = (event.applied.time, matches!(event.applied.outcome, Outcome::Admitted(_)));
        let first = event.withdrawal_after().is_some_and(|w| w.positions.request == event.index());
        let asked = first || matches!(event.act, Some(Act::Request(..)));
        if let Some(id) =
            event.withdrawal.filter(|_| admitted && asked && self.from <= time && time < self.to)
        {
            self.population.push((id, event.index(), time.0));
        }
    }

    /// Draws.
    pub fn draw(mut self, seed: &str, count: usize) -> Sample {
        self.population.sort();
        let ids: String = self.population.iter().map(|(id, ..)| format!("{id}\n")).collect();
        let mut ranked: Vec<_> =
            self.population.iter().map(|member| (rank(seed, &member.0), member)).collect();
        ranked.sort();
        let drawn = ranked.into_iter().take(count).map(|(rank, (id, index, time_ms))| Drawn {
            withdrawal: id.to_string(),
            rank,
            index: *index,
            time_ms: *time_ms,
        });
        Sample {
            seed: seed.to_owned(),
            method: METHOD,
            from_ms: self.from.0,
            to_ms: self.to.0,
            population: self.population.len(),
            population_sha256: hex::encode(Sha256::digest(ids.as_bytes())),
            drawn: drawn.collect(),
        }
    }
}

fn rank(seed: &str, id: &WithdrawalId) -> String {
    hex::encode(Sha256::digest(format!("{seed}:{id}").as_bytes()))
}
