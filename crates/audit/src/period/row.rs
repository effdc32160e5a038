//! The rows of a period's report, and how each looks as JSON, in a table and in text.

use std::collections::BTreeMap;

use holdfast_ledger::{BreakerTrip, Ceremony, Event, State, Statement, Wallet};
use holdfast_policy::TimestampMs;
use serde::Serialize;

use crate::history::says;
use crate::report::NoOp;
use crate::shown::upper;

/// One thing to review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "section", rename_all = "kebab-case")]
pub enum Row {
    /// Another policy took effect.
    PolicyChange {
        /// Log index of the entry that completed the quorum.
        index: u64,
        /// Its time, ms.
        time_ms: u64,
        /// Version and SHA-256 before.
        before: String,
        /// Version and SHA-256 after.
        after: String,
    },
    /// Somebody came, left, or got another role or scope.
    RosterChange {
        /// Log index.
        index: u64,
        /// Its time, ms.
        time_ms: u64,
        /// Who: `<role>:<name>`.
        party: String,
        /// What changed.
        change: String,
    },
    /// A party's key was replaced: a node enrolled again, or the coordinator got another key.
    KeyRotation {
        /// Log index.
        index: u64,
        /// Its time, ms.
        time_ms: u64,
        /// Who.
        party: String,
        /// Which key.
        key: String,
        /// The old one.
        before: String,
        /// The new one.
        after: String,
    },
    /// An officer answered a held withdrawal.
    Hold {
        /// Log index.
        index: u64,
        /// Its time, ms.
        time_ms: u64,
        /// Who.
        officer: String,
        /// `approve a held withdrawal` or `reject a held withdrawal`.
        action: String,
        /// The withdrawal.
        withdrawal: String,
        /// The officer's own words.
        note: String,
    },
    /// A ceremony that was used within the period.
    Quorum {
        /// Its id.
        ceremony: String,
        /// What it is for.
        kind: String,
        /// First and last entry about it within the period, ms.
        first_ms: u64,
        /// See `first_ms`.
        last_ms: u64,
        /// Who proposed it.
        proposer: String,
        /// How many of each role it needs.
        needs: BTreeMap<String, u32>,
        /// Who approved, in which roles, at which entry.
        approvals: Vec<String>,
        /// Where it stands at the period's end.
        phase: String,
    },
    /// Something was paused or revoked at once, or resumed by a quorum.
    Pause {
        /// Log index.
        index: u64,
        /// Its time, ms.
        time_ms: u64,
        /// Who; for a resume, who completed the quorum. `circuit breaker <rule>` if one tripped.
        officer: String,
        /// `pause a wallet`, `resume a wallet`, `revoke a whitelist entry`, ...
        action: String,
        /// What.
        subject: String,
        /// The officer's own words.
        note: String,
    },
    /// Refused entries with one reason.
    Refused {
        /// The reason.
        code: String,
        /// How many.
        count: u64,
    },
    /// A refused entry that deserves attention.
    Attempt(NoOp),
    /// Who had access at the period's end, or had it before and acted.
    Access {
        /// `<role>:<name>`.
        party: String,
        /// `active`, `expired` or `removed`.
        status: String,
        /// Roles, scopes, incarnation.
        roles: String,
        /// Fingerprints of SSH keys, other keys in full (hex).
        keys: Vec<String>,
        /// Log index since when this key has access; 0 is genesis.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
        /// Entries signed within the period.
        acts: u64,
        /// Log index and time of the last entry that it signed, and its kind.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_act: Option<LastAct>,
    },
}

/// The last entry that a party signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastAct {
    /// Log index.
    pub index: u64,
    /// Its time, ms.
    pub time_ms: u64,
    /// Its kind, or a statement's action.
    pub what: String,
}

impl Row {
    pub(super) fn hold(event: &Event<'_>, statement: &Statement) -> Self {
        Self::Hold {
            index: event.index(),
            time_ms: event.time_ms(),
            officer: statement.officer.to_string(),
            action: statement.body.action().to_owned(),
            withdrawal: event.withdrawal.map(|id| id.to_string()).unwrap_or_default(),
            note: statement.note.clone(),
        }
    }

    pub(super) fn pause(event: &Event<'_>, statement: &Statement) -> Self {
        Self::Pause {
            index: event.index(),
            time_ms: event.time_ms(),
            officer: statement.officer.to_string(),
            action: statement.body.action().to_owned(),
            subject: event.wallet.as_ref().map_or_else(|| says::event(event), ToString::to_string),
            note: statement.note.clone(),
        }
    }

    pub(super) fn tripped(event: &Event<'_>, wallet: &Wallet, trip: &BreakerTrip) -> Self {
        Self::Pause {
            index: event.index(),
            time_ms: event.time_ms(),
            officer: format!("circuit breaker {}", trip.rule),
            action: "pause a wallet".to_owned(),
            subject: wallet.id.to_string(),
            note: format!("{}, tripped by {}", says::why(event.state, &trip.cause), trip.withdrawal),
        }
    }

    pub(super) fn resume(event: &Event<'_>, ceremony: &Ceremony) -> Self {
        Self::Pause {
            index: event.index(),
            time_ms: event.time_ms(),
            officer: event.signer().trim_start_matches("officer:").to_owned(),
            action: "resume a wallet".to_owned(),
            subject: event.wallet.as_ref().map(ToString::to_string).unwrap_or_default(),
            note: format!("ceremony {}", ceremony.id),
        }
    }

    pub(super) fn quorum(ceremony: &Ceremony, first: TimestampMs, last: TimestampMs, state: &State) -> Self {
        let approvals = ceremony.approvals.iter().map(|approval| {
            let roles: Vec<_> = approval.roles.iter().map(ToString::to_string).collect();
            format!("{} ({}) at entry {}", approval.officer, roles.join(" "), approval.index)
        });
        Self::Quorum {
            ceremony: ceremony.id.to_string(),
            kind: ceremony.kind.name().to_owned(),
            first_ms: first.0,
            last_ms: last.0,
            proposer: ceremony.proposer.to_string(),
            needs: ceremony.quorum.iter().map(|(role, count)| (role.to_string(), *count)).collect(),
            approvals: approvals.collect(),
            phase: upper(&ceremony.phase_at(state.last_time())),
        }
    }

    pub(super) fn refused(code: &str, count: u64) -> Self {
        Self::Refused { code: code.to_owned(), count }
    }

    pub(super) fn attempt(noop: NoOp) -> Self {
        Self::Attempt(noop)
    }

    /// The section's title.
    pub fn section(&self) -> &'static str {
        match self {
            Self::PolicyChange { .. } => "policy-change",
            Self::RosterChange { .. } => "roster-change",
            Self::KeyRotation { .. } => "key-rotation",
            Self::Hold { .. } => "hold",
            Self::Quorum { .. } => "quorum",
            Self::Pause { .. } => "pause",
            Self::Refused { .. } => "refused",
            Self::Attempt(_) => "attempt",
            Self::Access { .. } => "access",
        }
    }

    pub(super) fn section_order(&self) -> u8 {
        match self {
            Self::PolicyChange { .. } => 0,
            Self::RosterChange { .. } => 1,
            Self::KeyRotation { .. } => 2,
            Self::Quorum { .. } => 3,
            Self::Hold { .. } => 4,
            Self::Pause { .. } => 5,
            Self::Refused { .. } => 6,
            Self::Attempt(_) => 7,
            Self::Access { .. } => 8,
        }
    }

    /// Names of the columns of [`Self::cells`].
    pub const COLUMNS: [&'static str; 7] = ["section", "index", "time", "who", "what", "subject", "detail"];

    /// The row in a table that has one form for all sections.
    pub fn cells(&self) -> [String; 7] {
        let at = |time_ms: &u64| TimestampMs(*time_ms).to_string();
        let [index, time, who, what, subject, detail] = match self {
            Self::PolicyChange { index, time_ms, before, after } => [
                index.to_string(),
                at(time_ms),
                String::new(),
                "policy".to_owned(),
                after.clone(),
                format!("was {before}"),
            ],
            Self::RosterChange { index, time_ms, party, change } => [
                index.to_string(),
                at(time_ms),
                party.clone(),
                "roster".to_owned(),
                String::new(),
                change.clone(),
            ],
            Self::KeyRotation { index, time_ms, party, key, before, after } => [
                index.to_string(),
                at(time_ms),
                party.clone(),
                key.clone(),
                after.clone(),
                format!("was {before}"),
            ],
            Self::Hold { index, time_ms, officer, action, withdrawal, note } => [
                index.to_string(),
                at(time_ms),
                officer.clone(),
                action.clone(),
                withdrawal.clone(),
                note.clone(),
            ],
            Self::Quorum { ceremony, kind, first_ms, proposer, needs, approvals, phase, .. } => {
                let needs: Vec<_> = needs.iter().map(|(role, count)| format!("{count} {role}")).collect();
                let by = if approvals.is_empty() { "nobody".to_owned() } else { approvals.join(", ") };
                let detail = format!("{phase}; needs {}; approved by {by}", needs.join(", "));
                [String::new(), at(first_ms), proposer.clone(), kind.clone(), ceremony.clone(), detail]
            }
            Self::Pause { index, time_ms, officer, action, subject, note } => [
                index.to_string(),
                at(time_ms),
                officer.clone(),
                action.clone(),
                subject.clone(),
                note.clone(),
            ],
            Self::Refused { code, count } => {
                [String::new(), String::new(), String::new(), code.clone(), String::new(), count.to_string()]
            }
            Self::Attempt(noop) => [
                noop.index.to_string(),
                at(&noop.time_ms),
                noop.signer.clone(),
                noop.code.clone(),
                noop.kind.clone(),
                noop.detail.clone(),
            ],
            Self::Access { party, status, roles, last_act, .. } => {
                let time = last_act.as_ref().map(|last| at(&last.time_ms)).unwrap_or_default();
                [String::new(), time, party.clone(), status.clone(), roles.clone(), self.access_detail()]
            }
        };
        [self.section().to_owned(), index, time, who, what, subject, detail]
    }

    fn access_detail(&self) -> String {
        let Self::Access { keys, since, acts, last_act, .. } = self else { return String::new() };
        let last = last_act.as_ref().map_or_else(
            || "never acted".to_owned(),
            |last| format!("last: {} at entry {}", last.what, last.index),
        );
        let since = since.map(|since| format!("since entry {since}; ")).unwrap_or_default();
        format!("{since}{acts} acts in the period; {last}; keys {}", keys.join(" "))
    }
}
