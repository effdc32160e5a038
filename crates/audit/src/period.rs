//! What happened in a period, for those who review it: changes of policy and roster, use of quorums, pauses and resumes, refused
//! attempts by code, replaced keys, and who had access at its end with what they last did.
//!
//! Everything is read from the replay. Parties come from the roster in force, never from a list that somebody keeps beside it.

mod access;
mod change;
mod lines;
mod row;

use std::collections::BTreeMap;

use holdfast_ledger::{Act, CeremonyId, CeremonyPhase, Event, Outcome, State, StatementBody};
use holdfast_policy::TimestampMs;
use serde::Serialize;

use crate::report::{NoOp, count};
use access::Acts;
use change::Authority;

pub use row::Row;

/// Most refused attempts that are listed one by one; the others are counted.
const MAX_ATTEMPTS: usize = 1_000;

/// Watches a replay for one period.
#[derive(Debug)]
pub struct Period {
    from: TimestampMs,
    to: TimestampMs,
    entries: u64,
    rows: Vec<Row>,
    ceremonies: BTreeMap<CeremonyId, CeremonyTimes>,
    refused: BTreeMap<String, u64>,
    attempts: Vec<NoOp>,
    acts: Acts,
    authority: Option<Authority>,
    /// The state at the period's end.
    last: Option<State>,
}

/// When a ceremony was used.
#[derive(Clone, Copy, Debug)]
struct CeremonyTimes {
    first: TimestampMs,
    last: TimestampMs,
}

/// The report: its rows, and what they are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeriodReport {
    /// The cell.
    pub cluster: String,
    /// Entries of this time or later, ms.
    pub from_ms: u64,
    /// Entries before this time, ms.
    pub to_ms: u64,
    /// How many entries the period has.
    pub entries: u64,
    /// Everything to review, section by section.
    pub rows: Vec<Row>,
}

impl Period {
    /// For entries from `from` until just before `to`.
    pub fn new(from: TimestampMs, to: TimestampMs) -> Self {
        Self {
            from,
            to,
            entries: 0,
            rows: Vec::new(),
            ceremonies: BTreeMap::new(),
            refused: BTreeMap::new(),
            attempts: Vec::new(),
            acts: Acts::default(),
            authority: None,
            last: None,
        }
    }

    /// Looks at the next entry.
    pub fn watch(&mut self, event: &Event<'_>) {
        let time = event.applied.time;
        if time >= self.to {
            return;
        }
        let inside = self.from <= time;
        self.last = Some(event.state.clone());
        self.acts.note(event, inside);
        let changes = Authority::advance(&mut self.authority, event);
        if !inside {
            return;
        }
        self.entries = self.entries.saturating_add(1);
        self.rows.extend(changes);
        if let Some(id) = event.ceremony {
            let times = self.ceremonies.entry(id).or_insert(CeremonyTimes { first: time, last: time });
            times.last = time;
        }
        match &event.applied.outcome {
            Outcome::Admitted(_) => self.admitted(event),
            Outcome::Rejected(rejection) => {
                count(&mut self.refused, rejection.code().to_string());
                if rejection.code().is_evidence() && self.attempts.len() < MAX_ATTEMPTS {
                    self.attempts.push(NoOp::new(event, rejection));
                }
            }
        }
    }

    fn admitted(&mut self, event: &Event<'_>) {
        self.rows.extend(event.trips().map(|(wallet, trip)| Row::tripped(event, wallet, trip)));
        if let Some(Act::Statement { statement, .. }) = event.act {
            let body = &statement.body;
            if matches!(
                body,
                StatementBody::ApproveHold(_)
                    | StatementBody::RejectHold(_)
                    | StatementBody::WithdrawApproval(_)
            ) {
                self.rows.push(Row::hold(event, statement));
            } else if body.is_protective() {
                self.rows.push(Row::pause(event, statement));
            }
        }
        // Whoever completes a quorum finds the ceremony done: what comes later is refused.
        let done = event.ceremony.and_then(|id| event.state.ceremony(&id));
        let done = done.filter(|ceremony| ceremony.phase_at(event.applied.time) == CeremonyPhase::Activated);
        if let Some(ceremony) = done.filter(|ceremony| ceremony.kind.name() == "resume-wallet") {
            self.rows.push(Row::resume(event, ceremony));
        }
    }

    /// The report. `end` is the state at the log's end: it counts if the period has no entry.
    pub fn finish(self, end: &State) -> PeriodReport {
        let state = self.last.as_ref().unwrap_or(end);
        let mut rows = self.rows;
        rows.sort_by_key(Row::section_order);
        let mut ceremonies: Vec<_> = self.ceremonies.iter().collect();
        ceremonies.sort_by_key(|(id, times)| (times.first, **id));
        for (id, times) in ceremonies {
            if let Some(ceremony) = state.ceremony(id) {
                rows.push(Row::quorum(ceremony, times.first, times.last, state));
            }
        }
        rows.extend(self.refused.iter().map(|(code, count)| Row::refused(code, *count)));
        rows.extend(self.attempts.into_iter().map(Row::attempt));
        rows.extend(self.acts.review(state));
        rows.sort_by_key(Row::section_order);
        PeriodReport {
            cluster: state.cluster().to_string(),
            from_ms: self.from.0,
            to_ms: self.to.0,
            entries: self.entries,
            rows,
        }
    }
}
