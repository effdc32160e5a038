//! Owns the components that compare a withdrawal with the customer's own history: amount, rate, places, hour, client.

use super::{
    component::{Answer, Component, graded},
    facts::RiskFacts,
    terms::{Graded, HabitTerms, NearLimit, UnusualHour, Within},
};
use crate::{
    history::Log2,
    minute::{self, Minute},
    reason::ReasonCode,
    time::{DurationMs, TimestampMs},
};

const NO_HISTORY: &str = "nobody reported anything about the customer";
const NO_WORTH: &str = "no price of the asset is young enough";

pub(super) fn components(terms: &HabitTerms, facts: &RiskFacts<'_>, all: &mut Vec<Component>) {
    let mut push = |code, weight, answer| all.push(Component { code, weight, answer, fades: true });
    if let Some(terms) = terms.unusual_amount {
        push(ReasonCode::UnusualAmount, terms.weight, unusual_amount(&terms, facts));
    }
    if let Some(terms) = terms.large_amount {
        push(ReasonCode::LargeAmount, terms.weight, large_amount(&terms, facts));
    }
    if let Some(terms) = terms.unusual_rate {
        push(ReasonCode::UnusualRate, terms.graded.weight, unusual_rate(&terms, facts));
    }
    if let Some(terms) = terms.new_places {
        push(ReasonCode::NewPlaces, terms.graded.weight, new_places(&terms, facts));
    }
    if let Some(terms) = terms.near_limit {
        push(ReasonCode::NearLimit, terms.graded.weight, near_limit(&terms, facts));
    }
    if let Some(terms) = terms.unusual_hour {
        push(ReasonCode::UnusualHour, terms.weight, unusual_hour(&terms, facts));
    }
    if let Some(weight) = terms.new_client {
        push(ReasonCode::NewClient, weight, new_client(weight, facts));
    }
}

fn unusual_amount(terms: &Graded, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let Some(worth) = facts.worth() else { return Answer::Unknown(NO_WORTH) };
    let Some(deviation) = history.amounts().deviation(worth) else {
        return Answer::Absent("no earlier withdrawal to compare with".to_owned());
    };
    let because = format!(
        "{} times the usual amount, {} usual spreads above it, of {} withdrawals",
        tenths(deviation.times_tenths),
        hundredths(deviation.spreads_hundredths),
        deviation.of
    );
    graded(terms.points(deviation.spreads_hundredths), because)
}

fn large_amount(terms: &Graded, facts: &RiskFacts<'_>) -> Answer {
    let Some(cents) = facts.usd_cents else { return Answer::Unknown(NO_WORTH) };
    let because = format!("{} USD, counts from {} USD", hundredths(cents), hundredths(terms.from));
    graded(logarithmic(terms, cents), because)
}

/// In proportion to the logarithm: from 1,000 to 10,000 is as far as from 10,000 to 100,000.
fn logarithmic(terms: &Graded, cents: u64) -> Option<u8> {
    if cents < terms.from {
        return None;
    }
    let log = |number| u64::from(Log2::of(number).0);
    Graded { weight: terms.weight, from: log(terms.from), full: log(terms.full) }.points(log(cents))
}

fn unusual_rate(terms: &Within, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let span = minutes(terms.within);
    let before = u64::try_from(history.recent(span, facts.now).count()).unwrap_or(u64::MAX);
    let with_this = before.saturating_add(1);
    let usual = history.usual_hundredths_in(span, facts.now);
    // One more than usual is always usual.
    let times_hundredths =
        with_this.saturating_mul(10_000).checked_div(usual.saturating_add(100)).unwrap_or(0);
    let because =
        format!("{with_this} withdrawals within {}, usually {}", minute::shown(span), hundredths(usual));
    graded(terms.graded.points(times_hundredths), because)
}

fn new_places(terms: &Within, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let Some(first) = facts.first_paid() else { return Answer::Unknown(NO_HISTORY) };
    let span = minutes(terms.within);
    let to_young = first.is_none_or(|first| facts.now.since(first) <= span);
    if !to_young {
        return Answer::Absent("the destination is not new".to_owned());
    }
    let before = history.recent(span, facts.now).filter(|payment| payment.to_young).count();
    let with_this = u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1);
    let because = format!("{with_this} withdrawals to new destinations within {}", minute::shown(span));
    graded(terms.graded.points(with_this), because)
}

fn near_limit(terms: &NearLimit, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let Some(worth) = facts.worth() else { return Answer::Unknown(NO_WORTH) };
    let least = terms.limit_usd_cents.saturating_mul(terms.percent.into()) / 100;
    let range = Log2::of(least)..=Log2::of(terms.limit_usd_cents);
    if !range.contains(&worth) {
        return Answer::Absent("the amount is not just below the limit".to_owned());
    }
    let span = minutes(terms.within);
    let before = history.recent(span, facts.now).filter(|payment| range.contains(&payment.worth)).count();
    let with_this = u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1);
    let because = format!(
        "{with_this} withdrawals of {} to {} USD within {}",
        hundredths(least),
        hundredths(terms.limit_usd_cents),
        minute::shown(span)
    );
    graded(terms.graded.points(with_this), because)
}

fn unusual_hour(terms: &UnusualHour, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let (percent, of) = history.share_at_hour(facts.now);
    let unusual = of >= terms.min_withdrawals && percent <= u32::from(terms.percent);
    let because = format!("{percent} of 100 withdrawals are near this hour, of {of}");
    graded(unusual.then_some(terms.weight), because)
}

fn new_client(weight: u8, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let new = history.paid() > 0 && !history.used_client(facts.client);
    let known = if new { "never" } else { "known" };
    graded(new.then_some(weight), format!("client `{}` {known} to this customer", facts.client))
}

fn minutes(span: DurationMs) -> u32 {
    Minute::of(TimestampMs(span.0)).0
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}
