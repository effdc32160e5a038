//! Travel Rule reports: about this intent and no other, by whom the policy names, and what they do to withdrawals that wait or are
//! authorized.

use holdfast_log::Envelope;
use holdfast_policy::TimestampMs;
use serde_json::{Value, json};

use super::after::{gwei, pays_usdt};
use super::cell::{Cell, PAYEE, document, genesis_entry, sign};
use crate::*;

fn with_rule(providers: &str) -> Cell {
    let mut document = document();
    let rule = format!(
        "[[restriction]]\nid = \"travel\"\ntype = \"travel_rule\"\nabove = {{ USDT = \"1000000000\" }}\n\
         providers = [{providers}]\napprovals = {{ withdrawal-approver = 2 }}\n\n[risk]"
    );
    document["policy"] = json!(document["policy"].as_str().unwrap().replacen("[risk]", &rule, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

impl Cell {
    fn report(&self, sequence: u64, id: WithdrawalId, state: &str) -> Value {
        json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "withdrawal": id,
            "intent": hex::encode(self.withdrawal(id).request_digest), "state": state,
            "message": "ab".repeat(32), "observed_at_ms": self.now})
    }
}

fn signed(report: &Value) -> Envelope {
    sign(PayloadKind::TravelRuleReport, report, "provider", "sessions")
}

fn main_reason(cell: &Cell, id: WithdrawalId) -> Option<&'static str> {
    cell.withdrawal(id).decision.main_reason().map(|reason| reason.code())
}

#[test]
fn withdrawal_above_the_threshold_waits_for_the_exchange() {
    let mut cell = with_rule("\"sessions\"");
    let id = cell.ask(&cell.request("k-1", 1_250));
    assert_eq!(
        (cell.state_of(id), main_reason(&cell, id)),
        (WithdrawalState::Held, Some("TRAVEL_RULE_ABSENT"))
    );
    for (sequence, state, code) in [
        (2, "required", Some("TRAVEL_RULE_PENDING")),
        (3, "sent", Some("TRAVEL_RULE_PENDING")),
        (4, "accepted", None),
    ] {
        cell.now += 1;
        let report = cell.report(sequence, id, state);
        assert_eq!(cell.accept(&signed(&report)).withdrawal, Some(id));
        assert_eq!(main_reason(&cell, id), code, "{state}");
    }
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    assert_eq!(cell.withdrawal(id).travel.len(), 1);
    let below = cell.ask(&cell.request("k-2", 1_000));
    assert_eq!(main_reason(&cell, below), None);
}

#[test]
fn rejected_exchange_ends_the_withdrawal_and_stops_nodes_from_signing_what_was_authorized() {
    let mut cell = with_rule("\"sessions\"");
    let (held, authorized) = (cell.ask(&cell.request("k-1", 1_250)), cell.ask(&cell.request("k-2", 1_250)));
    let report = cell.report(2, authorized, "not-required");
    cell.accept(&signed(&report));
    cell.accept_authorize(authorized);
    cell.state.authorized_withdrawal(&authorized, 0, TimestampMs(cell.now)).unwrap();
    for (sequence, id) in [(3, held), (4, authorized)] {
        cell.now += 1;
        let report = cell.report(sequence, id, "rejected");
        cell.accept(&signed(&report));
    }
    assert_eq!(
        (cell.state_of(held), main_reason(&cell, held)),
        (WithdrawalState::Denied, Some("TRAVEL_RULE_REJECTED"))
    );
    assert_eq!(cell.state_of(authorized), WithdrawalState::Authorized);
    let refusal = cell.state.authorized_withdrawal(&authorized, 0, TimestampMs(cell.now)).unwrap_err();
    assert_eq!(refusal, OrderRefusal::PolicyRefuses("TRAVEL_RULE_REJECTED".to_owned()));
}

#[test]
fn late_report_of_an_earlier_moment_clears_nothing() {
    let mut cell = with_rule("\"sessions\"");
    let id = cell.ask(&cell.request("k-1", 1_250));
    let report = cell.report(2, id, "sent");
    cell.accept(&signed(&report));
    let mut late = cell.report(3, id, "accepted");
    late["observed_at_ms"] = report["observed_at_ms"].clone();
    cell.accept(&signed(&late));
    assert_eq!(main_reason(&cell, id), Some("TRAVEL_RULE_PENDING"));
}

#[test]
fn report_about_another_intent_out_of_sequence_or_by_a_provider_that_is_not_named_is_refused() {
    let mut cell = with_rule("\"sessions\"");
    let id = cell.ask(&cell.request("k-1", 1_250));
    let good = cell.report(2, id, "accepted");
    for (member, value, code) in [
        ("intent", json!("00".repeat(32)), "DIGEST_MISMATCH"),
        ("withdrawal", json!(WithdrawalId::of("demo-1", "pipeline", "other")), "UNKNOWN_WITHDRAWAL"),
        ("sequence", json!(3), "SEQUENCE_GAP"),
        ("sequence", json!(1), "ALREADY_RECORDED"),
        ("observed_at_ms", json!(cell.now + 60_000), "FIELD_INVALID"),
        ("state", json!("fine"), "FIELD_INVALID"),
        ("name", json!("Alice"), "FIELD_INVALID"),
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH"),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert_eq!(cell.would_refuse(&signed(&bad)), code, "{member}");
    }
    cell.accept(&signed(&good));
    let mut other = with_rule("\"vasp-net\"");
    let id = other.ask(&other.request("k-1", 1_250));
    let report = other.report(2, id, "accepted");
    assert_eq!(other.refuse(&signed(&report)), "PROVIDER_NOT_NAMED");
}

#[test]
fn fee_bump_rests_on_the_exchange_about_what_it_replaces() {
    let mut cell = with_rule("\"sessions\"");
    let mut request = cell.request("k-1", 1_250);
    request["transaction"] = json!(pays_usdt(PAYEE, 1_250, 7, gwei(30, 1)).to_hex());
    let id = cell.ask(&request);
    let report = cell.report(2, id, "accepted");
    cell.accept(&signed(&report));
    cell.accept_authorize(id);
    let bump = cell.replacement("k-2", id, "bump-fee", &pays_usdt(PAYEE, 1_250, 7, gwei(60, 2)));
    let bump = cell.replace(&bump);
    assert_eq!(main_reason(&cell, bump), None);
}

#[test]
fn snapshot_keeps_reports() {
    let mut cell = with_rule("\"sessions\"");
    let id = cell.ask(&cell.request("k-1", 1_250));
    let report = cell.report(2, id, "accepted");
    cell.accept(&signed(&report));
    let bytes = cell.state.to_snapshot();
    let restored = State::from_snapshot(&bytes, &cell.genesis).unwrap();
    assert_eq!(restored.to_snapshot(), bytes);
    assert_eq!(restored.withdrawal(&id), cell.state.withdrawal(&id));
    assert_eq!(restored.next_sequence(&"sessions".parse().unwrap()), 3);
}

#[test]
fn exchange_that_is_refused_stops_the_fee_bump_too_whichever_of_both_the_report_names() {
    for (authorized_first, names_bump) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut cell = with_rule("\"sessions\"");
        let mut request = cell.request("k-1", 1_250);
        request["transaction"] = json!(pays_usdt(PAYEE, 1_250, 7, gwei(30, 1)).to_hex());
        let id = cell.ask(&request);
        let report = cell.report(2, id, "accepted");
        cell.accept(&signed(&report));
        cell.accept_authorize(id);
        let bump = cell.replacement("k-2", id, "bump-fee", &pays_usdt(PAYEE, 1_250, 7, gwei(60, 2)));
        let bump = cell.replace(&bump);
        if authorized_first {
            cell.accept_authorize(bump);
            assert_eq!(cell.state_of(id), WithdrawalState::Replaced);
            cell.order(bump).unwrap();
        }
        let report = cell.report(3, if names_bump { bump } else { id }, "rejected");
        cell.accept(&signed(&report));
        if !authorized_first && !names_bump {
            cell.accept_authorize(bump);
        }
        assert!(cell.order(bump).is_err());
        let denied = cell.state_of(bump) == WithdrawalState::Denied;
        assert_eq!(denied, !authorized_first);
        // What a restored replica thinks of it
        let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
        assert!(restored.authorized_withdrawal(&bump, 0, TimestampMs(cell.now)).is_err());
    }
}

#[test]
fn newer_report_about_the_bump_counts_before_an_older_one_about_what_it_replaces() {
    let mut cell = with_rule("\"sessions\"");
    let mut request = cell.request("k-1", 1_250);
    request["transaction"] = json!(pays_usdt(PAYEE, 1_250, 7, gwei(30, 1)).to_hex());
    let id = cell.ask(&request);
    let report = cell.report(2, id, "accepted");
    cell.accept(&signed(&report));
    cell.accept_authorize(id);
    let bump = cell.replacement("k-2", id, "bump-fee", &pays_usdt(PAYEE, 1_250, 7, gwei(60, 2)));
    let bump = cell.replace(&bump);
    let (pending, accepted) = (cell.report(3, id, "required"), {
        let mut report = cell.report(4, bump, "accepted");
        report["observed_at_ms"] = json!(cell.now + 1);
        report
    });
    cell.accept(&signed(&pending));
    cell.accept(&signed(&accepted));
    assert_eq!(main_reason(&cell, bump), None);
    cell.accept_authorize(bump);
    cell.order(bump).unwrap();
}
