//! What replaces nothing, and why.

use super::*;

#[test]
fn replacement_by_another_client_is_refused_as_unknown() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let mut request = bump(&cell, "k-2", original);
    request["client"] = json!("other");
    let envelope = sign(PayloadKind::ReplacementRequest, &request, "client", "other");
    assert_eq!(cell.refuse(&envelope), "UNKNOWN_WITHDRAWAL");
    let rejection = cell.state.check(&envelope, TimestampMs(cell.now)).unwrap().unwrap_err();
    assert_eq!(rejection.field(), Some("of"));
    let in_its_name = sign(PayloadKind::ReplacementRequest, &bump(&cell, "k-2", original), "client", "other");
    assert_eq!(cell.refuse(&in_its_name), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn replacement_with_other_effects_is_refused() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let price = gwei(40, 2);
    for (transaction, code) in [
        (pays_usdt(THIEF, 1250, 0, price), "TRANSACTION_DESTINATION_MISMATCH"),
        (pays_usdt(PAYEE, 1251, 0, price), "TRANSACTION_AMOUNT_MISMATCH"),
        (pays(None, PAYEE, 1_250_000_000, 0, price), "TRANSACTION_ASSET_MISMATCH"),
        (pays_usdt(PAYEE, 1250, 0, gwei(200_000, 2)), "TRANSACTION_FEE_ABOVE_CAP"),
    ] {
        let request = cell.replacement("k-2", original, "bump-fee", &transaction);
        assert_eq!(cell.refuse_replacement(&request), code);
    }
}

#[test]
fn cancellation_on_chain_pays_nothing_to_anybody_else() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let price = gwei(40, 2);
    for (transaction, code) in [
        (pays(None, THIEF, 0, 0, price), "TRANSACTION_DESTINATION_MISMATCH"),
        (pays(None, PAYEE, 0, 0, price), "TRANSACTION_DESTINATION_MISMATCH"),
        (pays(None, &own_address(), 1, 0, price), "TRANSACTION_AMOUNT_MISMATCH"),
        (pays_usdt(&own_address(), 0, 0, price), "TRANSACTION_ASSET_MISMATCH"),
        (pays(None, &own_address(), 0, 1, price), "ACCOUNT_NONCE_CHANGED"),
    ] {
        let request = cell.replacement("k-2", original, "cancel-on-chain", &transaction);
        assert_eq!(cell.refuse_replacement(&request), code);
    }
    let request = cancel(&cell, "k-2", original);
    let cancelled = cell.replace(&request);
    assert_eq!(cell.state_of(cancelled), WithdrawalState::Bound, "needs no whitelist entry");
    let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": cancelled,
        "transaction": pays(None, THIEF, 0, 0, price).to_hex()});
    assert_eq!(
        cell.refuse(&by_pipeline(PayloadKind::BindTransaction, &bind)),
        "TRANSACTION_DESTINATION_MISMATCH"
    );
}

#[test]
fn replacement_with_another_nonce_is_refused_also_when_it_is_bound_later() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let other = pays_usdt(PAYEE, 1250, 1, gwei(40, 2));
    let mut request = cell.replacement("k-2", original, "bump-fee", &other);
    assert_eq!(cell.refuse_replacement(&request), "ACCOUNT_NONCE_CHANGED");
    request.as_object_mut().unwrap().remove("transaction");
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Allowed);
    let bind = |nonce| {
        let transaction = pays_usdt(PAYEE, 1250, nonce, gwei(40, 2)).to_hex();
        let payload = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": bumped, "transaction": transaction});
        by_pipeline(PayloadKind::BindTransaction, &payload)
    };
    assert_eq!(cell.refuse(&bind(1)), "ACCOUNT_NONCE_CHANGED");
    cell.accept(&bind(0));
    assert_eq!(cell.refuse(&bind(1)), "ACCOUNT_NONCE_CHANGED", "nor may it move once it is bound");
    cell.accept_authorize(bumped);
}

#[test]
fn lower_or_equal_fee_replaces_nothing() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    for (max, priority) in [(30, 1), (30, 2), (40, 1), (29, 2), (20, 1)] {
        let transaction = pays_usdt(PAYEE, 1250, 0, gwei(max, priority));
        let request = cell.replacement("k-2", original, "bump-fee", &transaction);
        assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_FEE_TOO_LOW", "{max} and {priority} gwei");
    }
    let request = cell.replacement("k-2", original, "bump-fee", &pays_usdt(PAYEE, 1250, 0, gwei(31, 2)));
    cell.replace(&request);
}

#[test]
fn fee_cap_of_the_policy_holds_for_bumps_and_cancellations() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    for (key, mut request) in [("k-2", bump(&cell, "k-2", original)), ("k-3", cancel(&cell, "k-3", original))]
    {
        request["fee_cap"] = json!("50000000000000001");
        let id = cell.replace(&request);
        assert_eq!(cell.state_of(id), WithdrawalState::Denied, "{key}");
        assert!(cell.withdrawal(id).decision.reasons().iter().any(|code| code.code() == "FEE_CAP_TOO_HIGH"));
    }
    assert!(cell.order(original).is_ok(), "a denied replacement changes nothing");
}

#[test]
fn only_authorized_and_signed_withdrawals_are_replaced() {
    let mut cell = Cell::ready();
    let refused = |cell: &mut Cell, of: WithdrawalId| {
        let request = bump(cell, "k-9", of);
        let first = cell.refuse_replacement(&request);
        let request = cancel(cell, "k-9", of);
        assert_eq!(cell.refuse_replacement(&request), first);
        first
    };
    let unknown = WithdrawalId::of("demo-1", "pipeline", "never");
    assert_eq!(refused(&mut cell, unknown), "UNKNOWN_WITHDRAWAL");
    let request = cell.request("k-1", 1250);
    let bound = cell.ask(&request);
    assert_eq!(refused(&mut cell, bound), "REPLACEMENT_NOT_PERMITTED");
    let cancellation = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": bound});
    cell.accept(&by_pipeline(PayloadKind::CancelWithdrawal, &cancellation));
    assert_eq!(refused(&mut cell, bound), "REPLACEMENT_NOT_PERMITTED");
    let request = cell.request("k-2", 20_000);
    let held = cell.ask(&request);
    assert_eq!(refused(&mut cell, held), "REPLACEMENT_NOT_PERMITTED");
    let reject = cell.statement("carol", StatementBody::RejectHold(held));
    cell.accept(&reject);
    assert_eq!(refused(&mut cell, held), "REPLACEMENT_NOT_PERMITTED");
    let tombstoned = cell.authorized("k-3", 1250, 0);
    for node in [1, 2] {
        cell.accept(&sworn(node, tombstoned));
    }
    assert_eq!(refused(&mut cell, tombstoned), "REPLACEMENT_NOT_PERMITTED");
    let confirmed = cell.signed("k-4", 1250, 0);
    let report = cell.outcome(confirmed, "confirmed", Some(7));
    cell.accept(&by_pipeline(PayloadKind::OutcomeReport, &report));
    assert_eq!(refused(&mut cell, confirmed), "REPLACEMENT_NOT_PERMITTED");
}

#[test]
fn unrelated_withdrawal_on_a_groups_nonce_is_refused() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    cell.accept_authorize(bumped);
    let request = cell.request("k-3", 1250);
    let unrelated = cell.ask(&request);
    assert_eq!(cell.refuse_authorize(unrelated), "ACCOUNT_NONCE_USED");
    for node in [1, 2] {
        cell.accept(&sworn(node, bumped));
    }
    assert_eq!(
        cell.refuse_authorize(unrelated),
        "ACCOUNT_NONCE_USED",
        "the original may be signed in secret"
    );
    for node in [1, 2] {
        cell.accept(&sworn(node, original));
    }
    cell.accept_authorize(unrelated);
}

#[test]
fn endless_replacements_are_refused() {
    let mut cell = Cell::ready();
    let mut newest = cell.authorized("k-0", 1250, 0);
    for step in 1..=16_u128 {
        let transaction = pays_usdt(PAYEE, 1250, 0, gwei(30 + step, 1 + step));
        let request = cell.replacement(&format!("k-{step}"), newest, "bump-fee", &transaction);
        newest = cell.replace(&request);
        cell.accept_authorize(newest);
    }
    let request = cell.replacement("k-17", newest, "bump-fee", &pays_usdt(PAYEE, 1250, 0, gwei(90, 50)));
    assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_NOT_PERMITTED");
}

#[test]
fn key_is_one_withdrawal_whatever_kind_of_request_it_came_with() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-1", original);
    assert_eq!(cell.refuse_replacement(&request), "IDEMPOTENCY_KEY_REUSED");
    let request = bump(&cell, "k-2", original);
    cell.replace(&request);
    assert_eq!(cell.refuse_replacement(&request), "ALREADY_RECORDED");
    let other_body = cancel(&cell, "k-2", original);
    assert_eq!(cell.refuse_replacement(&other_body), "IDEMPOTENCY_KEY_REUSED");
    let payment = cell.request("k-2", 1250);
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::WithdrawalRequest, &payment)), "IDEMPOTENCY_KEY_REUSED");
}

#[test]
fn expired_client_key_replaces_and_reports_nothing() {
    let mut cell = Cell::ready();
    let (original, signed) = (cell.authorized("k-1", 1250, 0), cell.signed("k-2", 10, 1));
    cell.now = super::super::cell::START + 1_000_000_000;
    let request = bump(&cell, "k-3", original);
    assert_eq!(cell.refuse_replacement(&request), "SIGNER_NOT_AUTHORIZED");
    let report = cell.outcome(signed, "broadcast", None);
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::OutcomeReport, &report)), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn revoked_client_replaces_sweeps_and_reports_nothing() {
    let mut cell = Cell::ready();
    let (original, signed) = (cell.authorized("k-1", 1250, 0), cell.signed("k-2", 10, 1));
    let revoke = cell.statement("bob", StatementBody::RevokeClient("pipeline".parse().unwrap()));
    cell.accept(&revoke);
    let report = cell.outcome(signed, "broadcast", None);
    let sweep = json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "deposit_index": 1, "asset": "USDT",
        "amount": "1", "fee_cap": "1", "idempotency_key": "k-3", "created_at_ms": cell.now, "expires_at_ms": cell.now + 1000});
    for (kind, payload) in [
        (PayloadKind::ReplacementRequest, bump(&cell, "k-3", original)),
        (PayloadKind::ReplacementRequest, cancel(&cell, "k-3", original)),
        (PayloadKind::SweepRequest, sweep),
        (PayloadKind::OutcomeReport, report),
    ] {
        assert_eq!(cell.refuse(&by_pipeline(kind, &payload)), "CLIENT_REVOKED", "{kind:?}");
    }
}

#[test]
fn bad_members_of_a_replacement_are_named() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let good = bump(&cell, "k-2", original);
    for (member, value) in [
        ("of", json!("w-1")),
        ("action", json!("steal")),
        ("fee_cap", json!(5)),
        ("fee_cap", json!("-1")),
        ("idempotency_key", json!("white space")),
        ("expires_at_ms", json!(1)),
        ("destination", json!(THIEF)),
        ("amount", json!("1")),
    ] {
        let mut request = good.clone();
        request[member] = value;
        let envelope = by_pipeline(PayloadKind::ReplacementRequest, &request);
        let rejection = cell.state.check(&envelope, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert_eq!(rejection.code().as_str(), "FIELD_INVALID", "{member}");
        assert_eq!(rejection.field(), Some(member), "{rejection:?}");
    }
    let mut late = good.clone();
    late["created_at_ms"] = json!(cell.now - 20);
    late["expires_at_ms"] = json!(cell.now - 10);
    assert_eq!(cell.refuse_replacement(&late), "INTENT_EXPIRED");
    let mut long = good.clone();
    long["expires_at_ms"] = json!(cell.now + 8 * 24 * 3_600_000);
    assert_eq!(cell.refuse_replacement(&long), "FIELD_INVALID");
    let mut elsewhere = good;
    elsewhere["cluster"] = json!("demo-2");
    assert_eq!(cell.refuse_replacement(&elsewhere), "CLUSTER_MISMATCH");
}
