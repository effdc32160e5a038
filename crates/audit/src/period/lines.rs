//! A row of a period's report as people read it, on one line or a few.

use std::fmt;

use holdfast_policy::TimestampMs;

use super::row::{LastAct, Row};
use crate::text::screen;

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |time_ms: &u64| TimestampMs(*time_ms);
        match self {
            Self::PolicyChange { index, time_ms, before, after } => {
                writeln!(f, "  entry {index}, {}: {after}", at(time_ms))?;
                write!(f, "      was {before}")
            }
            Self::RosterChange { index, time_ms, party, change } => {
                write!(f, "  entry {index}, {}: {party}: {}", at(time_ms), screen(change))
            }
            Self::KeyRotation { index, time_ms, party, key, before, after } => {
                writeln!(f, "  entry {index}, {}: {key} of {party}", at(time_ms))?;
                writeln!(f, "      is  {after}")?;
                write!(f, "      was {before}")
            }
            Self::Hold { index, time_ms, officer, action, withdrawal, note } => {
                let note = quoted(note);
                write!(f, "  entry {index}, {}: `{officer}`: {action} {withdrawal}{note}", at(time_ms))
            }
            Self::Quorum { ceremony, kind, first_ms, proposer, needs, approvals, phase, .. } => {
                let needs: Vec<_> = needs.iter().map(|(role, count)| format!("{count} {role}")).collect();
                let by = if approvals.is_empty() { "nobody".to_owned() } else { approvals.join(", ") };
                writeln!(f, "  {kind} {ceremony}: {phase}, since {}", at(first_ms))?;
                writeln!(f, "      proposed by `{proposer}`, needs {}", needs.join(", "))?;
                write!(f, "      approved by {by}")
            }
            Self::Pause { index, time_ms, officer, action, subject, note } => {
                let (subject, note) = (screen(subject), quoted(note));
                write!(f, "  entry {index}, {}: `{officer}`: {action}: {subject}{note}", at(time_ms))
            }
            Self::Refused { code, count } => write!(f, "  {count:>8}  {code}"),
            Self::Attempt(noop) => {
                writeln!(f, "  entry {}, {}: {} {}", noop.index, at(&noop.time_ms), noop.signer, noop.kind)?;
                write!(f, "      {}: {}", noop.code, screen(&noop.detail))
            }
            Self::Access { party, status, roles, keys, since, acts, last_act } => {
                let since = since.map(|since| format!(", since entry {since}")).unwrap_or_default();
                let roles = if roles.is_empty() { String::new() } else { format!(": {roles}{since}") };
                writeln!(f, "  {party} is {status}{roles}")?;
                write!(f, "      {acts} acts in the period, {}", last(last_act.as_ref()))?;
                keys.iter().try_for_each(|key| write!(f, "\n      key {key}"))
            }
        }
    }
}

fn last(act: Option<&LastAct>) -> String {
    act.map_or_else(
        || "never acted".to_owned(),
        |act| format!("the last was `{}`, entry {}, {}", act.what, act.index, TimestampMs(act.time_ms)),
    )
}

fn quoted(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(" (\"{}\")", screen(note)) }
}
