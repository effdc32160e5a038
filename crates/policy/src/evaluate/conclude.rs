//! Owns the step from findings to the decision: merge the holds, count the approvals, let denials win.

use std::collections::BTreeSet;

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    approvals::{self, Assignment},
    decision::{Decision, Outcome, RuleKind, RuleResult, SatisfiedHold, Verdict},
    document::RequiredApprovals,
    facts::PolicyVersion,
    hold::{HoldReason, HoldRequirement},
    ids::RuleId,
    reason::ReasonCode,
};

pub(super) fn conclude(
    case: Case<'_>,
    policy_version: PolicyVersion,
    findings: Vec<Finding<'_>>,
) -> Decision {
    let hold = Hold::of(&case, &findings);
    let mut rules: Vec<RuleResult> = findings.into_iter().map(|finding| finding.result).collect();
    rules.push(hold.report(&case).result);
    if case.document.identity().is_some() {
        rules.push(case.step_up.report(hold.requires_step_up()).result);
    }
    // Sorted, so that the order of rules in the document changes nothing but the document's hash.
    rules.sort_by(|a, b| (a.kind, &a.rule).cmp(&(b.kind, &b.rule)));

    // INVARIANT (G1, G9): one denial is enough, and nothing takes it back.
    let denied = rules.iter().any(|result| result.verdict == Verdict::Deny);
    let (outcome, satisfied_hold) = match hold {
        _ if denied => (Outcome::Deny, None),
        Hold::None => (Outcome::Allow, None),
        Hold::Satisfied(hold) => (Outcome::Allow, Some(hold)),
        Hold::Waiting { requirement, .. } => (Outcome::Hold(requirement), None),
        Hold::Expired { .. } | Hold::Failed => (Outcome::Deny, None),
    };
    Decision {
        outcome,
        satisfied_hold,
        rules,
        risk: case.risk,
        policy_version,
        policy_hash: case.document.hash(),
    }
}

/// What becomes of the holds of all rules together.
enum Hold {
    None,
    Satisfied(SatisfiedHold),
    Waiting { requirement: HoldRequirement, assignment: Assignment },
    Expired { step_up: bool },
    Failed,
}

impl Hold {
    fn of(case: &Case<'_>, findings: &[Finding<'_>]) -> Self {
        let reasons = reasons(findings);
        if reasons.is_empty() {
            return Self::None;
        }
        let terms = case.document.hold();
        let Some(deadline) = case.withdrawal.requested_at.checked_add(terms.deadline) else {
            return Self::Failed;
        };
        let approvals = maximum_for_each_role(findings);
        let step_up = findings.iter().filter_map(|finding| finding.hold.as_ref()).any(|hold| hold.step_up);
        let requirement =
            HoldRequirement { approvals, step_up, deadline, owner: terms.owner.clone(), reasons };
        let assignment =
            approvals::assign(&requirement.approvals, requirement.digest(), case.withdrawal, case.at);
        let attested = case.step_up.attested().filter(|_| step_up);
        // INVARIANT (G1): approvals do not replace a step-up, nor the other way round.
        if assignment.is_complete() && attested.is_some() == step_up {
            let (approvals, step_up) = (assignment.filled, attested.cloned());
            Self::Satisfied(SatisfiedHold { requirement, approvals, step_up })
        } else if case.at >= deadline {
            Self::Expired { step_up }
        } else {
            Self::Waiting { requirement, assignment }
        }
    }

    fn requires_step_up(&self) -> bool {
        match self {
            Self::None | Self::Failed => false,
            Self::Satisfied(hold) => hold.requirement.step_up,
            Self::Waiting { requirement, .. } => requirement.step_up,
            Self::Expired { step_up } => *step_up,
        }
    }

    fn report(&self, case: &Case<'_>) -> Finding<'static> {
        let speaker = Speaker { kind: RuleKind::Hold, rule: &RuleId::builtin("hold") };
        let deadline = case.document.hold().deadline;
        match self {
            Self::None => speaker.does_not_apply(ReasonCode::NotApplicable, "no rule holds the withdrawal"),
            Self::Satisfied(hold) if hold.approvals.is_empty() => {
                speaker.does_not_apply(ReasonCode::NotApplicable, "no rule wants approvals")
            }
            Self::Satisfied(hold) => {
                let who: Vec<_> = hold
                    .approvals
                    .iter()
                    .map(|counted| format!("`{}` as `{}`", counted.officer, counted.role))
                    .collect();
                speaker.passes(ReasonCode::ApprovalsComplete, format!("approved by {}", who.join(", ")))
            }
            Self::Waiting { requirement, .. } if requirement.approvals.is_empty() => {
                speaker.does_not_apply(ReasonCode::NotApplicable, "no rule wants approvals")
            }
            Self::Waiting { requirement, assignment } if assignment.is_complete() => speaker.passes(
                ReasonCode::ApprovalsComplete,
                format!("the step-up is missing, until {}", requirement.deadline),
            ),
            Self::Waiting { requirement, assignment } => {
                let detail = format!("{}, until {}", outstanding(assignment), requirement.deadline);
                speaker.waits(ReasonCode::ApprovalsMissing, detail)
            }
            Self::Expired { .. } => {
                speaker.denies(ReasonCode::HoldExpired, format!("not approved within {deadline}"))
            }
            Self::Failed => {
                speaker.denies(ReasonCode::EvaluationFailed, "the hold's deadline is out of range")
            }
        }
    }
}

fn outstanding(assignment: &Assignment) -> String {
    let missing: Vec<_> =
        assignment.missing.iter().map(|(role, count)| format!("{count} more as `{role}`")).collect();
    format!("{} counted, needs {}", assignment.filled.len(), missing.join(", "))
}

fn reasons(findings: &[Finding<'_>]) -> BTreeSet<HoldReason> {
    let mut reasons = BTreeSet::new();
    for Finding { result, hold } in findings {
        let Some(demand) = hold else { continue };
        let codes = std::iter::once(&result.code).chain(&demand.because);
        reasons.extend(codes.map(|code| HoldReason { rule: result.rule.clone(), code: *code }));
    }
    reasons
}

fn maximum_for_each_role(findings: &[Finding<'_>]) -> RequiredApprovals {
    let mut required = RequiredApprovals::new();
    for (role, count) in findings
        .iter()
        .filter_map(|finding| finding.hold.as_ref())
        .filter_map(|hold| hold.approvals)
        .flatten()
    {
        let most = required.entry(role.clone()).or_insert(*count);
        *most = (*most).max(*count);
    }
    required
}
