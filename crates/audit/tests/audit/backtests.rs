//! Backtests: what another policy would have decided about a log, from an export of it.

use std::sync::Arc;

use holdfast_audit::{Audit, Backtest, Backtester, Event, verify_with};
use holdfast_policy::{ExpectedOutcome, PolicyDocument};

use crate::cell::{Cell, PAYEE};

const DEMO: &str = include_str!("../../../policy/fixtures/demo-policy.toml");

fn backtest(cell: &Cell, policy: &str, end: Option<u64>) -> Backtest {
    let document = Arc::new(PolicyDocument::parse(policy).unwrap());
    let exported = cell.export();
    let mut tester = Backtester::new(&document, end);
    let mut watch = |event: &Event<'_>| tester.watch(event);
    let audit = Audit { watch: Some(&mut watch), suppose: Some(document), ..Audit::default() };
    verify_with(|path| exported.get(path).cloned(), &cell.pinned(), audit).unwrap();
    tester.finish()
}

/// 20,000 USDT held and approved by two, 1,250 USDT paid, 200,000 USDT denied, 6,000 USDT held and approved by one.
fn eventful() -> Cell {
    let mut cell = Cell::ready();
    let id = cell.accept(&cell.request("k-1", 20_000, PAYEE, 0)).withdrawal.unwrap();
    cell.approve_hold(id, "alice");
    cell.approve_hold(id, "bob");
    cell.sign_off(id);
    cell.pay("k-2", 1250, 1);
    cell.accept(&cell.request("k-3", 200_000, PAYEE, 2));
    let id = cell.accept(&cell.request("k-4", 6_000, PAYEE, 3)).withdrawal.unwrap();
    cell.approve_hold(id, "alice");
    cell
}

fn outcomes(backtest: &Backtest) -> Vec<(String, String, String, String)> {
    let turns = backtest.flips.iter().map(|flip| {
        let (request, later) = (&flip.at_request, &flip.with_approvals);
        [&request.before, &request.after, &later.before, &later.after].map(|said| said.outcome.to_string())
    });
    turns.map(|[a, b, c, d]| (a, b, c, d)).collect()
}

fn flip(outcomes: [&str; 4]) -> (String, String, String, String) {
    let [a, b, c, d] = outcomes.map(str::to_owned);
    (a, b, c, d)
}

#[test]
fn policy_in_force_turns_nothing() {
    let cell = eventful();
    let same = backtest(&cell, DEMO, None);
    assert_eq!((same.decided, same.flips.len(), same.customers), (4, 0, 0), "{same:#?}");
    assert_eq!(same.at_request.before, same.at_request.after);
    let counts = same.at_request.before;
    assert_eq!((counts.allow, counts.hold, counts.deny), (1, 2, 1));
    assert_eq!((counts.hold_per_10k, counts.deny_per_10k), (5000, 2500));
    let counts = same.with_approvals.before;
    assert_eq!((counts.allow, counts.hold, counts.deny), (2, 1, 1), "two people approved one of the two");
    assert_eq!(same.size, cell.log.len() as u64);
}

#[test]
fn stricter_and_laxer_policies_turn_what_they_should() {
    let cell = eventful();
    // Held from 1,000 USDT on: nobody was asked to approve what was allowed then
    let strict =
        DEMO.replace("hold_above = { amount = \"5000000000\"", "hold_above = { amount = \"1000000000\"");
    let strict = backtest(&cell, &strict, None);
    assert_eq!(outcomes(&strict), [flip(["allow", "hold", "allow", "hold"])]);
    assert_eq!(
        strict.flips[0].at_request.after.codes.iter().map(|code| code.code()).collect::<Vec<_>>(),
        ["ABOVE_AUTOMATIC_LIMIT"]
    );
    assert_eq!(strict.customers, 1);
    // One person for what needed two: the approval that was given would have been enough
    let one = DEMO.replace(
        "approvals = { withdrawal-approver = 2 } }\ndeny_above = \"100000000000\"",
        "approvals = { withdrawal-approver = 1 } }\ndeny_above = \"100000000000\"",
    );
    assert_eq!(outcomes(&backtest(&cell, &one, None)), [flip(["hold", "hold", "hold", "allow"])]);
    // No approval lifts a denial
    let low = DEMO.replace("deny_above = \"100000000000\"", "deny_above = \"10000000000\"");
    assert_eq!(outcomes(&backtest(&cell, &low, None)), [flip(["hold", "deny", "allow", "deny"])]);
    // And without a person
    let high =
        DEMO.replace("hold_above = { amount = \"5000000000\"", "hold_above = { amount = \"50000000000\"");
    let expected = [flip(["hold", "allow", "allow", "allow"]), flip(["hold", "allow", "hold", "allow"])];
    assert_eq!(outcomes(&backtest(&cell, &high, None)), expected);
}

#[test]
fn windows_of_the_other_policy_are_measured_from_the_first_entry_on() {
    let cell = eventful();
    let with = |deny: &str| {
        let window = format!(
            "[[restriction]]\nid = \"window\"\ntype = \"limit_window\"\nasset = \"USDT\"\nper = [\"wallet\"]\nwindow_ms = 86_400_000\ndeny_above = \"{deny}\"\n\n[risk]"
        );
        backtest(&cell, &DEMO.replacen("[risk]", &window, 1), None)
    };
    // 20,000 were paid before the 1,250 and the 6,000
    assert!(with("27250000000").flips.is_empty());
    let full = with("27249999999");
    assert_eq!(full.flips.len(), 1);
    assert_eq!(full.flips[0].at_request.after.codes[0].code(), "WINDOW_LIMIT_REACHED");
    assert_eq!(with("21249999999").flips.len(), 2);
}

#[test]
fn backtest_of_a_prefix_is_the_same_however_long_the_log_is() {
    let mut cell = eventful();
    let strict = DEMO.replace("deny_above = \"100000000000\"", "deny_above = \"10000000000\"");
    let size = cell.log.len() as u64;
    let then = backtest(&cell, &strict, Some(size));
    cell.submit(&cell.request("k-9", 30_000, PAYEE, 9));
    let now = backtest(&cell, &strict, Some(size));
    assert_eq!((now.canonical_json(), now.digest()), (then.canonical_json(), then.digest()));
    let longer = backtest(&cell, &strict, None);
    assert_ne!(longer.digest(), then.digest());
    assert_eq!(longer.flips.last().unwrap().at_request.after.outcome, ExpectedOutcome::Deny);
}

#[test]
fn claim_names_the_numbers_of_the_request() {
    let cell = eventful();
    let low =
        backtest(&cell, &DEMO.replace("deny_above = \"100000000000\"", "deny_above = \"10000000000\""), None);
    let claim = low.claim();
    assert_eq!((claim.decided, claim.flips, claim.customers, claim.size), (4, 1, 1, cell.log.len() as u64));
    assert_eq!((claim.held.before, claim.held.after), (2, 1));
    assert_eq!((claim.denied.before, claim.denied.after), (1, 2));
    assert_eq!(claim.digest, low.digest());
}
