//! Owns what one rule found: its result, and, where it holds, whose approvals it wants. A rule that holds must name
//! approvals, unless it wants nothing but a step-up: the constructors want them.

use crate::{
    decision::{RuleKind, RuleResult, Verdict},
    document::RequiredApprovals,
    ids::RuleId,
    reason::ReasonCode,
};

/// One rule's result, and what its hold needs.
pub(super) struct Finding<'a> {
    pub(super) result: RuleResult,
    pub(super) hold: Option<HoldDemand<'a>>,
}

impl Finding<'_> {
    /// A rule that steps up below its hold wants the step-up for its hold too: more risk never asks for less.
    pub(super) fn with_step_up(mut self, step_up: bool) -> Self {
        if let Some(demand) = &mut self.hold {
            demand.step_up |= step_up;
        }
        self
    }
}

/// What a rule that holds adds to the hold.
pub(super) struct HoldDemand<'a> {
    /// `None` for a rule that wants a step-up and nobody's approval.
    pub(super) approvals: Option<&'a RequiredApprovals>,
    /// Whether the customer's identity must be attested.
    pub(super) step_up: bool,
    /// More reasons than the rule's own: what raised the risk score.
    pub(super) because: Vec<ReasonCode>,
}

/// A rule that is about to speak.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'r> {
    pub(super) kind: RuleKind,
    pub(super) rule: &'r RuleId,
}

impl Speaker<'_> {
    pub(super) fn passes<'a>(self, code: ReasonCode, detail: impl Into<String>) -> Finding<'a> {
        self.finding(Verdict::Pass, code, detail.into(), None)
    }

    pub(super) fn denies<'a>(self, code: ReasonCode, detail: impl Into<String>) -> Finding<'a> {
        self.finding(Verdict::Deny, code, detail.into(), None)
    }

    pub(super) fn does_not_apply<'a>(self, code: ReasonCode, detail: impl Into<String>) -> Finding<'a> {
        self.finding(Verdict::NotApplicable, code, detail.into(), None)
    }

    pub(super) fn holds<'a>(
        self,
        code: ReasonCode,
        detail: impl Into<String>,
        approvals: &'a RequiredApprovals,
        because: Vec<ReasonCode>,
    ) -> Finding<'a> {
        let demand = HoldDemand { approvals: Some(approvals), step_up: false, because };
        self.finding(Verdict::Hold, code, detail.into(), Some(demand))
    }

    /// Between content and holding: the customer's identity must be attested, and nobody need approve.
    pub(super) fn steps_up<'a>(
        self,
        code: ReasonCode,
        detail: impl Into<String>,
        because: Vec<ReasonCode>,
    ) -> Finding<'a> {
        let demand = HoldDemand { approvals: None, step_up: true, because };
        self.finding(Verdict::StepUp, code, detail.into(), Some(demand))
    }

    /// For the merged hold alone: it waits for what the holding rules demanded and demands nothing itself.
    pub(super) fn waits<'a>(self, code: ReasonCode, detail: impl Into<String>) -> Finding<'a> {
        self.finding(Verdict::Hold, code, detail.into(), None)
    }

    /// The same for the step-up.
    pub(super) fn waits_for_step_up<'a>(self, code: ReasonCode, detail: impl Into<String>) -> Finding<'a> {
        self.finding(Verdict::StepUp, code, detail.into(), None)
    }

    fn finding<'a>(
        self,
        verdict: Verdict,
        code: ReasonCode,
        detail: String,
        hold: Option<HoldDemand<'a>>,
    ) -> Finding<'a> {
        let result = RuleResult { rule: self.rule.clone(), kind: self.kind, verdict, code, detail };
        Finding { result, hold }
    }
}
