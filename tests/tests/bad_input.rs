//! Bad input gets the right code, the right reason and the name of the field, and never uses an idempotency key up.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use ed25519_dalek::SigningKey;
use holdfast_log::{Envelope, PayloadType};
use holdfast_proto::lookup;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_tests::{CLIENT, Cluster, Options, PAYEE, Pipeline, Request, WALLET, now_ms, refused, transfer};
use holdfast_transport::Role;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tonic::Code;

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::ready(Options::default())).await
}

/// A row of the table: what is wrong, the members that make it so, and what the server has to say.
struct Row {
    name: &'static str,
    members: Value,
    code: Code,
    reason: &'static str,
    field: &'static str,
}

fn row(name: &'static str, members: Value, code: Code, reason: &'static str, field: &'static str) -> Row {
    Row { name, members, code, reason, field }
}

fn with(request: Request, members: &Value) -> Request {
    members
        .as_object()
        .unwrap()
        .iter()
        .fold(request, |request, (member, value)| request.set(member, value.clone()))
}

fn rows(cluster: &Cluster) -> Vec<Row> {
    use Code::{FailedPrecondition, InvalidArgument, NotFound, PermissionDenied};
    let (now, good) = (now_ms(), transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce()).to_hex());
    let invalid = |name, members, field| row(name, members, InvalidArgument, "FIELD_INVALID", field);
    let transaction = |name, hex: String, reason| {
        row(name, json!({"transaction": hex}), InvalidArgument, reason, "transaction")
    };
    vec![
        row(
            "wrong checksum",
            json!({"destination": PAYEE.replace("8ba1f1", "8bA1f1")}),
            InvalidArgument,
            "ADDRESS_CHECKSUM",
            "destination",
        ),
        row(
            "no checksum",
            json!({"destination": PAYEE.to_lowercase()}),
            InvalidArgument,
            "ADDRESS_CHECKSUM",
            "destination",
        ),
        invalid("address too short", json!({"destination": "0x8ba1"}), "destination"),
        invalid("zero address", json!({"destination": format!("0x{}", "0".repeat(40))}), "destination"),
        transaction("trailing bytes", format!("{good}00"), "TRANSACTION_TRAILING_BYTES"),
        transaction("malformed hex", good.replace("0x02", "0xzz"), "TRANSACTION_HEX_MALFORMED"),
        transaction("hex without prefix", good.replacen("0x", "", 1), "TRANSACTION_HEX_MALFORMED"),
        transaction("odd number of digits", format!("{good}0"), "TRANSACTION_HEX_MALFORMED"),
        transaction("legacy transaction", good.replacen("0x02", "0x01", 1), "TRANSACTION_TYPE_UNSUPPORTED"),
        transaction("cut off", good[..good.len() - 2].to_owned(), "TRANSACTION_MALFORMED"),
        transaction("empty", "0x".to_owned(), "TRANSACTION_EMPTY"),
        transaction(
            "another amount",
            transfer(PAYEE, 1_250_000_001, 1_000).to_hex(),
            "TRANSACTION_AMOUNT_MISMATCH",
        ),
        row("unknown chain", json!({"chain_id": 5}), InvalidArgument, "UNKNOWN_CHAIN", "chain_id"),
        row("unknown asset", json!({"asset": "DOGE"}), InvalidArgument, "UNKNOWN_ASSET", "asset"),
        row("unknown wallet", json!({"wallet": "cold-9"}), NotFound, "UNKNOWN_WALLET", "wallet"),
        row(
            "expired intent",
            json!({"created_at_ms": now - 20_000, "expires_at_ms": now - 10_000}),
            FailedPrecondition,
            "INTENT_EXPIRED",
            "expires_at_ms",
        ),
        row(
            "intent from the future",
            json!({"created_at_ms": now + 60_000, "expires_at_ms": now + 120_000}),
            FailedPrecondition,
            "INTENT_FROM_THE_FUTURE",
            "created_at_ms",
        ),
        invalid("expiry before creation", json!({"expires_at_ms": now - 600_000}), "expires_at_ms"),
        invalid("zero amount", json!({"amount": "0"}), "amount"),
        invalid("negative amount", json!({"amount": "-1"}), "amount"),
        invalid("leading zero", json!({"amount": "01"}), "amount"),
        invalid("decimal amount", json!({"amount": "1.5"}), "amount"),
        invalid("amount as a number", json!({"amount": 1_250_000_000}), "amount"),
        invalid("amount beyond 256 bits", json!({"amount": "9".repeat(78)}), "amount"),
        invalid("malformed fee cap", json!({"fee_cap": "1 ether"}), "fee_cap"),
        invalid("malformed wallet", json!({"wallet": "Hot 1"}), "wallet"),
        invalid("malformed customer", json!({"customer": "Jane Doe"}), "customer"),
        invalid("malformed key", json!({"idempotency_key": "a key"}), "idempotency_key"),
        invalid("key too long", json!({"idempotency_key": "k".repeat(65)}), "idempotency_key"),
        invalid("unknown member", json!({"note": "hello"}), "note"),
        row(
            "another cluster",
            json!({"cluster": "demo-other"}),
            InvalidArgument,
            "CLUSTER_MISMATCH",
            "cluster",
        ),
        row(
            "another client",
            json!({"client": "somebody"}),
            PermissionDenied,
            "SIGNER_NOT_AUTHORIZED",
            "client",
        ),
    ]
}

#[tokio::test]
async fn every_kind_of_bad_input_is_refused_with_its_code_reason_and_field() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    for row in rows(cluster) {
        let request = with(cluster.intent(), &row.members);
        // A dry run and the real thing say the same
        for result in
            [pipeline.submit(&request).await.map(|_| ()), pipeline.evaluate(&request).await.map(|_| ())]
        {
            let status = result.err().unwrap_or_else(|| panic!("{}: accepted", row.name));
            let refusal = holdfast_tests::Refusal::from(&status);
            assert_eq!(
                (refusal.code, refusal.reason.as_str()),
                (row.code, row.reason),
                "{}: {status:?}",
                row.name
            );
            assert_eq!(refusal.fields, [row.field], "{}: {status:?}", row.name);
            assert_eq!(lookup(&refusal.reason).unwrap().code, row.code, "{}: the table differs", row.name);
        }
    }
}

#[tokio::test]
async fn a_failed_request_does_not_use_its_idempotency_key_up() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let good = cluster.request();
    let bad = good.clone().set("destination", PAYEE.to_lowercase());
    refused(pipeline.submit(&bad).await, Code::InvalidArgument, "ADDRESS_CHECKSUM");
    let accepted = pipeline.submit(&good).await.unwrap();
    assert_eq!(accepted.state(), State::Signed, "{:?}", accepted.reason);
}

#[tokio::test]
async fn a_key_is_one_withdrawal_for_ever() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    // Given a withdrawal
    let request = cluster.request();
    let first = pipeline.submit(&request).await.unwrap();
    // When its key comes with another body
    let other = request.clone().set("amount", "1").with_transfer(cluster.next_account_nonce());
    let refusal = refused(pipeline.submit(&other).await, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    // Then it is refused, with the withdrawal that has the key, which has not changed
    assert_eq!(
        (refusal.fields.as_slice(), refusal.facts["withdrawal_id"].as_str()),
        (["idempotency_key".to_owned()].as_slice(), first.id.as_str())
    );
    let again = pipeline.submit(&request).await.unwrap();
    assert_eq!((again.id.as_str(), again.amount.as_str()), (first.id.as_str(), "1250000000"));
    let found = pipeline.by_key(&request.text("idempotency_key")).await.unwrap();
    assert_eq!(found.id, first.id);
}

#[tokio::test]
async fn an_account_nonce_is_used_by_one_withdrawal_only() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let nonce = cluster.next_account_nonce();
    let first = pipeline.submit(&cluster.intent().with_transfer(nonce)).await.unwrap();
    assert_eq!(first.state(), State::Signed, "{:?}", first.reason);
    let second = pipeline.submit(&cluster.intent().with_transfer(nonce)).await.unwrap();
    let reason = second.reason.clone().unwrap().code;
    assert_eq!((second.state(), reason.as_str()), (State::Bound, "ACCOUNT_NONCE_USED"));
    let other = transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce());
    let signed = pipeline.bind(&cluster.bind(&second.id, &other)).await.unwrap();
    assert_eq!(signed.state(), State::Signed, "{:?}", signed.reason);
}

#[tokio::test]
async fn envelopes_that_are_not_exactly_as_documented_are_refused() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let (request, key) = (cluster.request(), cluster.client_key());
    let good = String::from_utf8(request.signed(cluster).to_json()).unwrap();
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let signed_as = |key_id: &str, key: &SigningKey| request.sign(key_id, key).to_json();
    let of_type = |payload_type: &str| {
        let payload_type = PayloadType::new(payload_type).unwrap();
        Envelope::sign_ed25519(payload_type, request.payload(), "client:pipeline", &key).unwrap().to_json()
    };
    let cases: Vec<(&str, Vec<u8>, Code, &str)> = vec![
        ("empty", Vec::new(), Code::InvalidArgument, "ENVELOPE_MALFORMED"),
        ("not JSON", b"hello".to_vec(), Code::InvalidArgument, "ENVELOPE_MALFORMED"),
        ("trailing bytes", format!("{good} x").into_bytes(), Code::InvalidArgument, "ENVELOPE_MALFORMED"),
        (
            "a time of its own",
            good.replacen('{', "{\"time_ms\":1,", 1).into_bytes(),
            Code::InvalidArgument,
            "ENVELOPE_MALFORMED",
        ),
        (
            "base64 without padding",
            good.replacen("==\"", "\"", 1).into_bytes(),
            Code::InvalidArgument,
            "ENVELOPE_FIELD_INVALID",
        ),
        (
            "another key",
            signed_as("client:pipeline", &stranger),
            Code::Unauthenticated,
            "ENVELOPE_SIGNATURE_INVALID",
        ),
        (
            "another signer than the caller",
            signed_as("client:nobody", &stranger),
            Code::PermissionDenied,
            "SIGNER_NOT_AUTHORIZED",
        ),
        (
            "another role's name",
            signed_as("provider:sessions", &key),
            Code::PermissionDenied,
            "SIGNER_NOT_AUTHORIZED",
        ),
        (
            "another kind of payload",
            of_type("application/vnd.holdfast.authorize.v1+json"),
            Code::InvalidArgument,
            "PAYLOAD_TYPE_UNKNOWN",
        ),
        (
            "a bind-transaction to Submit",
            of_type("application/vnd.holdfast.bind-transaction.v1+json"),
            Code::InvalidArgument,
            "PAYLOAD_TYPE_UNKNOWN",
        ),
        (
            "a second genesis",
            of_type("application/vnd.holdfast.genesis.v1+json"),
            Code::InvalidArgument,
            "PAYLOAD_TYPE_UNKNOWN",
        ),
        ("an invented type", of_type("application/json"), Code::InvalidArgument, "PAYLOAD_TYPE_UNKNOWN"),
        ("an envelope over the limit", vec![b' '; 65_505], Code::ResourceExhausted, "ENVELOPE_TOO_LARGE"),
        ("a message over the limit", vec![b' '; 300_000], Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
    ];
    for (name, envelope, code, reason) in cases {
        let result = pipeline.submit_bytes(envelope, 0).await;
        let status = result.err().unwrap_or_else(|| panic!("{name}: accepted"));
        let refusal = holdfast_tests::Refusal::from(&status);
        assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{name}: {status:?}");
    }
}

#[tokio::test]
async fn payloads_are_read_strictly() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let key = cluster.client_key();
    let payload = String::from_utf8(cluster.request().payload()).unwrap();
    let kind = || PayloadType::new("application/vnd.holdfast.withdrawal-request.v1+json").unwrap();
    for (name, payload) in [
        ("trailing bytes", format!("{payload}{{}}")),
        ("a repeated member", payload.replacen('{', "{\"amount\":\"1\",", 1)),
        ("a missing member", payload.replacen("\"fee_cap\":\"10000000000000000\",", "", 1)),
        ("no object", "[]".to_owned()),
    ] {
        let envelope = Envelope::sign_ed25519(kind(), payload.into_bytes(), "client:pipeline", &key).unwrap();
        let result = pipeline.submit_envelope(&envelope, 0).await;
        let status = result.err().unwrap_or_else(|| panic!("{name}: accepted"));
        let refusal = holdfast_tests::Refusal::from(&status);
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            (Code::InvalidArgument, "FIELD_INVALID"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn fields_of_messages_are_bounded_and_what_is_not_there_is_not_found() {
    let cluster = cluster().await;
    let pipeline: Pipeline<'_> = cluster.pipeline().await;
    let envelope = cluster.request().signed(cluster);
    let late =
        refused(pipeline.submit_envelope(&envelope, 30_001).await, Code::InvalidArgument, "FIELD_INVALID");
    assert_eq!(late.fields, ["wait_ms"]);
    let none = format!("w-{}", "0".repeat(32));
    refused(pipeline.get(&none).await, Code::NotFound, "UNKNOWN_WITHDRAWAL");
    let malformed = refused(pipeline.get("w-1").await, Code::InvalidArgument, "FIELD_INVALID");
    assert_eq!(malformed.fields, ["withdrawal_id"]);
    refused(pipeline.by_key("never-used").await, Code::NotFound, "UNKNOWN_WITHDRAWAL");
    refused(pipeline.cancel(&cluster.cancel(&none)).await, Code::NotFound, "UNKNOWN_WITHDRAWAL");
    let mut client = WithdrawalServiceClient::new(cluster.to_coordinator(Role::Client, CLIENT).await);
    for (page_size, page_token, field) in [(101, "", "page_size"), (0, "x", "page_token")] {
        let request = v1::ListWithdrawalsRequest {
            wallet: WALLET.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        let refusal = refused(client.list(request).await, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(refusal.fields, [field]);
    }
}

#[tokio::test]
async fn a_cancelled_withdrawal_stays_cancelled_and_a_signed_one_cannot_be_cancelled() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let open = pipeline.submit(&cluster.intent()).await.unwrap();
    let cancelled = pipeline.cancel(&cluster.cancel(&open.id)).await.unwrap();
    assert_eq!(cancelled.state(), State::Cancelled);
    let again = pipeline.cancel(&cluster.cancel(&open.id)).await.unwrap();
    assert_eq!(again.state(), State::Cancelled);
    let late = cluster.bind(&open.id, &transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce()));
    refused(pipeline.bind(&late).await, Code::FailedPrecondition, "TRANSACTION_ALREADY_BOUND");
    let signed = pipeline.submit(&cluster.request()).await.unwrap();
    let refusal = pipeline.cancel(&cluster.cancel(&signed.id)).await;
    refused(refusal, Code::FailedPrecondition, "WITHDRAWAL_NOT_CANCELLABLE");
}
