//! A search: the filters of one request, and the replay that they are held against.

use holdfast_ledger::{Event, State, WithdrawalId};
use holdfast_log::Entry;
use holdfast_policy::{Decision, Outcome, TimestampMs};
use holdfast_proto::convert::{self, FieldError, reason};
use holdfast_proto::v1;

use crate::log_book::ReadError;

/// Longest filter, in bytes: longer than every name and code.
const MAX_FILTER_BYTES: usize = 256;

/// What to look for. Empty filters let everything pass.
#[derive(Debug)]
pub(super) struct Filter {
    request: v1::SearchRequest,
    withdrawal: Option<WithdrawalId>,
}

impl Filter {
    pub(super) fn of(request: v1::SearchRequest) -> Result<Self, FieldError> {
        for (field, text) in [
            ("client", &request.client),
            ("wallet", &request.wallet),
            ("withdrawal_id", &request.withdrawal_id),
            ("officer", &request.officer),
            ("kind", &request.kind),
            ("reason_code", &request.reason_code),
        ] {
            if text.len() > MAX_FILTER_BYTES {
                return Err(FieldError::new(field, format!("must have at most {MAX_FILTER_BYTES} bytes")));
            }
        }
        let withdrawal = match request.withdrawal_id.as_str() {
            "" => None,
            text => Some(convert::withdrawal_id("withdrawal_id", text)?),
        };
        Ok(Self { request, withdrawal })
    }

    pub(super) fn limit(&self) -> u64 {
        if self.request.limit == 0 { u64::MAX } else { self.request.limit }
    }

    fn matches(&self, event: &Event<'_>) -> bool {
        let request = &self.request;
        let (from, to) = (TimestampMs(request.from_ms), TimestampMs(request.to_ms));
        let time = event.applied.time;
        let in_time = from <= time && (to.0 == 0 || time < to);
        event.index() >= request.from_index && in_time && self.is_about(event) && self.came_of_it(event)
    }

    fn is_about(&self, event: &Event<'_>) -> bool {
        let request = &self.request;
        let officer = || event.signer().strip_prefix("officer:") == Some(request.officer.as_str());
        let wallet = || event.wallet().is_some_and(|wallet| wallet.as_str() == request.wallet);
        let kind = || event.kind_name() == request.kind || event.action() == Some(request.kind.as_str());
        (request.client.is_empty() || event.client() == Some(request.client.as_str()))
            && (request.wallet.is_empty() || wallet())
            && self.withdrawal.is_none_or(|id| event.withdrawal == Some(id) || event.replaced() == Some(id))
            && (request.officer.is_empty() || officer())
            && (request.kind.is_empty() || kind())
    }

    fn came_of_it(&self, event: &Event<'_>) -> bool {
        let request = &self.request;
        let wanted = request.effect();
        let effect = wanted == v1::EntryEffect::Unspecified || wanted == effect(event);
        let wanted = request.outcome();
        let outcome = wanted == v1::Outcome::Unspecified || wanted == outcome(event);
        let code = &request.reason_code;
        effect && outcome && (code.is_empty() || event.codes().contains(&code.as_str()))
    }
}

/// A replay and what it is searched for.
#[derive(Debug)]
pub(super) struct Replaying {
    filter: Filter,
    state: Option<State>,
}

impl Replaying {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, state: None }
    }

    /// Applies the next entries; the hits among them.
    pub(super) fn apply(&mut self, entries: &[Entry]) -> Result<Vec<v1::SearchHit>, ReadError> {
        let mut hits = Vec::new();
        for entry in entries {
            let Some(state) = &mut self.state else {
                let first = State::from_genesis(entry).map_err(|_| ReadError::Missing { index: 0 })?;
                self.state = Some(first);
                continue;
            };
            let index = state.size();
            let applied = state.apply(entry).map_err(|_| ReadError::Missing { index })?;
            let event = Event::new(entry, &applied, state);
            if self.filter.matches(&event) {
                hits.push(hit(&event));
            }
        }
        Ok(hits)
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
        entry: event.entry.bytes().to_vec(),
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
