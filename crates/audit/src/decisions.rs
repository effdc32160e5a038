//! Decisions on record: what the exporter's state machine made of each entry, one JSON line for each that led to a decision or
//! was refused.
//!
//! A record is a claim and never an input. It is there to be compared with the replay, so that a program that decided
//! otherwise, or a file that somebody doctored, is found at the entry and the rule where it first differs.

use holdfast_ledger::Event;
use holdfast_policy::{Decision, Outcome};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::text::one_line;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    index: u64,
    /// Why the entry changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<Decided>,
}

/// A decision without its prose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    outcome: String,
    /// SHA-256 of the policy.
    policy: String,
    /// Rule, then verdict and reason code.
    rules: Vec<(String, String)>,
    score: u8,
    /// Component, then state and points.
    risk: Vec<(String, String)>,
}

impl Record {
    fn of(event: &Event<'_>) -> Option<Self> {
        let refused = event.rejection().map(|rejection| rejection.code().to_string());
        let decision = event.decision().map(Decided::of);
        if refused.is_none() && decision.is_none() {
            return None;
        }
        let withdrawal = event.withdrawal.map(|id| id.to_string());
        Some(Self { index: event.index(), refused, withdrawal, decision })
    }

    fn line(&self) -> String {
        // Strings and numbers always render.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl Decided {
    fn of(decision: &Decision) -> Self {
        let outcome = match &decision.outcome {
            Outcome::Allow => "allow".to_owned(),
            Outcome::Hold(requirement) => format!("hold {}", requirement.digest()),
            Outcome::Deny => "deny".to_owned(),
        };
        let rules = decision.rules.iter().map(|rule| {
            let verdict = format!("{:?}", rule.verdict).to_lowercase();
            (rule.rule.as_str().to_owned(), format!("{verdict} {}", rule.code.code()))
        });
        let risk = decision.risk.components.iter().map(|part| {
            let state = format!("{:?}", part.state).to_lowercase();
            (part.code.code().to_owned(), format!("{state} {}", part.contribution))
        });
        Self {
            outcome,
            policy: decision.policy_hash.to_string(),
            rules: rules.collect(),
            score: decision.risk.score,
            risk: risk.collect(),
        }
    }
}

/// The lines of one bundle of entries, as they are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    text: String,
    count: u64,
}

impl Lines {
    pub(crate) fn note(&mut self, event: &Event<'_>) {
        if let Some(record) = Record::of(event) {
            self.text.push_str(&record.line());
            self.count = self.count.saturating_add(1);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.count = 0;
        std::mem::take(&mut self.text).into_bytes()
    }

    /// Compares with what an export has on record.
    ///
    /// # Errors
    /// A [`Finding`] at the first entry and rule that differ.
    // INVARIANT (G7, G10): the replay is right and the record is compared with it, never the other way round.
    pub(crate) fn compare(&self, recorded: &[u8]) -> Result<(), Finding> {
        if recorded == self.text.as_bytes() {
            return Ok(());
        }
        let recorded = String::from_utf8_lossy(recorded);
        let (mut expected, mut found) = (self.text.lines(), recorded.lines());
        loop {
            match (expected.next(), found.next()) {
                (Some(expected), Some(found)) if expected == found => {}
                (None, None) => return Err(malformed("the lines end otherwise than they should", None)),
                (expected, found) => return Err(differing(expected, found)),
            }
        }
    }
}

fn differing(expected: Option<&str>, found: Option<&str>) -> Finding {
    let parse = |line: &str| serde_json::from_str::<Record>(line).ok();
    let expected = expected.and_then(parse);
    let recorded = match found {
        None => None,
        Some(line) => match parse(line) {
            Some(record) => Some(record),
            None => {
                return malformed(
                    &format!("`{}` is no record", one_line(line)),
                    expected.map(|record| record.index),
                );
            }
        },
    };
    match (expected, recorded) {
        (Some(expected), Some(recorded)) if expected.index == recorded.index => compare(&recorded, &expected),
        (Some(expected), recorded) if recorded.as_ref().is_none_or(|other| expected.index < other.index) => {
            Finding::new("DECISION_MISSING", "the replay derives a decision that is not on record")
                .at(expected.index)
                .differs("nothing", expected.summary())
        }
        (_, Some(recorded)) => {
            Finding::new("DECISION_UNKNOWN", "a decision is on record that the replay does not derive")
                .at(recorded.index)
                .differs(recorded.summary(), "nothing")
        }
        (_, None) => malformed("the lines end otherwise than they should", None),
    }
}

fn malformed(detail: &str, index: Option<u64>) -> Finding {
    let finding = Finding::new("DECISION_RECORD_MALFORMED", detail);
    match index {
        Some(index) => finding.at(index),
        None => finding,
    }
}

/// Two records of one entry: names the first thing that differs.
fn compare(recorded: &Record, expected: &Record) -> Finding {
    let (what, recorded, derived) = first_difference(recorded, expected);
    let recorded = one_line(&recorded);
    let detail = format!("{what}: recorded `{recorded}`, the replay gives `{derived}`");
    Finding::new("DECISION_MISMATCH", detail).at(expected.index).differs(recorded, derived)
}

fn first_difference(recorded: &Record, expected: &Record) -> (String, String, String) {
    let (of, derived) = (recorded.facts(), expected.facts());
    for (found, derived) in of.iter().zip(&derived) {
        if found != derived {
            return (
                derived.0.clone(),
                format!("{}: {}", found.0, found.1),
                format!("{}: {}", derived.0, derived.1),
            );
        }
    }
    ("number of rules".to_owned(), of.len().to_string(), derived.len().to_string())
}

impl Record {
    /// Everything it says, in the order in which it is compared: what decided first.
    fn facts(&self) -> Vec<(String, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let mut facts = vec![
            ("withdrawal".to_owned(), text(&self.withdrawal)),
            ("refused".to_owned(), text(&self.refused)),
        ];
        let Some(decision) = &self.decision else { return facts };
        facts.push(("policy".to_owned(), decision.policy.clone()));
        facts
            .extend(decision.rules.iter().map(|(rule, verdict)| (format!("rule `{rule}`"), verdict.clone())));
        facts.extend(
            decision.risk.iter().map(|(part, state)| (format!("risk component {part}"), state.clone())),
        );
        facts.push(("risk score".to_owned(), decision.score.to_string()));
        facts.push(("outcome".to_owned(), decision.outcome.clone()));
        facts
    }

    fn summary(&self) -> String {
        match (&self.refused, &self.decision) {
            (Some(code), _) => format!("refused {}", one_line(code)),
            (None, Some(decision)) => one_line(&decision.outcome),
            (None, None) => "nothing".to_owned(),
        }
    }
}
