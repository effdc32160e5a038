//! Session reports of several providers: no clean report hides another provider's warning while that one is young.

use serde_json::json;

use super::cell::{Cell, PAYEE, document, ed25519, genesis_entry, sign};
use crate::*;

/// How old a report may be by the demo policy.
const MAX_AGE: u64 = 86_400_000;

/// A cell in which the provider `devices` reports about sessions, too.
fn cell() -> Cell {
    cell_with("[risk]")
}

/// The same with another beginning of the table of weights.
fn cell_with(risk: &str) -> Cell {
    let mut document = document();
    document["policy"] = json!(document["policy"].as_str().unwrap().replacen("[risk]", risk, 1));
    let key = hex::encode(ed25519("devices").verifying_key().to_bytes());
    document["providers"].as_array_mut().unwrap().push(json!({"name": "devices", "public_key": key}));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell.whitelist(PAYEE, 10 * MAX_AGE);
    cell
}

/// The first report of `devices`.
fn warn(cell: &mut Cell, new_device: bool, second_factor_reset: bool) {
    let report = json!({"cluster": "demo-1", "provider": "devices", "sequence": 1, "customer": "c-1",
        "observed_at_ms": cell.now, "new_device": new_device, "second_factor_reset": second_factor_reset});
    cell.accept(&sign(PayloadKind::SessionReport, &report, "provider", "devices"));
}

fn asked(cell: &mut Cell, key: &str) -> WithdrawalState {
    let request = cell.request(key, 10);
    let id = cell.ask(&request);
    cell.state_of(id)
}

#[test]
fn newer_clean_report_does_not_hide_another_providers_warning() {
    let mut cell = cell();
    assert_eq!(asked(&mut cell, "k-1"), WithdrawalState::Bound);
    warn(&mut cell, false, true);
    cell.now += 1;
    cell.session(false, false);
    assert_eq!(asked(&mut cell, "k-2"), WithdrawalState::Held);
}

#[test]
fn each_warning_adds_its_own_part_of_the_score() {
    for (new_device, second_factor_reset, score) in
        [(false, false, 0), (true, false, 25), (false, true, 45), (true, true, 70)]
    {
        let mut cell = cell();
        warn(&mut cell, new_device, second_factor_reset);
        cell.now += 1;
        cell.session(false, false);
        let request = cell.request("k-1", 10);
        let id = cell.ask(&request);
        assert_eq!(cell.withdrawal(id).decision.risk.score, score);
    }
}

#[test]
fn warning_counts_as_long_as_reports_do_and_not_a_millisecond_longer() {
    let mut cell = cell();
    let warned_at = cell.now;
    warn(&mut cell, false, true);
    cell.now = warned_at + MAX_AGE - 10;
    cell.session(false, false);
    // The request's entry is the next millisecond.
    cell.now = warned_at + MAX_AGE - 1;
    assert_eq!(asked(&mut cell, "k-1"), WithdrawalState::Held);
    assert_eq!(asked(&mut cell, "k-2"), WithdrawalState::Bound);
}

const NAMED: &str = "[sessions]\nproviders = [\"sessions\"]\n\n[risk]";

/// A clean report about the customer `c-2` by a provider that is there for something else.
fn vouching(cell: &Cell) -> holdfast_log::Envelope {
    let report = json!({"cluster": "demo-1", "provider": "devices", "sequence": 1, "customer": "c-2",
        "observed_at_ms": cell.now, "new_device": false, "second_factor_reset": false});
    sign(PayloadKind::SessionReport, &report, "provider", "devices")
}

#[test]
fn provider_that_is_there_for_other_facts_vouches_for_no_session_and_no_account() {
    let mut cell = cell_with(NAMED);
    let report = vouching(&cell);
    assert_eq!(cell.would_refuse(&report), "PROVIDER_NOT_NAMED");
    let account = json!({"cluster": "demo-1", "provider": "devices", "sequence": 1, "customer": "c-2",
        "opened_at_ms": 1, "last_active_at_ms": cell.now, "observed_at_ms": cell.now});
    assert_eq!(
        cell.refuse(&sign(PayloadKind::CustomerReport, &account, "provider", "devices")),
        "PROVIDER_NOT_NAMED"
    );
    assert_eq!(asked(&mut cell, "k-1"), WithdrawalState::Bound, "the named one counts");
}

#[test]
fn what_a_provider_reported_before_the_policy_left_it_out_counts_no_more() {
    let mut cell = cell();
    let report = vouching(&cell);
    cell.accept(&report);
    let ask = |cell: &mut Cell, key: &str| {
        let mut request = cell.request(key, 10);
        request["customer"] = json!("c-2");
        let id = cell.ask(&request);
        cell.withdrawal(id).decision.main_reason().map(|reason| reason.code())
    };
    assert_eq!(ask(&mut cell, "k-1"), None);
    let named = cell.state.policy().source().replacen("[risk]", NAMED, 1);
    cell.change_policy(&named);
    assert_eq!(ask(&mut cell, "k-2"), Some("SESSION_REPORT_ABSENT"));
}

#[test]
fn late_report_is_merged_with_its_own_providers_earlier_one_and_with_nobody_elses() {
    let mut cell = cell();
    warn(&mut cell, true, true);
    let sequence = cell.state.next_sequence(&"sessions".parse().unwrap());
    let late = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "customer": "c-1",
        "observed_at_ms": cell.now - 5, "new_device": false, "second_factor_reset": false});
    cell.accept(&sign(PayloadKind::SessionReport, &late, "provider", "sessions"));
    let reports = &cell.state.sessions[&"c-1".parse::<holdfast_policy::CustomerRef>().unwrap()];
    let warnings: Vec<_> =
        reports.iter().map(|report| (report.provider.as_str(), report.new_device)).collect();
    assert_eq!(warnings, [("devices", true), ("sessions", false)]);
}
