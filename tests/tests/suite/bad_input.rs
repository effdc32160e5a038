//! Bad input gets the right code, the right reason and the name of the field, and never uses an idempotency key up.

use ed25519_dalek::SigningKey;
use holdfast_log::{Envelope, PayloadType};
use holdfast_proto::lookup;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_tests::{
    CLIENT, Cluster, Options, PAYEE, Pipeline, Refusal, Request, WALLET, now_ms, refused, transfer,
};
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
    [transactions(cluster), references(), times(), texts()].into_iter().flatten().collect()
}

fn transactions(cluster: &Cluster) -> Vec<Row> {
    let good = transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce()).to_hex();
    let other = transfer(PAYEE, 1_250_000_001, 1_000).to_hex();
    let rows = [
        ("trailing bytes", format!("{good}00"), "TRANSACTION_TRAILING_BYTES"),
        ("malformed hex", good.replace("0x02", "0xzz"), "TRANSACTION_HEX_MALFORMED"),
        ("hex without prefix", good.replacen("0x", "", 1), "TRANSACTION_HEX_MALFORMED"),
        ("odd number of digits", format!("{good}0"), "TRANSACTION_HEX_MALFORMED"),
        ("legacy transaction", good.replacen("0x02", "0x01", 1), "TRANSACTION_TYPE_UNSUPPORTED"),
        ("cut off", good[..good.len() - 2].to_owned(), "TRANSACTION_MALFORMED"),
        ("empty", "0x".to_owned(), "TRANSACTION_EMPTY"),
        ("another amount", other, "TRANSACTION_AMOUNT_MISMATCH"),
    ];
    let rows = rows.into_iter().map(|(name, hex, reason)| {
        row(name, json!({"transaction": hex}), Code::InvalidArgument, reason, "transaction")
    });
    rows.collect()
}

fn references() -> Vec<Row> {
    use Code::{InvalidArgument, NotFound, PermissionDenied};
    let checksum = |name, destination: String| {
        row(name, json!({"destination": destination}), InvalidArgument, "ADDRESS_CHECKSUM", "destination")
    };
    vec![
        checksum("wrong checksum", PAYEE.replace("8ba1f1", "8bA1f1")),
        checksum("no checksum", PAYEE.to_lowercase()),
        row("unknown chain", json!({"chain_id": 5}), InvalidArgument, "UNKNOWN_CHAIN", "chain_id"),
        row("unknown asset", json!({"asset": "DOGE"}), InvalidArgument, "UNKNOWN_ASSET", "asset"),
        row("unknown wallet", json!({"wallet": "cold-9"}), NotFound, "UNKNOWN_WALLET", "wallet"),
        row("another cluster", json!({"cluster": "other"}), InvalidArgument, "CLUSTER_MISMATCH", "cluster"),
        row(
            "another client",
            json!({"client": "other"}),
            PermissionDenied,
            "SIGNER_NOT_AUTHORIZED",
            "client",
        ),
    ]
}

fn times() -> Vec<Row> {
    let now = now_ms();
    let dated = |created: u64, expires: u64| json!({"created_at_ms": created, "expires_at_ms": expires});
    let row = |name, members, reason, field| row(name, members, Code::FailedPrecondition, reason, field);
    vec![
        row("expired intent", dated(now - 20_000, now - 10_000), "INTENT_EXPIRED", "expires_at_ms"),
        row("future intent", dated(now + 60_000, now + 120_000), "INTENT_FROM_THE_FUTURE", "created_at_ms"),
    ]
}

fn texts() -> Vec<Row> {
    let zero = format!("0x{}", "0".repeat(40));
    let rows = [
        ("address too short", "destination", json!("0x8ba1")),
        ("zero address", "destination", json!(zero)),
        ("expiry before creation", "expires_at_ms", json!(now_ms() - 600_000)),
        ("zero amount", "amount", json!("0")),
        ("negative amount", "amount", json!("-1")),
        ("leading zero", "amount", json!("01")),
        ("decimal amount", "amount", json!("1.5")),
        ("amount as a number", "amount", json!(1_250_000_000)),
        ("amount beyond 256 bits", "amount", json!("9".repeat(78))),
        ("malformed fee cap", "fee_cap", json!("1 ether")),
        ("malformed wallet", "wallet", json!("Hot 1")),
        ("malformed customer", "customer", json!("Jane Doe")),
        ("malformed key", "idempotency_key", json!("a key")),
        ("key too long", "idempotency_key", json!("k".repeat(65))),
        ("unknown member", "note", json!("hello")),
    ];
    let rows = rows.into_iter().map(|(name, field, value)| {
        row(name, json!({field: value}), Code::InvalidArgument, "FIELD_INVALID", field)
    });
    rows.collect()
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
            let refusal = Refusal::from(&status);
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

fn broken_envelopes(cluster: &Cluster) -> Vec<(&'static str, Vec<u8>, Code, &'static str)> {
    use Code::{InvalidArgument, PermissionDenied, ResourceExhausted, Unauthenticated};
    let (request, key) = (cluster.request(), cluster.client_key());
    let good = String::from_utf8(request.signed(cluster).to_json()).unwrap();
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let signed_as = |key_id: &str, key: &SigningKey| request.sign(key_id, key).to_json();
    let malformed =
        |name, text: &str| (name, text.as_bytes().to_vec(), InvalidArgument, "ENVELOPE_MALFORMED");
    let of_type = |name, payload_type: &str| {
        let payload_type = PayloadType::new(payload_type).unwrap();
        let envelope = Envelope::sign_ed25519(payload_type, request.payload(), "client:pipeline", &key);
        (name, envelope.unwrap().to_json(), InvalidArgument, "PAYLOAD_TYPE_UNKNOWN")
    };
    let unpadded = good.replacen("==\"", "\"", 1).into_bytes();
    let forged = signed_as("client:pipeline", &stranger);
    let not_the_caller = signed_as("client:nobody", &stranger);
    let another_role = signed_as("provider:sessions", &key);
    vec![
        malformed("empty", ""),
        malformed("not JSON", "hello"),
        malformed("trailing bytes", &format!("{good} x")),
        malformed("a time of its own", &good.replacen('{', "{\"time_ms\":1,", 1)),
        ("base64 without padding", unpadded, InvalidArgument, "ENVELOPE_FIELD_INVALID"),
        ("another key", forged, Unauthenticated, "ENVELOPE_SIGNATURE_INVALID"),
        ("another signer than the caller", not_the_caller, PermissionDenied, "SIGNER_NOT_AUTHORIZED"),
        ("another role's name", another_role, PermissionDenied, "SIGNER_NOT_AUTHORIZED"),
        of_type("another kind of payload", "application/vnd.holdfast.authorize.v1+json"),
        of_type("a bind-transaction to Submit", "application/vnd.holdfast.bind-transaction.v1+json"),
        of_type("a second genesis", "application/vnd.holdfast.genesis.v1+json"),
        of_type("an invented type", "application/json"),
        ("an envelope over the limit", vec![b' '; 65_505], ResourceExhausted, "ENVELOPE_TOO_LARGE"),
        ("a message over the limit", vec![b' '; 300_000], ResourceExhausted, "MESSAGE_TOO_LARGE"),
    ]
}

#[tokio::test]
async fn envelopes_that_are_not_exactly_as_documented_are_refused() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    for (name, envelope, code, reason) in broken_envelopes(cluster) {
        let result = pipeline.submit_bytes(envelope, 0).await;
        let status = result.err().unwrap_or_else(|| panic!("{name}: accepted"));
        let refusal = Refusal::from(&status);
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
        let refusal = Refusal::from(&status);
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
