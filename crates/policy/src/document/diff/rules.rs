//! Owns the differences of grants and restrictions, rule by rule; rules are matched by their ids.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::{Amount, AssetSymbol};

use super::{Changes, Subject, bands};
use crate::{
    document::{
        AmountUnit, ArgumentRule, CallRule, CircuitBreaker, Destinations, Dimension, FeeCap, Grant,
        LimitPerTransaction, LimitUnit, OnMatch, OutflowBound, Outside, RequiredApprovals, Restriction,
        RestrictionRule, RiskLimits, ScreeningRule, Tier, TierScope, TimeWindow, TravelRule, WindowLimit,
    },
    ids::RuleId,
};

/// A wallet that leaves a tier leaves its ceilings; one that comes to it is added up with the others. So a wallet that is moved
/// from one tier to another loosens.
pub(super) fn tiers(changes: &mut Changes, old: &[Tier], new: &[Tier]) {
    let named = |tiers: &[Tier], id: &str| tiers.iter().find(|tier| tier.id.as_str() == id).cloned();
    let ids = old.iter().chain(new).map(|tier| tier.id.as_str()).collect::<BTreeSet<_>>();
    for id in ids {
        let mut subject = changes.about(format!("tier {id}"));
        match (named(old, id), named(new, id)) {
            (Some(Tier { id: _, wallets, ceilings: _ }), Some(after)) => {
                subject.demanded("wallets", &wallets, &after.wallets);
            }
            (None, Some(_)) => subject.tightens("added"),
            (Some(_), None) => subject.loosens("removed"),
            (None, None) => {}
        }
    }
}

pub(super) fn grants(changes: &mut Changes, old: &[Grant], new: &[Grant]) {
    let (before, after) = (by_id(old, |grant| &grant.id), by_id(new, |grant| &grant.id));
    for (id, grant) in &after {
        let mut subject = changes.about(format!("grant {id}"));
        match before.get(id) {
            Some(known) => changed_grant(&mut subject, known, grant),
            None => subject.loosens("added"),
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        changes.about(format!("grant {id}")).tightens("removed");
    }
}

/// A grant for two wallets is two grants, and so on: what it gives is taken apart point by point.
fn changed_grant(subject: &mut Subject<'_>, old: &Grant, new: &Grant) {
    let Grant { id: _, wallets, assets, clients, destinations, max_amount, calls } = old;
    subject.given("wallets", wallets, &new.wallets);
    subject.given("assets", assets, &new.assets);
    match (clients, &new.clients) {
        (None, None) => {}
        (Some(old), Some(new)) => subject.given("clients", old, new),
        (None, Some(_)) => subject.tightens("clients every one -> named ones"),
        (Some(_), None) => subject.loosens("clients named ones -> every one"),
    }
    subject.value("destinations", &name_of(*destinations), &name_of(new.destinations));
    for asset in assets.intersection(&new.assets) {
        subject.limit(&format!("max_amount.{asset}"), max_amount.get(asset), new.max_amount.get(asset));
    }
    self::calls(subject, calls, &new.calls);
}

/// What a grant gives is transfers or calls: a grant of the one that becomes one of the other gives what it did not.
fn calls(subject: &mut Subject<'_>, old: &[CallRule], new: &[CallRule]) {
    match (old.is_empty(), new.is_empty()) {
        (true, false) => subject.loosens("gives calls instead of transfers"),
        (false, true) => subject.loosens("gives transfers instead of calls"),
        (true, true) | (false, false) => {}
    }
    let names =
        |calls: &[CallRule]| calls.iter().map(|call| (call.name(), call.clone())).collect::<BTreeMap<_, _>>();
    let (before, after) = (names(old), names(new));
    for (name, call) in &after {
        match before.get(name) {
            Some(known) => changed_call(subject, known, call),
            None => subject.loosens(format!("call + {name}")),
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        subject.tightens(format!("call - {name}"));
    }
}

fn changed_call(subject: &mut Subject<'_>, old: &CallRule, new: &CallRule) {
    let name = old.name();
    let CallRule { contract: _, function: _, allow, arguments } = old;
    subject.given(&format!("call {name} allow"), allow, &new.allow);
    let positions: BTreeSet<_> = arguments.keys().chain(new.arguments.keys()).collect();
    for position in positions {
        let field = format!("call {name} argument {position}");
        match (arguments.get(position), new.arguments.get(position)) {
            (Some(ArgumentRule::OneOf(old)), Some(ArgumentRule::OneOf(new))) => {
                subject.given(&field, old, new)
            }
            (Some(ArgumentRule::AtMost(old)), Some(ArgumentRule::AtMost(new))) => {
                subject.limit(&field, Some(old), Some(new));
            }
            (None, Some(new)) => subject.tightens(format!("{field} anything -> {new}")),
            (Some(old), None) => subject.loosens(format!("{field} {old} -> anything")),
            (Some(old), Some(new)) => subject.value(&field, old, new),
            (None, None) => {}
        }
    }
}

fn name_of(destinations: Destinations) -> &'static str {
    match destinations {
        Destinations::Whitelisted => "whitelisted",
        Destinations::House => "house",
        Destinations::Any => "any",
    }
}

pub(super) fn restrictions(changes: &mut Changes, old: &[Restriction], new: &[Restriction]) {
    let (before, after) = (by_id(old, |rule| &rule.id), by_id(new, |rule| &rule.id));
    for (id, restriction) in &after {
        let mut subject = changes.about(format!("restriction {id}"));
        match before.get(id) {
            Some(known) => changed(&mut subject, &known.rule, &restriction.rule),
            None => added(&mut subject, old, &restriction.rule),
        }
    }
    for (id, restriction) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
        changes.about(format!("restriction {id}")).loosens(format!("removed ({})", kind(&restriction.rule)));
    }
}

/// Adding a restriction tightens, unless something is allowed only where there is one.
fn added(subject: &mut Subject<'_>, old: &[Restriction], rule: &RestrictionRule) {
    let what = format!("added ({})", kind(rule));
    match rule {
        RestrictionRule::Whitelist
        | RestrictionRule::LimitPerTransaction(_)
        | RestrictionRule::Screening(_)
        | RestrictionRule::Risk(_)
        | RestrictionRule::TimeWindow(_)
        | RestrictionRule::TravelRule(_)
        | RestrictionRule::CircuitBreaker(_)
        | RestrictionRule::WindowLimit(_) => subject.tightens(what),
        // The wallet pays itself only on chains that have a fee cap.
        RestrictionRule::FeeCap(cap) => {
            let known = |restriction: &Restriction| matches!(&restriction.rule, RestrictionRule::FeeCap(old) if old.chain_id == cap.chain_id);
            if old.iter().any(known) {
                subject.tightens(what);
            } else {
                subject.loosens(format!("{what}: sweeps and cancellations become possible on the chain"));
            }
        }
    }
}

// By the old rule alone, so that a new kind needs an arm of its own here.
fn changed(subject: &mut Subject<'_>, old: &RestrictionRule, new: &RestrictionRule) {
    match (old, new) {
        (RestrictionRule::Whitelist, RestrictionRule::Whitelist) => {}
        (RestrictionRule::LimitPerTransaction(old), RestrictionRule::LimitPerTransaction(new)) => {
            limit_per_transaction(subject, old, new);
        }
        (RestrictionRule::Screening(old), RestrictionRule::Screening(new)) => screening(subject, old, new),
        (RestrictionRule::Risk(old), RestrictionRule::Risk(new)) => risk(subject, old, new),
        (RestrictionRule::FeeCap(old), RestrictionRule::FeeCap(new)) => fee_cap(subject, old, new),
        (RestrictionRule::WindowLimit(old), RestrictionRule::WindowLimit(new)) => window(subject, old, new),
        (RestrictionRule::TimeWindow(old), RestrictionRule::TimeWindow(new)) => hours(subject, old, new),
        (RestrictionRule::TravelRule(old), RestrictionRule::TravelRule(new)) => travel(subject, old, new),
        (RestrictionRule::CircuitBreaker(old), RestrictionRule::CircuitBreaker(new)) => {
            breaker(subject, old, new);
        }
        (
            RestrictionRule::Whitelist
            | RestrictionRule::LimitPerTransaction(_)
            | RestrictionRule::Screening(_)
            | RestrictionRule::Risk(_)
            | RestrictionRule::FeeCap(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::CircuitBreaker(_)
            | RestrictionRule::WindowLimit(_),
            _,
        ) => subject.loosens(format!("type {} -> {}", kind(old), kind(new))),
    }
}

pub(super) fn kind(rule: &RestrictionRule) -> &'static str {
    match rule {
        RestrictionRule::Whitelist => "whitelist",
        RestrictionRule::LimitPerTransaction(_) => "limit_per_transaction",
        RestrictionRule::Screening(_) => "screening",
        RestrictionRule::Risk(_) => "risk",
        RestrictionRule::FeeCap(_) => "fee_cap",
        RestrictionRule::WindowLimit(_) => "limit_window",
        RestrictionRule::TimeWindow(_) => "time_window",
        RestrictionRule::TravelRule(_) => "travel_rule",
        RestrictionRule::CircuitBreaker(_) => "circuit_breaker",
    }
}

fn limit_per_transaction(subject: &mut Subject<'_>, old: &LimitPerTransaction, new: &LimitPerTransaction) {
    let LimitPerTransaction { unit, tier, step_up_above, hold_above, deny_above } = old;
    match (unit, &new.unit) {
        (AmountUnit::Asset(old), AmountUnit::Asset(new)) => subject.value("asset", old, new),
        (old, new) => subject.value("unit", &unit_name(&old.into()), &unit_name(&new.into())),
    }
    subject.value("tier", &tier_name(tier.as_ref()), &tier_name(new.tier.as_ref()));
    subject.limit("step_up_above", step_up_above.as_ref(), new.step_up_above.as_ref());
    bands::amounts(subject, hold_above, &new.hold_above);
    subject.limit("deny_above", deny_above.as_ref(), new.deny_above.as_ref());
}

fn window(subject: &mut Subject<'_>, old: &WindowLimit, new: &WindowLimit) {
    let WindowLimit { unit, tier, per, window, step_up_above, hold_above, deny_above } = old;
    subject.value("tier", &tier_name(tier.as_ref()), &tier_name(new.tier.as_ref()));
    subject.value("unit", &unit_name(unit), &unit_name(&new.unit));
    // More in common is a smaller sum: no direction is safe to tell from the names alone.
    subject.value("per", &per_name(per), &per_name(&new.per));
    subject.value("window_ms", &window.0, &new.window.0);
    subject.limit("step_up_above", step_up_above.as_ref(), new.step_up_above.as_ref());
    bands::amounts(subject, hold_above, &new.hold_above);
    subject.limit("deny_above", deny_above.as_ref(), new.deny_above.as_ref());
}

/// Fewer days and fewer hours are less time in which things go by themselves; parts of a day are compared by name.
fn hours(subject: &mut Subject<'_>, old: &TimeWindow, new: &TimeWindow) {
    let TimeWindow { days, hours, outside } = old;
    subject.given("days", days, &new.days);
    subject.given("hours", hours, &new.hours);
    let shown = |outside: &Outside| match outside {
        Outside::Hold(needed) => approvals(needed),
        Outside::Deny => "deny".to_owned(),
    };
    subject.value("outside", &shown(outside), &shown(&new.outside));
}

fn travel(subject: &mut Subject<'_>, old: &TravelRule, new: &TravelRule) {
    let TravelRule { above, above_usd_cents, providers, approvals } = old;
    // An asset with a threshold of its own is not measured in dollars any more: no direction is safe.
    let amounts = |above: &BTreeMap<AssetSymbol, Amount>| {
        listed(above.iter().map(|(asset, amount)| format!("{asset} {amount}")))
    };
    subject.value("above", &amounts(above), &amounts(&new.above));
    subject.limit("above_usd_cents", above_usd_cents.as_ref(), new.above_usd_cents.as_ref());
    subject.value("providers", &listed(providers.iter()), &listed(new.providers.iter()));
    subject.value("approvals", &self::approvals(approvals), &self::approvals(&new.approvals));
}

fn per_name(per: &BTreeSet<Dimension>) -> String {
    if per.is_empty() { "everything".to_owned() } else { listed(per.iter()) }
}

/// Its wallets are compared with the tiers.
fn tier_name(tier: Option<&TierScope>) -> String {
    tier.map_or_else(|| "none".to_owned(), |scope| scope.tier.to_string())
}

/// Lower bounds trip sooner. Whatever changes what is counted starts the counts anew: no direction is safe.
fn breaker(subject: &mut Subject<'_>, old: &CircuitBreaker, new: &CircuitBreaker) {
    let CircuitBreaker { wallets, assets, clients, per_client, window, denials, outflow } = old;
    subject.value("wallets", &scope(wallets.as_ref()), &scope(new.wallets.as_ref()));
    subject.value("assets", &scope(assets.as_ref()), &scope(new.assets.as_ref()));
    subject.value("clients", &scope(clients.as_ref()), &scope(new.clients.as_ref()));
    subject.value("per_client", per_client, &new.per_client);
    subject.value("window_ms", &window.0, &new.window.0);
    let most = |breaker: &CircuitBreaker| breaker.denials.as_ref().map(|bound| bound.most);
    subject.limit("max_denials", most(old).as_ref(), most(new).as_ref());
    if let (Some(old), Some(new)) = (denials, &new.denials) {
        let shown = |most: Option<u32>| most.map_or_else(|| "all".to_owned(), |most| most.to_string());
        subject.value("per_customer", &shown(old.per_customer), &shown(new.per_customer));
        subject.value("except", &listed(old.except.iter()), &listed(new.except.iter()));
    }
    let unit = |breaker: &CircuitBreaker| breaker.outflow.as_ref().map(|bound| unit_name(&bound.unit));
    match (unit(old), unit(new)) {
        (Some(old), Some(new)) if old != new => subject.value("max_outflow unit", &old, &new),
        _ => {}
    }
    let most = |bound: &OutflowBound| bound.most;
    subject.limit(
        "max_outflow",
        outflow.as_ref().map(most).as_ref(),
        new.outflow.as_ref().map(most).as_ref(),
    );
}

fn scope<T: ToString>(named: Option<&BTreeSet<T>>) -> String {
    named.map_or_else(|| "every one".to_owned(), |named| listed(named.iter().map(ToString::to_string)))
}

fn unit_name(unit: &LimitUnit) -> String {
    match unit {
        LimitUnit::Asset(asset) => asset.to_string(),
        LimitUnit::UsdCents => "usd_cents".to_owned(),
        LimitUnit::Count => "count".to_owned(),
    }
}

pub(super) fn approvals_of(subject: &mut Subject<'_>, old: &RequiredApprovals, new: &RequiredApprovals) {
    subject.value("approvals", &approvals(old), &approvals(new));
}

pub(super) fn approvals(required: &RequiredApprovals) -> String {
    listed(required.iter().map(|(role, count)| format!("{count} {role}")))
}

fn screening(subject: &mut Subject<'_>, old: &ScreeningRule, new: &ScreeningRule) {
    let ScreeningRule { lists, on_match } = old;
    subject.demanded("lists", lists, &new.lists);
    subject.value("on_match", &match_name(*on_match), &match_name(new.on_match));
}

fn match_name(on_match: OnMatch) -> &'static str {
    match on_match {
        OnMatch::Deny => "deny",
    }
}

fn risk(subject: &mut Subject<'_>, old: &RiskLimits, new: &RiskLimits) {
    let RiskLimits { step_up_at, hold_at, deny_at, require, approvals } = old;
    subject.demanded("require", require, &new.require);
    // What a rule holds needs its step-up too, so that one more threshold only takes away.
    subject.limit("step_up_at", step_up_at.as_ref(), new.step_up_at.as_ref());
    bands::scores(subject, hold_at, &new.hold_at);
    subject.limit("deny_at", Some(deny_at), Some(&new.deny_at));
    approvals_of(subject, approvals, &new.approvals);
}

fn fee_cap(subject: &mut Subject<'_>, old: &FeeCap, new: &FeeCap) {
    let FeeCap { chain_id, max } = old;
    subject.value("chain_id", chain_id, &new.chain_id);
    subject.limit("max", Some(max), Some(&new.max));
}

fn by_id<T>(rules: &[T], id: impl Fn(&T) -> &RuleId) -> BTreeMap<&RuleId, &T> {
    rules.iter().map(|rule| (id(rule), rule)).collect()
}

pub(super) fn listed(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(" and ")
}
