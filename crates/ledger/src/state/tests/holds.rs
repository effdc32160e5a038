//! Holds by the log: approvals that are taken back, and what time releases.

use holdfast_policy::{HoldDigest, ReasonCode, TimestampMs};
use serde_json::json;

use super::after::{gwei, pays_usdt};
use super::cell::{Cell, PAYEE, document, genesis_entry, signed_statement};
use crate::*;

const HOUR: u64 = 3_600_000;
const BAND: &str = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }";

/// A cell whose policy has other bands for USDT.
pub(super) fn with_bands(bands: &str) -> Cell {
    let mut document = document();
    let policy = document["policy"].as_str().unwrap();
    assert!(policy.contains(BAND));
    document["policy"] = json!(policy.replacen(BAND, &format!("hold_above = {bands}"), 1));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell.whitelist(PAYEE, 24 * HOUR);
    cell
}

/// Above 5,000 USDT an hour must pass, and nobody can shorten it.
fn cooling_off() -> Cell {
    with_bands("{ amount = \"5000000000\", timer_ms = 3600000, at_end = \"release\" }")
}

impl Cell {
    /// A withdrawal of 6,000 USDT that is valid for two hours.
    pub(super) fn ask_for_6000(&mut self, key: &str) -> WithdrawalId {
        let mut request = self.request(key, 6_000);
        request["expires_at_ms"] = json!(self.now + 2 * HOUR);
        self.ask(&request)
    }

    fn says(&mut self, officer: &str, body: StatementBody) -> Outcome {
        self.now += 1;
        let statement = self.statement(officer, body);
        self.submit(&statement)
    }

    fn approves(&mut self, officer: &str, id: WithdrawalId) {
        let outcome = self.says(officer, StatementBody::ApproveHold(id));
        assert!(matches!(outcome, Outcome::Admitted(_)), "{outcome:?}");
    }

    fn refuses(&mut self, officer: &str, body: StatementBody) -> &'static str {
        self.now += 1;
        let statement = self.statement(officer, body);
        self.refuse(&statement)
    }
}

#[test]
fn approval_that_is_taken_back_counts_no_more_and_may_be_given_again() {
    let mut cell = Cell::ready();
    let id = cell.ask_for_6000("k-1");
    cell.approves("alice", id);
    cell.approves("carol", id);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    let taken_back = cell.statement("carol", StatementBody::WithdrawApproval(id));
    cell.accept(&taken_back);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
    assert_eq!(cell.refuse(&taken_back), "STATEMENT_ALREADY_USED");
    cell.approves("carol", id);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    assert_eq!(
        cell.refuse(&taken_back),
        "STATEMENT_ALREADY_USED",
        "the old words do not take the new one back"
    );
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(cell.order(id).is_ok());
}

#[test]
fn nobody_takes_back_what_somebody_else_approved() {
    let mut cell = Cell::ready();
    let id = cell.ask_for_6000("k-1");
    cell.approves("alice", id);
    assert_eq!(cell.refuses("bob", StatementBody::WithdrawApproval(id)), "NOT_APPROVED");
    let alice = cell.statement("alice", StatementBody::WithdrawApproval(id));
    let text = String::from_utf8(alice.payload).unwrap();
    assert_eq!(
        cell.refuse(&signed_statement("alice", &text.replace("6000 USDT", "1 USDT"))),
        "STATEMENT_MISMATCH"
    );
    assert_eq!(cell.withdrawal(id).approvals.len(), 1);
}

#[test]
fn after_authorization_it_is_too_late_to_take_an_approval_back() {
    let mut cell = Cell::ready();
    let id = cell.ask_for_6000("k-1");
    cell.approves("alice", id);
    cell.approves("bob", id);
    let early = cell.statement("alice", StatementBody::WithdrawApproval(id));
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    // The words do not depend on what the withdrawal waits for, so the answer is the true one.
    assert_eq!(cell.refuse(&early), "APPROVAL_FINAL");
    assert!(cell.order(id).is_ok());
    let cancelled = cell.ask_for_6000("k-2");
    cell.approves("alice", cancelled);
    let rejected = cell.says("bob", StatementBody::RejectHold(cancelled));
    assert!(matches!(rejected, Outcome::Admitted(_)));
    assert_eq!(cell.refuses("alice", StatementBody::WithdrawApproval(cancelled)), "WITHDRAWAL_NOT_HELD");
}

#[test]
fn withdrawal_that_waits_for_time_is_authorized_from_its_moment_on_and_not_before() {
    let mut cell = cooling_off();
    let asked_at = cell.now + 1;
    let id = cell.ask_for_6000("k-1");
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    assert_eq!(cell.withdrawal(id).released_at(), Some(TimestampMs(asked_at + HOUR)));
    let authorize = cell.authorize(id);
    cell.now = asked_at + HOUR - 2;
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
    assert_eq!(cell.now, asked_at + HOUR - 1);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
    assert!(cell.order(id).is_ok());
    let back = TimestampMs(asked_at + HOUR - 1);
    assert!(
        cell.state.authorized_withdrawal(&id, 0, back).is_ok(),
        "a clock behind the log is not before it"
    );
}

#[test]
fn nobody_approves_what_waits_for_nobody_and_anybody_rejects_it() {
    let mut cell = cooling_off();
    let id = cell.ask_for_6000("k-1");
    assert_eq!(cell.refuses("alice", StatementBody::ApproveHold(id)), "WITHDRAWAL_NOT_HELD");
    assert!(cell.withdrawal(id).released_at().is_some());
    let rejected = cell.says("carol", StatementBody::RejectHold(id));
    assert!(matches!(rejected, Outcome::Admitted(_)));
    assert_eq!(cell.withdrawal(id).released_at(), None);
    cell.now += HOUR;
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
}

#[test]
fn what_changed_meanwhile_is_seen_when_time_releases_it() {
    let mut cell = cooling_off();
    let id = cell.ask_for_6000("k-1");
    cell.now += HOUR;
    cell.session(false, true);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(id), WithdrawalState::Held, "the second factor was reset while it waited");
    let decision = &cell.withdrawal(id).decision;
    assert!(decision.reasons().contains(&ReasonCode::RiskHold));
    assert_eq!(decision.hold().unwrap().release_at, None);
}

#[test]
fn transaction_that_is_bound_after_the_wait_makes_it_ready() {
    let mut cell = cooling_off();
    let mut request = cell.request("k-1", 6_000);
    request["expires_at_ms"] = json!(cell.now + 2 * HOUR);
    let transaction = request["transaction"].take();
    request.as_object_mut().unwrap().remove("transaction");
    let id = cell.ask(&request);
    cell.now += HOUR;
    let bind =
        json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "transaction": transaction});
    cell.accept(&super::cell::sign(PayloadKind::BindTransaction, &bind, "client", "pipeline"));
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
}

#[test]
fn fee_bump_of_what_waited_does_not_wait_again() {
    let mut cell = cooling_off();
    let id = cell.ask_for_6000("k-1");
    cell.now += HOUR;
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let dearer = pays_usdt(PAYEE, 6_000, 0, gwei(40, 2));
    let request = cell.replacement("k-2", id, "bump-fee", &dearer);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Bound);
}

#[test]
fn place_in_windows_is_kept_while_time_runs() {
    let mut cell = cooling_off();
    let id = cell.ask_for_6000("k-1");
    let expires = cell.withdrawal(id).request.expires_at_ms;
    let stage = cell.state.outflows().open().next().unwrap().2;
    assert_eq!(stage, holdfast_policy::OutflowStage::Reserved { until: expires });
    assert_eq!(cell.withdrawal(id).request.destination.to_string(), PAYEE);
}

#[test]
fn what_time_released_is_not_authorized_without_time_left_to_sign_it() {
    // Nodes refuse at the expiry by their own clocks, which may be ahead by five seconds.
    for (left, authorized) in [(5_001, true), (5_000, false)] {
        let mut cell = cooling_off();
        let id = cell.ask_for_6000("k-1");
        let expires = cell.withdrawal(id).request.expires_at_ms.0;
        let authorize = cell.authorize(id);
        cell.now = expires - left - 1;
        let outcome = cell.submit(&authorize);
        assert_eq!(matches!(outcome, Outcome::Admitted(_)), authorized, "{left}: {outcome:?}");
    }
}

#[test]
fn officers_neither_reject_nor_approve_what_is_not_held_any_more() {
    let mut cell = Cell::ready();
    let request = cell.request("bound", 10);
    let bound = cell.ask(&request);
    let authorized = cell.authorized("authorized", 10, 1);
    let signed = cell.signed("signed", 10, 2);
    let expired = cell.ask_for_6000("expired");
    for id in [bound, authorized, signed] {
        assert_eq!(cell.refuses("carol", StatementBody::RejectHold(id)), "WITHDRAWAL_NOT_HELD");
    }
    cell.now += 2 * HOUR;
    assert_eq!(cell.state_of(expired), WithdrawalState::Expired);
    for body in [StatementBody::ApproveHold(expired), StatementBody::RejectHold(expired)] {
        let statement = cell.statement("carol", body);
        let rejection = cell.state.check(&statement, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert_eq!(rejection.code().as_str(), "WITHDRAWAL_NOT_HELD");
    }
}

#[test]
fn withdrawal_rests_on_time_as_long_as_time_has_to_release_it_and_names_when_it_was_asked_for() {
    let mut cell = cooling_off();
    let request = cell.request("small", 10);
    let small = cell.ask(&request);
    let waits = cell.ask_for_6000("large");
    let since = cell.withdrawal(waits).positions.request;
    assert!(!cell.state.rests_on_time(&small));
    assert!(!cell.state.rests_on_time(&WithdrawalId::of("demo-1", "pipeline", "never")));
    assert!(cell.state.rests_on_time(&waits));
    assert_eq!(cell.state.waits_since().collect::<Vec<_>>(), [since]);
    cell.now += HOUR;
    let authorize = cell.authorize(waits);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(waits), WithdrawalState::Authorized);
    assert!(cell.state.rests_on_time(&waits), "a node asks once more before it signs");
    assert_eq!(cell.state.waits_since().collect::<Vec<_>>(), [since]);
}

#[test]
fn missing_approvals_are_those_of_the_hold_in_force_by_the_roles_of_now() {
    let mut cell = Cell::ready();
    let id = cell.ask_for_6000("k-1");
    let missing = |cell: &Cell, at: u64| {
        let missing = cell.state.missing_approvals(cell.withdrawal(id), TimestampMs(at));
        missing.values().sum::<u32>()
    };
    assert_eq!(missing(&cell, cell.now), 2);
    cell.approves("alice", id);
    assert_eq!(missing(&cell, cell.now), 1);
    // An approval that has expired counts no more
    let expires = cell.withdrawal(id).approvals[0].expires_at.0;
    assert_eq!((missing(&cell, expires - 1), missing(&cell, expires)), (1, 2));
    // Nor does one for other reasons, nor the requester's own
    let lacks = |changed: &Withdrawal| {
        cell.state.missing_approvals(changed, TimestampMs(cell.now)).values().sum::<u32>()
    };
    let (mut of_other_hold, mut of_requester) = (cell.withdrawal(id).clone(), cell.withdrawal(id).clone());
    assert_eq!(lacks(&of_requester), 1);
    of_other_hold.approvals[0].hold = HoldDigest::from_bytes([7; 32]);
    of_requester.request.client = "alice".parse().unwrap();
    assert_eq!((lacks(&of_other_hold), lacks(&of_requester)), (2, 2));
    cell.approves("carol", id);
    assert_eq!(missing(&cell, cell.now), 0, "it is held no more");
}
