//! Explanations: everything a person asks about a withdrawal is on the page, also what was tried and refused.

use holdfast_audit::explain;
use holdfast_ledger::WithdrawalId;

use crate::cell::{Cell, PAYEE, USDT};

#[test]
fn page_answers_who_what_why_and_where() {
    let mut cell = Cell::ready();
    let id = cell.accept(&cell.request("k-1", 20_000, PAYEE, 0)).withdrawal.unwrap();
    cell.approve_hold(id, "alice");
    cell.approve_hold(id, "bob");
    cell.sign_off(id);
    let verified = cell.verify(&cell.export()).unwrap();
    let explanation = explain(verified.history(), &id).unwrap();
    let page = explanation.to_string();
    let contract_call = format!("call transfer({PAYEE}, 20000000000) of the token contract {USDT}");
    for part in [
        "client `pipeline` for customer `c-1`",
        "pay 20000 USDT (20000000000 base units) on chain 1",
        &contract_call,
        "account nonce 0, fee at most 0.00195 ETH",
        "ALLOW",
        "ABOVE_AUTOMATIC_LIMIT",
        "APPROVALS_COMPLETE",
        "risk score 0 of 100",
        "SECOND_FACTOR_RESET",
        "officer `alice`",
        "officer `bob`",
        "nodes `node-1` and `node-3`",
        "client:pipeline: asks to pay 20000 USDT",
        "-> HELD",
        "-> SIGNED",
    ] {
        assert!(page.contains(part), "`{part}` is not on the page:\n{page}");
    }
    assert_eq!(explanation.steps.len(), 5);
    assert_eq!(explanation.steps[4].leaf_hash, cell.log.last().unwrap().leaf_hash().to_hex());
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["signed"]["nodes"], serde_json::json!(["node-1", "node-3"]));
    assert_eq!(json["steps"][0]["state"], "HELD");
}

#[test]
fn refused_attempts_stay_on_the_page() {
    let mut cell = Cell::ready();
    let id = cell.pay("k-1", 1250, 0);
    cell.submit(&cell.request("k-1", 1251, PAYEE, 1));
    let verified = cell.verify(&cell.export()).unwrap();
    let page = explain(verified.history(), &id).unwrap().to_string();
    assert!(page.contains("no-op IDEMPOTENCY_KEY_REUSED"), "{page}");
}

#[test]
fn unknown_withdrawal_has_no_explanation() {
    let cell = Cell::ready();
    let verified = cell.verify(&cell.export()).unwrap();
    assert!(explain(verified.history(), &WithdrawalId::of("demo-1", "pipeline", "none")).is_none());
}
