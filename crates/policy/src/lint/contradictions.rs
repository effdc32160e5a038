//! Owns the question whether a rule can ever speak, and whether what it says makes sense beside the others.

use std::collections::BTreeSet;

use holdfast_chains::{Amount, AssetSymbol};

use super::{LintCode, Report, breakers};
use crate::document::{
    AmountUnit, Grant, HoldAbove, LimitPerTransaction, LimitUnit, Restriction, RestrictionRule, RiskLimits,
    TierScope, WindowLimit,
};

pub(super) fn check(report: &mut Report<'_>) {
    let document = report.document;
    for (index, grant) in document.grants().iter().enumerate() {
        shadowed_grant(report, index, grant);
    }
    for (index, restriction) in document.restrictions().iter().enumerate() {
        match &restriction.rule {
            RestrictionRule::LimitPerTransaction(limit) => per_transaction(report, index, limit),
            RestrictionRule::WindowLimit(limit) => window(report, index, limit),
            RestrictionRule::Risk(limits) => risk(report, index, limits),
            RestrictionRule::Whitelist
            | RestrictionRule::Screening(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::FeeCap(_) => {}
            RestrictionRule::CircuitBreaker(breaker) => breakers::contradictions(report, index, breaker),
        }
    }
}

/// Of two equal grants the later one is shadowed.
fn shadowed_grant(report: &mut Report<'_>, index: usize, grant: &Grant) {
    let grants = report.document.grants();
    let shadows = |(other_index, other): &(usize, &Grant)| {
        *other_index != index && gives_all(other, grant) && (*other_index < index || !gives_all(grant, other))
    };
    if let Some((_, other)) = grants.iter().enumerate().find(shadows) {
        let sentence = format!("grant `{}` gives all that `{}` gives", other.id, grant.id);
        report.grant(index, "id", LintCode::GrantShadowed, sentence);
    }
    for asset in &grant.assets {
        let given = grant.max_amount.get(asset).is_some_and(Amount::is_zero);
        // A call may well send nothing along.
        if given && grant.calls.is_empty() {
            let sentence = format!("`{}` gives {asset} and at most 0 of it", grant.id);
            report.grant(index, &format!("max_amount.{asset}"), LintCode::GrantNeverUsed, sentence);
        }
    }
}

fn gives_all(wide: &Grant, narrow: &Grant) -> bool {
    let Grant { id: _, wallets, assets, clients, destinations, max_amount, calls } = narrow;
    let amounts = assets.iter().all(|asset| match (wide.max_amount.get(asset), max_amount.get(asset)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => wide >= narrow,
    });
    let every_client = match (&wide.clients, clients) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => wide.is_superset(narrow),
    };
    // A grant of transfers gives no call, nor the other way round; two listings are compared as they are written.
    let every_call =
        wide.calls.is_empty() == calls.is_empty() && calls.iter().all(|call| wide.calls.contains(call));
    every_call
        && wide.wallets.is_superset(wallets)
        && wide.assets.is_superset(assets)
        && wide.destinations == *destinations
        && every_client
        && amounts
}

fn per_transaction(report: &mut Report<'_>, index: usize, limit: &LimitPerTransaction) {
    let LimitPerTransaction { unit, tier, step_up_above, hold_above, deny_above } = limit;
    if !is_granted(report, index, &unit.into(), tier.as_ref()) {
        return;
    }
    let cap = cap(report, index, &Measured::Amount(limit));
    bounds(report, index, hold_above, *deny_above, cap.as_ref());
    step_up(report, index, *step_up_above, cap.as_ref());
}

fn window(report: &mut Report<'_>, index: usize, limit: &WindowLimit) {
    let WindowLimit { unit, tier, per: _, window: _, step_up_above, hold_above, deny_above } = limit;
    if !is_granted(report, index, unit, tier.as_ref()) {
        return;
    }
    let cap = cap(report, index, &Measured::Window(limit));
    bounds(report, index, hold_above, *deny_above, cap.as_ref());
    step_up(report, index, *step_up_above, cap.as_ref());
}

/// Whether any grant gives what the limit is about; says so if not.
fn is_granted(report: &mut Report<'_>, index: usize, unit: &LimitUnit, tier: Option<&TierScope>) -> bool {
    let from = |grant: &&Grant| grant.wallets.iter().any(|wallet| TierScope::is_about(tier, wallet));
    let mut grants = report.document.grants().iter().filter(from);
    let (field, what) = match unit {
        LimitUnit::Asset(asset) if grants.any(|grant| grant.assets.contains(asset)) => return true,
        LimitUnit::UsdCents | LimitUnit::Count if grants.next().is_some() => return true,
        LimitUnit::Asset(asset) => ("asset", asset.to_string()),
        LimitUnit::UsdCents | LimitUnit::Count => ("unit", "anything".to_owned()),
    };
    let from = tier.map_or_else(String::new, |scope| format!(" from tier `{}`", scope.tier));
    let sentence = format!("no grant gives {what}{from}");
    report.restriction(index, field, LintCode::RestrictionNeverApplies, sentence);
    false
}

/// What a limit compares with its bounds.
enum Measured<'a> {
    Amount(&'a LimitPerTransaction),
    Window(&'a WindowLimit),
}

/// The most that another rule lets through of what is measured, and which rule that is.
struct Cap {
    amount: Amount,
    by: String,
    // Of two equal rules the later one never speaks.
    earlier: bool,
}

fn cap(report: &Report<'_>, index: usize, measured: &Measured<'_>) -> Option<Cap> {
    let others = report.document.restrictions().iter().enumerate().filter(|(other, _)| *other != index);
    let by_rules = others.filter_map(|(other, Restriction { id, rule })| {
        let amount = match (rule, measured) {
            (RestrictionRule::LimitPerTransaction(limit), Measured::Amount(mine)) => {
                limit.deny_above.filter(|_| {
                    limit.unit == mine.unit && TierScope::is_wider(limit.tier.as_ref(), mine.tier.as_ref())
                })
            }
            (RestrictionRule::WindowLimit(limit), Measured::Amount(mine)) => limit.deny_above.filter(|_| {
                limit.unit == LimitUnit::from(&mine.unit)
                    && TierScope::is_wider(limit.tier.as_ref(), mine.tier.as_ref())
            }),
            (RestrictionRule::WindowLimit(limit), Measured::Window(mine)) => {
                limit.deny_above.filter(|_| is_wider(limit, mine))
            }
            _ => None,
        }?;
        Some(Cap { amount, by: format!("`{id}` denies above {amount}"), earlier: other < index })
    });
    let by_grants = match measured {
        Measured::Amount(LimitPerTransaction { unit: AmountUnit::Asset(asset), tier, .. }) => {
            most_given(report, asset, tier.as_ref())
        }
        Measured::Amount(_) | Measured::Window(_) => None,
    };
    let by_grants = by_grants.map(|amount| Cap {
        amount,
        by: format!("no grant gives more than {amount}"),
        earlier: true,
    });
    by_rules.chain(by_grants).min_by_key(|cap| cap.amount)
}

/// Whether a window's sum is never below another's.
fn is_wider(limit: &WindowLimit, than: &WindowLimit) -> bool {
    limit.unit == than.unit
        && TierScope::is_wider(limit.tier.as_ref(), than.tier.as_ref())
        && limit.per.is_subset(&than.per)
        && limit.window >= than.window
}

/// The most of an asset that any grant gives at once; `None` without a maximum.
fn most_given(report: &Report<'_>, asset: &AssetSymbol, tier: Option<&TierScope>) -> Option<Amount> {
    let from = |grant: &&Grant| grant.wallets.iter().any(|wallet| TierScope::is_about(tier, wallet));
    let giving = report.document.grants().iter().filter(from).filter(|grant| grant.assets.contains(asset));
    let maxima: Option<BTreeSet<Amount>> = giving.map(|grant| grant.max_amount.get(asset).copied()).collect();
    maxima?.into_iter().next_back()
}

fn bounds(
    report: &mut Report<'_>,
    index: usize,
    hold: &[HoldAbove],
    deny: Option<Amount>,
    cap: Option<&Cap>,
) {
    if deny.is_some_and(|deny| deny.is_zero()) {
        let sentence = "`deny_above` is 0".to_owned();
        report.restriction(index, "deny_above", LintCode::DeniesEverything, sentence);
        return;
    }
    if hold.first().is_some_and(|lowest| lowest.amount.is_zero()) {
        let sentence = "`hold_above.amount` is 0".to_owned();
        report.restriction(index, "hold_above", LintCode::HoldsEverything, sentence);
    }
    // The highest band: what it never reaches, it never adds.
    let hold = hold.last().map(|highest| highest.amount);
    if let (Some(hold), Some(deny)) = (hold, deny)
        && hold >= deny
    {
        let sentence = format!("`hold_above` is {hold} and `deny_above` is {deny}: nothing is held");
        report.restriction(index, "hold_above", LintCode::HoldBandEmpty, sentence);
    }
    let Some(cap) = cap else { return };
    let never = |bound: Amount| bound > cap.amount || (bound == cap.amount && cap.earlier);
    if let Some(hold) = hold.filter(|hold| *hold >= cap.amount) {
        let sentence = format!("holds above {hold}, but {}", cap.by);
        report.restriction(index, "hold_above", LintCode::HoldNeverReached, sentence);
    }
    if let Some(deny) = deny.filter(|deny| never(*deny)) {
        let sentence = format!("denies above {deny}, but {}", cap.by);
        report.restriction(index, "deny_above", LintCode::DenyNeverReached, sentence);
    }
}

fn step_up(report: &mut Report<'_>, index: usize, step_up: Option<Amount>, cap: Option<&Cap>) {
    let never = step_up.zip(cap).filter(|(step_up, cap)| *step_up >= cap.amount);
    if let Some((step_up, cap)) = never {
        let sentence = format!("steps up above {step_up}, but {}", cap.by);
        report.restriction(index, "step_up_above", LintCode::HoldNeverReached, sentence);
    }
}

fn risk(report: &mut Report<'_>, index: usize, limits: &RiskLimits) {
    let RiskLimits { step_up_at, hold_at, deny_at, approvals: _, require: _ } = limits;
    let highest = report.document.risk().highest_score();
    if *deny_at == 0 {
        let sentence = "`deny_at` is 0: every score reaches it".to_owned();
        report.restriction(index, "deny_at", LintCode::DeniesEverything, sentence);
        return;
    }
    let lowest = hold_at.first().map(|band| band.score);
    let highest_band = hold_at.last().map(|band| band.score);
    if lowest == Some(0) {
        let sentence = "`hold_at` is 0: every score reaches it".to_owned();
        report.restriction(index, "hold_at", LintCode::HoldsEverything, sentence);
    }
    if highest_band == Some(*deny_at) {
        let sentence = format!("`hold_at` and `deny_at` are both {deny_at}: no score is held");
        report.restriction(index, "hold_at", LintCode::HoldBandEmpty, sentence);
    }
    let thresholds = [("step_up_at", *step_up_at), ("hold_at", highest_band), ("deny_at", Some(*deny_at))];
    for (field, threshold) in thresholds.into_iter().filter_map(|(field, at)| Some((field, at?))) {
        if threshold > highest {
            let sentence = format!("`{field}` is {threshold}, all weights together are {highest}");
            report.restriction(index, field, LintCode::RiskNeverReached, sentence);
        }
    }
}
