//! Owns the step from findings to the decision: merge the holds, count the approvals, let denials win.

use std::collections::BTreeSet;

use super::{
    case::Case,
    finding::{Finding, HoldDemand, Need, Speaker},
};
use crate::{
    approvals::{self, Assignment},
    decision::{CountedApproval, Decision, Outcome, RuleKind, RuleResult, SatisfiedHold, Verdict},
    document::RequiredApprovals,
    facts::PolicyVersion,
    hold::{HoldEscalation, HoldReason, HoldRequirement},
    ids::RuleId,
    reason::ReasonCode,
    risk::RiskScore,
    time::TimestampMs,
};

pub(super) fn conclude(
    case: Case<'_>,
    risk: RiskScore,
    policy_version: PolicyVersion,
    findings: Vec<Finding<'_>>,
) -> Decision {
    let hold = Hold::of(&case, &findings);
    let mut rules: Vec<RuleResult> = findings.into_iter().map(|finding| finding.result).collect();
    rules.push(hold.report().result);
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
    Decision { outcome, satisfied_hold, rules, risk, policy_version, policy_hash: case.document.hash() }
}

/// What becomes of the holds of all rules together.
enum Hold {
    None,
    Satisfied(SatisfiedHold),
    Waiting { requirement: HoldRequirement, assignment: Assignment },
    Expired { step_up: bool, deadline: TimestampMs },
    Failed,
}

impl Hold {
    fn of(case: &Case<'_>, findings: &[Finding<'_>]) -> Self {
        let reasons = reasons(findings);
        if reasons.is_empty() {
            return Self::None;
        }
        let needs: Vec<Need<'_>> = demands(findings).flat_map(|hold| hold.needs.iter().copied()).collect();
        let Some(times) = Times::of(case, &needs) else { return Self::Failed };
        let step_up = demands(findings).any(|hold| hold.step_up);
        let requirement = HoldRequirement {
            approvals: maximum_for_each_role(&needs),
            step_up,
            deadline: times.deadline,
            owner: case.document.hold().owner.clone(),
            escalation: times.escalation.clone(),
            release_at: None,
            not_before: times.not_before,
            reasons,
        };
        let assignment =
            approvals::assign(&requirement.approvals, requirement.digest(), case.withdrawal, case.at);
        let attested = case.step_up.attested().filter(|_| step_up);
        // INVARIANT (G1): approvals and time do not replace a step-up, nor the other way round.
        let left = match attested.is_some() == step_up {
            true => times.left(&requirement, &assignment),
            false => Left::People,
        };
        let requirement = HoldRequirement { release_at: left.release_at(), ..requirement };
        match left {
            Left::Nothing { approvals_count } | Left::Time { approvals_count, .. }
                if left.is_over(case.at) =>
            {
                let approvals = if approvals_count { assignment.filled } else { Vec::new() };
                Self::Satisfied(SatisfiedHold { requirement, approvals, step_up: attested.cloned() })
            }
            Left::People if case.at >= times.deadline => Self::Expired { step_up, deadline: times.deadline },
            Left::Nothing { .. } | Left::Time { .. } | Left::People => {
                Self::Waiting { requirement, assignment }
            }
        }
    }

    fn requires_step_up(&self) -> bool {
        match self {
            Self::None | Self::Failed => false,
            Self::Satisfied(hold) => hold.requirement.step_up,
            Self::Waiting { requirement, .. } => requirement.step_up,
            Self::Expired { step_up, .. } => *step_up,
        }
    }

    fn report(&self) -> Finding<'static> {
        let speaker = Speaker { kind: RuleKind::Hold, rule: &RuleId::builtin("hold") };
        match self {
            Self::None => speaker.does_not_apply(ReasonCode::NotApplicable, "no rule holds the withdrawal"),
            Self::Satisfied(hold) => match hold.requirement.release_at {
                Some(at) if hold.approvals.is_empty() => {
                    speaker.passes(ReasonCode::HoldReleased, format!("released at {at}"))
                }
                None if hold.approvals.is_empty() => {
                    speaker.does_not_apply(ReasonCode::NotApplicable, "no rule wants approvals")
                }
                Some(_) | None => {
                    let counted =
                        |counted: &CountedApproval| format!("`{}` as `{}`", counted.officer, counted.role);
                    let who: Vec<_> = hold.approvals.iter().map(counted).collect();
                    speaker.passes(ReasonCode::ApprovalsComplete, format!("approved by {}", who.join(", ")))
                }
            },
            Self::Waiting { requirement, assignment } => waiting(speaker, requirement, assignment),
            Self::Expired { deadline, .. } => {
                speaker.denies(ReasonCode::HoldExpired, format!("not approved before {deadline}"))
            }
            Self::Failed => {
                speaker.denies(ReasonCode::EvaluationFailed, "a time of the hold is out of range")
            }
        }
    }
}

fn waiting(speaker: Speaker<'_>, requirement: &HoldRequirement, assignment: &Assignment) -> Finding<'static> {
    let HoldRequirement { approvals, deadline, release_at, not_before, .. } = requirement;
    let not_before = not_before.map(|at| format!(", and not before {at}")).unwrap_or_default();
    match release_at {
        Some(at) if assignment.is_complete() => {
            speaker.waits(ReasonCode::ReleasePending, format!("released at {at}"))
        }
        Some(at) => {
            let sooner = outstanding(assignment);
            speaker.waits(ReasonCode::ReleasePending, format!("released at {at}; sooner: {sooner}"))
        }
        None if approvals.is_empty() => {
            speaker.does_not_apply(ReasonCode::NotApplicable, "no rule wants approvals")
        }
        None if assignment.is_complete() => {
            let detail = format!("the step-up is missing, until {deadline}{not_before}");
            speaker.passes(ReasonCode::ApprovalsComplete, detail)
        }
        None => {
            let detail = format!("{}, until {deadline}{not_before}", outstanding(assignment));
            speaker.waits(ReasonCode::ApprovalsMissing, detail)
        }
    }
}

/// What a hold still waits for, the step-up aside.
#[derive(Clone, Copy)]
enum Left {
    Nothing {
        approvals_count: bool,
    },
    /// Nobody need act any more.
    Time {
        until: TimestampMs,
        approvals_count: bool,
    },
    People,
}

impl Left {
    fn release_at(self) -> Option<TimestampMs> {
        match self {
            Self::Time { until, .. } => Some(until),
            Self::Nothing { .. } | Self::People => None,
        }
    }

    fn is_over(self, at: TimestampMs) -> bool {
        match self {
            Self::Nothing { .. } => true,
            Self::Time { until, .. } => at >= until,
            Self::People => false,
        }
    }
}

/// When a hold ends.
struct Times {
    deadline: TimestampMs,
    /// When time releases all of it; `None` when a rule wants people.
    release: Option<TimestampMs>,
    /// Before this nobody can lift it, however many approve; `None` when nothing is left to time alone.
    not_before: Option<TimestampMs>,
    escalation: Option<HoldEscalation>,
}

impl Times {
    // INVARIANT (G9): time releases a hold only if every rule in it says so, and then at the latest time that one says.
    fn of(case: &Case<'_>, needs: &[Need<'_>]) -> Option<Self> {
        let terms = case.document.hold();
        let since = case.withdrawal.requested_at;
        let (mut deadline, mut release, mut not_before) = (terms.deadline, None, None);
        let mut only_time = !needs.is_empty();
        for need in needs {
            match *need {
                Need::People { reject_after, .. } => {
                    only_time = false;
                    deadline = reject_after.map_or(deadline, |after| after.min(deadline));
                }
                Need::Time { after, sooner } => {
                    let at = case.withdrawal.first_requested_at.checked_add(after)?;
                    release = release.max(Some(at));
                    if sooner.is_none() {
                        not_before = not_before.max(Some(at));
                    }
                }
            }
        }
        let escalation = match &terms.escalation {
            Some(terms) => Some(HoldEscalation { to: terms.to.clone(), at: since.checked_add(terms.after)? }),
            None => None,
        };
        let release = release.filter(|_| only_time);
        Some(Self { deadline: since.checked_add(deadline)?, release, not_before, escalation })
    }

    fn left(&self, requirement: &HoldRequirement, assignment: &Assignment) -> Left {
        let wants_people = !requirement.approvals.is_empty();
        let approvals_count = wants_people && assignment.is_complete();
        match (approvals_count, self.release, self.not_before) {
            // People have done their part; what they could not shorten is left.
            (true, _, Some(until)) | (false, Some(until), _) => Left::Time { until, approvals_count },
            (true, _, None) => Left::Nothing { approvals_count },
            // A step-up was all that was wanted.
            (false, None, None) if !wants_people => Left::Nothing { approvals_count },
            (false, None, _) => Left::People,
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
        reasons.extend(codes.map(|code| {
            let measure = demand.measures.iter().find(|(measured, _)| measured == code);
            let measure = measure.map(|(_, measure)| measure.clone());
            HoldReason { rule: result.rule.clone(), code: *code, measure }
        }));
    }
    reasons
}

fn demands<'f, 'a>(findings: &'f [Finding<'a>]) -> impl Iterator<Item = &'f HoldDemand<'a>> {
    findings.iter().filter_map(|finding| finding.hold.as_ref())
}

fn maximum_for_each_role(needs: &[Need<'_>]) -> RequiredApprovals {
    let mut required = RequiredApprovals::new();
    for (role, count) in needs.iter().filter_map(|need| need.approvals()).flatten() {
        let most = required.entry(role.clone()).or_insert(*count);
        *most = (*most).max(*count);
    }
    required
}
