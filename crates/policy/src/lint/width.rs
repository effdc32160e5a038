//! Owns the question whether a document gives more than it seems to: what is not limited, and what is not asked.

use holdfast_chains::{AssetSymbol, ParameterKind};

use super::{LintCode, Report, breakers};
use crate::{
    document::{
        AmountUnit, Destinations, Grant, HoldAbove, LimitUnit, Outside, RequiredApprovals, Restriction,
        RestrictionRule, TierScope, TimeWindow,
    },
    ids::WalletId,
    time::DurationMs,
};

const HOUR: DurationMs = DurationMs(60 * 60 * 1000);

pub(super) fn check(report: &mut Report<'_>) {
    let document = report.document;
    let limits = document.restrictions();
    for (index, grant) in document.grants().iter().enumerate() {
        if grant.clients.is_none() {
            let sentence = format!("`{}` names no clients", grant.id);
            report.grant(index, "id", LintCode::EveryClient, sentence);
        }
        for asset in &grant.assets {
            amounts(report, index, grant, asset, limits);
        }
        calls(report, index, grant);
    }
    for (index, restriction) in limits.iter().enumerate() {
        for (field, approvals) in holds(&restriction.rule) {
            if approvals.values().fold(0_u32, |sum, count| sum.saturating_add(*count)) == 1 {
                let sentence = "its hold needs one approval".to_owned();
                report.restriction(index, field, LintCode::OnePersonApproves, sentence);
            }
        }
    }
    uncapped_tiers(report, limits);
    missing(report, limits);
    breakers::by_one_customer(report);
    terms(report);
}

fn calls(report: &mut Report<'_>, index: usize, grant: &Grant) {
    for (place, call) in grant.calls.iter().enumerate() {
        let name = format!("`{}` of {}", call.function, call.contract);
        let mut find =
            |code, sentence| report.grant(index, &format!("call[{place}].function"), code, sentence);
        for position in 1..=call.function.arity() {
            let open = !call.arguments.contains_key(&position);
            match call.function.parameter(position) {
                Some(ParameterKind::Address) if open => {
                    find(LintCode::CallAddressOpen, format!("argument {position} of {name} may be anybody"));
                }
                Some(ParameterKind::Uint(_)) if open && call.function.name() == "approve" => {
                    find(LintCode::CallAmountOpen, format!("argument {position} of {name} has no bound"));
                }
                Some(_) | None => {}
            }
        }
        for danger in &call.allow {
            find(LintCode::CallDangerAllowed, format!("{name} is listed with `{danger}`"));
        }
    }
    let counts = |restriction: &Restriction| matches!(&restriction.rule, RestrictionRule::WindowLimit(limit) if limit.unit == LimitUnit::Count);
    if !grant.calls.is_empty() && !report.document.restrictions().iter().any(counts) {
        let sentence = format!("`{}` gives calls, and no window counts them", grant.id);
        report.grant(index, "call", LintCode::CallWithoutCount, sentence);
    }
}

fn amounts(
    report: &mut Report<'_>,
    index: usize,
    grant: &Grant,
    asset: &AssetSymbol,
    limits: &[Restriction],
) {
    let wallets: Vec<Vec<Cover>> = grant.wallets.iter().map(|wallet| covers(limits, asset, wallet)).collect();
    // What is not limited for one of its wallets is not limited.
    let everywhere = |is: fn(&Cover) -> bool| wallets.iter().all(|covers| covers.iter().any(is));
    let has_maximum = grant.max_amount.contains_key(asset);
    if !everywhere(|_| true) && !has_maximum {
        let sentence = format!("`{}` gives {asset}, and no limit is about it", grant.id);
        report.grant(index, "assets", LintCode::AssetWithoutLimit, sentence);
    } else if !has_maximum && !everywhere(|cover| cover.denies) {
        let sentence = format!("`{}` gives {asset} without a maximum, and no limit denies", grant.id);
        report.grant(index, "assets", LintCode::GrantWithoutMaximum, sentence);
    }
    if !everywhere(|cover| cover.adds_up) {
        let sentence = format!("`{}` gives {asset}, and no window adds it up", grant.id);
        report.grant(index, "assets", LintCode::AssetWithoutWindow, sentence);
    }
}

fn covers(limits: &[Restriction], asset: &AssetSymbol, wallet: &WalletId) -> Vec<Cover> {
    let about = limits.iter().filter(|limit| TierScope::is_about(limit.tier(), wallet));
    about.filter_map(|limit| Cover::of(&limit.rule, asset)).collect()
}

/// How a restriction limits amounts of an asset.
struct Cover {
    denies: bool,
    adds_up: bool,
}

impl Cover {
    fn of(rule: &RestrictionRule, asset: &AssetSymbol) -> Option<Self> {
        match rule {
            RestrictionRule::LimitPerTransaction(limit) => match &limit.unit {
                AmountUnit::Asset(other) if other != asset => None,
                AmountUnit::Asset(_) | AmountUnit::UsdCents => {
                    Some(Self { denies: limit.deny_above.is_some(), adds_up: false })
                }
            },
            RestrictionRule::WindowLimit(limit) => match &limit.unit {
                LimitUnit::Asset(other) if other != asset => None,
                LimitUnit::Asset(_) | LimitUnit::UsdCents => {
                    Some(Self { denies: limit.deny_above.is_some(), adds_up: true })
                }
                // So many withdrawals, each of any size.
                LimitUnit::Count => None,
            },
            RestrictionRule::Whitelist
            | RestrictionRule::Screening(_)
            | RestrictionRule::Risk(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::CircuitBreaker(_)
            | RestrictionRule::FeeCap(_) => None,
        }
    }
}

fn uncapped_tiers(report: &mut Report<'_>, limits: &[Restriction]) {
    for (index, tier) in report.document.tiers().iter().enumerate() {
        let adds_up = |limit: &Restriction| {
            matches!(&limit.rule, RestrictionRule::WindowLimit(window) if window.unit != LimitUnit::Count)
                && limit.tier().is_some_and(|scope| scope.tier == tier.id)
        };
        if !limits.iter().any(adds_up) {
            let sentence = format!("no ceiling adds up what leaves tier `{}`", tier.id);
            report.find(LintCode::TierWithoutCeiling, &format!("tier[{index}].id"), None, sentence);
        }
    }
}

/// Every hold that a rule can make, with the field that asks for its approvals.
pub(super) fn holds<'r>(rule: &'r RestrictionRule) -> Vec<(&'static str, &'r RequiredApprovals)> {
    let above = |bands: &'r [HoldAbove]| -> Vec<(&'static str, &'r RequiredApprovals)> {
        bands.iter().filter_map(|band| Some(("hold_above", band.lift.approvals()?))).collect()
    };
    match rule {
        RestrictionRule::LimitPerTransaction(limit) => above(&limit.hold_above),
        RestrictionRule::WindowLimit(limit) => above(&limit.hold_above),
        RestrictionRule::TimeWindow(TimeWindow { outside: Outside::Hold(needed), .. }) => {
            vec![("approvals", needed)]
        }
        RestrictionRule::TimeWindow(TimeWindow { outside: Outside::Deny, .. }) => Vec::new(),
        RestrictionRule::TravelRule(terms) => vec![("approvals", &terms.approvals)],
        RestrictionRule::Risk(limits) => {
            let bands = limits.hold_at.iter().filter_map(|band| Some(("hold_at", band.lift.approvals()?)));
            // One number stands for one band with the rule's own approvals.
            let others = bands.filter(|(_, approvals)| **approvals != limits.approvals);
            std::iter::once(("approvals", &limits.approvals)).chain(others).collect()
        }
        RestrictionRule::Whitelist
        | RestrictionRule::Screening(_)
        | RestrictionRule::CircuitBreaker(_)
        | RestrictionRule::FeeCap(_) => Vec::new(),
    }
}

#[derive(Default)]
struct Present {
    whitelist: bool,
    screening: bool,
    risk: bool,
    fee_cap: bool,
}

fn missing(report: &mut Report<'_>, restrictions: &[Restriction]) {
    let mut present = Present::default();
    for restriction in restrictions {
        match &restriction.rule {
            RestrictionRule::Whitelist => present.whitelist = true,
            RestrictionRule::Screening(_) => present.screening = true,
            RestrictionRule::Risk(_) => present.risk = true,
            RestrictionRule::FeeCap(_) => present.fee_cap = true,
            RestrictionRule::LimitPerTransaction(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::CircuitBreaker(_)
            | RestrictionRule::WindowLimit(_) => {}
        }
    }
    let open = report.document.grants().iter().filter(|grant| match grant.destinations {
        Destinations::Whitelisted | Destinations::House => false,
        Destinations::Any => true,
    });
    let open: Vec<_> = open.map(|grant| format!("`{}`", grant.id)).collect();
    let whitelist = match open.is_empty() {
        true => "the grants alone ask for whitelist entries".to_owned(),
        false => format!("{} pay addresses that nobody listed", open.join(", ")),
    };
    let none = |what: &str| format!("the document has no `{what}` restriction");
    for (is_present, code, sentence) in [
        (present.whitelist, LintCode::NoWhitelist, whitelist),
        (present.screening, LintCode::NoScreening, none("screening")),
        (present.risk, LintCode::NoRisk, none("risk")),
        (present.fee_cap, LintCode::NoFeeCap, none("fee_cap")),
    ] {
        if !is_present {
            report.find(code, "version", None, sentence);
        }
    }
    if present.risk && report.document.session_providers().is_none() {
        let sentence = "no `[sessions]` table names who reports about sessions".to_owned();
        report.find(LintCode::SessionProvidersOpen, "risk.listed_address", None, sentence);
    }
}

fn terms(report: &mut Report<'_>) {
    let document = report.document;
    if document.whitelist().cooling_off == DurationMs(0) {
        let sentence = "`cooling_off_ms` is 0".to_owned();
        report.find(LintCode::NoCoolingOff, "whitelist.cooling_off_ms", None, sentence);
    }
    let age = document.risk().max_report_age;
    if age >= HOUR {
        let sentence = format!("`max_report_age_ms` is {}", age.0);
        report.find(LintCode::ReportAgeLong, "risk.max_report_age_ms", None, sentence);
    }
}
