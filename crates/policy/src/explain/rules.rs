//! Owns the sentence for each grant and each kind of restriction.

use holdfast_chains::Amount;

use super::{Words, approvals, listed, span};
use crate::document::{
    AmountUnit, CallRule, CircuitBreaker, Destinations, FeeCap, Grant, HoldAbove, HoldAt, Lift,
    LimitPerTransaction, LimitUnit, OnMatch, Outside, RestrictionRule, RiskLimits, ScreeningRule, TierScope,
    TimeWindow, TravelRule, WindowLimit,
};

impl Words<'_> {
    pub(super) fn grant(self, grant: &Grant) -> String {
        let Grant { id: _, wallets, assets, clients, destinations, max_amount, calls } = grant;
        let clients = match clients {
            Some(clients) => format!("asked by {}", listed(clients.iter())),
            None => "asked by any registered client".to_owned(),
        };
        let destinations = match destinations {
            Destinations::Whitelisted => "destinations with an active whitelist entry",
            Destinations::House => "destinations with an active whitelist entry of the house",
            Destinations::Any => "any destination",
        };
        let given = assets.iter().map(|asset| match max_amount.get(asset) {
            Some(max) => format!("{asset} up to {}", self.money(asset, *max)),
            None => format!("{asset}"),
        });
        let given: Vec<_> = given.collect();
        let wallets = listed(wallets.iter());
        if calls.is_empty() {
            return format!("{wallets} pay {} to {destinations}, {clients}", given.join(", "));
        }
        let calls: Vec<_> = calls.iter().map(call).collect();
        format!(
            "{wallets} call {}, and send {} along, to {destinations}, {clients}; no transfers",
            calls.join(", or "),
            given.join(", ")
        )
    }

    pub(super) fn restriction(self, rule: &RestrictionRule) -> String {
        match rule {
            RestrictionRule::Whitelist => {
                "denies unless an active whitelist entry covers destination, asset and customer".to_owned()
            }
            RestrictionRule::LimitPerTransaction(limit) => self.per_transaction(limit),
            RestrictionRule::Screening(rule) => screening(rule),
            RestrictionRule::Risk(limits) => risk(limits),
            RestrictionRule::FeeCap(cap) => fee_cap(cap),
            RestrictionRule::WindowLimit(limit) => self.window(limit),
            RestrictionRule::TimeWindow(window) => hours(window),
            RestrictionRule::TravelRule(terms) => self.travel(terms),
            RestrictionRule::CircuitBreaker(breaker) => self.breaker(breaker),
        }
    }

    fn per_transaction(self, limit: &LimitPerTransaction) -> String {
        let LimitPerTransaction { unit, tier, step_up_above, hold_above, deny_above } = limit;
        let shown = |amount: Amount| match unit {
            AmountUnit::Asset(asset) => self.money(asset, amount),
            AmountUnit::UsdCents => format!("{} USD", amount.format_units(2)),
        };
        let what = match unit {
            AmountUnit::Asset(asset) => format!("in {asset}"),
            AmountUnit::UsdCents => "by its worth".to_owned(),
        };
        let from = from_tier(tier.as_ref());
        format!("one transaction {what}{from}{}", bounds(*step_up_above, hold_above, *deny_above, shown))
    }

    fn travel(self, terms: &TravelRule) -> String {
        let TravelRule { above, above_usd_cents, providers, approvals: needed } = terms;
        let amounts = above.iter().map(|(asset, amount)| self.money(asset, *amount));
        let worth =
            above_usd_cents.map(|cents| format!("{} USD", Amount::from_u128(cents.into()).format_units(2)));
        let thresholds: Vec<_> = amounts.chain(worth).collect();
        format!(
            "above {} holds for {} until {} report that the Travel Rule exchange is accepted or not required, and denies if it is rejected",
            thresholds.join(" or "),
            approvals(needed),
            listed(providers.iter())
        )
    }

    fn breaker(self, breaker: &CircuitBreaker) -> String {
        let CircuitBreaker { wallets, assets, clients, per_client, window, denials, outflow } = breaker;
        let denied = denials.as_ref().map(|bound| {
            let most = bound.per_customer.map(|most| format!(", at most {most} of one customer counted"));
            let except = match bound.except.is_empty() {
                true => String::new(),
                false => format!(", those for {} alone not counted", listed(bound.except.iter())),
            };
            format!("more than {} requests are denied{}{except}", bound.most, most.unwrap_or_default())
        });
        let paid = outflow
            .as_ref()
            .map(|bound| format!("more than {} are authorized", self.measured(&bound.unit, bound.most)));
        let causes: Vec<_> = denied.into_iter().chain(paid).collect();
        let scopes = [
            ("from", wallets.as_ref().map(|named| listed(named.iter()))),
            ("in", assets.as_ref().map(|named| listed(named.iter()))),
            ("asked by", clients.as_ref().map(|named| listed(named.iter()))),
        ];
        let scope: String =
            scopes.into_iter().filter_map(|(word, named)| Some(format!(" {word} {}", named?))).collect();
        let whose = if *per_client { " of one client" } else { "" };
        format!(
            "pauses a wallet until officers resume it when, within {}{whose}{scope}, {}",
            span(*window),
            causes.join(", or ")
        )
    }

    fn measured(self, unit: &LimitUnit, amount: Amount) -> String {
        match unit {
            LimitUnit::Asset(asset) => self.money(asset, amount),
            LimitUnit::UsdCents => format!("{} USD", amount.format_units(2)),
            LimitUnit::Count => format!("{amount} withdrawals"),
        }
    }

    fn window(self, limit: &WindowLimit) -> String {
        let WindowLimit { unit, tier, per, window, step_up_above, hold_above, deny_above } = limit;
        let shown = |amount: Amount| self.measured(unit, amount);
        let what = match unit {
            LimitUnit::Asset(asset) => format!("all {asset}"),
            LimitUnit::UsdCents => "all worth in US dollars".to_owned(),
            LimitUnit::Count => "the number of withdrawals".to_owned(),
        };
        let same = per.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let whose = match per.is_empty() {
            true => " together".to_owned(),
            false => format!(" of the same {same}"),
        };
        let from = from_tier(tier.as_ref());
        let bounds = bounds(*step_up_above, hold_above, *deny_above, shown);
        format!("{what} within {}{from}{whose}{bounds}", span(*window))
    }
}

fn call(rule: &CallRule) -> String {
    let CallRule { contract, function, allow, arguments } = rule;
    let arguments = arguments.iter().map(|(position, rule)| format!(", argument {position} {rule}"));
    let allow = allow.iter().map(|danger| format!(", even with `{danger}`"));
    format!("`{function}` of {contract}{}", arguments.chain(allow).collect::<String>())
}

fn from_tier(tier: Option<&TierScope>) -> String {
    tier.map_or_else(String::new, |scope| format!(" from tier `{}`", scope.tier))
}

fn bounds(
    step_up: Option<Amount>,
    hold: &[HoldAbove],
    deny: Option<Amount>,
    shown: impl Fn(Amount) -> String,
) -> String {
    let step_up = step_up.map(|amount| format!(" needs an identity attestation above {}", shown(amount)));
    let held = |HoldAbove { amount, lift }: &HoldAbove| {
        format!(" is held above {} {}", shown(*amount), lifted(lift))
    };
    let deny = deny.map(|amount| format!(" is denied above {}", shown(amount)));
    step_up.into_iter().chain(hold.iter().map(held)).chain(deny).collect::<Vec<_>>().join(", and")
}

fn lifted(lift: &Lift) -> String {
    match lift {
        Lift::Approvals { approvals: needed, reject_after: None } => format!("for {}", approvals(needed)),
        Lift::Approvals { approvals: needed, reject_after: Some(after) } => {
            format!("for {} within {}", approvals(needed), span(*after))
        }
        Lift::Release { after, approvals: None } => format!("for {}", span(*after)),
        Lift::Release { after, approvals: Some(needed) } => {
            format!("for {}, or less for {}", span(*after), approvals(needed))
        }
    }
}

fn hours(window: &TimeWindow) -> String {
    let TimeWindow { days, hours, outside } = window;
    let does = match outside {
        Outside::Hold(needed) => format!("holds for {}", approvals(needed)),
        Outside::Deny => "denies".to_owned(),
    };
    format!("{does} outside {} on {} (UTC)", listed(hours.iter()), listed(days.iter()))
}

fn screening(rule: &ScreeningRule) -> String {
    let ScreeningRule { lists, on_match } = rule;
    let does = match on_match {
        OnMatch::Deny => "denies",
    };
    format!(
        "{does} a destination that is on {}, and everything while one of them is not loaded",
        listed(lists.iter())
    )
}

fn risk(limits: &RiskLimits) -> String {
    let RiskLimits { step_up_at, hold_at, deny_at, approvals: needed, require } = limits;
    let step_up = step_up_at
        .map(|score| format!("a risk score from {score} on needs an identity attestation; "))
        .unwrap_or_default();
    let unknown = match require.is_empty() {
        true => String::new(),
        false => format!(", or without {}", listed(require.iter())),
    };
    let held: Vec<_> = hold_at
        .iter()
        .map(|HoldAt { score, lift }| format!("a risk score from {score} on is held {}", lifted(lift)))
        .collect();
    format!(
        "{step_up}{}, one without a current session report{unknown} is held for {}, and one from {deny_at} on is denied",
        held.join(", "),
        approvals(needed)
    )
}

fn fee_cap(cap: &FeeCap) -> String {
    let FeeCap { chain_id, max } = cap;
    format!("denies a fee cap above {max} wei on chain {chain_id}")
}
