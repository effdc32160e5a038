//! Owns the `limit_per_transaction` restriction and the ceilings for one transaction of a tier: above one limit the customer's
//! identity must be attested, above the automatic limit people approve or time passes, above the maximum nobody can.

use holdfast_chains::Amount;

use super::{
    bands::{self, Bounds, Says},
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    document::{AmountUnit, LimitPerTransaction, TierScope},
    ids::RuleId,
    reason::ReasonCode,
};

const SAYS: Says = Says {
    within: ReasonCode::WithinAutomaticLimit,
    stepped_up: ReasonCode::AboveStepUpLimit,
    held: ReasonCode::AboveAutomaticLimit,
    denied: ReasonCode::AboveMaximum,
};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, limit: &'a LimitPerTransaction) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::LimitPerTransaction, rule };
    let LimitPerTransaction { unit, tier, step_up_above, hold_above, deny_above } = limit;
    if let Some(tier) = tier
        && !TierScope::is_about(Some(tier), &case.withdrawal.wallet)
    {
        return speaker
            .does_not_apply(ReasonCode::NotApplicable, format!("the rule is about tier {}", tier.tier));
    }
    let bounds = Bounds { step_up_above: *step_up_above, hold_above, deny_above: *deny_above };
    let value = match unit {
        AmountUnit::Asset(asset) if *asset != case.withdrawal.asset => {
            return speaker.does_not_apply(ReasonCode::NotApplicable, format!("the rule is about {asset}"));
        }
        AmountUnit::Asset(_) => case.withdrawal.amount,
        AmountUnit::UsdCents => match &case.outflow {
            Err(code) => return speaker.denies(*code, "nothing has a worth without the asset"),
            // INVARIANT (G9): what nobody knows the worth of may be worth anything.
            Ok(outflow) => match outflow.usd_cents {
                None => {
                    let because = "no price of the asset is young enough";
                    return bands::unknown(speaker, bounds, ReasonCode::PriceAbsent, because);
                }
                Some(cents) => Amount::from_u128(cents.into()),
            },
        },
    };
    let shown = |amount: Amount| match unit {
        AmountUnit::Asset(_) => case.money(amount),
        AmountUnit::UsdCents => format!("{} USD", amount.format_units(2)),
    };
    let says = match tier {
        None => SAYS,
        Some(_) => Says::of_tier(!case.withdrawal.approvals.is_empty()),
    };
    bands::compare(speaker, &says, bounds, value, &shown(value), shown)
}
