//! Owns the `limit_window` restriction and the ceilings of a tier within a window: what leaves within a sliding window, this
//! withdrawal included. Above one limit the customer's identity must be attested, above the automatic limit people approve too, above the maximum nobody can.

use holdfast_chains::Amount;

use super::{
    bands::{self, Bounds, Says},
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    document::{LimitUnit, TierScope, WindowLimit},
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
        let about = match &limit.tier {
            Some(tier) if !TierScope::is_about(Some(tier), &mine.wallet) => "another tier",
            Some(_) | None => "another asset",
        };
        return speaker.does_not_apply(ReasonCode::NotApplicable, format!("the rule is about {about}"));
    };
    let WindowLimit { step_up_above, hold_above, deny_above, .. } = limit;
    let bounds = Bounds { step_up_above: *step_up_above, hold_above, deny_above: *deny_above };
    match sum(case, outflows, rule, limit, mine, value) {
        Ok(sum) => compare(case, speaker, limit, bounds, sum),
        Err(Unknown { code, because }) => bands::unknown(speaker, bounds, code, because),
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

fn compare<'a>(
    case: &Case<'a>,
    speaker: Speaker<'_>,
    limit: &WindowLimit,
    bounds: Bounds<'a>,
    sum: Amount,
) -> Finding<'a> {
    let shown = |amount: Amount| shown(case, &limit.unit, amount);
    // People approved it and the window filled up since, by a price or by another policy.
    let since_approval = !case.withdrawal.approvals.is_empty();
    let says = match &limit.tier {
        Some(_) => Says::of_tier(since_approval),
        None => Says {
            within: ReasonCode::WithinWindowLimit,
            stepped_up: ReasonCode::WindowAboveStepUpLimit,
            held: ReasonCode::WindowAboveAutomaticLimit,
            denied: match since_approval {
                false => ReasonCode::WindowLimitReached,
                true => ReasonCode::WindowLimitReachedSinceApproval,
            },
        },
    };
    let of = limit.tier.as_ref().map_or_else(String::new, |tier| format!(" from tier {}", tier.tier));
    let total = format!("{} within {}{of}", shown(sum), limit.window);
    bands::compare(speaker, &says, bounds, sum, &total, shown)
}

fn shown(case: &Case<'_>, unit: &LimitUnit, amount: Amount) -> String {
    match unit {
        LimitUnit::Asset(_) => case.money(amount),
        LimitUnit::UsdCents => format!("{} USD", amount.format_units(2)),
        LimitUnit::Count => format!("{amount} withdrawals"),
    }
}
