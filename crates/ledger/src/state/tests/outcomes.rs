//! Attacks on outcome reports: history that changes nothing else.

use holdfast_policy::TimestampMs;
use serde_json::json;

use super::after::by_pipeline;
use super::cell::{Cell, sign};
use crate::*;

fn report(cell: &mut Cell, payload: &serde_json::Value) -> Outcome {
    cell.submit(&by_pipeline(PayloadKind::OutcomeReport, payload))
}

#[test]
fn outcomes_are_recorded_and_change_nothing_else() {
    let mut cell = Cell::ready();
    let id = cell.signed("k-1", 10, 0);
    let request = cell.request("k-2", 10);
    let next = cell.ask(&request);
    let before = cell.withdrawal(id).clone();
    for (outcome, block) in [
        ("broadcast", None),
        ("confirmed", Some(7)),
        ("reorganised", Some(7)),
        ("dropped", None),
        ("replaced", None),
    ] {
        let payload = cell.outcome(id, outcome, block);
        assert!(matches!(report(&mut cell, &payload), Outcome::Admitted(_)), "{outcome}");
        assert_eq!(cell.refuse_authorize(next), "ACCOUNT_NONCE_USED", "{outcome} frees no nonce");
    }
    let mut after = cell.withdrawal(id).clone();
    assert_eq!(after.outcomes.len(), 5);
    after.outcomes.clear();
    assert_eq!(after, before);
}

#[test]
fn outcome_by_another_client_or_of_something_unsigned_is_refused() {
    let mut cell = Cell::ready();
    let unsigned = cell.authorized("k-1", 10, 0);
    let payload = cell.outcome(unsigned, "broadcast", None);
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &payload)), "OUTCOME_NOT_PERMITTED");
    let signature = cell.signature_of(unsigned);
    cell.accept(&signature);
    let mut payload = cell.outcome(unsigned, "broadcast", None);
    payload["client"] = json!("other");
    let foreign = sign(PayloadKind::OutcomeReport, &payload, "client", "other");
    assert_eq!(cell.refuse(&foreign), "UNKNOWN_WITHDRAWAL");
    let mut elsewhere = cell.outcome(unsigned, "broadcast", None);
    elsewhere["cluster"] = json!("demo-2");
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &elsewhere)), "CLUSTER_MISMATCH");
    let mut unknown = cell.outcome(unsigned, "broadcast", None);
    unknown["withdrawal"] = json!(WithdrawalId::of("demo-1", "pipeline", "never"));
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &unknown)), "UNKNOWN_WITHDRAWAL");
}

#[test]
fn outcome_must_be_about_this_transaction_and_a_block_where_there_is_one() {
    let mut cell = Cell::ready();
    let (id, other) = (cell.signed("k-1", 10, 0), cell.signed("k-2", 10, 1));
    let mut of_another = cell.outcome(other, "broadcast", None);
    of_another["withdrawal"] = json!(id);
    let future = {
        let mut payload = cell.outcome(id, "broadcast", None);
        payload["observed_at_ms"] = json!(cell.now + 60_000);
        payload
    };
    let cases = [
        (of_another, "transaction_hash"),
        (cell.outcome(id, "confirmed", None), "block_number"),
        (cell.outcome(id, "reorganised", None), "block_number"),
        (cell.outcome(id, "broadcast", Some(7)), "block_number"),
        (cell.outcome(id, "dropped", Some(7)), "block_number"),
        (cell.outcome(id, "stolen", None), "outcome"),
        (future, "observed_at_ms"),
    ];
    for (payload, field) in cases {
        let envelope = by_pipeline(PayloadKind::OutcomeReport, &payload);
        let rejection = cell.state.check(&envelope, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert_eq!((rejection.code().as_str(), rejection.field()), ("FIELD_INVALID", Some(field)));
    }
}

#[test]
fn repeated_outcome_is_recorded_once_and_endless_ones_are_refused() {
    let mut cell = Cell::ready();
    let id = cell.signed("k-1", 10, 0);
    let payload = cell.outcome(id, "broadcast", None);
    report(&mut cell, &payload);
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &payload)), "ALREADY_RECORDED");
    for block in 1..32 {
        let payload = cell.outcome(id, "confirmed", Some(block));
        assert!(matches!(report(&mut cell, &payload), Outcome::Admitted(_)));
    }
    let payload = cell.outcome(id, "confirmed", Some(32));
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &payload)), "OUTCOME_NOT_PERMITTED");
}

#[test]
fn outcome_that_differs_in_one_thing_is_another_one() {
    let mut cell = Cell::ready();
    let id = cell.signed("k-1", 10, 0);
    let at = cell.now;
    for (outcome, block, observed) in [
        ("confirmed", Some(7), at),
        ("confirmed", Some(8), at),
        ("confirmed", Some(8), at - 1),
        ("reorganised", Some(8), at - 1),
    ] {
        let mut payload = cell.outcome(id, outcome, block);
        payload["observed_at_ms"] = json!(observed);
        assert!(matches!(report(&mut cell, &payload), Outcome::Admitted(_)), "{payload}");
    }
}

#[test]
fn outcome_is_seen_within_the_skew() {
    let mut cell = Cell::ready();
    let id = cell.signed("k-1", 10, 0);
    let seen = |cell: &Cell, ahead: u64| {
        let mut payload = cell.outcome(id, "broadcast", None);
        payload["observed_at_ms"] = json!(cell.now + 1 + ahead);
        payload
    };
    let future = seen(&cell, 5001);
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &future)), "FIELD_INVALID");
    let latest = seen(&cell, 5000);
    assert!(matches!(report(&mut cell, &latest), Outcome::Admitted(_)));
}
