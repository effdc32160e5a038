//! What searches look at: for each entry after the first, what it was about and what came of it, as replaying it gave it.
//!
//! Written in the same commit as the entry, so that a search reads a small record for each entry and applies none again.
//! Derived, so that nothing rests on it: who wants proof replays an export. It decides nothing.

use holdfast_ledger::{Applied, Event, State};
use holdfast_log::Entry;
use holdfast_policy::{Decision, Outcome};
use holdfast_proto::convert::reason;
use holdfast_proto::v1;
use prost::Message;

use super::schema::{FOUND, index_key, index_of};
use super::{LogBook, ReadError};

/// Records that are read at a time.
const PAGE: usize = 512;

/// The record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Found {
    /// What a search answers, but for the entry itself.
    #[prost(message, optional, tag = "1")]
    pub(crate) hit: Option<v1::SearchHit>,
    /// Why it was refused, or the reasons of the decision that it led to.
    #[prost(string, repeated, tag = "2")]
    pub(crate) codes: Vec<String>,
    /// The withdrawal that ended because it authorized another in its place.
    #[prost(string, optional, tag = "3")]
    pub(crate) replaced: Option<String>,
}

impl Found {
    /// The record of an entry; `applied` is what it did, `state` the state right after it.
    pub(super) fn of(entry: &Entry, applied: &Applied, state: &State) -> Self {
        let event = Event::new(entry, applied, state);
        Self {
            hit: Some(hit(&event)),
            codes: event.codes().into_iter().map(str::to_owned).collect(),
            replaced: event.replaced().map(|id| id.to_string()),
        }
    }
}

impl LogBook {
    /// Records of entries from `from` up to but without `to`, as many as are read at a time. Blocks.
    pub(crate) fn found(&self, from: u64, to: u64) -> Result<Vec<Found>, ReadError> {
        let page = self.store.scan(FOUND, &index_key(from), PAGE)?;
        let mut found = Vec::new();
        for (index, (key, record)) in (from..to).zip(page) {
            let record = Found::decode(record.as_slice()).ok().filter(|_| index_of(&key) == Some(index));
            found.push(record.ok_or(ReadError::Missing { index })?);
        }
        if found.is_empty() && from < to {
            return Err(ReadError::Missing { index: from });
        }
        Ok(found)
    }
}

fn hit(event: &Event<'_>) -> v1::SearchHit {
    let because = match event.rejection() {
        Some(rejection) => Some(reason(rejection.code().as_str(), rejection.detail())),
        None => event
            .decision()
            .and_then(Decision::main_reason)
            .map(|main| reason(main.code(), main.officer_sentence())),
    };
    v1::SearchHit {
        position: Some(v1::LogPosition { index: event.index(), time_ms: event.time_ms() }),
        kind: event.kind_name().to_owned(),
        signer: event.signer().to_owned(),
        effect: effect(event).into(),
        reason: because,
        withdrawal_id: event.withdrawal.map(|id| id.to_string()).unwrap_or_default(),
        client: event.client().unwrap_or_default().to_owned(),
        wallet: event.wallet().map(ToString::to_string).unwrap_or_default(),
        outcome: outcome(event).into(),
        action: event.action().unwrap_or_default().to_owned(),
        entry: Vec::new(),
    }
}

fn effect(event: &Event<'_>) -> v1::EntryEffect {
    if event.rejection().is_some() { v1::EntryEffect::Refused } else { v1::EntryEffect::Applied }
}

fn outcome(event: &Event<'_>) -> v1::Outcome {
    match event.withdrawal_after().map(|withdrawal| &withdrawal.decision.outcome) {
        None => v1::Outcome::Unspecified,
        Some(Outcome::Allow) => v1::Outcome::Allow,
        Some(Outcome::Hold(_)) => v1::Outcome::Hold,
        Some(Outcome::Deny) => v1::Outcome::Deny,
    }
}
