//! A search: the filters of one request, held against what was recorded of each entry.

use holdfast_ledger::WithdrawalId;
use holdfast_proto::convert::{self, FieldError};
use holdfast_proto::v1;

use crate::log_book::{Found, LogBook, ReadError};

/// Longest filter, in bytes: longer than every name and code.
const MAX_FILTER_BYTES: usize = 256;
/// Hits that are held at a time, with entries of up to 64 KiB each.
const MAX_HITS: usize = 64;

/// What to look for. Empty filters let everything pass.
#[derive(Debug)]
pub(super) struct Filter {
    request: v1::SearchRequest,
    withdrawal: Option<String>,
    officer: Option<String>,
}

/// The part of the log that a search has still to look at, and how many hits it may still find.
#[derive(Debug)]
pub(super) struct Search {
    filter: Filter,
    next: u64,
    end: u64,
    left: u64,
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
        let withdrawal: Option<WithdrawalId> = match request.withdrawal_id.as_str() {
            "" => None,
            text => Some(convert::withdrawal_id("withdrawal_id", text)?),
        };
        let withdrawal = withdrawal.map(|id| id.to_string());
        let officer = (!request.officer.is_empty()).then(|| format!("officer:{}", request.officer));
        Ok(Self { request, withdrawal, officer })
    }

    fn matches(&self, found: &Found, hit: &v1::SearchHit) -> bool {
        let request = &self.request;
        let (from, to) = (request.from_ms, request.to_ms);
        let time = hit.position.map_or(0, |position| position.time_ms);
        let in_time = from <= time && (to == 0 || time < to);
        in_time && self.is_about(found, hit) && self.came_of_it(found, hit)
    }

    fn is_about(&self, found: &Found, hit: &v1::SearchHit) -> bool {
        let request = &self.request;
        let is = |wanted: &String, text: &String| wanted.is_empty() || wanted == text;
        is(&request.client, &hit.client)
            && is(&request.wallet, &hit.wallet)
            && self
                .withdrawal
                .as_ref()
                .is_none_or(|id| hit.withdrawal_id == *id || found.replaced.as_ref() == Some(id))
            && self.officer.as_ref().is_none_or(|officer| hit.signer == *officer)
            && (is(&request.kind, &hit.kind) || hit.action == request.kind)
    }

    fn came_of_it(&self, found: &Found, hit: &v1::SearchHit) -> bool {
        let request = &self.request;
        let wanted = request.effect();
        let effect = wanted == v1::EntryEffect::Unspecified || wanted == hit.effect();
        let wanted = request.outcome();
        let outcome = wanted == v1::Outcome::Unspecified || wanted == hit.outcome();
        let code = &request.reason_code;
        effect && outcome && (code.is_empty() || found.codes.contains(code))
    }
}

impl Search {
    /// A search of the entries after the first, the times of all of which are `times`.
    pub(super) fn new(filter: Filter, times: &[u64]) -> Self {
        let request = &filter.request;
        let left = if request.limit == 0 { u64::MAX } else { request.limit };
        // Times never go back in a log.
        let before = |limit: u64| {
            let count = times.partition_point(|time| *time < limit);
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        let end = before(if request.to_ms == 0 { u64::MAX } else { request.to_ms });
        let next = before(request.from_ms).max(request.from_index).max(1);
        Self { filter, next, end, left }
    }

    pub(super) fn is_over(&self) -> bool {
        self.next >= self.end || self.left == 0
    }

    /// The hits among the next entries, with their exact bytes. Blocks.
    pub(super) fn go_on(&mut self, book: &LogBook) -> Result<Vec<v1::SearchHit>, ReadError> {
        let mut hits = Vec::new();
        for found in book.found(self.next, self.end)? {
            let index = self.next;
            self.next = self.next.saturating_add(1);
            let hit = found.hit.as_ref().ok_or(ReadError::Missing { index })?;
            if !self.filter.matches(&found, hit) {
                continue;
            }
            self.left = self.left.saturating_sub(1);
            hits.push(v1::SearchHit { entry: book.entry(index)?, ..hit.clone() });
            if self.left == 0 || hits.len() >= MAX_HITS {
                break;
            }
        }
        Ok(hits)
    }
}
