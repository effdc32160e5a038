//! Owns the reading of bands: amounts and scores from which a rule holds, and what ends the hold. Bands ascend, so that nobody
//! has to guess which one counts; a timer that could never run out in time refuses the document.

use holdfast_chains::Amount;

use super::{
    Escalation, HoldAbove, HoldAt, HoldTerms, Lift, PolicyError, RequiredApprovals, check,
    read::{approvals, duration, score},
    toml_field::{Field, Table},
};
use crate::time::DurationMs;

const MAX_BANDS: usize = 16;

/// What a limit says about values; at least one of them.
pub(super) struct Bounds {
    pub(super) step_up_above: Option<Amount>,
    pub(super) hold_above: Vec<HoldAbove>,
    pub(super) deny_above: Option<Amount>,
}

pub(super) fn bounds(table: &mut Table<'_>, hold: &HoldTerms) -> Result<Bounds, PolicyError> {
    let step_up_above: Option<Amount> =
        table.optional("step_up_above").map(|field| field.parse()).transpose()?;
    let hold_above = match table.optional("hold_above") {
        Some(field) => {
            let bands = amounts(&field, hold)?;
            if let Some(lowest) = bands.first() {
                check::not_below(&field, &lowest.amount, step_up_above.as_ref(), "step_up_above")?;
            }
            bands
        }
        None => Vec::new(),
    };
    let deny_above = match table.optional("deny_above") {
        Some(field) => {
            let deny_above = field.parse()?;
            check::not_below(&field, &deny_above, step_up_above.as_ref(), "step_up_above")?;
            let highest = hold_above.last().map(|band| &band.amount);
            check::not_below(&field, &deny_above, highest, "hold_above.amount")?;
            Some(deny_above)
        }
        None if !hold_above.is_empty() || step_up_above.is_some() => None,
        // A limit that limits nothing is a mistake: ask for the strictest.
        None => Some(table.required("deny_above")?.parse()?),
    };
    Ok(Bounds { step_up_above, hold_above, deny_above })
}

/// One band, or an array of them.
fn amounts(field: &Field<'_>, hold: &HoldTerms) -> Result<Vec<HoldAbove>, PolicyError> {
    let mut bands: Vec<HoldAbove> = Vec::new();
    for band in field.one_or_more(MAX_BANDS)? {
        let mut table = band.table()?;
        let at = table.required("amount")?;
        let amount = at.parse()?;
        ascends(&at, bands.last().map(|last| &last.amount), &amount)?;
        bands.push(HoldAbove { amount, lift: lift(&mut table, hold)? });
        table.finish()?;
    }
    Ok(bands)
}

/// One score, which stands for one band with the rule's own approvals, or an array of bands.
pub(super) fn scores(
    field: &Field<'_>,
    approvals: &RequiredApprovals,
    hold: &HoldTerms,
) -> Result<Vec<HoldAt>, PolicyError> {
    if !field.is_array() {
        let lift = Lift::Approvals { approvals: approvals.clone(), reject_after: None };
        return Ok(vec![HoldAt { score: score(field)?, lift }]);
    }
    let mut bands: Vec<HoldAt> = Vec::new();
    for band in field.elements(MAX_BANDS)? {
        let mut table = band.table()?;
        let at = table.required("score")?;
        let score = score(&at)?;
        ascends(&at, bands.last().map(|last| &last.score), &score)?;
        bands.push(HoldAt { score, lift: lift(&mut table, hold)? });
        table.finish()?;
    }
    Ok(bands)
}

fn ascends<T: PartialOrd>(field: &Field<'_>, last: Option<&T>, next: &T) -> Result<(), PolicyError> {
    match last {
        Some(last) if next <= last => Err(field.invalid("it must be above that of the band before it")),
        Some(_) | None => Ok(()),
    }
}

/// `approvals`, `timer_ms` and `at_end`.
pub(super) fn lift(table: &mut Table<'_>, hold: &HoldTerms) -> Result<Lift, PolicyError> {
    let (timer, at_end) = match (table.optional("timer_ms"), table.optional("at_end")) {
        (None, None) => {
            let approvals = approvals(table.required("approvals")?)?;
            return Ok(Lift::Approvals { approvals, reject_after: None });
        }
        (Some(timer), Some(at_end)) => (timer, at_end),
        (Some(timer), None) => (timer, table.required("at_end")?),
        (None, Some(at_end)) => (table.required("timer_ms")?, at_end),
    };
    let after = shorter(&timer, hold.deadline)?;
    match at_end.string()? {
        "reject" => {
            let approvals = approvals(table.required("approvals")?)?;
            Ok(Lift::Approvals { approvals, reject_after: Some(after) })
        }
        "release" => {
            let approvals = table.optional("approvals").map(approvals).transpose()?;
            Ok(Lift::Release { after, approvals })
        }
        _ => Err(at_end.invalid("use `reject` or `release`")),
    }
}

/// `escalate_after_ms` and `escalate_to`, or neither.
pub(super) fn escalation(
    table: &mut Table<'_>,
    deadline: DurationMs,
) -> Result<Option<Escalation>, PolicyError> {
    let after = table.optional("escalate_after_ms");
    let to = table.optional("escalate_to");
    if after.is_none() && to.is_none() {
        return Ok(None);
    }
    let after = after.map_or_else(|| table.required("escalate_after_ms"), Ok)?;
    let to = to.map_or_else(|| table.required("escalate_to"), Ok)?.parse()?;
    Ok(Some(Escalation { after: shorter(&after, deadline)?, to }))
}

/// A timer that the deadline always overtakes says nothing.
fn shorter(field: &Field<'_>, deadline: DurationMs) -> Result<DurationMs, PolicyError> {
    let after = duration(field, 1)?;
    if after < deadline {
        return Ok(after);
    }
    Err(field.invalid("it must be shorter than `hold.deadline_ms`"))
}
