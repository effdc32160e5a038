//! Owns the `limit_per_transaction` restriction: above one limit the customer's identity must be attested, above the automatic
//! limit people approve or time passes, above the maximum nobody can.

use super::{
    bands::{self, Bounds, Says},
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{decision::RuleKind, document::LimitPerTransaction, ids::RuleId, reason::ReasonCode};

const SAYS: Says = Says {
    within: ReasonCode::WithinAutomaticLimit,
    stepped_up: ReasonCode::AboveStepUpLimit,
    held: ReasonCode::AboveAutomaticLimit,
    denied: ReasonCode::AboveMaximum,
};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, limit: &'a LimitPerTransaction) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::LimitPerTransaction, rule };
    if limit.asset != case.withdrawal.asset {
        return speaker
            .does_not_apply(ReasonCode::NotApplicable, format!("the rule is about {}", limit.asset));
    }
    let amount = case.withdrawal.amount;
    let LimitPerTransaction { step_up_above, hold_above, deny_above, .. } = limit;
    let bounds = Bounds { step_up_above: *step_up_above, hold_above, deny_above: *deny_above };
    bands::compare(speaker, &SAYS, bounds, amount, &case.money(amount), |amount| case.money(amount))
}
