//! Owns the `travel_rule` restriction: above its threshold a withdrawal waits until a provider that the rule names reports that
//! the exchange is accepted or not required. What nobody reports holds; what is refused denies.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{decision::RuleKind, document::TravelRule, ids::RuleId, reason::ReasonCode, travel::TravelState};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, terms: &'a TravelRule) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::TravelRule, rule };
    match above(case, terms) {
        Above::NotAbout => {
            return speaker.does_not_apply(ReasonCode::NotApplicable, "the rule is about other assets");
        }
        Above::No(detail) => return speaker.passes(ReasonCode::TravelRuleBelowThreshold, detail),
        Above::Yes => {}
    }
    let reports = case.withdrawal.travel.iter().filter(|report| terms.providers.contains(&report.provider));
    // INVARIANT (G9): the worst of all counts, and no report at all is not a good one.
    let Some(worst) = reports.max_by_key(|report| report.state) else {
        let detail = "no provider that the rule names reported about this withdrawal";
        return speaker.holds(ReasonCode::TravelRuleAbsent, detail, &terms.approvals, Vec::new());
    };
    let detail = format!("`{}` reports `{}`", worst.provider, worst.state.name());
    match worst.state {
        TravelState::NotRequired | TravelState::Accepted => {
            speaker.passes(ReasonCode::TravelRuleSatisfied, detail)
        }
        TravelState::Sent | TravelState::Required => {
            let finding = speaker.holds(ReasonCode::TravelRulePending, detail, &terms.approvals, Vec::new());
            finding.measured(ReasonCode::TravelRulePending, worst.state.name())
        }
        TravelState::Rejected => speaker.denies(ReasonCode::TravelRuleRejected, detail),
    }
}

enum Above {
    NotAbout,
    No(String),
    Yes,
}

fn above(case: &Case<'_>, terms: &TravelRule) -> Above {
    let amount = case.withdrawal.amount;
    if let Some(threshold) = terms.above.get(&case.withdrawal.asset) {
        return match amount > *threshold {
            true => Above::Yes,
            false => Above::No(format!("{} is not above {}", case.money(amount), case.money(*threshold))),
        };
    }
    let Some(threshold) = terms.above_usd_cents else { return Above::NotAbout };
    // A worth that nobody knows may be above anything.
    match case.outflow.as_ref().ok().and_then(|outflow| outflow.usd_cents) {
        Some(cents) if cents <= threshold => Above::No(format!("{cents} US cents are not above {threshold}")),
        Some(_) | None => Above::Yes,
    }
}
