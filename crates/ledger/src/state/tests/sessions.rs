//! Session reports of several providers: no clean report hides another provider's warning while that one is young.

use serde_json::json;

use super::cell::{Cell, PAYEE, document, ed25519, genesis_entry, sign};
use crate::*;

/// How old a report may be by the demo policy.
const MAX_AGE: u64 = 86_400_000;

/// A cell in which the provider `devices` reports about sessions, too.
fn cell() -> Cell {
    let mut document = document();
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
