//! Owns what one window counts for one combination of wallet, asset, client, customer and destination.

use holdfast_chains::Amount;
use sha2::{Digest, Sha256};

use super::{Outflow, OutflowStage, Place, Taken, places::Places, series::Series, total::Total};
use crate::{
    document::{Dimension, WindowLimit},
    ids::RuleId,
    time::{DurationMs, TimestampMs},
};

/// SHA-256 of the rule and of whom it counts for: short, whatever the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MeterKey([u8; 32]);

impl MeterKey {
    pub(super) fn of(rule: &RuleId, limit: &WindowLimit, outflow: &Outflow) -> Self {
        let mut hash = Sha256::new();
        part(&mut hash, rule.as_str().as_bytes());
        for dimension in &limit.per {
            match dimension {
                Dimension::Wallet => part(&mut hash, outflow.wallet.as_str().as_bytes()),
                Dimension::Asset => part(&mut hash, outflow.asset.as_str().as_bytes()),
                Dimension::Client => part(&mut hash, outflow.client.as_str().as_bytes()),
                // Withdrawals for nobody share one place, which no name can be: names are not empty.
                Dimension::Customer => {
                    part(
                        &mut hash,
                        outflow.customer.as_ref().map_or(b"", |customer| customer.as_str().as_bytes()),
                    );
                }
                Dimension::Destination => {
                    part(&mut hash, &outflow.chain_id.0.to_be_bytes());
                    part(&mut hash, outflow.destination.as_bytes());
                }
            }
        }
        Self(hash.finalize().into())
    }
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(bytes);
}

#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    waiting: Places,
    paid: Series,
    // Paid amounts that nobody can express in the window's unit, as so many times one.
    unknown: Series,
}

impl Meter {
    pub(super) fn wait(&mut self, place: Place, value: Option<Amount>, stage: OutflowStage) {
        self.waiting.insert(place, value, stage);
    }

    pub(super) fn leave(&mut self, place: Place) {
        self.waiting.remove(place);
    }

    pub(super) fn pay(&mut self, time: TimestampMs, value: Option<Amount>) {
        match value {
            Some(value) => self.paid.push(time, value),
            None => self.unknown.push(time, Amount::from_u128(1)),
        }
    }

    /// What was paid at this time is open again.
    pub(super) fn take_back(&mut self, time: TimestampMs, value: Option<Amount>) {
        match value {
            Some(value) => self.paid.remove(time, value),
            None => self.unknown.remove(time, Amount::from_u128(1)),
        }
    }

    pub(super) fn forget(&mut self, at: TimestampMs, window: DurationMs) {
        self.paid.forget(at, window);
        self.unknown.forget(at, window);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.paid.is_empty() && self.unknown.is_empty()
    }

    /// What the others take; `own` of what was paid is mine.
    pub(super) fn taken(&self, mine: Place, own: Amount, at: TimestampMs, window: DurationMs) -> Taken {
        let waiting = self.waiting.taken(mine, at);
        if waiting.unknown > 0 || !self.unknown.sum(at, window).is_zero() {
            return Taken::Unknown;
        }
        let paid = self.paid.sum(at, window).minus(Total::of(own));
        paid.plus(waiting.known).amount().map_or(Taken::Unknown, Taken::Known)
    }
}
