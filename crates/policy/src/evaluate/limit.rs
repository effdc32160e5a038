//! Owns the `limit_per_transaction` restriction: above the automatic limit people approve, above the maximum nobody can.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{decision::RuleKind, document::LimitPerTransaction, ids::RuleId, reason::ReasonCode};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, limit: &'a LimitPerTransaction) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::LimitPerTransaction, rule };
    if limit.asset != case.withdrawal.asset {
        return speaker
            .does_not_apply(ReasonCode::NotApplicable, format!("the rule is about {}", limit.asset));
    }
    let amount = case.withdrawal.amount;
    let shown = case.money(amount);
    if let Some(max) = limit.deny_above
        && amount > max
    {
        return speaker.denies(ReasonCode::AboveMaximum, format!("{shown} is above {}", case.money(max)));
    }
    match &limit.hold_above {
        Some(hold) if amount > hold.amount => {
            let detail = format!("{shown} is above {}", case.money(hold.amount));
            speaker.holds(ReasonCode::AboveAutomaticLimit, detail, &hold.approvals, Vec::new())
        }
        Some(hold) => {
            let detail = format!("{shown} is not above {}", case.money(hold.amount));
            speaker.passes(ReasonCode::WithinAutomaticLimit, detail)
        }
        None => speaker.passes(ReasonCode::WithinAutomaticLimit, format!("{shown} is not above the maximum")),
    }
}
