//! Histories in pages: a state whose pages lie elsewhere judges as one that has them in memory, and none that lost one judges at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use holdfast_policy::{
    CustomerRef, Outcome as Decided, PageHash, PageSource, PageSourceError, Pages, TimestampMs,
};
use proptest::prelude::*;
use serde_json::json;

use super::cell::{Cell, PAYEE, sign, usdt_transfer};
use super::snapshot::{DAY_LIMIT, happen};
use crate::*;

/// A store in memory.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<BTreeMap<PageHash, Vec<u8>>>>);

impl PageSource for Shelf {
    fn page(&self, hash: &PageHash) -> Result<Option<Vec<u8>>, PageSourceError> {
        Ok(self.0.lock().unwrap().get(hash).cloned())
    }
}

impl Shelf {
    /// What of the pages stays in memory: none.
    pub(super) fn pages(&self) -> Pages {
        Pages::kept_in(Box::new(self.clone()), 0)
    }

    /// What a node does at a snapshot. Returns the snapshot.
    pub(super) fn cool(&self, state: &mut State) -> Vec<u8> {
        let mut picture = state.clone();
        let kept = picture.keep_pages();
        self.0.lock().unwrap().extend(kept.iter().map(|(hash, bytes)| (hash, bytes.to_vec())));
        state.settle_pages(&kept);
        picture.to_paged_snapshot()
    }

    fn restored(&self, snapshot: &[u8], cell: &Cell) -> Result<State, SnapshotError> {
        State::restore(snapshot, &cell.genesis, &mut |_| None, &self.pages())
    }

    fn forget(&self, hash: &PageHash) {
        self.0.lock().unwrap().remove(hash);
    }
}

impl Cell {
    fn session_of(&mut self, customer: &str, device: u8) {
        self.sequence += 1;
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": self.sequence,
            "customer": customer, "observed_at_ms": self.now, "new_device": false,
            "second_factor_reset": false, "details": {"device": format!("d-{device}")}});
        self.accept(&sign(PayloadKind::SessionReport, &report, "provider", "sessions"));
    }

    /// A state that keeps its pages in the shelf and has applied everything.
    fn cold(&self, shelf: &Shelf) -> State {
        let mut state = State::from_genesis(&self.genesis).unwrap();
        state.read_pages_from(&shelf.pages());
        for entry in &self.log[1..] {
            state.apply(entry).unwrap();
        }
        drop(shelf.cool(&mut state));
        assert_eq!(state.activity().records().fresh_bytes(), 0);
        state
    }
}

fn customer(name: &str) -> CustomerRef {
    CustomerRef::new(name).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// One that never wrote a page, one whose pages go at random, one that is restored at random, and a replay.
    #[test]
    fn states_with_hot_and_cold_pages_cannot_be_told_apart(
        acts in proptest::collection::vec((any::<u8>(), any::<u8>(), 0_u8..8), 20..70),
    ) {
        let mut cell = super::windows::limited(DAY_LIMIT);
        // More than one page of customers.
        for number in 0..150_u8 {
            cell.session_of(&format!("customer-{number}"), number / 2);
        }
        let shelf = Shelf::default();
        let (mut cooled, mut restored) = (cell.cold(&shelf), cell.cold(&shelf));
        prop_assert!(cooled.activity().records().references().len() > 1);
        let mut applied = cell.log.len();
        for (act, choice, cooling) in acts {
            match act % 3 {
                0 => cell.session_of(&format!("customer-{choice}"), choice),
                1 => cell.session_of("c-1", choice),
                _ => happen(&mut cell, act / 3, choice),
            }
            for entry in &cell.log[applied..] {
                let one = cooled.apply(entry).unwrap().outcome;
                prop_assert_eq!(&one, &restored.apply(entry).unwrap().outcome);
            }
            applied = cell.log.len();
            prop_assert_eq!((cooled.digest(), restored.digest()), (cell.state.digest(), cell.state.digest()));
            match cooling {
                0 => drop(shelf.cool(&mut cooled)),
                1 => {
                    let snapshot = shelf.cool(&mut restored);
                    restored = shelf.restored(&snapshot, &cell).unwrap();
                    prop_assert_eq!(restored.to_paged_snapshot(), snapshot);
                }
                _ => {}
            }
        }
        let mut replayed = State::from_genesis(&cell.genesis).unwrap();
        for entry in &cell.log[1..] {
            replayed.apply(entry).unwrap();
        }
        let whole = cell.state.to_snapshot();
        prop_assert_eq!(&replayed.to_snapshot(), &whole);
        prop_assert_eq!(&cooled.to_snapshot(), &whole);
        prop_assert_eq!(&restored.to_snapshot(), &whole);
        prop_assert_eq!(cooled.to_paged_snapshot(), restored.to_paged_snapshot());
        prop_assert_eq!((cooled.page_fault(), restored.page_fault()), (None, None));
    }
}

/// A customer with a history, in a page that only the shelf has.
fn one_customer() -> (Cell, State, Shelf, PageHash) {
    let mut cell = Cell::ready();
    cell.session_of("c-1", 1);
    let shelf = Shelf::default();
    let state = cell.cold(&shelf);
    let hash = state.named_pages().next().unwrap();
    assert_eq!(state.named_pages().count(), 1);
    (cell, state, shelf, hash)
}

#[test]
fn state_without_its_page_takes_no_entry_and_begins_no_history_anew() {
    // Given what is judged by the page, and what is written to it
    let judged = |cell: &mut Cell| {
        let mut request = cell.request("k-1", 10);
        request["transaction"] = json!(usdt_transfer(PAYEE, 10, 0).to_hex());
        cell.ask(&request);
    };
    let written = |cell: &mut Cell| cell.session_of("c-1", 1);
    let both: [&dyn Fn(&mut Cell); 2] = [&judged, &written];
    for next in both {
        let (mut cell, mut state, shelf, hash) = one_customer();
        next(&mut cell);
        let entry = cell.log.last().unwrap();
        // When the page is gone
        shelf.forget(&hash);
        let (size, digest, mut copy) = (state.size(), state.digest(), state.clone());
        let refused = state.apply(entry).unwrap_err();
        // Then nothing is judged, and nothing takes the page's place
        assert_eq!((refused.code(), state.size(), state.digest()), ("PAGE_MISSING", size, digest));
        assert!(matches!(refused, ApplyError::Page(_)));
        assert_eq!(state.activity().records().fresh_bytes(), 0);
        // Nor does it go on with anything else, in any copy
        assert_eq!(
            (state.apply(entry).unwrap_err(), copy.apply(entry).unwrap_err().code()),
            (refused, "PAGE_MISSING")
        );
    }
}

#[test]
fn question_about_a_lost_history_is_answered_by_a_denial() {
    let (cell, state, shelf, hash) = one_customer();
    let request = serde_json::to_vec(&cell.request("k-1", 10)).unwrap();
    let request = WithdrawalRequest::parse(&request).unwrap();
    let at = TimestampMs(cell.now);
    assert_eq!(state.evaluate_request(&request, at).outcome, Decided::Allow);
    shelf.forget(&hash);
    let denied = state.evaluate_request(&request, at);
    assert_eq!(denied.outcome, Decided::Deny);
    assert!(denied.reasons().iter().any(|reason| reason.code() == "EVALUATION_FAILED"));
    assert_eq!(state.page_fault().unwrap().code(), "PAGE_MISSING");
}

#[test]
fn swapped_and_altered_pages_are_noticed_by_whoever_reads_them() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 3] = [
        |page| *page.last_mut().unwrap() ^= 1,
        |page| {
            page.pop();
        },
        |page| {
            let mut other = holdfast_policy::Activity::default();
            other.register(&customer("c-2"), TimestampMs(1), None);
            *page = other.records().contents().next().unwrap().to_vec();
        },
    ];
    for damage in damages {
        let (cell, mut state, shelf, hash) = one_customer();
        damage(shelf.0.lock().unwrap().get_mut(&hash).unwrap());
        let mut other = cell;
        other.session_of("c-1", 1);
        let refused = state.apply(other.log.last().unwrap()).unwrap_err();
        assert_eq!(refused.code(), "PAGE_DAMAGED");
    }
}

#[test]
fn snapshot_that_names_its_pages_is_one_only_where_they_are() {
    let (cell, mut state, shelf, _) = one_customer();
    let snapshot = shelf.cool(&mut state);
    let elsewhere = State::from_snapshot(&snapshot, &cell.genesis).unwrap();
    assert_eq!(elsewhere.activity().customer(&customer("c-1")), None);
    assert_eq!(elsewhere.page_fault().unwrap().code(), "PAGE_MISSING");
    let here = shelf.restored(&snapshot, &cell).unwrap();
    assert_eq!(here.activity().customer(&customer("c-1")), cell.state.activity().customer(&customer("c-1")));
    // The whole one needs nothing, and one whose pages are lost is none.
    assert_eq!(State::from_snapshot(&here.to_snapshot(), &cell.genesis).unwrap().digest(), state.digest());
    shelf.0.lock().unwrap().clear();
    let torn = shelf.restored(&snapshot, &cell).unwrap().to_snapshot();
    assert_eq!(State::from_snapshot(&torn, &cell.genesis).unwrap_err().code(), "SNAPSHOT_MALFORMED");
}
