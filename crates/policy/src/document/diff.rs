//! Owns what differs between two documents by meaning, and whether each difference tightens or loosens.
//!
//! "Tightens" is a closed list: a grant is removed or gives less, a restriction is added, a limit is lowered point by point.
//! Whatever is not on it loosens, and so does any change of a window's length, a weight or a role.
//!
//! INVARIANT (G1): what is tagged as tightening allows nothing, in any state, that the old document did not allow. Every type is
//! taken apart without `..`: a new rule or field does not compile before somebody decided which it is.

mod bands;
mod rules;
mod terms;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{PolicyDocument, Rules};
use crate::digest::{DiffDigest, PolicyHash, sha256};

/// Whether a change can allow what was not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeEffect {
    /// It may.
    Loosens,
    /// It cannot.
    Tightens,
}

impl fmt::Display for ChangeEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loosens => "loosens",
            Self::Tightens => "tightens",
        })
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// Which of the two it is.
    pub effect: ChangeEffect,
    /// What it is about: `grant hot-payouts`, `restriction usdt-limit`, `[risk]`.
    pub subject: String,
    /// What becomes of it: `deny_above 5 -> 4`. Printable ASCII.
    pub what: String,
}

impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// Everything that differs between two documents. What reads differently and means the same is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    old: PolicyHash,
    new: PolicyHash,
    changes: Vec<PolicyChange>,
}

impl PolicyDiff {
    /// What the new document changes.
    pub fn between(old: &PolicyDocument, new: &PolicyDocument) -> Self {
        let mut changes = Changes(BTreeSet::new());
        let (
            Rules {
                tiers,
                grants,
                restrictions,
                risk,
                hold,
                whitelist,
                authorization_max_age,
                prices,
                session_providers,
                exposure,
                identity,
                legal,
            },
            next,
        ) = (&old.rules, &new.rules);
        rules::tiers(&mut changes, tiers, &next.tiers);
        rules::grants(&mut changes, grants, &next.grants);
        rules::restrictions(&mut changes, restrictions, &next.restrictions);
        terms::risk(&mut changes, risk, &next.risk);
        terms::hold(&mut changes, hold, &next.hold);
        terms::whitelist(&mut changes, whitelist, &next.whitelist);
        terms::authorization(&mut changes, *authorization_max_age, next.authorization_max_age);
        terms::prices(&mut changes, prices.as_ref(), next.prices.as_ref());
        terms::sessions(&mut changes, session_providers.as_ref(), next.session_providers.as_ref());
        terms::legal(&mut changes, legal.as_ref(), next.legal.as_ref());
        terms::exposure(&mut changes, exposure.as_ref(), next.exposure.as_ref());
        terms::identity(&mut changes, identity.as_ref(), next.identity.as_ref());
        Self { old: old.hash(), new: new.hash(), changes: changes.0.into_iter().collect() }
    }

    /// Hash of the old document.
    pub fn old(&self) -> PolicyHash {
        self.old
    }

    /// Hash of the new one.
    pub fn new_hash(&self) -> PolicyHash {
        self.new
    }

    /// The differences, those that loosen first, then by subject.
    pub fn changes(&self) -> &[PolicyChange] {
        &self.changes
    }

    /// Whether any of them loosens: then the larger quorum must approve.
    pub fn loosens(&self) -> bool {
        self.count(ChangeEffect::Loosens) > 0
    }

    /// How many there are of one effect.
    pub fn count(&self, effect: ChangeEffect) -> usize {
        self.changes.iter().filter(|change| change.effect == effect).count()
    }

    /// The digest that officers approve: SHA-256 over [`canonical_text`](Self::canonical_text).
    pub fn digest(&self) -> DiffDigest {
        DiffDigest::from_bytes(sha256(self.canonical_text().as_bytes()))
    }

    /// A first line, both hashes, and a line for each difference, with a line feed after every line:
    ///
    /// ```text
    /// holdfast-policy-diff/v1
    /// old <hash>
    /// new <hash>
    /// <effect> <subject>: <what>
    /// ```
    pub fn canonical_text(&self) -> String {
        let Self { old, new, changes } = self;
        let head = format!("holdfast-policy-diff/v1\nold {old}\nnew {new}\n");
        changes.iter().fold(head, |text, change| format!("{text}{} {change}\n", change.effect))
    }
}

/// Differences as they are found.
struct Changes(BTreeSet<PolicyChange>);

impl Changes {
    /// What is said about one rule or table.
    fn about(&mut self, subject: impl Into<String>) -> Subject<'_> {
        Subject { changes: self, subject: subject.into() }
    }
}

struct Subject<'c> {
    changes: &'c mut Changes,
    subject: String,
}

impl Subject<'_> {
    fn loosens(&mut self, what: impl Into<String>) {
        self.add(ChangeEffect::Loosens, what.into());
    }

    fn tightens(&mut self, what: impl Into<String>) {
        self.add(ChangeEffect::Tightens, what.into());
    }

    fn add(&mut self, effect: ChangeEffect, what: String) {
        self.changes.0.insert(PolicyChange { effect, subject: self.subject.clone(), what });
    }

    /// A value that is no limit: any change loosens.
    fn value<T: PartialEq + fmt::Display>(&mut self, field: &str, old: &T, new: &T) {
        if old != new {
            self.loosens(format!("{field} {old} -> {new}"));
        }
    }

    /// A limit, whatever is above is worse for who asks; `None` is no limit.
    fn limit<T: PartialOrd + fmt::Display>(&mut self, field: &str, old: Option<&T>, new: Option<&T>) {
        let lowered = match (old, new) {
            (Some(old), Some(new)) if old == new => return,
            (None, None) => return,
            (Some(old), Some(new)) => new < old,
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        let shown = |limit: Option<&T>| limit.map_or_else(|| "none".to_owned(), ToString::to_string);
        let what = format!("{field} {} -> {}", shown(old), shown(new));
        if lowered { self.tightens(what) } else { self.loosens(what) }
    }

    /// A set of what is given: less of it is less given.
    fn given<T: Ord + fmt::Display>(&mut self, field: &str, old: &BTreeSet<T>, new: &BTreeSet<T>) {
        for value in new.difference(old) {
            self.loosens(format!("{field} + {value}"));
        }
        for value in old.difference(new) {
            self.tightens(format!("{field} - {value}"));
        }
    }

    /// A set of what is demanded: more of it is more demanded.
    fn demanded<T: Ord + fmt::Display>(&mut self, field: &str, old: &BTreeSet<T>, new: &BTreeSet<T>) {
        for value in new.difference(old) {
            self.tightens(format!("{field} + {value}"));
        }
        for value in old.difference(new) {
            self.loosens(format!("{field} - {value}"));
        }
    }
}

#[cfg(test)]
mod tests;
