//! Owns what one rule found: its result, and, where it holds, what would end that. A rule that holds must say so: the
//! constructors want it, and a rule that has nothing to say denies.

use crate::{
    decision::{RuleKind, RuleResult, Verdict},
    document::{Lift, RequiredApprovals},
    ids::RuleId,
    reason::ReasonCode,
    time::DurationMs,
};

/// One rule's result, and what its hold needs.
pub(super) struct Finding<'a> {
    pub(super) result: RuleResult,
    pub(super) hold: Option<HoldDemand<'a>>,
}

impl Finding<'_> {
    /// What of a reason an approval covers, without spaces: with more than that officers are asked again.
    pub(super) fn measured(mut self, code: ReasonCode, measure: impl Into<String>) -> Self {
        if let Some(demand) = &mut self.hold {
            demand.measures.push((code, measure.into()));
        }
        self
    }

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
    /// Which bands it reached; all of them count. None for a rule that wants a step-up and nothing else.
    pub(super) needs: Vec<Need<'a>>,
    /// Whether the customer's identity must be attested.
    pub(super) step_up: bool,
    /// More reasons than the rule's own: what raised the risk score.
    pub(super) because: Vec<ReasonCode>,
    /// What of these reasons an approval covers.
    pub(super) measures: Vec<(ReasonCode, String)>,
}

/// What one band of a rule wants.
#[derive(Clone, Copy)]
pub(super) enum Need<'a> {
    /// People. Time only rejects.
    People { approvals: &'a RequiredApprovals, reject_after: Option<DurationMs> },
    /// Time, or people sooner if there are any.
    Time { after: DurationMs, sooner: Option<&'a RequiredApprovals> },
}

impl<'a> Need<'a> {
    pub(super) fn of(lift: &'a Lift) -> Self {
        match lift {
            Lift::Approvals { approvals, reject_after } => {
                Self::People { approvals, reject_after: *reject_after }
            }
            Lift::Release { after, approvals } => Self::Time { after: *after, sooner: approvals.as_ref() },
        }
    }

    pub(super) fn approvals(self) -> Option<&'a RequiredApprovals> {
        match self {
            Self::People { approvals, .. } => Some(approvals),
            Self::Time { sooner, .. } => sooner,
        }
    }
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

    /// For these people, until the document's deadline.
    pub(super) fn holds<'a>(
        self,
        code: ReasonCode,
        detail: impl Into<String>,
        approvals: &'a RequiredApprovals,
        because: Vec<ReasonCode>,
    ) -> Finding<'a> {
        let need = Need::People { approvals, reject_after: None };
        self.holds_for(code, detail, vec![need], because)
    }

    /// For everything that these bands want.
    pub(super) fn holds_for<'a>(
        self,
        code: ReasonCode,
        detail: impl Into<String>,
        needs: Vec<Need<'a>>,
        because: Vec<ReasonCode>,
    ) -> Finding<'a> {
        // INVARIANT (G9): what nothing could ever lift is no hold.
        if needs.is_empty() {
            return self.denies(code, detail);
        }
        self.finding(
            Verdict::Hold,
            code,
            detail.into(),
            Some(HoldDemand { needs, step_up: false, because, measures: Vec::new() }),
        )
    }

    /// For a fact that the rule needs and nobody knows: people may take the blame where the rule names some, time never does.
    pub(super) fn does_not_know<'a>(
        self,
        code: ReasonCode,
        because: impl Into<String>,
        lifts: impl Iterator<Item = &'a Lift>,
    ) -> Finding<'a> {
        // INVARIANT (G9): unknown may be anything, so everything that the rule says about any value counts. What is left to time
        // alone nobody can answer for.
        let people = |approvals| Need::People { approvals, reject_after: None };
        let needs = lifts.map(|lift| lift.approvals().map(people)).collect::<Option<_>>();
        self.holds_for(code, because, needs.unwrap_or_default(), Vec::new())
    }

    /// Between content and holding: the customer's identity must be attested, and nobody need approve.
    pub(super) fn steps_up<'a>(
        self,
        code: ReasonCode,
        detail: impl Into<String>,
        because: Vec<ReasonCode>,
    ) -> Finding<'a> {
        let demand = HoldDemand { needs: Vec::new(), step_up: true, because, measures: Vec::new() };
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
