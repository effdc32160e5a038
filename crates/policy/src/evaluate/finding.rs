//! Owns what one rule found: its result, and, where it holds, whose approvals it wants. A rule that holds must name
//! approvals: the constructor wants them.

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

/// What a rule that holds adds to the hold.
pub(super) struct HoldDemand<'a> {
    pub(super) approvals: &'a RequiredApprovals,
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
        self.finding(Verdict::Hold, code, detail.into(), Some(HoldDemand { approvals, because }))
    }

    /// For the merged hold alone: it waits for what the holding rules demanded and demands nothing itself.
    pub(super) fn waits<'a>(self, code: ReasonCode, detail: impl Into<String>) -> Finding<'a> {
        self.finding(Verdict::Hold, code, detail.into(), None)
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
