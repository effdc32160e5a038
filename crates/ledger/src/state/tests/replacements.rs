//! Attacks on replacements: fee bumps and cancellations on chain.

use holdfast_chains::Amount;
use holdfast_log::Envelope;
use holdfast_policy::TimestampMs;
use serde_json::json;

use super::after::{by_pipeline, gwei, own_address, pays, pays_usdt, sworn};
use super::cell::{Cell, PAYEE, ed25519, sign};
use crate::*;

const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";

fn bump(cell: &Cell, key: &str, of: WithdrawalId) -> serde_json::Value {
    cell.replacement(key, of, "bump-fee", &pays_usdt(PAYEE, 1250, 0, gwei(40, 2)))
}

fn cancel(cell: &Cell, key: &str, of: WithdrawalId) -> serde_json::Value {
    cell.replacement(key, of, "cancel-on-chain", &pays(None, &own_address(), 0, 0, gwei(40, 2)))
}

#[test]
fn fee_bump_takes_the_originals_place_when_it_is_authorized() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Bound);
    assert!(cell.order(original).is_ok(), "until then the original is signed");
    let admission = cell.accept_authorize(bumped);
    assert_eq!((admission.withdrawal, admission.replaced), (Some(bumped), Some(original)));
    assert_eq!(cell.state_of(original), WithdrawalState::Replaced);
    assert_eq!(cell.withdrawal(original).replaced_by, Some(bumped));
    assert_eq!(cell.order(original).unwrap_err(), "ORDER_NOT_PERMITTED");
    assert!(cell.order(bumped).is_ok());
    let request = &cell.withdrawal(bumped).request;
    assert_eq!(
        (request.amount, request.destination.to_string()),
        (Amount::from_u128(1_250_000_000), PAYEE.to_owned())
    );
    assert_eq!(cell.withdrawal(bumped).replaces(), Some(original));
}

#[test]
fn signature_of_the_original_may_still_be_logged_after_it_was_replaced() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    cell.accept_authorize(bumped);
    let signature = cell.signature_of(original);
    cell.accept(&signature);
    assert_eq!(cell.state_of(original), WithdrawalState::Replaced);
    assert!(cell.withdrawal(original).signature.is_some());
    let signature = cell.signature_of(bumped);
    cell.accept(&signature);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Signed);
}

#[test]
fn signed_withdrawal_can_be_replaced_and_keeps_its_signature() {
    let mut cell = Cell::ready();
    let original = cell.signed("k-1", 1250, 0);
    let request = cancel(&cell, "k-2", original);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert_eq!(cell.state_of(original), WithdrawalState::Replaced);
    assert!(cell.withdrawal(original).signature.is_some());
    let order = cell.order(cancelled).unwrap();
    assert_eq!(order.derivation_path(), [0_u32; 0]);
}

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
fn replacement_is_void_when_the_original_was_tombstoned_meanwhile() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    for node in [2, 3] {
        cell.accept(&sworn(node, original));
    }
    assert_eq!(cell.refuse_authorize(bumped), "REPLACEMENT_NOT_PERMITTED");
}

#[test]
fn of_two_replacements_one_is_authorized_and_the_next_replaces_that_one() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let (first, second) = (bump(&cell, "k-2", original), cancel(&cell, "k-3", original));
    let (first, second) = (cell.replace(&first), cell.replace(&second));
    cell.accept_authorize(first);
    assert_eq!(cell.refuse_authorize(second), "ACCOUNT_NONCE_USED");
    let of_the_replaced = cancel(&cell, "k-4", original);
    assert_eq!(cell.refuse_replacement(&of_the_replaced), "REPLACEMENT_NOT_PERMITTED");
    // A replacement of the replacement must beat that one, not only the original.
    let request = cancel(&cell, "k-5", first);
    assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_FEE_TOO_LOW");
    let higher = pays(None, &own_address(), 0, 0, gwei(50, 3));
    let request = cell.replacement("k-5", first, "cancel-on-chain", &higher);
    let third = cell.replace(&request);
    cell.accept_authorize(third);
    assert_eq!([original, first].map(|id| cell.state_of(id)), [WithdrawalState::Replaced; 2]);
    let renewed = cell.accept_authorize(third);
    assert_eq!(
        (renewed.replaced, cell.withdrawal(third).authorization.as_ref().unwrap().renewals),
        (None, 1)
    );
}

#[test]
fn original_is_replaced_again_only_after_its_replacement_was_tombstoned() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let first = cell.replace(&request);
    cell.accept_authorize(first);
    for node in [1, 3] {
        cell.accept(&sworn(node, first));
    }
    let request = cancel(&cell, "k-3", original);
    let second = cell.replace(&request);
    cell.accept_authorize(second);
    assert_eq!(cell.withdrawal(original).replaced_by, Some(second));
    assert!(cell.order(second).is_ok());
    assert!(cell.order(first).is_err() && cell.order(original).is_err());
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

fn approved(cell: &mut Cell, key: &str) -> WithdrawalId {
    let request = cell.request(key, 20_000);
    let id = cell.ask(&request);
    for officer in ["alice", "carol"] {
        let approval = cell.statement(officer, StatementBody::ApproveHold(id));
        cell.accept(&approval);
    }
    cell.accept_authorize(id);
    id
}

fn bump_of_large(cell: &Cell, key: &str, of: WithdrawalId) -> serde_json::Value {
    cell.replacement(key, of, "bump-fee", &pays_usdt(PAYEE, 20_000, 0, gwei(40, 2)))
}

#[test]
fn approvals_carry_over_within_the_fee_cap_and_not_above_it() {
    let mut cell = Cell::ready();
    let original = approved(&mut cell, "k-1");
    let mut request = bump_of_large(&cell, "k-2", original);
    request["fee_cap"] = json!("10000000000000001");
    let dearer = cell.replace(&request);
    assert_eq!(cell.state_of(dearer), WithdrawalState::Held, "one wei more than officers approved");
    assert!(cell.withdrawal(dearer).approvals.is_empty());
    let shown = cell.statement("alice", StatementBody::ApproveHold(dearer));
    let shown = String::from_utf8(shown.payload).unwrap();
    assert!(shown.contains(&format!("replaces: {original}\n")), "{shown}");
    let request = cancel(&cell, "k-4", original);
    let cancelled = cell.replace(&request);
    assert_eq!(cell.state_of(cancelled), WithdrawalState::Bound);
    assert!(cell.withdrawal(cancelled).approvals.is_empty(), "nobody approved a cancellation");
    let request = bump_of_large(&cell, "k-3", original);
    let within = cell.replace(&request);
    assert_eq!(cell.state_of(within), WithdrawalState::Bound);
    cell.accept_authorize(within);
    assert!(cell.order(within).is_ok());
}

#[test]
fn approvals_do_not_carry_over_to_new_reasons_nor_beyond_their_own_expiry() {
    let mut cell = Cell::ready();
    let original = approved(&mut cell, "k-1");
    cell.session(true, true);
    let request = bump_of_large(&cell, "k-2", original);
    let riskier = cell.replace(&request);
    assert_eq!(cell.state_of(riskier), WithdrawalState::Held);
    assert!(cell.withdrawal(riskier).approvals.is_empty());
    let hold = cell.withdrawal(riskier).decision.hold().unwrap();
    let life = cell.state.policy().hold().deadline;
    assert_eq!(Some(hold.deadline), cell.withdrawal(riskier).received_at.checked_add(life));
    cell.now += 1;
    cell.session(false, false);
    cell.now += 700_000;
    cell.session(false, false);
    // Approvals of the cell's officers are valid for an hour.
    cell.now += 3_600_000;
    cell.session(false, false);
    cell.whitelist(PAYEE, 100_000_000);
    let request = bump_of_large(&cell, "k-3", original);
    let late = cell.replace(&request);
    assert_eq!(cell.state_of(late), WithdrawalState::Held);
}

#[test]
fn approval_of_an_officer_who_left_does_not_carry_over() {
    let mut cell = Cell::ready();
    let original = approved(&mut cell, "k-1");
    cell.change_roster(super::authority::remove_officer("carol"));
    let request = bump_of_large(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Held);
}

#[test]
fn revoked_destination_and_paused_wallet_stop_bumps() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let entry = cell.state.whitelist().next().unwrap().id.clone();
    let revoke = cell.statement("bob", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&revoke);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Denied);
    let request = cancel(&cell, "k-3", original);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert!(cell.order(cancelled).is_ok(), "what must not be paid can be cancelled");
    let pause = cell.statement("bob", StatementBody::PauseWallet("hot-1".parse().unwrap()));
    cell.accept(&pause);
    assert_eq!(cell.order(cancelled).unwrap_err(), "WALLET_PAUSED");
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
    cell.now = super::cell::START + 1_000_000_000;
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
fn cancellation_pays_in_the_own_coin_of_its_chain() {
    let with_assets = |assets: serde_json::Value| {
        let mut document = super::cell::document();
        document["assets"] = assets;
        let mut cell = Cell::from_genesis(super::cell::genesis_entry(&document).unwrap());
        cell.create_wallet("hot-1");
        cell.whitelist(PAYEE, 1_000_000);
        cell.now += 100_000;
        cell.session(false, false);
        let original = cell.authorized("k-1", 1250, 0);
        let request = cancel(&cell, "k-2", original);
        (cell, request)
    };
    let usdt = json!({"symbol": "USDT", "chain_id": 1, "contract": super::cell::USDT, "decimals": 6});
    let coin = |symbol: &str, chain_id: u64| json!({"symbol": symbol, "chain_id": chain_id, "contract": null, "decimals": 18});
    let (mut cell, request) = with_assets(json!([coin("POL", 137), coin("ETH", 1), usdt]));
    let cancelled = cell.replace(&request);
    assert_eq!(cell.withdrawal(cancelled).request.asset.as_str(), "ETH");
    let token = json!({"symbol": "ETH", "chain_id": 1, "contract": THIEF, "decimals": 18});
    let (mut cell, request) = with_assets(json!([coin("POL", 137), token, usdt]));
    assert_eq!(cell.refuse_replacement(&request), "UNKNOWN_ASSET");
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

#[test]
fn transaction_is_replaced_until_it_is_confirmed_and_again_when_its_chain_left_it() {
    for (outcome, block, replaceable) in [
        ("broadcast", None, true),
        ("confirmed", Some(7), false),
        ("dropped", None, true),
        ("reorganised", Some(7), true),
    ] {
        let mut cell = Cell::ready();
        let id = cell.signed("k-1", 1250, 0);
        let report = cell.outcome(id, outcome, block);
        cell.accept(&by_pipeline(PayloadKind::OutcomeReport, &report));
        let request = bump(&cell, "k-2", id);
        if replaceable {
            cell.replace(&request);
        } else {
            assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_NOT_PERMITTED", "{outcome}");
        }
    }
}

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
    let change = super::authority::add_client(cell, "pipeline", "pipeline-2");
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
