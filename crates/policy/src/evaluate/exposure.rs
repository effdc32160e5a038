//! Owns the rule of the `[exposure]` table: what outside providers say about the destination, and that they said it. It speaks
//! only if the document has the table.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    exposure::{Exposure, ExposureSignal, ExposureTerms},
    ids::RuleId,
    reason::ReasonCode,
};

pub(super) fn check<'a>(case: &Case<'a>) -> Option<Finding<'a>> {
    let terms = case.document.exposure()?;
    let id = RuleId::builtin("exposure");
    let speaker = Speaker { kind: RuleKind::Exposure, rule: &id };
    if let Some(worst) = case.exposure.worst()
        && reaches(terms.deny_at, worst)
    {
        return Some(speaker.denies(ReasonCode::ExposureDeny, told(worst)));
    }
    // INVARIANT (G9): a provider that is required and silent holds, whatever the others said.
    if terms.required
        && let Some(finding) = silent(case, speaker, terms)
    {
        return Some(finding);
    }
    Some(match case.exposure.worst() {
        Some(worst) if reaches(terms.hold_at, worst) => {
            let finding = speaker.holds(ReasonCode::ExposureHold, told(worst), &terms.approvals, Vec::new());
            finding.measured(ReasonCode::ExposureHold, measure(worst))
        }
        Some(worst) => speaker.passes(ReasonCode::ExposureAcceptable, told(worst)),
        None => speaker
            .does_not_apply(ReasonCode::NotApplicable, "no report is young enough and none is required"),
    })
}

fn silent<'a>(case: &Case<'a>, speaker: Speaker<'_>, terms: &'a ExposureTerms) -> Option<Finding<'a>> {
    let missing: Vec<_> = match &case.exposure {
        Exposure::Known(_) => return None,
        Exposure::NotAsked => terms.providers.iter().map(ToString::to_string).collect(),
        Exposure::Incomplete { missing, .. } => missing.iter().map(ToString::to_string).collect(),
    };
    let detail = format!("no report about it younger than {} by `{}`", terms.max_age, missing.join("`, `"));
    // What the others said is a reason of its own: approvals of the silence alone do not cover it.
    let bad = case.exposure.worst().filter(|worst| reaches(terms.hold_at, worst));
    let because = bad.map(|_| ReasonCode::ExposureHold).into_iter().collect();
    let finding = speaker.holds(ReasonCode::ExposureAbsent, detail, &terms.approvals, because);
    let finding = finding.measured(ReasonCode::ExposureAbsent, missing.join(","));
    Some(match bad {
        Some(worst) => finding.measured(ReasonCode::ExposureHold, measure(worst)),
        None => finding,
    })
}

/// Ten points more, or another crime, is something else than what officers approved.
fn measure(worst: &ExposureSignal) -> String {
    let tens = worst.score / 10;
    format!("{}-{tens}x", worst.category)
}

fn reaches(threshold: Option<u8>, worst: &ExposureSignal) -> bool {
    threshold.is_some_and(|threshold| worst.score >= threshold)
}

fn told(worst: &ExposureSignal) -> String {
    let hops = worst.hops.map(|hops| format!(", {hops} hops away")).unwrap_or_default();
    format!("`{}` reports {} of 100, category `{}`{hops}", worst.provider, worst.score, worst.category)
}
