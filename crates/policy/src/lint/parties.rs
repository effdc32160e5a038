//! Owns the question whether the names in a document are those of a cell: roles that nobody has, clients, providers, wallets, assets and
//! lists that do not exist.

use std::collections::BTreeSet;

use holdfast_chains::{Asset, AssetSymbol, ChainId};

use super::{KnownParties, LintCode, Report, breakers, named, width};
use crate::{
    approvals::quorum_is_met,
    document::{AmountUnit, Escalation, HoldTerms, LimitUnit, RequiredApprovals, RestrictionRule},
    ids::RuleId,
};

pub(super) fn check(report: &mut Report<'_>, known: &KnownParties) {
    let KnownParties { officers: _, clients, providers, assets, lists: _, wallets } = known;
    let document = report.document;
    let registered = |asset: &AssetSymbol| assets.iter().any(|known| known.symbol == *asset);
    for (index, grant) in document.grants().iter().enumerate() {
        for client in grant.clients.iter().flatten().filter(|client| !clients.contains(*client)) {
            let sentence = format!("no client `{client}` in the roster");
            report.grant(index, "clients", LintCode::ClientUnknown, sentence);
        }
        let exists = |wallet| wallets.as_ref().is_none_or(|wallets| wallets.contains(wallet));
        for wallet in grant.wallets.iter().filter(|wallet| !exists(*wallet)) {
            let sentence = format!("no wallet `{wallet}`");
            report.grant(index, "wallets", LintCode::WalletUnknown, sentence);
        }
        for asset in grant.assets.iter().filter(|asset| !registered(asset)) {
            let sentence = format!("no asset `{asset}` in the registry");
            report.grant(index, "assets", LintCode::AssetUnknown, sentence);
        }
    }
    for (index, tier) in document.tiers().iter().enumerate() {
        let exists = |wallet| wallets.as_ref().is_none_or(|wallets| wallets.contains(wallet));
        for wallet in tier.wallets.iter().filter(|wallet| !exists(*wallet)) {
            let path = format!("tier[{index}].wallets");
            report.find(LintCode::WalletUnknown, &path, None, format!("no wallet `{wallet}`"));
        }
    }
    for (path, named) in named::providers(document) {
        for provider in named.difference(providers) {
            let sentence = format!("no provider `{provider}` in the roster");
            report.find(LintCode::ProviderUnknown, &path, None, sentence);
        }
    }
    for (index, restriction) in document.restrictions().iter().enumerate() {
        names(report, known, index, &restriction.rule);
        for (field, approvals) in width::holds(&restriction.rule) {
            let path = format!("{}.{field}", document.path_of_restriction(index));
            unfilled(report, known, &path, Some(&restriction.id), approvals);
        }
    }
    if let Some(terms) = document.exposure() {
        unfilled(report, known, "exposure.approvals", None, &terms.approvals);
    }
    if let Some(terms) = document.legal() {
        unfilled(report, known, "legal.approvals", None, &terms.approvals);
        if !known.officers.iter().any(|(_, roles)| roles.contains(&terms.opened_by)) {
            let sentence = format!("no officer has the role `{}`", terms.opened_by);
            report.find(LintCode::HoldOwnerUnfilled, "legal.opened_by", None, sentence);
        }
    }
    uncapped_chains(report, assets);
    let HoldTerms { deadline: _, owner, escalation } = document.hold();
    let escalated = escalation.iter().map(|Escalation { after: _, to }| ("hold.escalate_to", to));
    for (path, role) in std::iter::once(("hold.owner", owner)).chain(escalated) {
        if !known.officers.iter().any(|(_, roles)| roles.contains(role)) {
            let sentence = format!("no officer has the role `{role}`");
            report.find(LintCode::HoldOwnerUnfilled, path, None, sentence);
        }
    }
}

fn names(report: &mut Report<'_>, known: &KnownParties, index: usize, rule: &RestrictionRule) {
    let registered = |asset: &AssetSymbol| known.assets.iter().any(|known| known.symbol == *asset);
    let unknown = |asset: &AssetSymbol| format!("no asset `{asset}` in the registry");
    match rule {
        RestrictionRule::LimitPerTransaction(limit) => match &limit.unit {
            AmountUnit::Asset(asset) if !registered(asset) => {
                report.restriction(index, "asset", LintCode::AssetUnknown, unknown(asset));
            }
            AmountUnit::Asset(_) | AmountUnit::UsdCents => {}
        },
        RestrictionRule::WindowLimit(limit) => match &limit.unit {
            LimitUnit::Asset(asset) if !registered(asset) => {
                report.restriction(index, "asset", LintCode::AssetUnknown, unknown(asset));
            }
            LimitUnit::Asset(_) | LimitUnit::UsdCents | LimitUnit::Count => {}
        },
        RestrictionRule::Screening(rule) => {
            for list in rule.lists.difference(&known.lists) {
                let sentence = format!("no screening list `{list}` is loaded");
                report.restriction(index, "lists", LintCode::ListUnknown, sentence);
            }
        }
        RestrictionRule::FeeCap(cap) if !known.assets.iter().any(|asset| asset.chain_id == cap.chain_id) => {
            let sentence = format!("no asset of the registry is on chain {}", cap.chain_id);
            report.restriction(index, "chain_id", LintCode::RestrictionNeverApplies, sentence);
        }
        RestrictionRule::TravelRule(terms) => {
            for asset in terms.above.keys().filter(|asset| !registered(asset)) {
                report.restriction(index, &format!("above.{asset}"), LintCode::AssetUnknown, unknown(asset));
            }
        }
        RestrictionRule::CircuitBreaker(breaker) => breakers::names(report, known, index, breaker),
        RestrictionRule::FeeCap(_)
        | RestrictionRule::TimeWindow(_)
        | RestrictionRule::Whitelist
        | RestrictionRule::Risk(_) => {}
    }
}

fn unfilled(
    report: &mut Report<'_>,
    known: &KnownParties,
    path: &str,
    rule: Option<&RuleId>,
    approvals: &RequiredApprovals,
) {
    if quorum_is_met(approvals, &known.officers) {
        return;
    }
    let wanted: Vec<_> = approvals.iter().map(|(role, count)| format!("{count} of `{role}`")).collect();
    let sentence = format!("needs {}, which the roster cannot fill", wanted.join(" and "));
    report.find(LintCode::HoldRoleUnfilled, path, rule, sentence);
}

/// With the registry at hand: a chain on which something is given and that has no cap, where other chains have one.
fn uncapped_chains(report: &mut Report<'_>, assets: &[Asset]) {
    let document = report.document;
    let capped: BTreeSet<ChainId> = document
        .restrictions()
        .iter()
        .filter_map(|restriction| match &restriction.rule {
            RestrictionRule::FeeCap(cap) => Some(cap.chain_id),
            RestrictionRule::Whitelist
            | RestrictionRule::LimitPerTransaction(_)
            | RestrictionRule::Screening(_)
            | RestrictionRule::Risk(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::CircuitBreaker(_)
            | RestrictionRule::WindowLimit(_) => None,
        })
        .collect();
    if capped.is_empty() {
        return;
    }
    for (index, grant) in document.grants().iter().enumerate() {
        let given = assets.iter().filter(|asset| grant.assets.contains(&asset.symbol));
        let chains: BTreeSet<ChainId> = given.map(|asset| asset.chain_id).collect();
        for chain in chains.difference(&capped) {
            let sentence = format!("`{}` gives assets on chain {chain}, which has no `fee_cap`", grant.id);
            report.grant(index, "assets", LintCode::NoFeeCap, sentence);
        }
    }
}
