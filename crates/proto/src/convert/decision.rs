//! Decisions towards the wire.

use holdfast_policy::{
    Decision, HoldReason, HoldRequirement, Outcome, RiskComponent, RuleKind, RuleResult, Verdict,
};

use super::reason;
use crate::v1;

/// A decision with every rule's result.
pub fn decision(decision: &Decision) -> v1::Decision {
    let outcome = match decision.outcome {
        Outcome::Allow => v1::Outcome::Allow,
        Outcome::Hold(_) => v1::Outcome::Hold,
        Outcome::Deny => v1::Outcome::Deny,
    };
    v1::Decision {
        outcome: outcome.into(),
        rules: decision.rules.iter().map(rule_result).collect(),
        risk: Some(v1::RiskScore {
            score: decision.risk.score.into(),
            components: decision
                .risk
                .components
                .iter()
                .filter(|part| part.contribution > 0)
                .map(component)
                .collect(),
        }),
        hold: decision.hold().map(hold),
        policy_version: decision.policy_version.0,
        policy_hash: decision.policy_hash.as_bytes().to_vec(),
    }
}

fn rule_result(result: &RuleResult) -> v1::RuleResult {
    let verdict = match result.verdict {
        Verdict::Pass => v1::Verdict::Pass,
        Verdict::StepUp => v1::Verdict::StepUp,
        Verdict::Hold => v1::Verdict::Hold,
        Verdict::Deny => v1::Verdict::Deny,
        Verdict::NotApplicable => v1::Verdict::NotApplicable,
    };
    v1::RuleResult {
        rule: result.rule.to_string(),
        kind: rule_kind(result.kind).to_owned(),
        verdict: verdict.into(),
        code: result.code.code().to_owned(),
        detail: result.detail.clone(),
    }
}

/// The kinds by their names in policy documents.
fn rule_kind(kind: RuleKind) -> &'static str {
    match kind {
        RuleKind::Wallet => "wallet",
        RuleKind::Asset => "asset",
        RuleKind::ContractCall => "contract_call",
        RuleKind::CircuitBreaker => "circuit_breaker",
        RuleKind::Screening => "screening",
        RuleKind::Whitelist => "whitelist",
        RuleKind::LimitPerTransaction => "limit_per_transaction",
        RuleKind::WindowLimit => "limit_window",
        RuleKind::FeeCap => "fee_cap",
        RuleKind::LegalFreeze => "legal_freeze",
        RuleKind::LegalOrder => "legal_order",
        RuleKind::TravelRule => "travel_rule",
        RuleKind::TimeWindow => "time_window",
        RuleKind::SessionReport => "session_report",
        RuleKind::Exposure => "exposure",
        RuleKind::RiskFacts => "risk_facts",
        RuleKind::Risk => "risk",
        RuleKind::Grant => "grant",
        RuleKind::Hold => "hold",
        RuleKind::StepUp => "step_up",
    }
}

fn component(part: &RiskComponent) -> v1::RiskComponent {
    v1::RiskComponent {
        code: part.code.code().to_owned(),
        reason: part.reason.clone(),
        weight: part.weight.into(),
        contribution: part.contribution.into(),
    }
}

fn hold(requirement: &HoldRequirement) -> v1::HoldRequirement {
    let why =
        |reason_of: &HoldReason| reason(reason_of.code.code(), sentence(reason_of.code.officer_sentence()));
    v1::HoldRequirement {
        approvals: requirement.approvals.iter().map(|(role, count)| (role.to_string(), *count)).collect(),
        deadline_ms: requirement.deadline.0,
        owner_role: requirement.owner.to_string(),
        hold_digest: requirement.digest().as_bytes().to_vec(),
        reasons: requirement.reasons.iter().map(why).collect(),
        release_at_ms: requirement.release_at.map(|at| at.0),
        escalation_role: requirement.escalation.as_ref().map(|escalation| escalation.to.to_string()),
        escalation_at_ms: requirement.escalation.as_ref().map(|escalation| escalation.at.0),
        not_before_ms: requirement.not_before.map(|at| at.0),
        step_up_required: requirement.step_up,
    }
}

/// A sentence of the policy's table in the API's spelling: lower case, no full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}
