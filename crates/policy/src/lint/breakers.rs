//! Owns what can be questionable about a circuit breaker: what it is about, and who can trip it alone. A breaker stops everybody, so
//! whoever trips one without effort has a way to stop the wallet.

use std::collections::BTreeSet;

use holdfast_chains::AssetSymbol;

use super::{KnownParties, LintCode, Report};
use crate::document::{
    CircuitBreaker, Dimension, Grant, HoldAbove, LimitUnit, OutflowBound, RestrictionRule, TierScope,
    WindowLimit,
};

pub(super) fn contradictions(report: &mut Report<'_>, index: usize, breaker: &CircuitBreaker) {
    if !report.document.grants().iter().any(|grant| meets(breaker, grant)) {
        let sentence = "no grant is about its wallets, assets and clients".to_owned();
        report.restriction(index, "type", LintCode::RestrictionNeverApplies, sentence);
        return;
    }
    let Some(OutflowBound { unit: LimitUnit::Asset(asset), .. }) = &breaker.outflow else { return };
    let given = report.document.grants().iter().any(|grant| grant.assets.contains(asset));
    if !given || breaker.assets.as_ref().is_some_and(|assets| !assets.contains(asset)) {
        let sentence = format!("it adds up {asset}, which no grant gives or which is not among its `assets`");
        report.restriction(index, "max_outflow", LintCode::RestrictionNeverApplies, sentence);
    }
}

fn meets(breaker: &CircuitBreaker, grant: &Grant) -> bool {
    fn common<T: Ord>(scope: Option<&BTreeSet<T>>, given: &BTreeSet<T>) -> bool {
        scope.is_none_or(|scope| !scope.is_disjoint(given))
    }
    common(breaker.wallets.as_ref(), &grant.wallets)
        && common(breaker.assets.as_ref(), &grant.assets)
        && grant.clients.as_ref().is_none_or(|clients| common(breaker.clients.as_ref(), clients))
}

pub(super) fn names(report: &mut Report<'_>, known: &KnownParties, index: usize, breaker: &CircuitBreaker) {
    let registered = |asset: &AssetSymbol| known.assets.iter().any(|known| known.symbol == *asset);
    let counted = breaker.outflow.as_ref().and_then(|bound| match &bound.unit {
        LimitUnit::Asset(asset) => Some(("max_outflow", asset)),
        LimitUnit::UsdCents | LimitUnit::Count => None,
    });
    let scope = breaker.assets.iter().flatten().map(|asset| ("assets", asset));
    for (field, asset) in scope.chain(counted).filter(|(_, asset)| !registered(asset)) {
        let sentence = format!("no asset `{asset}` in the registry");
        report.restriction(index, field, LintCode::AssetUnknown, sentence);
    }
    for client in breaker.clients.iter().flatten().filter(|client| !known.clients.contains(*client)) {
        let sentence = format!("no client `{client}` in the roster");
        report.restriction(index, "clients", LintCode::ClientUnknown, sentence);
    }
    let Some(wallets) = &known.wallets else { return };
    for wallet in breaker.wallets.iter().flatten().filter(|wallet| !wallets.contains(*wallet)) {
        let sentence = format!("no wallet `{wallet}`");
        report.restriction(index, "wallets", LintCode::WalletUnknown, sentence);
    }
}

pub(super) fn by_one_customer(report: &mut Report<'_>) {
    let document = report.document;
    for (index, restriction) in document.restrictions().iter().enumerate() {
        let RestrictionRule::CircuitBreaker(breaker) = &restriction.rule else { continue };
        if let Some(bound) = &breaker.denials
            && bound.per_customer.is_none_or(|most| most > bound.most)
        {
            let sentence = format!("more than {} denied requests of one customer trip it", bound.most);
            report.restriction(index, "max_denials", LintCode::BreakerByOneCustomer, sentence);
        }
        if let Some(bound) = &breaker.outflow
            && !document.windows().any(|(_, limit)| keeps_one_customer_below(limit, breaker, bound))
        {
            let sentence = format!("nothing stops one customer from taking more than {}", bound.most);
            report.restriction(index, "max_outflow", LintCode::BreakerByOneCustomer, sentence);
        }
    }
}

/// Whether what one customer takes ends, or waits for people, before the breaker trips.
fn keeps_one_customer_below(limit: &WindowLimit, breaker: &CircuitBreaker, bound: &OutflowBound) -> bool {
    let WindowLimit { unit, tier, per, window, step_up_above: _, hold_above, deny_above } = limit;
    // All that the breaker adds up of one customer must be in one sum of the window.
    let in_one_sum = per.iter().all(|dimension| match dimension {
        Dimension::Customer | Dimension::Wallet => true,
        Dimension::Client => breaker.per_client,
        Dimension::Asset => matches!(unit, LimitUnit::Asset(_)),
        Dimension::Destination => false,
    });
    let about_all = tier.is_none()
        || breaker
            .wallets
            .as_ref()
            .is_some_and(|wallets| wallets.iter().all(|wallet| TierScope::is_about(tier.as_ref(), wallet)));
    let by_people = |band: &HoldAbove| band.lift.approvals().is_some() && band.amount <= bound.most;
    let ends = deny_above.is_some_and(|most| most <= bound.most) || hold_above.iter().any(by_people);
    *unit == bound.unit && about_all && in_one_sum && *window >= breaker.window && ends
}
