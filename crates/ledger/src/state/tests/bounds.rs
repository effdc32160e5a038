//! Bounds of cell, time and size on everything that is said, to the millisecond.

use serde_json::{Value, json};

use super::cell::{Cell, START, coordinator, sign, signed_statement};
use crate::*;

const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;
const SKEW: u64 = 5000;

/// The code and the field with which it would be refused now, and then is.
#[track_caller]
fn assert_refused(cell: &mut Cell, envelope: &holdfast_log::Envelope, code: &str, field: Option<&str>) {
    let at = holdfast_policy::TimestampMs(cell.now + 1);
    let rejection = cell.state.check(envelope, at).unwrap().unwrap_err();
    assert_eq!((rejection.code().as_str(), rejection.field()), (code, field), "{rejection:?}");
    assert_eq!(cell.refuse(envelope), code);
}

fn asking(request: &Value) -> holdfast_log::Envelope {
    sign(PayloadKind::WithdrawalRequest, request, "client", "pipeline")
}

#[test]
fn what_was_said_for_another_cell_does_nothing_here() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    let digest = cell.withdrawal(id).transaction.as_ref().unwrap().signing_hash;
    let signature = super::cell::wallet_signature(&digest);
    let client = |kind, payload: Value| sign(kind, &payload, "client", "pipeline");
    let transaction = super::cell::usdt_transfer(super::cell::PAYEE, 10, 0).to_hex();
    let payloads = [
        client(
            PayloadKind::BindTransaction,
            json!({"cluster": "demo-2", "client": "pipeline", "withdrawal": id, "transaction": transaction}),
        ),
        client(
            PayloadKind::CancelWithdrawal,
            json!({"cluster": "demo-2", "client": "pipeline", "withdrawal": id}),
        ),
        sign(
            PayloadKind::SessionReport,
            &json!({"cluster": "demo-2", "provider": "sessions", "sequence": 2, "customer": "c-1",
                "observed_at_ms": cell.now, "new_device": false, "second_factor_reset": false}),
            "provider",
            "sessions",
        ),
        coordinator(
            PayloadKind::Authorize,
            &json!({"cluster": "demo-2", "withdrawal": id, "digests": [digest]}),
        ),
    ];
    for envelope in payloads {
        assert_refused(&mut cell, &envelope, "CLUSTER_MISMATCH", Some("cluster"));
    }
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let signed = json!({"cluster": "demo-2", "withdrawal": id, "digest_index": 0, "signature": signature, "signers": ["node-1", "node-2"]});
    assert_refused(
        &mut cell,
        &coordinator(PayloadKind::SignatureLogged, &signed),
        "CLUSTER_MISMATCH",
        Some("cluster"),
    );
}

#[test]
fn intent_lives_a_week_and_begins_within_the_skew() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    let created = cell.now;
    request["expires_at_ms"] = json!(created + WEEK + 1);
    assert_refused(&mut cell, &asking(&request), "FIELD_INVALID", Some("expires_at_ms"));
    request["expires_at_ms"] = json!(created + WEEK);
    cell.ask(&request);
    // The entry's time is the next millisecond.
    let mut request = cell.request("k-2", 10);
    request["created_at_ms"] = json!(cell.now + 1 + SKEW + 1);
    assert_refused(&mut cell, &asking(&request), "INTENT_FROM_THE_FUTURE", Some("created_at_ms"));
    let mut request = cell.request("k-2", 10);
    request["created_at_ms"] = json!(cell.now + 1 + SKEW);
    cell.ask(&request);
    let mut request = cell.request("k-3", 10);
    request["created_at_ms"] = json!(START);
    request["expires_at_ms"] = json!(cell.now + 1);
    assert_refused(&mut cell, &asking(&request), "INTENT_EXPIRED", Some("expires_at_ms"));
    request["expires_at_ms"] = json!(cell.now + 2);
    cell.ask(&request);
}

#[test]
fn intent_that_ends_before_it_begins_is_refused() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    request["expires_at_ms"] = request["created_at_ms"].clone();
    assert_refused(&mut cell, &asking(&request), "FIELD_INVALID", Some("expires_at_ms"));
}

#[test]
fn key_of_a_request_is_short_plain_text() {
    let mut cell = Cell::ready();
    for (key, good) in [
        ("".to_owned(), false),
        ("k".repeat(64), true),
        ("k".repeat(65), false),
        ("a.b_c:d-1".to_owned(), true),
        ("a/b".to_owned(), false),
        ("\u{e4}".to_owned(), false),
    ] {
        let request = cell.request(&key, 10);
        if good {
            cell.ask(&request);
        } else {
            assert_refused(&mut cell, &asking(&request), "FIELD_INVALID", Some("idempotency_key"));
        }
    }
}

#[test]
fn zero_address_is_never_paid() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    request["destination"] = json!("0x0000000000000000000000000000000000000000");
    assert_refused(&mut cell, &asking(&request), "FIELD_INVALID", Some("destination"));
}

#[test]
fn session_report_comes_from_within_the_skew() {
    let mut cell = Cell::ready();
    let report = |at: u64| {
        sign(
            PayloadKind::SessionReport,
            &json!({"cluster": "demo-1", "provider": "sessions", "sequence": 2, "customer": "c-1",
                "observed_at_ms": at, "new_device": false, "second_factor_reset": false}),
            "provider",
            "sessions",
        )
    };
    let future = report(cell.now + 1 + SKEW + 1);
    assert_refused(&mut cell, &future, "FIELD_INVALID", Some("observed_at_ms"));
    let latest = report(cell.now + 1 + SKEW);
    cell.accept(&latest);
}

#[test]
fn second_report_about_one_moment_clears_no_warning() {
    let mut cell = Cell::ready();
    cell.now += 10;
    let at = cell.now;
    for (sequence, new_device, second_factor_reset) in [(2, true, true), (3, false, false)] {
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "customer": "c-1",
            "observed_at_ms": at, "new_device": new_device, "second_factor_reset": second_factor_reset});
        cell.accept(&sign(PayloadKind::SessionReport, &report, "provider", "sessions"));
    }
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
}

/// A statement of bob's that was issued and expires at these times.
fn dated(cell: &Cell, issued_at: u64, expires_at: u64) -> holdfast_log::Envelope {
    let nodes = cell.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: "bob".parse().unwrap(),
        issued_at: holdfast_policy::TimestampMs(issued_at),
        expires_at: Some(holdfast_policy::TimestampMs(expires_at)),
        note: format!("{issued_at}"),
        body: StatementBody::ProposeWallet(WalletProposal {
            wallet: "hot-9".parse().unwrap(),
            engine: "test".to_owned(),
            t: 2,
            n: 3,
            nodes,
        }),
    };
    signed_statement("bob", &cell.state.statement_text(&statement).unwrap())
}

#[test]
fn statement_lives_a_week_and_begins_within_the_skew() {
    let mut cell = Cell::new();
    let long = dated(&cell, cell.now, cell.now + WEEK + 1);
    assert_refused(&mut cell, &long, "STATEMENT_EXPIRED", Some("expires"));
    let longest = dated(&cell, cell.now, cell.now + WEEK);
    cell.accept(&longest);
    let late = dated(&cell, cell.now, cell.now + 1);
    assert_refused(&mut cell, &late, "STATEMENT_EXPIRED", Some("expires"));
    let last = dated(&cell, cell.now, cell.now + 2);
    cell.accept(&last);
    let future = dated(&cell, cell.now + 1 + SKEW + 1, cell.now + WEEK);
    assert_refused(&mut cell, &future, "STATEMENT_FROM_THE_FUTURE", Some("issued"));
    let earliest = dated(&cell, cell.now + 1 + SKEW, cell.now + WEEK);
    cell.accept(&earliest);
}

#[test]
fn note_that_would_forge_a_line_gets_no_text() {
    let cell = Cell::new();
    let statement = |note: &str| Statement {
        cluster: cell.state.cluster().clone(),
        officer: "bob".parse().unwrap(),
        issued_at: holdfast_policy::TimestampMs(cell.now),
        expires_at: None,
        note: note.to_owned(),
        body: StatementBody::RevokeClient("pipeline".parse().unwrap()),
    };
    assert!(
        cell.state.statement_text(&statement("called back")).unwrap().contains("note: \"called back\"\n")
    );
    for note in ["x\"\nofficer: \"alice", "\u{e4}", &"x".repeat(121)] {
        let refused = cell.state.statement_text(&statement(note)).unwrap_err();
        assert_eq!((refused.code().as_str(), refused.field()), ("FIELD_INVALID", Some("note")), "{note}");
    }
    let lasting = Statement {
        expires_at: Some(holdfast_policy::TimestampMs(cell.now + 1)),
        ..statement("called back")
    };
    assert_eq!(cell.state.statement_text(&lasting).unwrap_err().field(), Some("expires"));
}

#[test]
fn asset_of_one_chain_is_unknown_on_another() {
    let mut document = super::cell::document();
    let polygon = json!({"symbol": "POL", "chain_id": 137, "contract": null, "decimals": 18});
    document["assets"].as_array_mut().unwrap().push(polygon);
    let mut cell = Cell::from_genesis(super::cell::genesis_entry(&document).unwrap());
    cell.make_ready();
    for (asset, chain_id) in [("POL", 1), ("USDT", 137)] {
        let mut request = cell.request("k-1", 10);
        request["asset"] = json!(asset);
        request["chain_id"] = json!(chain_id);
        request["transaction"] = json!(null);
        assert_refused(&mut cell, &asking(&request), "UNKNOWN_ASSET", Some("asset"));
    }
}

#[test]
fn entries_of_one_moment_are_taken_and_one_of_an_earlier_moment_never_is() {
    let mut cell = Cell::ready();
    let now = cell.now;
    cell.now = now - 1;
    let first = cell.request("k-1", 10);
    cell.ask(&first);
    assert_eq!(cell.state.last_time().0, now, "as the entry before it");
    let late = holdfast_log::Entry::stamp(now - 1, &asking(&cell.request("k-2", 10))).unwrap();
    let size = cell.state.size();
    let refused = cell.state.apply(&late).unwrap_err();
    assert_eq!(refused, ApplyError::TimeRegress { previous: now, found: now - 1 });
    assert_eq!(cell.state.size(), size);
}
