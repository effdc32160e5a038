//! What circuit breakers have counted: [`Breakers`]. It says which breakers trip by the newest denial or authorization; that a
//! wallet is paused then, and that officers resume it, is the ledger's.
//!
//! Bounded, whoever asks: of denials no more is kept than the breaker lets pass, and of outflow one sum for each 64th of its
//! window. A breaker that trips starts again from nothing.

use std::{fmt, sync::Arc};

use holdfast_chains::Amount;
use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use crate::{
    document::{CircuitBreaker, DenialBound, LimitUnit, OutflowBound, PolicyDocument},
    ids::{ClientId, CustomerRef, RuleId, WalletId},
    outflow::{Outflow, has_left},
    reason::ReasonCode,
    time::{DurationMs, TimestampMs},
};

/// How many parts of its window a breaker adds outflow up in.
const PARTS: u64 = 64;

/// Denials for these reasons alone never count. They say nothing about who asked: the wallet is stopped already, a fact is
/// missing that others owe, or officers were slow.
const NEVER_COUNTED: [ReasonCode; 13] = [
    ReasonCode::WalletPaused,
    ReasonCode::WalletFrozen,
    ReasonCode::UnknownWallet,
    ReasonCode::BreakerTripped,
    ReasonCode::PriceAbsent,
    ReasonCode::WindowSumUnknown,
    ReasonCode::ScreeningListAbsent,
    ReasonCode::ExposureAbsent,
    ReasonCode::SessionReportAbsent,
    ReasonCode::SessionReportStale,
    ReasonCode::RiskFactMissing,
    ReasonCode::HoldExpired,
    ReasonCode::EvaluationFailed,
];

/// Everything that the breakers of a document have counted.
///
/// A clone is cheap. Times must not go back from one call to the next: they are those of log entries.
#[derive(Debug, Clone, Default)]
pub struct Breakers {
    rules: Vector<(RuleId, Arc<CircuitBreaker>)>,
    counts: OrdMap<BreakerKey, BreakerCount>,
}

/// What is counted by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakerKey {
    /// The breaker.
    pub rule: RuleId,
    /// The wallet.
    pub wallet: WalletId,
    /// The client, for a breaker that counts each one by itself.
    pub client: Option<ClientId>,
}

/// What one breaker has counted for one wallet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BreakerCount {
    /// When, and for which customer, requests were denied; the oldest first.
    pub denials: Vector<(TimestampMs, Option<CustomerRef>)>,
    /// Sums of what was authorized, by the number of the part of time; the oldest first.
    pub outflow: Vector<(u64, Amount)>,
}

/// A breaker that trips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The breaker.
    pub rule: RuleId,
    /// Why.
    pub cause: TripCause,
}

/// What made a breaker trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TripCause {
    /// More requests were denied than it lets pass.
    Denials {
        /// So many, the last one included.
        counted: u32,
        /// So many it lets pass.
        most: u32,
        /// Within this time.
        window_ms: u64,
    },
    /// More was authorized than it lets pass.
    Outflow {
        /// So much, the last one included.
        sum: Amount,
        /// So much it lets pass.
        most: Amount,
        /// An asset's symbol, `usd_cents` or `count`.
        unit: String,
        /// Within this time.
        window_ms: u64,
    },
}

impl fmt::Display for TripCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denials { counted, most, window_ms } => {
                write!(f, "{counted} requests were denied within {window_ms} ms, it lets {most} pass")
            }
            Self::Outflow { sum, most, unit, window_ms } => {
                let (sum, most) = match unit.as_str() {
                    "usd_cents" => {
                        (format!("{} USD", sum.format_units(2)), format!("{} USD", most.format_units(2)))
                    }
                    "count" => (format!("{sum} withdrawals"), most.to_string()),
                    asset => (format!("{sum} base units of {asset}"), most.to_string()),
                };
                write!(f, "{sum} were authorized within {window_ms} ms, it lets {most} pass")
            }
        }
    }
}

impl DenialBound {
    /// Whether a denial for these reasons counts: at least one of them is about who asked or for what.
    pub fn counts(&self, reasons: &[ReasonCode]) -> bool {
        reasons.iter().any(|reason| !NEVER_COUNTED.contains(reason) && !self.except.contains(reason))
    }
}

impl Breakers {
    /// Counts for another document from now on. What a breaker has counted stays if it would have counted the same, for the bounds that
    /// it still has: one that comes back later, and may count something else then, begins anew.
    pub fn measure(&mut self, document: &PolicyDocument) {
        let before = std::mem::replace(&mut self.rules, rules_of(document));
        let find = |rules: &Vector<(RuleId, Arc<CircuitBreaker>)>, rule: &RuleId| {
            rules.iter().find(|(id, _)| id == rule).map(|(_, breaker)| Arc::clone(breaker))
        };
        let kept = |(key, count): (BreakerKey, BreakerCount)| {
            let (old, new) = find(&before, &key.rule).zip(find(&self.rules, &key.rule))?;
            let denials = new.denials.as_ref().map(|_| count.denials).unwrap_or_default();
            let outflow = new.outflow.as_ref().map(|_| count.outflow).unwrap_or_default();
            let stays = new.counts_like(&old) && !(denials.is_empty() && outflow.is_empty());
            stays.then_some((key, BreakerCount { denials, outflow }))
        };
        self.counts = self.counts.clone().into_iter().filter_map(kept).collect();
    }

    /// Whether the document has no breaker: then nothing is counted.
    pub fn are_none(&self) -> bool {
        self.rules.is_empty()
    }

    /// A request was denied for these reasons. Says which breakers trip by it; they start again from nothing.
    pub fn denied(&mut self, request: &Outflow, reasons: &[ReasonCode], at: TimestampMs) -> Vec<Trip> {
        let mut trips = Vec::new();
        for (rule, breaker) in self.about(request) {
            let Some(bound) = breaker.denials.as_ref().filter(|bound| bound.counts(reasons)) else {
                continue;
            };
            let key = key(&rule, &breaker, request);
            let mut count = self.counts.get(&key).cloned().unwrap_or_default();
            count.deny(bound, breaker.window, request.customer.clone(), at);
            let (counted, most) = (u32::try_from(count.denials.len()).unwrap_or(u32::MAX), bound.most);
            self.counts.insert(key, count);
            if counted > most {
                let cause = TripCause::Denials { counted, most, window_ms: breaker.window.0 };
                trips.push(Trip { rule, cause });
            }
        }
        self.reset(&trips, &request.wallet);
        trips
    }

    /// A withdrawal was authorized. Says which breakers trip by it; they start again from nothing.
    pub fn authorized(&mut self, outflow: &Outflow, at: TimestampMs) -> Vec<Trip> {
        let mut trips = Vec::new();
        for (rule, breaker) in self.about(outflow) {
            // INVARIANT (G9): evaluation denies what has no known worth, so that it is never authorized while the rule is in force.
            let Some((bound, value)) = breaker.outflow.as_ref().and_then(|bound| {
                let value = bound.value_of(outflow).flatten()?;
                Some((bound, value))
            }) else {
                continue;
            };
            let key = key(&rule, &breaker, outflow);
            let mut count = self.counts.get(&key).cloned().unwrap_or_default();
            let sum = count.authorize(value, breaker.window, at);
            self.counts.insert(key, count);
            if sum > bound.most {
                trips.push(Trip { rule, cause: cause(bound, sum, breaker.window) });
            }
        }
        self.reset(&trips, &outflow.wallet);
        trips
    }

    /// Everything that is counted, by breaker, wallet and client.
    pub fn counts(&self) -> impl Iterator<Item = (&BreakerKey, &BreakerCount)> {
        self.counts.iter()
    }

    /// What [`Breakers::counts`] gave, put together again; [`Breakers::under`] must follow.
    pub fn restore(counts: impl IntoIterator<Item = (BreakerKey, BreakerCount)>) -> Self {
        Self { rules: Vector::new(), counts: counts.into_iter().collect() }
    }

    /// The same counts, with the rules of the document under which they were made.
    #[must_use]
    pub fn under(self, document: &PolicyDocument) -> Self {
        Self { rules: rules_of(document), ..self }
    }

    fn about(&self, outflow: &Outflow) -> Vec<(RuleId, Arc<CircuitBreaker>)> {
        let Outflow { wallet, asset, client, .. } = outflow;
        let about = self.rules.iter().filter(|(_, breaker)| breaker.is_about(wallet, asset, client));
        about.cloned().collect()
    }

    // INVARIANT (G9): what tripped a breaker does not trip it again after officers resumed, and nothing is counted while the wallet
    // is paused: so forgetting it now is forgetting it at the resume.
    fn reset(&mut self, trips: &[Trip], wallet: &WalletId) {
        for trip in trips {
            let theirs = self.counts.keys().filter(|key| key.rule == trip.rule && key.wallet == *wallet);
            for key in theirs.cloned().collect::<Vec<_>>() {
                self.counts.remove(&key);
            }
        }
    }
}

impl BreakerCount {
    /// Keeps the newest ones of each customer, as many as count.
    fn deny(
        &mut self,
        bound: &DenialBound,
        window: DurationMs,
        customer: Option<CustomerRef>,
        at: TimestampMs,
    ) {
        while self.denials.front().is_some_and(|(denied, _)| has_left(*denied, at, window)) {
            self.denials.pop_front();
        }
        if let Some(most) = bound.per_customer {
            let theirs = self.denials.iter().filter(|(_, known)| *known == customer).count();
            let oldest = self.denials.iter().position(|(_, known)| *known == customer);
            if let Some(oldest) = oldest
                && u32::try_from(theirs).unwrap_or(u32::MAX) >= most
            {
                self.denials.remove(oldest);
            }
        }
        self.denials.push_back((at, customer));
    }

    /// The sum with this value in it. A part of time counts until all of it has left the window, so nothing leaves too early.
    fn authorize(&mut self, value: Amount, window: DurationMs, at: TimestampMs) -> Amount {
        let width = window.0.div_ceil(PARTS).max(1);
        let part = at.0.div_euclid(width);
        let last_moment =
            |part: u64| TimestampMs(part.saturating_add(1).saturating_mul(width).saturating_sub(1));
        while self.outflow.front().is_some_and(|(part, _)| has_left(last_moment(*part), at, window)) {
            self.outflow.pop_front();
        }
        // Beyond the largest amount there is, every bound is crossed that can be.
        let plus = |sum: Amount, more: Amount| sum.checked_add(more).unwrap_or(Amount::MAX);
        match self.outflow.back_mut() {
            Some((newest, sum)) if *newest == part => *sum = plus(*sum, value),
            Some(_) | None => self.outflow.push_back((part, value)),
        }
        self.outflow.iter().fold(Amount::ZERO, |sum, (_, more)| plus(sum, *more))
    }
}

fn rules_of(document: &PolicyDocument) -> Vector<(RuleId, Arc<CircuitBreaker>)> {
    document.breakers().map(|(rule, breaker)| (rule.clone(), Arc::new(breaker.clone()))).collect()
}

fn key(rule: &RuleId, breaker: &CircuitBreaker, outflow: &Outflow) -> BreakerKey {
    BreakerKey {
        rule: rule.clone(),
        wallet: outflow.wallet.clone(),
        client: breaker.per_client.then(|| outflow.client.clone()),
    }
}

fn cause(bound: &OutflowBound, sum: Amount, window: DurationMs) -> TripCause {
    let unit = match &bound.unit {
        LimitUnit::Asset(asset) => asset.to_string(),
        LimitUnit::UsdCents => "usd_cents".to_owned(),
        LimitUnit::Count => "count".to_owned(),
    };
    TripCause::Outflow { sum, most: bound.most, unit, window_ms: window.0 }
}

#[cfg(test)]
mod tests;
