//! Explanations: everything a person asks about a withdrawal is on the page, also what was tried and refused.

use holdfast_audit::explain;
use holdfast_chains::SignedTransaction;
use holdfast_ledger::{PayloadKind, WithdrawalId};
use holdfast_log::Envelope;
use serde_json::{Value, json};

use crate::cell::{Cell, PAYEE, USDT, ed25519, priced, sign};

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
    let contract_call =
        format!("call transfer({PAYEE}, 20000000000) of the token contract {USDT}: 20000 USDT\n");
    for part in [
        "client `pipeline` for customer `c-1`",
        "pay 20000 USDT (20000000000 base units) on chain 1",
        &contract_call,
        "account nonce 0, fee at most 0.00195 ETH",
        "ALLOW",
        "ABOVE_AUTOMATIC_LIMIT",
        "APPROVALS_COMPLETE",
        "old, at most 1 day count",
        "fee cap 0.01 ETH is not above 0.05 ETH",
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
fn page_has_spans_that_need_not_be_counted_out() {
    let mut cell = Cell::ready();
    cell.now += 90_000;
    let id = cell.pay("k-1", 1250, 0);
    let page = page(&cell, &id);
    assert!(page.contains("is 1 minute 30.003 seconds old, at most 1 day count"), "{page}");
    assert!(!page.contains(" ms "), "{page}");
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

fn by_pipeline(kind: PayloadKind, payload: &Value) -> Envelope {
    sign(kind, payload, "client:pipeline", &ed25519("pipeline"))
}

/// A withdrawal that is authorized, and the same for a higher fee, signed in its place.
fn bumped(cell: &mut Cell) -> (WithdrawalId, WithdrawalId) {
    let original = cell.accept(&cell.request("k-1", 1250, PAYEE, 0)).withdrawal.unwrap();
    cell.authorize(original);
    let request = json!({"cluster": "demo-1", "client": "pipeline", "of": original, "action": "bump-fee",
        "fee_cap": "10000000000000000", "idempotency_key": "k-2", "created_at_ms": cell.now,
        "expires_at_ms": cell.now + 600_000, "transaction": priced(PAYEE, 1250, 0, 2).to_hex()});
    let bump = cell.accept(&by_pipeline(PayloadKind::ReplacementRequest, &request)).withdrawal.unwrap();
    cell.sign_off(bump);
    (original, bump)
}

fn page(cell: &Cell, id: &WithdrawalId) -> String {
    explain(cell.verify(&cell.export()).unwrap().history(), id).unwrap().to_string()
}

#[test]
fn replaced_withdrawal_and_the_one_in_its_place_name_each_other() {
    let mut cell = Cell::ready();
    let (original, bump) = bumped(&mut cell);
    let of_original = page(&cell, &original);
    assert!(of_original.contains(&format!("replaced by {bump} (SIGNED)")), "{of_original}");
    assert!(of_original.contains(&format!("authorizes {bump} in its place -> REPLACED")), "{of_original}");
    let of_bump = page(&cell, &bump);
    assert!(of_bump.contains(&format!("it replaces {original} (REPLACED)")), "{of_bump}");
    assert!(of_bump.contains("a higher fee for"), "{of_bump}");
}

#[test]
fn oaths_and_outcomes_are_on_the_page() {
    let mut cell = Cell::ready();
    let (original, bump) = bumped(&mut cell);
    for node in [1, 2] {
        let oath = json!({"cluster": "demo-1", "node": format!("node-{node}"), "incarnation": 1, "withdrawal": original});
        let key = ed25519(&format!("message-{node}"));
        cell.accept(&sign(PayloadKind::Tombstone, &oath, &format!("node:node-{node}"), &key));
    }
    let of_original = page(&cell, &original);
    for part in ["node `node-1` (incarnation 1) swore never to sign it", "2 such oaths", "-> TOMBSTONED"] {
        assert!(of_original.contains(part), "{part}: {of_original}");
    }
    let signed = cell.state.withdrawal(&bump).unwrap();
    let bound = &signed.transaction.as_ref().unwrap().transaction;
    let hash = SignedTransaction::hash_of(bound, signed.signature.as_ref().unwrap());
    for (outcome, block) in [("broadcast", None), ("confirmed", Some(7))] {
        let mut report = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": bump, "outcome": outcome,
            "transaction_hash": hash, "observed_at_ms": cell.now});
        if let Some(block) = block {
            report["block_number"] = json!(block);
        }
        cell.accept(&by_pipeline(PayloadKind::OutcomeReport, &report));
    }
    let of_bump = page(&cell, &bump);
    assert!(
        of_bump.contains(&format!("its client saw transaction {hash} confirmed in block 7")),
        "{of_bump}"
    );
}

#[test]
fn page_of_a_settled_withdrawal_still_has_every_rule() {
    let mut cell = Cell::ready();
    let id = cell.pay("k-1", 1250, 0);
    let before = page(&cell, &id);
    cell.now += 40 * 24 * 60 * 60 * 1000;
    while cell.log.len() < 2100 {
        cell.session();
    }
    let kept = cell.state.withdrawal(&id).unwrap().decision.rules.len();
    let verified = cell.verify(&cell.export()).unwrap();
    let explained = explain(verified.history(), &id).unwrap();
    assert!(explained.decision.rules.len() > kept, "the state machine keeps less of it: {kept}");
    let rules = |page: &str| page.lines().filter(|line| line.starts_with("  pass ")).count();
    assert_eq!(rules(&explained.to_string()), rules(&before));
}
