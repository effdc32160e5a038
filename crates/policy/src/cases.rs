//! Owns test cases for policies: invented facts in a file, what they must lead to, and the comparison with what the real
//! [`evaluate`] makes of them.
//!
//! Facts that a case does not name are those of the table `[facts]`; a fact that is `false` is absent.

mod facts;
mod read;
mod view;

use std::{collections::BTreeSet, fmt};

use holdfast_chains::Asset;
use serde::Serialize;

use crate::{
    approvals::Approval,
    decision::{Decision, Outcome},
    document::{PolicyDocument, PolicyError, RequiredApprovals},
    evaluate::evaluate,
    reason::ReasonCode,
};
use facts::CaseFacts;
use view::CaseView;

/// A file of cases.
#[derive(Debug, Clone)]
pub struct PolicyCases {
    assets: Vec<Asset>,
    cases: Vec<PolicyCase>,
}

/// One case.
#[derive(Debug, Clone)]
pub struct PolicyCase {
    name: String,
    line: usize,
    facts: CaseFacts,
    expected: Option<Expected>,
}

/// What a case must lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The outcome.
    pub outcome: ExpectedOutcome,
    /// The reasons of all rules that decide, exactly.
    pub codes: Option<BTreeSet<ReasonCode>>,
    /// The approvals that the hold needs, exactly.
    pub approvals: Option<RequiredApprovals>,
    /// The risk score.
    pub score: Option<u8>,
}

/// An outcome without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// It may be authorized.
    Allow,
    /// It waits for approvals.
    Hold,
    /// It is refused.
    Deny,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// What differs from what was expected; empty if nothing does.
    pub differences: Vec<String>,
    /// What the policy says.
    pub decision: Decision,
}

impl ExpectedOutcome {
    /// The outcome of a decision.
    pub fn of(decision: &Decision) -> Self {
        match decision.outcome {
            Outcome::Allow => Self::Allow,
            Outcome::Hold(_) => Self::Hold,
            Outcome::Deny => Self::Deny,
        }
    }
}

impl fmt::Display for ExpectedOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        })
    }
}

impl PolicyCases {
    /// Reads a file of cases. `docs/policy.md` describes the format; errors name line and field.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        read::cases(text)
    }

    /// Reads a file with the facts of one withdrawal: like a file of cases with `[facts]` alone.
    pub fn parse_facts(text: &str) -> Result<Self, PolicyError> {
        read::facts_alone(text)
    }

    /// The cases, in the file's order.
    pub fn cases(&self) -> &[PolicyCase] {
        &self.cases
    }

    /// The assets that the file registers.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// Runs every case through the policy.
    pub fn run(&self, document: &PolicyDocument) -> Vec<CaseResult> {
        self.cases.iter().map(|case| case.run(document, &self.assets)).collect()
    }
}

impl PolicyCase {
    fn run(&self, document: &PolicyDocument, assets: &[Asset]) -> CaseResult {
        let decision = self.decide(document, assets);
        let differences = self.expected.as_ref().map(|expected| expected.differences(&decision));
        CaseResult {
            name: self.name.clone(),
            line: self.line,
            differences: differences.unwrap_or_default(),
            decision,
        }
    }

    /// Approvals of a case are of the hold that its facts lead to.
    fn decide(&self, document: &PolicyDocument, assets: &[Asset]) -> Decision {
        let view = CaseView::new(document, assets, &self.facts);
        let mut withdrawal = self.facts.withdrawal(document);
        let decision = evaluate(&view, &withdrawal, self.facts.at);
        let Some(hold) = decision.hold().map(|hold| hold.digest()) else { return decision };
        let given = self.facts.approvals.iter();
        withdrawal.approvals = given.map(|approval| Approval { hold, ..approval.clone() }).collect();
        if withdrawal.approvals.is_empty() { decision } else { evaluate(&view, &withdrawal, self.facts.at) }
    }
}

impl Expected {
    fn differences(&self, decision: &Decision) -> Vec<String> {
        let Self { outcome, codes, approvals, score } = self;
        let mut differences = Vec::new();
        let found = ExpectedOutcome::of(decision);
        if found != *outcome {
            differences.push(format!("expected {outcome}, the policy says {found}"));
        }
        let reasons: BTreeSet<_> = decision.reasons().into_iter().collect();
        for missing in codes.iter().flatten().filter(|code| !reasons.contains(*code)) {
            differences.push(format!("expected reason {missing} is not given"));
        }
        if let Some(codes) = codes {
            for more in reasons.difference(codes) {
                differences.push(format!("reason {more} is given and not expected"));
            }
        }
        let held = decision.hold().map(|hold| &hold.approvals);
        if let Some(wanted) = approvals.as_ref().filter(|wanted| held != Some(*wanted)) {
            let shown = held.map_or_else(|| "none".to_owned(), shown_approvals);
            differences.push(format!("expected approvals {}, it needs {shown}", shown_approvals(wanted)));
        }
        if let Some(wanted) = score.filter(|score| *score != decision.risk.score) {
            differences.push(format!("expected risk score {wanted}, it is {}", decision.risk.score));
        }
        differences
    }
}

fn shown_approvals(approvals: &RequiredApprovals) -> String {
    approvals.iter().map(|(role, count)| format!("{count} {role}")).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests;
