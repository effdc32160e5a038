//! Owns the comparison of a value with the bounds of a limit: what it is above, and what each of those bands wants.

use holdfast_chains::Amount;

use super::finding::{Finding, Need, Speaker};
use crate::{document::HoldAbove, reason::ReasonCode};

/// The reasons that a limit gives.
pub(super) struct Says {
    pub(super) within: ReasonCode,
    pub(super) stepped_up: ReasonCode,
    pub(super) held: ReasonCode,
    pub(super) denied: ReasonCode,
}

impl Says {
    /// A ceiling speaks of its tier, whatever it measures.
    pub(super) fn of_tier(since_approval: bool) -> Self {
        Self {
            within: ReasonCode::WithinTierCeiling,
            stepped_up: ReasonCode::TierAboveStepUpCeiling,
            held: ReasonCode::TierAboveAutomaticCeiling,
            denied: match since_approval {
                false => ReasonCode::TierCeilingReached,
                true => ReasonCode::TierCeilingReachedSinceApproval,
            },
        }
    }
}

/// What a limit says about values.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) step_up_above: Option<Amount>,
    pub(super) hold_above: &'a [HoldAbove],
    pub(super) deny_above: Option<Amount>,
}

/// All limits are inclusive: a value equal to one is within it.
// INVARIANT (G1): a larger value is above every band that a smaller one is above, so more never needs less.
pub(super) fn compare<'a>(
    speaker: Speaker<'_>,
    says: &Says,
    bounds: Bounds<'a>,
    value: Amount,
    value_shown: &str,
    shown: impl Fn(Amount) -> String,
) -> Finding<'a> {
    let above = |limit: Amount| format!("{value_shown} is above {}", shown(limit));
    if let Some(max) = bounds.deny_above
        && value > max
    {
        return speaker.denies(says.denied, above(max));
    }
    let reached: Vec<&HoldAbove> = bounds.hold_above.iter().filter(|band| value > band.amount).collect();
    if let Some(highest) = reached.last() {
        let needs = reached.iter().map(|band| Need::of(&band.lift)).collect();
        let finding = speaker.holds_for(says.held, above(highest.amount), needs, Vec::new());
        let finding = finding.measured(says.held, format!("above-{}", highest.amount));
        return finding.with_step_up(bounds.step_up_above.is_some());
    }
    if let Some(most) = bounds.step_up_above
        && value > most
    {
        return speaker.steps_up(says.stepped_up, above(most), Vec::new());
    }
    let lowest = bounds.step_up_above.or(bounds.hold_above.first().map(|band| band.amount));
    let bound = lowest.map_or_else(|| "the maximum".to_owned(), shown);
    speaker.passes(says.within, format!("{value_shown} is not above {bound}"))
}

/// For a value that nobody knows.
// INVARIANT (G9): it may be any value.
pub(super) fn unknown<'a>(
    speaker: Speaker<'_>,
    bounds: Bounds<'a>,
    code: ReasonCode,
    because: &str,
) -> Finding<'a> {
    match (bounds.hold_above, bounds.deny_above, bounds.step_up_above) {
        (_, Some(_), _) | ([], None, None) => speaker.denies(code, because),
        ([], None, Some(_)) => speaker.steps_up(code, because, Vec::new()),
        (bands, None, step_up) => speaker
            .does_not_know(code, because, bands.iter().map(|band| &band.lift))
            .with_step_up(step_up.is_some()),
    }
}
