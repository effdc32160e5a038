//! Owns the `risk` restriction. It speaks twice: whether the session can be judged at all, and what the score says. A score
//! with unknown parts is a lower bound, so what is unknown holds by itself.

use super::{
    case::{Case, SessionReport},
    finding::{Finding, Need, Speaker},
    score::Score,
};
use crate::{
    decision::RuleKind,
    document::{HoldAt, RiskLimits},
    ids::RuleId,
    reason::ReasonCode,
};

pub(super) fn session_report<'a>(case: &Case<'a>, rule: &RuleId, limits: &'a RiskLimits) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::SessionReport, rule };
    let oldest = case.document.risk().max_report_age;
    match case.session {
        SessionReport::Current { report, age } => {
            let detail = format!("the report of `{}` is {age} old, at most {oldest} count", report.provider);
            speaker.passes(ReasonCode::SessionReportCurrent, detail)
        }
        // INVARIANT (G9): what nobody reported, or reported too long ago, holds.
        SessionReport::Stale { report, age } => {
            let detail = format!("the report of `{}` is {age} old, at most {oldest} count", report.provider);
            let finding =
                speaker.holds(ReasonCode::SessionReportStale, detail, &limits.approvals, Vec::new());
            finding.with_step_up(limits.step_up_at.is_some())
        }
        SessionReport::Absent { because } => {
            let finding =
                speaker.holds(ReasonCode::SessionReportAbsent, because, &limits.approvals, Vec::new());
            finding.with_step_up(limits.step_up_at.is_some())
        }
    }
}

/// INVARIANT (G9): a fact that the rule requires and nobody knows holds, whatever the score says without it.
pub(super) fn facts<'a>(score: &Score, rule: &RuleId, limits: &'a RiskLimits) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::RiskFacts, rule };
    let missing: Vec<_> =
        limits.require.intersection(&score.unknown).map(|fact| format!("`{fact}`")).collect();
    if missing.is_empty() {
        speaker.passes(ReasonCode::RiskFactsKnown, "every required fact is known")
    } else {
        let detail = format!("unknown: {}", missing.join(", "));
        let names: Vec<_> = limits.require.intersection(&score.unknown).map(ToString::to_string).collect();
        let finding = speaker.holds(ReasonCode::RiskFactMissing, detail, &limits.approvals, Vec::new());
        let finding = finding.measured(ReasonCode::RiskFactMissing, names.join(","));
        finding.with_step_up(limits.step_up_at.is_some())
    }
}

pub(super) fn score<'a>(scored: &Score, rule: &RuleId, limits: &'a RiskLimits) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Risk, rule };
    let score = scored.risk.score;
    let because: Vec<_> = scored.risk.contributing().map(|part| part.code).collect();
    let step_up = limits.step_up_at.map_or_else(String::new, |from| format!("stepped up from {from}, "));
    let reached: Vec<&HoldAt> = limits.hold_at.iter().filter(|band| score >= band.score).collect();
    // The band that counts, or the first that does not.
    let from = reached.last().copied().or(limits.hold_at.first()).map_or(limits.deny_at, |band| band.score);
    let detail = format!("score {score}, {step_up}held from {from}, denied from {}", limits.deny_at);
    if score >= limits.deny_at {
        speaker.denies(ReasonCode::RiskDeny, detail)
    } else if !reached.is_empty() {
        let needs = reached.iter().map(|band| Need::of(&band.lift)).collect();
        let finding = speaker.holds_for(ReasonCode::RiskHold, detail, needs, because);
        let finding = finding.measured(ReasonCode::RiskHold, format!("from-{from}"));
        finding.with_step_up(limits.step_up_at.is_some())
    } else if limits.step_up_at.is_some_and(|from| score >= from) {
        speaker.steps_up(ReasonCode::RiskStepUp, detail, because)
    } else {
        speaker.passes(ReasonCode::RiskAcceptable, detail)
    }
}
