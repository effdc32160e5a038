//! Owns what evaluation returns. A decision always carries every rule's result, so that it explains itself years later; it
//! is data, never a permission: a node evaluates again instead of believing one.

use serde::{Deserialize, Serialize};

use crate::{
    digest::PolicyHash,
    facts::PolicyVersion,
    hold::HoldRequirement,
    identity::IdentityAttestation,
    ids::{OfficerId, RoleName, RuleId},
    reason::ReasonCode,
    risk::RiskScore,
};

/// What the policy says about one withdrawal at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The outcome.
    pub outcome: Outcome,
    /// The hold that officers approved, if the withdrawal is allowed because of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub satisfied_hold: Option<SatisfiedHold>,
    /// Every rule's result, sorted by kind and rule; a denial's first denying result is its main reason.
    pub rules: Vec<RuleResult>,
    /// The risk score and its parts.
    pub risk: RiskScore,
    /// The policy's version.
    pub policy_version: PolicyVersion,
    /// The policy document's hash.
    pub policy_hash: PolicyHash,
}

/// What happens to the withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It may be authorized.
    Allow,
    /// It waits for approvals, a step-up or both.
    Hold(HoldRequirement),
    /// It is refused.
    Deny,
}

/// A hold that officers approved, the customer's step-up ended, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SatisfiedHold {
    /// What it required.
    pub requirement: HoldRequirement,
    /// Who fills which role, sorted; each officer once.
    pub approvals: Vec<CountedApproval>,
    /// The attestation that counts, if it required one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<IdentityAttestation>,
}

/// One officer's approval, counted for one role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountedApproval {
    /// The role it fills.
    pub role: RoleName,
    /// The officer.
    pub officer: OfficerId,
}

/// One rule's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleResult {
    /// The rule; ids that start with `builtin.` are in no document and always apply.
    pub rule: RuleId,
    /// What kind of rule it is.
    pub kind: RuleKind,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub code: ReasonCode,
    /// The facts behind it, in words, for officers and auditors.
    pub detail: String,
}

/// Kinds of rules, in the order in which a denial's main reason is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Built in: the wallet is known and may pay out.
    Wallet,
    /// Built in: the asset is in the registry.
    Asset,
    /// Built in: no legal order freezes the wallet, the customer or the destination.
    LegalFreeze,
    /// Built in: what a legal order demands is paid on its strength only.
    LegalOrder,
    /// Built in: a contract call is listed, and is what the listing says.
    ContractCall,
    /// A `circuit_breaker` restriction.
    CircuitBreaker,
    /// A `screening` restriction.
    Screening,
    /// A `whitelist` restriction.
    Whitelist,
    /// A `limit_per_transaction` restriction.
    LimitPerTransaction,
    /// A `limit_window` restriction.
    WindowLimit,
    /// A `fee_cap` restriction.
    FeeCap,
    /// A `travel_rule` restriction.
    TravelRule,
    /// A `time_window` restriction.
    TimeWindow,
    /// A `risk` restriction: whether the score can be known.
    SessionReport,
    /// The `[exposure]` table: what providers say about the destination.
    Exposure,
    /// A `risk` restriction: whether the facts that it requires are known.
    RiskFacts,
    /// A `risk` restriction: the score itself.
    Risk,
    /// A grant, and built in: that one matches.
    Grant,
    /// Built in: whether the approvals satisfy the hold.
    Hold,
    /// Built in: whether the customer's identity is attested, if the hold requires it.
    StepUp,
}

/// What one rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The rule is content.
    Pass,
    /// The rule wants the customer's identity attested.
    StepUp,
    /// The rule wants approvals.
    Hold,
    /// The rule refuses.
    Deny,
    /// The rule says nothing about this withdrawal; a grant does not match.
    NotApplicable,
}

impl Decision {
    /// Whether the withdrawal may be authorized.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// What the withdrawal waits for.
    pub fn hold(&self) -> Option<&HoldRequirement> {
        match &self.outcome {
            Outcome::Hold(requirement) => Some(requirement),
            Outcome::Allow | Outcome::Deny => None,
        }
    }

    /// The main reason of a hold or a denial; `None` when allowed.
    pub fn main_reason(&self) -> Option<ReasonCode> {
        self.reasons().first().copied()
    }

    /// The reasons of all rules that decided the outcome, the main one first; empty when allowed.
    pub fn reasons(&self) -> Vec<ReasonCode> {
        let decides = |result: &&RuleResult| match self.outcome {
            Outcome::Allow => false,
            // That approvals or a step-up are missing is not a reason but the state of the hold.
            Outcome::Hold(_) => {
                matches!(result.verdict, Verdict::Hold | Verdict::StepUp)
                    && !matches!(result.kind, RuleKind::Hold | RuleKind::StepUp)
            }
            Outcome::Deny => result.verdict == Verdict::Deny,
        };
        self.rules.iter().filter(decides).map(|result| result.code).collect()
    }
}
