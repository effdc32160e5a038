//! Two replicas, of which one is thrown away and restored from its snapshot again and again, over every act that the policy engine
//! looks at: they say the same about every entry, every withdrawal and everything that might come next.

mod acts;
mod calls;
mod policy;

use std::collections::BTreeMap;

use holdfast_policy::{TimestampMs, TripCause};
use proptest::{prelude::*, strategy::ValueTree};
use serde_json::json;

use super::cell::{Cell, document, ed25519, genesis_entry};
use super::pages::Shelf;
use crate::*;
use acts::{ACTS, PROVIDERS};

/// What may happen next, and everything it may choose.
type Choice = (u8, [u8; 3]);

/// A cell in which every act is possible, and two replicas that follow its log.
struct Run {
    cell: Cell,
    running: State,
    restored: State,
    followed: usize,
    /// Where the restored one keeps its pages.
    shelf: Shelf,
    /// How often each kind of payload was admitted, and refused.
    seen: BTreeMap<&'static str, (u32, u32)>,
}

fn cell() -> Cell {
    let mut document = document();
    let providers = document["providers"].as_array_mut().unwrap();
    for name in PROVIDERS.iter().filter(|name| **name != "sessions") {
        let key = hex::encode(ed25519(name).verifying_key().to_bytes());
        providers.push(json!({"name": name, "public_key": key}));
    }
    document["policy"] = json!(policy::document(0));
    document["clients"][0]["wallets"] = json!(acts::WALLETS);
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    acts::WALLETS.into_iter().for_each(|wallet| cell.create_wallet(wallet));
    for contact in ["desk-1", "desk-2"] {
        cell.change_roster(acts::add_contact(contact));
    }
    cell.whitelist(super::cell::PAYEE, 500_000);
    cell.now += 10_000;
    acts::report_everything(&mut cell);
    cell
}

impl Run {
    fn new() -> Self {
        let cell = cell();
        let state = State::from_genesis(&cell.genesis).unwrap();
        let mut run = Self {
            restored: state.clone(),
            running: state,
            cell,
            followed: 1,
            shelf: Shelf::default(),
            seen: BTreeMap::new(),
        };
        run.follow();
        run
    }

    /// Both replicas apply what the cell logged, and say the same about it.
    fn follow(&mut self) {
        for entry in &self.cell.log[self.followed..] {
            let (one, other) = (self.running.apply(entry).unwrap(), self.restored.apply(entry).unwrap());
            assert_eq!(one.outcome, other.outcome);
            assert_eq!(self.running.digest(), self.restored.digest());
            let (admitted, refused) = self.seen.entry(one.act.kind().short_name()).or_default();
            match one.outcome {
                Outcome::Admitted(_) => *admitted += 1,
                Outcome::Rejected(_) => *refused += 1,
            }
        }
        self.followed = self.cell.log.len();
    }

    /// Each circuit breaker that tripped, and by what.
    fn trips(&self) -> Vec<String> {
        let mut state = State::from_genesis(&self.cell.genesis).unwrap();
        let mut trips = Vec::new();
        for entry in &self.cell.log[1..] {
            let applied = state.apply(entry).unwrap();
            let event = Event::new(entry, &applied, &state);
            trips.extend(event.trips().map(|(_, trip)| match trip.cause {
                TripCause::Denials { .. } => format!("{} denials", trip.rule),
                TripCause::Outflow { .. } => format!("{} outflow", trip.rule),
            }));
        }
        trips
    }

    fn happen(&mut self, (act, with): Choice) {
        acts::happen(&mut self.cell, act, with);
        self.follow();
    }

    fn restore(&mut self) {
        // No page of histories is in memory from here on until it changes.
        let bytes = self.shelf.cool(&mut self.restored);
        let mut entries = |index: u64| self.cell.log.get(usize::try_from(index).unwrap()).cloned();
        let pages = self.shelf.pages();
        self.restored = State::restore(&bytes, &self.cell.genesis, &mut entries, &pages).unwrap();
        assert_eq!(self.restored.to_paged_snapshot(), bytes);
    }

    /// Nothing that anybody can ask tells the two apart.
    fn compare(&self) {
        let (one, other) = (&self.running, &self.restored);
        assert_eq!(one.to_snapshot(), other.to_snapshot());
        assert!(
            one.whitelist().eq(other.whitelist()) && one.requested_entries().eq(other.requested_entries())
        );
        assert!(one.legal_orders().eq(other.legal_orders()) && one.waits_since().eq(other.waits_since()));
        let open = |state: &State| state.open_withdrawals().map(|open| open.id).collect::<Vec<_>>();
        assert_eq!(open(one), open(other));
        for withdrawal in one.withdrawals() {
            assert_eq!(other.withdrawal(&withdrawal.id), Some(withdrawal.as_ref()));
            for later in [0, 15_000, 100_000] {
                let now = TimestampMs(self.cell.now + later);
                let order =
                    |state: &State| format!("{:?}", state.authorized_withdrawal(&withdrawal.id, 0, now));
                assert_eq!(order(one), order(other));
                assert_eq!(one.decide_again(&withdrawal, now), other.decide_again(&withdrawal, now));
            }
        }
        for later in [1, 30_000, 200_000] {
            let now = TimestampMs(self.cell.now + later);
            for request in acts::probes(&self.cell) {
                assert_eq!(one.evaluate_request(&request, now), other.evaluate_request(&request, now));
            }
            // What would be said to each act, if it came next.
            for act in 0..ACTS {
                for with in [[0, 0, 0], [1, 7, 3], [6, 40, 11]] {
                    let Some(envelope) = acts::envelope(&self.cell, act, with) else { continue };
                    assert_eq!(one.check(&envelope, now), other.check(&envelope, now));
                }
            }
        }
    }

    /// What a replica that applies the log from its first entry comes to.
    fn replayed(&self) -> (Vec<u8>, String) {
        let mut state = State::from_genesis(&self.cell.genesis).unwrap();
        for entry in &self.cell.log[1..] {
            state.apply(entry).unwrap();
        }
        (state.to_snapshot(), state.digest().to_string())
    }
}

fn acts() -> impl Strategy<Value = Vec<(Choice, u8)>> {
    prop::collection::vec(((any::<u8>(), any::<[u8; 3]>()), any::<u8>()), 30..110)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn replica_that_is_restored_at_any_time_cannot_be_told_from_one_that_kept_running(acts in acts()) {
        let mut run = Run::new();
        for (act, restore) in acts {
            run.happen(act);
            if restore < 60 {
                run.restore();
            }
            if restore < 20 {
                run.compare();
            }
        }
        run.restore();
        run.compare();
        // And the log alone says all of it: every process that replays it comes to the same bytes.
        let replayed = run.replayed();
        prop_assert_eq!(&replayed, &run.replayed());
        prop_assert_eq!(replayed, (run.restored.to_snapshot(), run.restored.digest().to_string()));
    }
}

/// Kinds of entries that are admitted, states that withdrawals come to and reasons that are given in the random logs.
const KINDS: [&str; 14] = [
    "session-report",
    "customer-report",
    "price-report",
    "exposure-report",
    "identity-attestation",
    "travel-rule-report",
    "whitelist-request",
    "whitelist-revocation",
    "order-confirmation",
    "screening-update",
    "policy-document",
    "signature",
    "tombstone",
    "shares-erased",
];
const STATES: [WithdrawalState; 6] = [
    WithdrawalState::Held,
    WithdrawalState::Bound,
    WithdrawalState::Authorized,
    WithdrawalState::Signed,
    WithdrawalState::Denied,
    WithdrawalState::Cancelled,
];
const CODES: [&str; 13] = [
    "ABOVE_AUTOMATIC_LIMIT",
    "ABOVE_STEP_UP_LIMIT",
    "WINDOW_ABOVE_AUTOMATIC_LIMIT",
    "WINDOW_LIMIT_REACHED",
    "RISK_STEP_UP",
    "TRAVEL_RULE_ABSENT",
    "DESTINATION_FROZEN",
    "OUTSIDE_TIME_WINDOW",
    "DESTINATION_SANCTIONED",
    "CALL_ARGUMENT_REFUSED",
    "TIER_ABOVE_AUTOMATIC_CEILING",
    "TIER_CEILING_REACHED",
    "BREAKER_TRIPPED",
];

/// The property says nothing about what never happens.
#[test]
fn random_logs_reach_every_act_and_every_state_of_a_withdrawal() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = acts();
    let (mut seen, mut states, mut codes) =
        (BTreeMap::<_, (u32, u32)>::new(), BTreeMap::new(), BTreeMap::new());
    let (mut trips, mut resumes, mut calls) = (BTreeMap::new(), 0_u32, 0_u32);
    for _ in 0..40 {
        let mut run = Run::new();
        for (act, _) in strategy.new_tree(&mut runner).unwrap().current() {
            run.happen(act);
            for withdrawal in run.running.open_withdrawals() {
                *states.entry(withdrawal.logged_state()).or_insert(0_u32) += 1;
                for reason in withdrawal.decision.reasons() {
                    *codes.entry(reason.code()).or_insert(0_u32) += 1;
                }
            }
        }
        for trip in run.trips() {
            *trips.entry(trip).or_insert(0_u32) += 1;
        }
        resumes +=
            u32::try_from(run.running.wallets().map(|wallet| wallet.resumes.len()).sum::<usize>()).unwrap();
        let called = |known: &std::sync::Arc<Withdrawal>| {
            known.request.calldata.is_some() && known.signature.is_some()
        };
        calls += u32::try_from(run.running.withdrawals().filter(called).count()).unwrap();
        for (kind, (admitted, refused)) in run.seen {
            let all = seen.entry(kind).or_default();
            *all = (all.0 + admitted, all.1 + refused);
        }
        for withdrawal in run.running.withdrawals() {
            *states.entry(withdrawal.logged_state()).or_default() += 1;
            for reason in withdrawal.decision.reasons() {
                *codes.entry(reason.code()).or_insert(0_u32) += 1;
            }
        }
    }
    for kind in KINDS {
        let (admitted, _) = seen.get(kind).copied().unwrap_or_default();
        assert!(admitted >= 1, "`{kind}` was admitted {admitted} times: {seen:?}");
    }
    for state in STATES {
        assert!(states.contains_key(&state), "{state:?}: {states:?}");
    }
    for code in CODES {
        assert!(codes.contains_key(code), "`{code}` is never a reason: {codes:?}");
    }
    for trip in ["fuse denials", "fuse outflow", "probing denials"] {
        assert!(trips.contains_key(trip), "`{trip}` never happens: {trips:?}");
    }
    assert!(resumes >= 4 && calls >= 2, "{resumes} resumes, {calls} calls signed");
}
