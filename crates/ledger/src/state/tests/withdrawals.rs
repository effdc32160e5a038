//! Withdrawals: decisions, swapped transactions, approvals, authorization, signatures.

use holdfast_log::Entry;
use holdfast_policy::{TimestampMs, WalletId};
use serde_json::json;

use super::cell::{Cell, PAYEE, coordinator, sign, signed_statement, usdt_transfer, wallet_signature};
use crate::*;

const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
const SANCTIONED: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

fn order(cell: &Cell, id: WithdrawalId) -> Result<AuthorizedWithdrawal, OrderRefusal> {
    cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now))
}

fn asked(cell: &mut Cell, request: &serde_json::Value) -> &'static str {
    cell.refuse(&sign(PayloadKind::WithdrawalRequest, request, "client", "pipeline"))
}

#[test]
fn small_withdrawal_to_a_whitelisted_address_is_authorized_and_signed_once() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound, "{:?}", cell.withdrawal(id).decision);
    assert_eq!(order(&cell, id).unwrap_err().code(), "ORDER_NOT_PERMITTED");
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let permitted = order(&cell, id).unwrap();
    let signature = wallet_signature(permitted.digest());
    let payload = json!({"cluster": "demo-1", "withdrawal": id, "digest_index": 0, "signature": signature, "signers": ["node-1", "node-2"]});
    cell.accept(&coordinator(PayloadKind::SignatureLogged, &payload));
    assert_eq!(cell.state_of(id), WithdrawalState::Signed);
    assert_eq!(cell.refuse(&coordinator(PayloadKind::SignatureLogged, &payload)), "ALREADY_RECORDED");
    assert_eq!(order(&cell, id).unwrap_err().code(), "ORDER_NOT_PERMITTED");
}

#[test]
fn transaction_that_pays_someone_else_is_refused_wherever_it_comes() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 1250);
    request["transaction"] = json!(usdt_transfer(THIEF, 1250, 0).to_hex());
    assert_eq!(asked(&mut cell, &request), "TRANSACTION_DESTINATION_MISMATCH");
    request["transaction"] = json!(usdt_transfer(PAYEE, 1251, 0).to_hex());
    assert_eq!(asked(&mut cell, &request), "TRANSACTION_AMOUNT_MISMATCH");
    let honest = cell.request("k-1", 1250);
    let id = cell.ask(&honest);
    let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "transaction": usdt_transfer(THIEF, 1250, 0).to_hex()});
    assert_eq!(
        cell.refuse(&sign(PayloadKind::BindTransaction, &bind, "client", "pipeline")),
        "TRANSACTION_DESTINATION_MISMATCH"
    );
}

#[test]
fn failed_request_does_not_use_its_key_up_and_a_used_key_takes_no_other_body() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 1250);
    request["transaction"] = json!(usdt_transfer(THIEF, 1250, 0).to_hex());
    asked(&mut cell, &request);
    let honest = cell.request("k-1", 1250);
    cell.ask(&honest);
    assert_eq!(asked(&mut cell, &honest), "ALREADY_RECORDED");
    let other_body = cell.request("k-1", 1251);
    assert_eq!(asked(&mut cell, &other_body), "IDEMPOTENCY_KEY_REUSED");
}

#[test]
fn bad_members_are_named_with_their_own_codes() {
    let mut cell = Cell::ready();
    let good = cell.request("k-1", 1250);
    let with = |member: &str, value: serde_json::Value| {
        let mut request = good.clone();
        request[member] = value;
        request
    };
    for (member, value, code) in [
        ("destination", json!(PAYEE.to_lowercase()), "ADDRESS_CHECKSUM"),
        ("destination", json!("0x12"), "FIELD_INVALID"),
        ("amount", json!("-1"), "FIELD_INVALID"),
        ("amount", json!("0"), "FIELD_INVALID"),
        ("amount", json!(5), "FIELD_INVALID"),
        ("chain_id", json!(5), "UNKNOWN_CHAIN"),
        ("asset", json!("DOGE"), "UNKNOWN_ASSET"),
        ("wallet", json!("hot-9"), "UNKNOWN_WALLET"),
        ("expires_at_ms", json!(1), "FIELD_INVALID"),
        ("transaction", json!("0xzz"), "TRANSACTION_NOT_HEX"),
        ("surprise", json!(1), "FIELD_INVALID"),
        ("idempotency_key", json!("white space"), "FIELD_INVALID"),
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH"),
        ("client", json!("other"), "SIGNER_NOT_AUTHORIZED"),
    ] {
        let request = with(member, value);
        let envelope = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
        let code_found = cell.refuse(&envelope);
        assert!(
            code_found == code || (member == "transaction" && code_found.starts_with("TRANSACTION_")),
            "{member}: {code_found}"
        );
        if member != "surprise" {
            let rejection = cell.state.check(&envelope, TimestampMs(cell.now)).unwrap().unwrap_err();
            assert_eq!(rejection.field(), Some(member), "{rejection:?}");
        }
    }
    let mut late = good.clone();
    late["created_at_ms"] = json!(cell.now - 20);
    late["expires_at_ms"] = json!(cell.now - 10);
    assert_eq!(asked(&mut cell, &late), "INTENT_EXPIRED");
}

#[test]
fn client_may_use_only_its_own_wallets_and_withdrawals() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let mut foreign = request.clone();
    foreign["client"] = json!("other");
    assert_eq!(
        cell.refuse(&sign(PayloadKind::WithdrawalRequest, &foreign, "client", "other")),
        "SIGNER_NOT_AUTHORIZED"
    );
    let id = cell.ask(&request);
    let cancel = json!({"cluster": "demo-1", "client": "other", "withdrawal": id});
    assert_eq!(
        cell.refuse(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "other")),
        "UNKNOWN_WITHDRAWAL"
    );
}

#[test]
fn unlisted_sanctioned_and_expired_destinations_are_denied() {
    let mut cell = Cell::ready();
    let entry_for = |cell: &mut Cell, address: &str, key: &str| {
        let mut request = cell.request(key, 10);
        request["destination"] = json!(address);
        request["transaction"] = json!(usdt_transfer(address, 10, 0).to_hex());
        let id = cell.ask(&request);
        assert_eq!(cell.state_of(id), WithdrawalState::Denied);
        cell.withdrawal(id).decision.reasons().iter().map(|code| code.to_string()).collect::<Vec<_>>()
    };
    assert!(entry_for(&mut cell, THIEF, "k-1").contains(&"DESTINATION_NOT_WHITELISTED".to_owned()));
    cell.whitelist(SANCTIONED, 1_000_000);
    cell.now += 100_000;
    assert!(entry_for(&mut cell, SANCTIONED, "k-2").contains(&"DESTINATION_SANCTIONED".to_owned()));
    cell.now += 1_000_000;
    assert!(entry_for(&mut cell, PAYEE, "k-3").contains(&"WHITELIST_ENTRY_EXPIRED".to_owned()));
}

#[test]
fn held_withdrawal_needs_two_distinct_approvers_who_saw_these_very_words() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 20_000);
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
    let by_alice = cell.statement("alice", StatementBody::ApproveHold(id));
    let shown = String::from_utf8(by_alice.payload.clone()).unwrap();
    assert!(
        shown.contains("pays: 20000 USDT\n") && shown.contains(&format!("to address: {PAYEE}\n")),
        "{shown}"
    );
    assert_eq!(
        cell.refuse(&signed_statement("alice", &shown.replace("pays: 20000", "pays: 20"))),
        "STATEMENT_MISMATCH"
    );
    cell.accept(&by_alice);
    cell.now += 1;
    let again = cell.statement("alice", StatementBody::ApproveHold(id));
    assert_eq!(cell.refuse(&again), "ALREADY_APPROVED");
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    let by_carol = cell.statement("carol", StatementBody::ApproveHold(id));
    cell.accept(&by_carol);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(order(&cell, id).is_ok());
}

#[test]
fn approval_of_one_withdrawal_does_not_count_for_another() {
    let mut cell = Cell::ready();
    let (first, second) = (cell.request("k-1", 20_000), cell.request("k-2", 20_000));
    let (first, second) = (cell.ask(&first), cell.ask(&second));
    let approval = cell.statement("alice", StatementBody::ApproveHold(first));
    let moved = String::from_utf8(approval.payload).unwrap().replace(&first.to_string(), &second.to_string());
    assert_eq!(cell.refuse(&signed_statement("alice", &moved)), "STATEMENT_MISMATCH");
}

#[test]
fn rejected_hold_is_denied_for_good() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 20_000);
    let id = cell.ask(&request);
    let reject = cell.statement("carol", StatementBody::RejectHold(id));
    cell.accept(&reject);
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
}

#[test]
fn hold_expires_at_its_deadline() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 20_000);
    request["expires_at_ms"] = json!(cell.now + 7 * 24 * 3_600_000);
    let id = cell.ask(&request);
    let deadline = cell.withdrawal(id).decision.hold().unwrap().deadline;
    assert_eq!(cell.withdrawal(id).state_at(TimestampMs(deadline.0 - 1)), WithdrawalState::Held);
    assert_eq!(cell.withdrawal(id).state_at(deadline), WithdrawalState::Expired);
}

#[test]
fn paused_wallet_and_revoked_entry_stop_an_authorized_withdrawal() {
    let mut cell = Cell::ready();
    let entry = cell.whitelist(THIEF, 1_000_000);
    cell.now += 100_000;
    let mut request = cell.request("k-1", 10);
    request["destination"] = json!(THIEF);
    request["transaction"] = json!(usdt_transfer(THIEF, 10, 0).to_hex());
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(order(&cell, id).is_ok());
    let revoke = cell.statement("bob", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&revoke);
    assert_eq!(order(&cell, id).unwrap_err().code(), "POLICY_REFUSES");
    let pause = cell.statement("bob", StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    cell.accept(&pause);
    assert_eq!(order(&cell, id).unwrap_err().code(), "WALLET_PAUSED");
}

#[test]
fn order_is_refused_at_both_ends_of_the_clock() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let at = cell.withdrawal(id).authorization.as_ref().unwrap().time.0;
    let max_age = cell.state.genesis().policy.authorization_max_age().0;
    let order = |now: u64| {
        cell.state.authorized_withdrawal(&id, 0, TimestampMs(now)).map(|_| ()).map_err(|e| e.code())
    };
    assert_eq!(order(at - 5_000), Ok(()));
    assert_eq!(order(at - 5_001), Err("AUTHORIZATION_AHEAD_OF_CLOCK"));
    assert_eq!(order(at + max_age + 1), Err("AUTHORIZATION_TOO_OLD"));
    assert_eq!(
        cell.state.authorized_withdrawal(&id, 1, TimestampMs(at)).unwrap_err().code(),
        "ORDER_NOT_PERMITTED"
    );
}

#[test]
fn second_withdrawal_on_a_used_account_nonce_is_refused() {
    let mut cell = Cell::ready();
    let (first, second) = (cell.request("k-1", 10), cell.request("k-2", 10));
    let (first, second) = (cell.ask(&first), cell.ask(&second));
    let authorize = cell.authorize(first);
    cell.accept(&authorize);
    let authorize = cell.authorize(second);
    assert_eq!(cell.refuse(&authorize), "ACCOUNT_NONCE_USED");
}

#[test]
fn digests_other_than_the_transactions_are_not_authorized() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    let other = usdt_transfer(THIEF, 10, 0).signing_hash();
    let payload = json!({"cluster": "demo-1", "withdrawal": id, "digests": [other]});
    assert_eq!(cell.refuse(&coordinator(PayloadKind::Authorize, &payload)), "DIGEST_MISMATCH");
    let both = json!({"cluster": "demo-1", "withdrawal": id, "digests": [cell.withdrawal(id).transaction.as_ref().unwrap().signing_hash, other]});
    assert_eq!(cell.refuse(&coordinator(PayloadKind::Authorize, &both)), "DIGEST_MISMATCH");
}

#[test]
fn session_reports_are_gapless_and_their_absence_holds() {
    let mut cell = Cell::ready();
    let report = |sequence: u64, at: u64| {
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "customer": "c-1",
            "observed_at_ms": at, "new_device": false, "second_factor_reset": false});
        sign(PayloadKind::SessionReport, &report, "provider", "sessions")
    };
    assert_eq!(cell.refuse(&report(3, cell.now)), "SEQUENCE_GAP");
    assert_eq!(cell.refuse(&report(1, cell.now)), "ALREADY_RECORDED");
    assert_eq!(cell.refuse(&report(2, cell.now + 60_000)), "FIELD_INVALID");
    let mut request = cell.request("k-1", 10);
    request["customer"] = json!("c-unknown");
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
}

#[test]
fn forged_entries_stop_the_replica_and_change_nothing() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let mut by_thief = sign(PayloadKind::WithdrawalRequest, &request, "client", "other");
    by_thief.signatures[0].key_id = "client:pipeline".to_owned();
    let mut with_other_role = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    with_other_role.signatures[0].key_id = "provider:pipeline".to_owned();
    let mut altered = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    altered.payload = serde_json::to_vec(&cell.request("k-1", 11)).unwrap();
    let mut unknown_type = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    unknown_type.payload_type =
        holdfast_log::PayloadType::new("application/vnd.holdfast.gift.v1+json").unwrap();
    let mut doubled = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    doubled.signatures.push(doubled.signatures[0].clone());
    let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": 2, "customer": "c-1",
        "observed_at_ms": cell.now, "new_device": false, "second_factor_reset": false});
    let mut good_news = sign(PayloadKind::SessionReport, &report, "provider", "thief");
    good_news.signatures[0].key_id = "provider:sessions".to_owned();
    let second_genesis = cell.genesis.envelope().clone();
    for (envelope, code) in [
        (by_thief, "ENVELOPE_SIGNATURE_INVALID"),
        (with_other_role, "SIGNER_UNKNOWN"),
        (altered, "ENVELOPE_SIGNATURE_INVALID"),
        (unknown_type, "PAYLOAD_TYPE_UNKNOWN"),
        (doubled, "SIGNATURE_COUNT"),
        (good_news, "ENVELOPE_SIGNATURE_INVALID"),
        (second_genesis, "SECOND_GENESIS"),
    ] {
        let size = cell.state.size();
        let entry = Entry::stamp(cell.now + 1, &envelope).unwrap();
        assert_eq!(cell.state.apply(&entry).unwrap_err().code(), code);
        assert_eq!(cell.state.size(), size);
    }
    let honest = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    let back_dated = Entry::stamp(cell.state.last_time().0 - 1, &honest).unwrap();
    assert_eq!(cell.state.apply(&back_dated).unwrap_err().code(), "TIME_REGRESS");
}

#[test]
fn cancelled_withdrawal_is_never_authorized_and_an_authorized_one_never_cancelled() {
    let mut cell = Cell::ready();
    let (first, second) = (cell.request("k-1", 10), cell.request("k-2", 10));
    let (first, second) = (cell.ask(&first), cell.ask(&second));
    let cancel = |id| {
        sign(
            PayloadKind::CancelWithdrawal,
            &json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id}),
            "client",
            "pipeline",
        )
    };
    cell.accept(&cancel(first));
    let authorize = cell.authorize(first);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
    let authorize = cell.authorize(second);
    cell.accept(&authorize);
    assert_eq!(cell.refuse(&cancel(second)), "WITHDRAWAL_NOT_CANCELLABLE");
}

#[test]
fn withdrawal_without_time_left_to_sign_is_not_authorized() {
    let mut cell = Cell::ready();
    let mut short = cell.request("k-1", 10);
    short["expires_at_ms"] = json!(cell.now + 4_000);
    let short = cell.ask(&short);
    let authorize = cell.authorize(short);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
}

#[test]
fn expired_client_key_neither_binds_nor_authorizes_nor_signs() {
    let mut cell = Cell::ready();
    let expiry = super::cell::START + 1_000_000_000;
    cell.now = expiry - 10_000;
    cell.session(false, false);
    cell.whitelist(PAYEE, 100_000_000);
    let (first, second) = (cell.request("k-1", 10), cell.request("k-2", 10));
    let (first, second) = (cell.ask(&first), cell.ask(&second));
    let authorize = cell.authorize(first);
    cell.accept(&authorize);
    assert!(order(&cell, first).is_ok());
    cell.now = expiry;
    assert_eq!(order(&cell, first).unwrap_err().code(), "CLIENT_EXPIRED");
    let authorize = cell.authorize(second);
    assert_eq!(cell.refuse(&authorize), "SIGNER_NOT_AUTHORIZED");
    let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": second, "transaction": usdt_transfer(PAYEE, 10, 0).to_hex()});
    assert_eq!(
        cell.refuse(&sign(PayloadKind::BindTransaction, &bind, "client", "pipeline")),
        "SIGNER_NOT_AUTHORIZED"
    );
}

#[test]
fn intents_that_live_longer_than_a_week_are_refused() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    request["expires_at_ms"] = json!(cell.now + 7 * 24 * 3_600_000 + 1);
    assert_eq!(asked(&mut cell, &request), "FIELD_INVALID");
}

#[test]
fn replacing_transaction_keeps_its_account_nonce_until_another_withdrawal_took_it() {
    let mut cell = Cell::ready();
    let (first, second) = (cell.request("k-1", 10), cell.request("k-2", 10));
    let (first, second) = (cell.ask(&first), cell.ask(&second));
    let bind = |id: WithdrawalId, nonce: u64| {
        let body = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "transaction": usdt_transfer(PAYEE, 10, nonce).to_hex()});
        sign(PayloadKind::BindTransaction, &body, "client", "pipeline")
    };
    assert_eq!(cell.refuse(&bind(first, 0)), "ALREADY_RECORDED");
    let mut dearer = cell.request("k-1", 10);
    let price = super::after::gwei(31, 1);
    dearer["transaction"] = json!(super::after::pays_usdt(PAYEE, 10, 0, price).to_hex());
    let body = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": first, "transaction": dearer["transaction"]});
    cell.accept(&sign(PayloadKind::BindTransaction, &body, "client", "pipeline"));
    assert_eq!(cell.refuse(&bind(first, 1)), "ACCOUNT_NONCE_CHANGED");
    let authorize = cell.authorize(second);
    cell.accept(&authorize);
    cell.accept(&bind(first, 1));
}

#[test]
fn clock_that_went_back_makes_nothing_young_again() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let at = cell.now;
    cell.now += 700_000;
    cell.session(false, false);
    let rolled_back = cell.state.authorized_withdrawal(&id, 0, TimestampMs(at));
    assert_eq!(rolled_back.unwrap_err().code(), "AUTHORIZATION_TOO_OLD");
}

#[test]
fn report_about_an_earlier_moment_does_not_clear_a_warning() {
    let mut cell = Cell::ready();
    cell.session(true, true);
    let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": 3, "customer": "c-1",
        "observed_at_ms": cell.now - 60_000, "new_device": false, "second_factor_reset": false});
    cell.accept(&sign(PayloadKind::SessionReport, &report, "provider", "sessions"));
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
}

#[test]
fn payload_that_is_an_array_is_no_object() {
    let mut cell = Cell::ready();
    let cancel = json!(["demo-1", "pipeline", WithdrawalId::of("demo-1", "pipeline", "k")]);
    assert_eq!(
        cell.refuse(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline")),
        "FIELD_INVALID"
    );
}

#[test]
fn warnings_of_two_reports_about_one_time_add_up_each_for_itself() {
    let flags = |bits: u8, bit: u8| bits & (1 << bit) != 0;
    for bits in 0..16 {
        let mut cell = Cell::ready();
        cell.now += 10;
        let at = cell.now;
        for (sequence, shift, observed) in [(2, 0, at), (3, 2, at - 1)] {
            let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "customer": "c-1",
                "observed_at_ms": observed, "new_device": flags(bits, shift), "second_factor_reset": flags(bits, shift + 1)});
            cell.accept(&sign(PayloadKind::SessionReport, &report, "provider", "sessions"));
        }
        let customer = holdfast_policy::CustomerRef::new("c-1").unwrap();
        let known = cell.state.sessions[&customer].first().unwrap();
        assert_eq!(known.observed_at_ms, TimestampMs(at));
        assert_eq!(known.new_device, flags(bits, 0) || flags(bits, 2), "{bits:b}");
        assert_eq!(known.second_factor_reset, flags(bits, 1) || flags(bits, 3), "{bits:b}");
    }
}

#[test]
fn officer_approves_again_when_there_are_new_reasons() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 6000);
    let id = cell.ask(&request);
    let approve = |cell: &mut Cell, officer: &str| {
        cell.now += 1;
        let approval = cell.statement(officer, StatementBody::ApproveHold(id));
        cell.accept(&approval);
    };
    approve(&mut cell, "bob");
    cell.session(false, true);
    approve(&mut cell, "carol");
    assert_eq!(cell.state_of(id), WithdrawalState::Held, "the second factor was reset meanwhile");
    approve(&mut cell, "bob");
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    cell.now += 1;
    let again = cell.statement("bob", StatementBody::ApproveHold(id));
    assert_eq!(cell.refuse(&again), "ALREADY_APPROVED");
    approve(&mut cell, "carol");
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
}

#[test]
fn node_decodes_again_and_signs_nothing_but_the_authorized_digest_of_the_intents_effects() {
    // Given replicas whose records were altered after an honest authorization
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(order(&cell, id).is_ok());
    let honest = cell.withdrawal(id).clone();
    let stolen = BoundTransaction::new(usdt_transfer(THIEF, 1250, 0));
    let mut swapped = honest.clone();
    swapped.transaction = Some(stolen.clone());
    let mut swapped_with_its_digest = swapped.clone();
    swapped_with_its_digest.authorization.as_mut().unwrap().digests = vec![stolen.signing_hash];
    let mut other_digest = honest.clone();
    other_digest.authorization.as_mut().unwrap().digests = vec![stolen.signing_hash];
    let mut more_digests = honest;
    more_digests.authorization.as_mut().unwrap().digests.push(stolen.signing_hash);
    for altered in [swapped, swapped_with_its_digest, other_digest, more_digests] {
        // When a node is asked to sign by it
        cell.state.withdrawals.insert(altered, 0);
        // Then it refuses
        assert_eq!(order(&cell, id).unwrap_err().code(), "TRANSACTION_MISMATCH");
    }
}

#[test]
fn node_signs_to_the_last_millisecond_and_not_after() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    let expiry = cell.now + 300_000;
    request["expires_at_ms"] = json!(expiry);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let at = |now: u64| cell.state.authorized_withdrawal(&id, 0, TimestampMs(now)).map_err(|e| e.code());
    assert!(at(expiry - 1).is_ok());
    assert_eq!(at(expiry).unwrap_err(), "INTENT_EXPIRED");
}

#[test]
fn authorization_ages_to_the_millisecond() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    request["expires_at_ms"] = json!(cell.now + 3_600_000);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let oldest = cell.now + cell.state.policy().authorization_max_age().0;
    let at = |now: u64| cell.state.authorized_withdrawal(&id, 0, TimestampMs(now)).map_err(|e| e.code());
    assert!(at(oldest).is_ok());
    assert_eq!(at(oldest + 1).unwrap_err(), "AUTHORIZATION_TOO_OLD");
}
