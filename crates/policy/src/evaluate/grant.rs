//! Owns grants: what may happen at all. One matching grant is enough; without one the withdrawal is denied, whatever the
//! restrictions say.

use super::{
    case::Case,
    finding::{Finding, Speaker},
    whitelist,
};
use crate::{
    decision::{RuleKind, Verdict},
    document::{Destinations, Grant},
    ids::RuleId,
    reason::ReasonCode,
};

/// One finding for each grant, and the built-in one that demands a match.
pub(super) fn check<'a>(case: &Case<'a>) -> Vec<Finding<'a>> {
    let mut findings: Vec<_> = case.document.grants().iter().map(|grant| one(case, grant)).collect();
    let matching: Vec<_> = findings
        .iter()
        .filter(|finding| finding.result.verdict == Verdict::Pass)
        .map(|finding| format!("`{}`", finding.result.rule))
        .collect();
    let speaker = Speaker { kind: RuleKind::Grant, rule: &RuleId::builtin("grant") };
    // INVARIANT (G1): restrictions only take away; nothing is allowed that no grant gives.
    findings.push(if matching.is_empty() {
        speaker.denies(ReasonCode::NoGrant, "none matches")
    } else {
        let mut matching = matching;
        matching.sort();
        speaker.passes(ReasonCode::Granted, format!("by {}", matching.join(", ")))
    });
    findings
}

pub(super) fn one<'a>(case: &Case<'a>, grant: &Grant) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Grant, rule: &grant.id };
    let withdrawal = case.withdrawal;
    if !grant.wallets.contains(&withdrawal.wallet) {
        return speaker
            .does_not_apply(ReasonCode::GrantOtherWallet, format!("wallet `{}`", withdrawal.wallet));
    }
    if !grant.assets.contains(&withdrawal.asset) {
        return speaker.does_not_apply(ReasonCode::GrantOtherAsset, format!("asset `{}`", withdrawal.asset));
    }
    if grant.clients.as_ref().is_some_and(|clients| !clients.contains(&withdrawal.client)) {
        return speaker
            .does_not_apply(ReasonCode::GrantOtherClient, format!("client `{}`", withdrawal.client));
    }
    let called = match (&case.call, grant.calls.is_empty()) {
        (None, true) => None,
        (None, false) => {
            return speaker.does_not_apply(ReasonCode::GrantOfCalls, "the withdrawal is a transfer");
        }
        // INVARIANT (G1): a grant of transfers never gives a call.
        (Some(_), true) => {
            return speaker.does_not_apply(ReasonCode::GrantOfTransfers, "the withdrawal is a call");
        }
        (Some(call), false) => match call.by_grant(grant) {
            Ok(listed) => Some(listed.said),
            Err(refusal) => return speaker.does_not_apply(refusal.code(), refusal.detail()),
        },
    };
    let passes = |detail: String| {
        let detail = match called {
            Some(called) => format!("{called}, {detail}"),
            None => detail,
        };
        speaker.passes(ReasonCode::Granted, detail)
    };
    if let Some(max) = grant.max_amount.get(&withdrawal.asset).filter(|max| withdrawal.amount > **max) {
        let detail = format!("{} is above {}", case.money(withdrawal.amount), case.money(*max));
        return speaker.does_not_apply(ReasonCode::AboveGrantMaximum, detail);
    }
    match (grant.destinations, &case.whitelist) {
        (Destinations::Any, _) => passes("any destination".to_owned()),
        (Destinations::Whitelisted, Ok(entry)) => passes(format!("whitelist entry `{}`", entry.id)),
        (Destinations::Whitelisted, Err(refusal)) => {
            speaker.does_not_apply(refusal.code, whitelist::explain(case, refusal))
        }
        (Destinations::House, _) => match &case.house_entry {
            Ok(entry) => passes(format!("whitelist entry `{}` of the house", entry.id)),
            Err(refusal) => speaker.does_not_apply(refusal.code, whitelist::explain(case, refusal)),
        },
    }
}
