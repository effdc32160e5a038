//! Owns what a held withdrawal waits for, and the digest that officers approve. New reasons give a new digest, and so does more of
//! one than its measure says, so an approval can never be carried over to a hold its officer did not see.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::{HoldDigest, sha256},
    document::RequiredApprovals,
    ids::{RoleName, RuleId},
    reason::ReasonCode,
    time::TimestampMs,
};

/// What a held withdrawal waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRequirement {
    /// How many different officers of each role must approve: the maximum over all rules that hold. Nobody, if every rule that
    /// holds leaves it to time alone.
    pub approvals: RequiredApprovals,
    /// Whether an identity provider must attest that the customer asked for exactly this; approvals do not replace it.
    #[serde(default, skip_serializing_if = "is_not_required")]
    pub step_up: bool,
    /// From this time on the withdrawal is denied, unless time releases it.
    #[serde(rename = "deadline_ms")]
    pub deadline: TimestampMs,
    /// The role that looks after it.
    pub owner: RoleName,
    /// Who looks after it too, when it waits too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<HoldEscalation>,
    /// From this time on nobody needs to act any more: the withdrawal is allowed, if no rule says otherwise then.
    #[serde(default, rename = "release_at_ms", skip_serializing_if = "Option::is_none")]
    pub release_at: Option<TimestampMs>,
    /// Before this time nobody can lift it, however many approve.
    #[serde(default, rename = "not_before_ms", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<TimestampMs>,
    /// Why it is held.
    pub reasons: BTreeSet<HoldReason>,
}

/// Who is called when nobody acted, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldEscalation {
    /// The role.
    pub to: RoleName,
    /// From this time on.
    #[serde(rename = "at_ms")]
    pub at: TimestampMs,
}

/// One reason for a hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldReason {
    /// The rule that holds.
    pub rule: RuleId,
    /// Its reason, or a component of the risk score that contributed to it.
    pub code: ReasonCode,
    /// What of the reason an approval covers, where there can be more of it: the highest band that was reached, the category that was
    /// reported, the facts that are not known. Never has a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
}

/// The code, and its measure if it has one.
impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.measure {
            None => write!(f, "{}", self.code),
            Some(measure) => write!(f, "{} {measure}", self.code),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_not_required(step_up: &bool) -> bool {
    !*step_up
}

impl HoldRequirement {
    /// The digest that officers approve: SHA-256 over [`canonical_text`](Self::canonical_text).
    pub fn digest(&self) -> HoldDigest {
        HoldDigest::from_bytes(sha256(self.canonical_text().as_bytes()))
    }

    /// From when on it is over without anybody's doing; `None` when time releases it instead.
    pub fn lapses_at(&self) -> Option<TimestampMs> {
        self.release_at.is_none().then_some(self.deadline)
    }

    /// Whether it is, or may come to be, a matter of time when it ends.
    pub fn rests_on_time(&self) -> bool {
        self.release_at.is_some() || self.not_before.is_some()
    }

    /// The roles that look after it at this time.
    pub fn looked_after_by(&self, at: TimestampMs) -> impl Iterator<Item = &RoleName> {
        let escalated = self.escalation.iter().filter(move |escalation| at >= escalation.at);
        std::iter::once(&self.owner).chain(escalated.map(|escalation| &escalation.to))
    }

    /// A first line, then the reasons, then the required approvals, each group sorted as text, then whether a step-up is
    /// required, with a line feed after every line:
    ///
    /// ```text
    /// holdfast-hold/v1
    /// reason <rule> <code>
    /// reason <rule> <code> <measure>
    /// approval <role> <count>
    /// step-up required
    /// ```
    ///
    /// Unambiguous, because no rule, code, measure or role holds a space or a line end. Owner and times are not in it: they follow
    /// from the policy and the request, and do not change what is approved. What a rule leaves to time stays in it after that time.
    pub fn canonical_text(&self) -> String {
        // INVARIANT (G1): every reason is in the text; an approval counts for exactly these reasons.
        let reasons: BTreeSet<_> =
            self.reasons.iter().map(|reason| format!("reason {} {reason}\n", reason.rule)).collect();
        let approvals: BTreeSet<_> =
            self.approvals.iter().map(|(role, count)| format!("approval {role} {count}\n")).collect();
        let step_up = self.step_up.then(|| "step-up required\n".to_owned());
        let first = std::iter::once("holdfast-hold/v1\n".to_owned());
        first.chain(reasons).chain(approvals).chain(step_up).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(reasons: &[(&str, ReasonCode)], approvals: &[(&str, u32)]) -> HoldRequirement {
        let reason = |(rule, code): &(&str, ReasonCode)| HoldReason {
            rule: RuleId::new(*rule).unwrap(),
            code: *code,
            measure: None,
        };
        let approval = |(role, count): &(&str, u32)| (RoleName::new(*role).unwrap(), *count);
        HoldRequirement {
            approvals: approvals.iter().map(approval).collect(),
            step_up: false,
            deadline: TimestampMs(9),
            owner: RoleName::new("desk").unwrap(),
            escalation: None,
            release_at: None,
            not_before: None,
            reasons: reasons.iter().map(reason).collect(),
        }
    }

    const LIMIT: (&str, ReasonCode) = ("limit", ReasonCode::AboveAutomaticLimit);
    const RISK: (&str, ReasonCode) = ("risk", ReasonCode::RiskHold);

    #[test]
    fn digest_is_the_hash_of_a_text_that_sha256sum_can_reproduce() {
        let hold = hold(&[RISK, LIMIT], &[("approver", 2), ("admin", 1)]);
        let text = "holdfast-hold/v1\nreason limit ABOVE_AUTOMATIC_LIMIT\nreason risk RISK_HOLD\n\
                    approval admin 1\napproval approver 2\n";
        assert_eq!(hold.canonical_text(), text);
        assert_eq!(hold.digest(), HoldDigest::from_bytes(sha256(text.as_bytes())));
    }

    #[test]
    fn digest_does_not_depend_on_order() {
        let one = hold(&[RISK, LIMIT], &[("a", 2), ("b", 1)]);
        let other = hold(&[LIMIT, RISK], &[("b", 1), ("a", 2)]);
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn every_change_of_reasons_or_approvals_changes_the_digest() {
        let base = hold(&[LIMIT], &[("a", 2)]);
        for changed in [
            hold(&[LIMIT, RISK], &[("a", 2)]),
            hold(&[("limit2", LIMIT.1)], &[("a", 2)]),
            hold(&[("limit", RISK.1)], &[("a", 2)]),
            hold(&[LIMIT], &[("a", 3)]),
            hold(&[LIMIT], &[("b", 2)]),
            hold(&[LIMIT], &[("a", 2), ("b", 1)]),
            hold(&[], &[("a", 2)]),
            HoldRequirement { step_up: true, ..base.clone() },
        ] {
            assert_ne!(changed.digest(), base.digest(), "{changed:?}");
        }
    }

    #[test]
    fn more_of_a_reason_changes_the_digest_and_is_in_the_text() {
        let of = |measure: Option<&str>| {
            let mut hold = hold(&[], &[("a", 2)]);
            let (rule, measure) = (RuleId::new("risk").unwrap(), measure.map(ToOwned::to_owned));
            hold.reasons.insert(HoldReason { rule, code: ReasonCode::RiskHold, measure });
            hold
        };
        assert_eq!(
            of(Some("from-40")).canonical_text(),
            "holdfast-hold/v1\nreason risk RISK_HOLD from-40\napproval a 2\n"
        );
        let digests: BTreeSet<_> =
            [None, Some("from-40"), Some("from-60")].map(|measure| of(measure).digest()).into();
        assert_eq!(digests.len(), 3);
    }

    #[test]
    fn stored_form_of_a_hold_is_fixed() {
        let json = r#"{"approvals":{"a":2},"deadline_ms":9,"owner":"desk","reasons":[{"rule":"limit","code":"ABOVE_AUTOMATIC_LIMIT"}]}"#;
        let stored = hold(&[LIMIT], &[("a", 2)]);
        assert_eq!(serde_json::to_string(&stored).unwrap(), json);
        assert_eq!(serde_json::from_str::<HoldRequirement>(json).unwrap(), stored);
    }
}
