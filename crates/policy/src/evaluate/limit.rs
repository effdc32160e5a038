//! Owns the `limit_per_transaction` restriction: above one limit the customer's identity must be
//! attested, above the automatic limit people approve too, above the maximum nobody can.

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
    if let Some(hold) = &limit.hold_above
        && amount > hold.amount
    {
        let detail = format!("{shown} is above {}", case.money(hold.amount));
        let finding = speaker.holds(ReasonCode::AboveAutomaticLimit, detail, &hold.approvals, Vec::new());
        return finding.with_step_up(limit.step_up_above.is_some());
    }
    if let Some(most) = limit.step_up_above
        && amount > most
    {
        let detail = format!("{shown} is above {}", case.money(most));
        return speaker.steps_up(ReasonCode::AboveStepUpLimit, detail, Vec::new());
    }
    let lowest = limit.step_up_above.or(limit.hold_above.as_ref().map(|hold| hold.amount));
    let bound = lowest.map_or_else(|| "the maximum".to_owned(), |most| case.money(most));
    speaker.passes(ReasonCode::WithinAutomaticLimit, format!("{shown} is not above {bound}"))
}
