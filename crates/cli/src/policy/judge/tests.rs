//! Attacks on officers who approve a policy: numbers that are not those of the log.

use std::sync::Arc;

use holdfast_audit::{Backtester, History, Interest};
use holdfast_ledger::PayloadKind;
use holdfast_policy::PolicyDocument;
use serde_json::json;

use super::*;
use crate::testing::TestCell;

/// The policy of a cell with another automatic limit for USDT.
fn limited(cell: &TestCell, usdt: u64) -> PolicyDocument {
    let text = cell.state().policy().source().replace(
        "hold_above = { amount = \"5000000000\"",
        &format!("hold_above = {{ amount = \"{usdt}000000\""),
    );
    PolicyDocument::parse(&text).unwrap()
}

fn backtested(cell: &TestCell, document: &PolicyDocument, size: u64) -> Backtest {
    let mut tester = Backtester::new(document, Some(size));
    let history = History::begin_with(&cell.log[0], &cell.session.profile.genesis_sha256, Interest::Nothing);
    let mut history = history.unwrap().supposing(Some(&Arc::new(document.clone())));
    for entry in &cell.log[1..] {
        history.append_watched(entry, &mut |event| tester.watch(event)).unwrap();
    }
    tester.finish()
}

/// A cell that paid 1,250 USDT and has a stricter policy waiting.
fn cell_with_upload() -> (TestCell, PolicyDocument) {
    let mut cell = TestCell::ready();
    cell.signed();
    let document = limited(&cell, 1000);
    let payload = json!({"cluster": cell.session.cluster(), "policy": document.source()});
    let upload =
        cell.sign(PayloadKind::PolicyDocument, &payload, "coordinator:coordinator", "coordinator/entry.key");
    cell.accept(&upload);
    (cell, document)
}

#[test]
fn claim_that_this_machines_replay_does_not_give_is_refused() {
    let (cell, document) = cell_with_upload();
    let derived = backtested(&cell, &document, cell.state().size());
    let honest = derived.claim();
    assert_eq!((honest.decided, honest.flips, honest.held.after), (1, 1, 1), "{derived:?}");
    judge(&honest, &derived).unwrap();
    let other = backtested(&cell, &limited(&cell, 5000), cell.state().size());
    assert_eq!(other.claim().flips, 0);
    for lie in [
        BacktestClaim { flips: 0, ..honest },
        BacktestClaim { digest: other.digest(), ..honest },
        BacktestClaim { size: honest.size - 1, ..honest },
        BacktestClaim { decided: 9, ..honest },
        BacktestClaim { customers: 0, ..honest },
        BacktestClaim { held: honest.denied, ..honest },
        BacktestClaim { denied: honest.held, ..honest },
        other.claim(),
    ] {
        assert_eq!(judge(&lie, &derived).unwrap_err().reason(), "BACKTEST_MISMATCH");
    }
}

#[test]
fn backtest_at_the_position_that_the_proposal_names_does_not_change_when_the_log_goes_on() {
    let (mut cell, document) = cell_with_upload();
    let size = cell.state().size();
    let then = backtested(&cell, &document, size);
    let request = cell.request_under("k-2", "1300 USDT", 1);
    cell.ask(&request);
    assert_eq!(backtested(&cell, &document, size).canonical_json(), then.canonical_json());
    assert_eq!(backtested(&cell, &document, u64::MAX).decided, 2);
}

#[test]
fn proposal_with_another_diff_is_refused_before_anything_is_signed() {
    let (cell, document) = cell_with_upload();
    let claim = backtested(&cell, &document, cell.state().size()).claim();
    let honest = cell.state().policy_proposal(&document.hash(), claim).unwrap();
    diff(cell.state(), &honest).unwrap();
    let lie = PolicyProposal { diff: "00".repeat(32).parse().unwrap(), ..honest };
    assert_eq!(diff(cell.state(), &lie).unwrap_err().reason(), "DIFF_MISMATCH");
}
