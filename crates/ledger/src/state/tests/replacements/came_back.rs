//! A client that came back under another key, and what its thief left behind.

use super::*;

/// What the client says with the key under which it came back.
fn by_new_key(kind: PayloadKind, payload: &serde_json::Value) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    let (key_id, key) = (key_id("client", "pipeline"), ed25519("pipeline-2"));
    Envelope::sign_ed25519(kind.payload_type(), payload, &key_id, &key).unwrap()
}

/// An officer revokes the client, the quorum admits it again under a new key.
fn client_comes_back(cell: &mut Cell) {
    let revoke = cell.statement("bob", StatementBody::RevokeClient("pipeline".parse().unwrap()));
    cell.accept(&revoke);
    let change = super::super::authority::add_client(cell, "pipeline", "pipeline-2");
    cell.change_roster(change);
}

fn last_resort(cell: &Cell, of: WithdrawalId) -> serde_json::Value {
    cell.replacement("k-1", of, "cancel-on-chain", &pays(None, &own_address(), 0, 0, gwei(150, 100)))
}

#[test]
fn client_that_came_back_replaces_what_a_thief_left_unminable() {
    let mut cell = Cell::ready();
    // Given a thief with the client's key, who replaces a payment until no more is taken
    let mut newest = cell.signed("t-0", 1250, 0);
    for step in 1..=16_u128 {
        let transaction = pays_usdt(PAYEE, 1250, 0, gwei(30 + step, 1 + step));
        let request = cell.replacement(&format!("t-{step}"), newest, "bump-fee", &transaction);
        newest = cell.replace(&request);
        cell.accept_authorize(newest);
        let signature = cell.signature_of(newest);
        cell.accept(&signature);
    }
    let request = last_resort(&cell, newest);
    assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_NOT_PERMITTED");
    // When the client comes back under a new key
    client_comes_back(&mut cell);
    let request = last_resort(&cell, newest);
    let by_the_thief = by_pipeline(PayloadKind::ReplacementRequest, &request);
    assert_eq!(cell.unauthentic(&by_the_thief), "ENVELOPE_SIGNATURE_INVALID");
    // Then it replaces what the thief left, by the rules for every replacement, and as often as every client
    let too_low = cell.replacement("k-0", newest, "bump-fee", &pays_usdt(PAYEE, 1250, 0, gwei(46, 30)));
    assert_eq!(
        cell.refuse(&by_new_key(PayloadKind::ReplacementRequest, &too_low)),
        "REPLACEMENT_FEE_TOO_LOW"
    );
    for step in 1..=17_u128 {
        let transaction = pays_usdt(PAYEE, 1250, 0, gwei(50 + step, 20 + step));
        let request = cell.replacement(&format!("b-{step}"), newest, "bump-fee", &transaction);
        let admission = cell.accept(&by_new_key(PayloadKind::ReplacementRequest, &request));
        let bumped = admission.withdrawal.unwrap();
        assert_eq!(cell.accept_authorize(bumped).replaced, Some(newest));
        assert!(cell.order(bumped).is_ok());
        newest = bumped;
    }
    let request = last_resort(&cell, newest);
    assert_eq!(
        cell.refuse(&by_new_key(PayloadKind::ReplacementRequest, &request)),
        "REPLACEMENT_NOT_PERMITTED"
    );
}

#[test]
fn client_that_came_back_replaces_what_a_thief_reported_confirmed() {
    let mut cell = Cell::ready();
    // Given a thief with the client's key, whose last report of all that are taken is a lie
    let left = cell.signed("t-0", 1250, 0);
    for _ in 0..31 {
        let report = cell.outcome(left, "broadcast", None);
        cell.accept(&by_pipeline(PayloadKind::OutcomeReport, &report));
    }
    let lie = cell.outcome(left, "confirmed", Some(7));
    cell.accept(&by_pipeline(PayloadKind::OutcomeReport, &lie));
    let correction = cell.outcome(left, "reorganised", Some(7));
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &correction)), "OUTCOME_NOT_PERMITTED");
    let request = last_resort(&cell, left);
    assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_NOT_PERMITTED");
    // When the client comes back under a new key
    client_comes_back(&mut cell);
    // Then it replaces the transaction
    let before = cell.state.clone();
    let request = last_resort(&cell, left);
    let admission = cell.accept(&by_new_key(PayloadKind::ReplacementRequest, &request));
    let cancelled = admission.withdrawal.unwrap();
    assert_eq!(cell.accept_authorize(cancelled).replaced, Some(left));
    // Or says itself what it sees, the same too, which counts as what every client says
    cell.state = before;
    cell.accept(&by_new_key(PayloadKind::OutcomeReport, &lie));
    assert_eq!(cell.refuse(&by_new_key(PayloadKind::OutcomeReport, &lie)), "ALREADY_RECORDED");
    let request = last_resort(&cell, left);
    assert_eq!(
        cell.refuse(&by_new_key(PayloadKind::ReplacementRequest, &request)),
        "REPLACEMENT_NOT_PERMITTED"
    );
    for _ in 0..31 {
        let report = cell.outcome(left, "broadcast", None);
        cell.accept(&by_new_key(PayloadKind::OutcomeReport, &report));
    }
    let report = cell.outcome(left, "broadcast", None);
    assert_eq!(cell.refuse(&by_new_key(PayloadKind::OutcomeReport, &report)), "OUTCOME_NOT_PERMITTED");
}
