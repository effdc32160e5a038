//! Owns the `limit_window` restriction: what leaves within a sliding window, this withdrawal included. Above one limit the
//! customer's identity must be attested, above the automatic limit people approve too, above the maximum nobody can.

use holdfast_chains::Amount;

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    document::{HoldAbove, LimitUnit, WindowLimit},
    ids::RuleId,
    outflow::{Outflow, Outflows, Taken},
    reason::ReasonCode,
};

pub(super) fn check<'a>(
    case: &Case<'a>,
    outflows: &Outflows,
    rule: &RuleId,
    limit: &'a WindowLimit,
) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::WindowLimit, rule };
    let mine = match &case.outflow {
        Ok(mine) => mine,
        Err(code) => return speaker.denies(*code, "nothing can be added up without the asset"),
    };
    let Some(value) = limit.value_of(mine) else {
        return speaker.does_not_apply(ReasonCode::NotApplicable, "the rule is about another asset");
    };
    match sum(case, outflows, rule, limit, mine, value) {
        Ok(sum) => compare(case, speaker, limit, sum),
        // INVARIANT (G9): a sum that nobody knows may be any sum.
        Err(Unknown { code, because }) => match (&limit.hold_above, limit.deny_above) {
            (Some(hold), None) => speaker
                .holds(code, because, &hold.approvals, Vec::new())
                .with_step_up(limit.step_up_above.is_some()),
            (None, None) => speaker.steps_up(code, because, Vec::new()),
            (_, Some(_)) => speaker.denies(code, because),
        },
    }
}

struct Unknown {
    code: ReasonCode,
    because: &'static str,
}

fn sum(
    case: &Case<'_>,
    outflows: &Outflows,
    rule: &RuleId,
    limit: &WindowLimit,
    mine: &Outflow,
    value: Option<Amount>,
) -> Result<Amount, Unknown> {
    let unknown = |because| Unknown { code: ReasonCode::WindowSumUnknown, because };
    let value = value
        .ok_or(Unknown { code: ReasonCode::PriceAbsent, because: "no price of the asset is young enough" })?;
    match outflows.taken(rule, limit, mine, case.withdrawal.place, case.at) {
        Taken::Known(others) => others.checked_add(value).ok_or(unknown("the sum is out of range")),
        Taken::Unknown => Err(unknown("other withdrawals in the window have no known value")),
    }
}

fn compare<'a>(case: &Case<'a>, speaker: Speaker<'_>, limit: &'a WindowLimit, sum: Amount) -> Finding<'a> {
    let shown = |amount: Amount| shown(case, &limit.unit, amount);
    let total = format!("{} within {}", shown(sum), limit.window);
    if let Some(max) = limit.deny_above
        && sum > max
    {
        // People approved it and the window filled up since, by a price or by another policy.
        let code = match case.withdrawal.approvals.is_empty() {
            true => ReasonCode::WindowLimitReached,
            false => ReasonCode::WindowLimitReachedSinceApproval,
        };
        return speaker.denies(code, format!("{total} is above {}", shown(max)));
    }
    if let Some(HoldAbove { amount, approvals }) = &limit.hold_above
        && sum > *amount
    {
        let detail = format!("{total} is above {}", shown(*amount));
        let finding = speaker.holds(ReasonCode::WindowAboveAutomaticLimit, detail, approvals, Vec::new());
        return finding.with_step_up(limit.step_up_above.is_some());
    }
    if let Some(most) = limit.step_up_above
        && sum > most
    {
        let detail = format!("{total} is above {}", shown(most));
        return speaker.steps_up(ReasonCode::WindowAboveStepUpLimit, detail, Vec::new());
    }
    let lowest = limit.step_up_above.or(limit.hold_above.as_ref().map(|hold| hold.amount));
    let bound = lowest.map_or_else(|| "the maximum".to_owned(), shown);
    speaker.passes(ReasonCode::WithinWindowLimit, format!("{total} is not above {bound}"))
}

fn shown(case: &Case<'_>, unit: &LimitUnit, amount: Amount) -> String {
    match unit {
        LimitUnit::Asset(_) => case.money(amount),
        LimitUnit::UsdCents => format!("{} USD", amount.format_units(2)),
        LimitUnit::Count => format!("{amount} withdrawals"),
    }
}
