//! The service as its callers see it: identity, idempotency, pages, waiting and watching.

use holdfast_ledger::WithdrawalState as State;
use holdfast_proto::{field_violations, metadata_of, reason_of};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tonic::Code;

use super::*;
use crate::testing::{Cell, called_by, client_request, sign, usdt_transfer};
use crate::withdrawals::Withdrawals;

mod after;

fn api(cell: &Cell) -> WithdrawalApi {
    WithdrawalApi { parts: cell.parts.clone(), streams: Streams::new(cell.stop.subscribe()) }
}

fn signed_request(payload: &Value) -> Vec<u8> {
    sign(PayloadKind::WithdrawalRequest, payload, "client", "pipeline").to_json()
}

fn request(cell: &Cell, key: &str) -> Vec<u8> {
    signed_request(&client_request(cell.clock.now(), key, 1_250, 0))
}

async fn submit(cell: &Cell, envelope: Vec<u8>, wait_ms: u32) -> Result<v1::Withdrawal, Status> {
    let message = v1::SubmitWithdrawalRequest { envelope, wait_ms };
    api(cell).submit(called_by("client", "pipeline", message)).await.map(Response::into_inner)
}

fn start_signing(cell: &Cell) {
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
}

#[tokio::test]
async fn submit_that_waits_returns_the_signed_withdrawal_with_its_proofs() {
    let cell = Cell::ready().await;
    start_signing(&cell);
    let withdrawal = submit(&cell, request(&cell, "k-1"), 10_000).await.unwrap();
    assert_eq!(withdrawal.state(), v1::WithdrawalState::Signed);
    let receipt = withdrawal.receipt.unwrap();
    // Then its proofs verify with published keys, and at least two nodes cosigned
    let entry = receipt.signature_entry.clone();
    let proof = holdfast_log::TlogProof::parse(&receipt.tlog_proof).unwrap();
    let verifiers: Vec<_> = cell.fakes.iter().map(|fake| cosigner(fake.name().as_str())).collect();
    let leaf = holdfast_log::Hash::leaf(&entry);
    proof.verify(leaf, &cell.verifier().await, &verifiers, 2).unwrap();
    let proof = holdfast_log::TlogProof::parse(&receipt.authorization_proof).unwrap();
    let leaf = holdfast_log::Hash::leaf(&receipt.authorization_entry);
    proof.verify(leaf, &cell.verifier().await, &verifiers, 2).unwrap();
}

fn cosigner(node: &str) -> holdfast_log::CosignatureVerifier {
    let name = holdfast_log::KeyName::of_node("demo-1", node).unwrap();
    let key = crate::testing::ed25519(&node.replace("node", "cosign")).verifying_key();
    holdfast_log::CosignatureVerifier::new(name, key)
}

#[tokio::test]
async fn same_request_again_returns_the_same_withdrawal() {
    let cell = Cell::ready().await;
    let envelope = request(&cell, "k-1");
    let first = submit(&cell, envelope.clone(), 0).await.unwrap();
    let size = cell.size().await;
    let again = submit(&cell, envelope, 0).await.unwrap();
    assert_eq!((first.id, size), (again.id, cell.size().await));
}

#[tokio::test]
async fn reused_key_names_the_withdrawal_that_has_it() {
    let cell = Cell::ready().await;
    let first = submit(&cell, request(&cell, "k-1"), 0).await.unwrap();
    let other = signed_request(&client_request(cell.clock.now() + 1, "k-1", 7, 0));
    let refused = submit(&cell, other, 0).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::AlreadyExists, Some("IDEMPOTENCY_KEY_REUSED"))
    );
    assert_eq!(metadata_of(&refused).get("withdrawal_id"), Some(&first.id));
}

#[tokio::test]
async fn envelope_of_another_client_is_refused_whoever_signed_it() {
    let cell = Cell::ready().await;
    let message = v1::SubmitWithdrawalRequest { envelope: request(&cell, "k-1"), wait_ms: 0 };
    let refused = api(&cell).submit(called_by("client", "other", message)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::PermissionDenied, Some("SIGNER_NOT_AUTHORIZED"))
    );
}

#[tokio::test]
async fn bad_input_is_refused_with_its_field_and_logs_nothing() {
    let cell = Cell::ready().await;
    let good = client_request(cell.clock.now(), "k-1", 1_250, 0);
    let size = cell.size().await;
    for (member, value, code, reason) in [
        (
            "destination",
            json!("0x8BA1f109551bD432803012645Ac136ddd64DBA72"),
            Code::InvalidArgument,
            "ADDRESS_CHECKSUM",
        ),
        ("chain_id", json!(5), Code::InvalidArgument, "UNKNOWN_CHAIN"),
        ("asset", json!("DAI"), Code::InvalidArgument, "UNKNOWN_ASSET"),
        ("wallet", json!("hot-9"), Code::NotFound, "UNKNOWN_WALLET"),
        ("amount", json!("-1"), Code::InvalidArgument, "FIELD_INVALID"),
        ("expires_at_ms", json!(cell.clock.now()), Code::InvalidArgument, "FIELD_INVALID"),
    ] {
        let mut payload = good.clone();
        payload[member] = value;
        let refused = submit(&cell, signed_request(&payload), 0).await.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused).as_deref()), (code, Some(reason)), "{member}");
        assert_eq!(field_violations(&refused)[0].field, member);
    }
    assert_eq!(cell.size().await, size);
    let mut expired = good.clone();
    expired["created_at_ms"] = (cell.clock.now() - 10).into();
    expired["expires_at_ms"] = (cell.clock.now() - 5).into();
    let refused = submit(&cell, signed_request(&expired), 0).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::FailedPrecondition, Some("INTENT_EXPIRED"))
    );
    let refused = submit(&cell, vec![b' '; 70_000], 0).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::ResourceExhausted, Some("ENVELOPE_TOO_LARGE"))
    );
    let refused = submit(&cell, signed_request(&good), 30_001).await.unwrap_err();
    assert_eq!(field_violations(&refused)[0].field, "wait_ms");
}

#[tokio::test]
async fn denial_is_an_answer_and_not_an_error() {
    let cell = Cell::ready().await;
    let mut payload = client_request(cell.clock.now(), "k-1", 1_250, 0);
    payload["destination"] = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96".into();
    payload.as_object_mut().unwrap().remove("transaction");
    let withdrawal = submit(&cell, signed_request(&payload), 0).await.unwrap();
    assert_eq!(withdrawal.state(), v1::WithdrawalState::Denied);
    assert_eq!(withdrawal.reason.unwrap().code, "DESTINATION_SANCTIONED");
    assert!(withdrawal.decision.unwrap().rules.iter().any(|rule| rule.code == "DESTINATION_SANCTIONED"));
}

#[tokio::test]
async fn dry_run_decides_and_logs_nothing() {
    let cell = Cell::ready().await;
    let size = cell.size().await;
    let evaluate = |envelope| async {
        let message = v1::EvaluateWithdrawalRequest { envelope };
        api(&cell).evaluate(called_by("client", "pipeline", message)).await.map(Response::into_inner)
    };
    let answer = evaluate(request(&cell, "k-1")).await.unwrap();
    assert_eq!(answer.decision.unwrap().outcome(), v1::Outcome::Allow);
    assert_eq!(answer.effects.unwrap().account_nonce, Some(0));
    let held = evaluate(signed_request(&client_request(cell.clock.now(), "k-2", 6_000, 0))).await.unwrap();
    assert_eq!(held.decision.unwrap().outcome(), v1::Outcome::Hold);
    assert_eq!(cell.size().await, size);
}

#[tokio::test]
async fn held_withdrawal_is_returned_at_once_and_signed_after_two_approvals() {
    let cell = Cell::ready().await;
    start_signing(&cell);
    let payload = client_request(cell.clock.now(), "k-1", 6_000, 0);
    let held = submit(&cell, signed_request(&payload), 10_000).await.unwrap();
    assert_eq!(held.state(), v1::WithdrawalState::Held);
    let id: WithdrawalId = held.id.parse().unwrap();
    for officer in ["alice", "bob"] {
        let statement = cell.statement(officer, StatementBody::ApproveHold(id)).await;
        let wrong = v1::RejectHoldRequest { envelope: statement.to_json() };
        let refused = api(&cell).reject_hold(called_by("officer", officer, wrong)).await.unwrap_err();
        assert_eq!(reason_of(&refused).as_deref(), Some("PAYLOAD_TYPE_UNKNOWN"));
        let message = v1::ApproveHoldRequest { envelope: statement.to_json() };
        api(&cell).approve_hold(called_by("officer", officer, message)).await.unwrap();
    }
    let signed = api(&cell).settled(&id, Duration::from_secs(10)).await.unwrap();
    assert_eq!(signed.state(), v1::WithdrawalState::Signed);
    assert_eq!(signed.approvals.len(), 2);
}

#[tokio::test]
async fn another_clients_withdrawal_is_as_unknown_as_none() {
    let cell = Cell::ready().await;
    let withdrawal = submit(&cell, request(&cell, "k-1"), 0).await.unwrap();
    let get = |role: &'static str, name: &'static str, id: String| {
        let message = v1::GetWithdrawalRequest { withdrawal_id: id };
        let api = api(&cell);
        async move { api.get(called_by(role, name, message)).await.map(Response::into_inner) }
    };
    assert!(get("client", "pipeline", withdrawal.id.clone()).await.is_ok());
    assert!(get("auditor", "anna", withdrawal.id.clone()).await.is_ok());
    let foreign = get("client", "other", withdrawal.id.clone()).await.unwrap_err();
    let absent = get("client", "other", format!("w-{}", "00".repeat(16))).await.unwrap_err();
    assert_eq!((foreign.code(), reason_of(&foreign)), (absent.code(), reason_of(&absent)));
    assert_eq!(foreign.code(), Code::NotFound);
    let by_key = |name: &'static str| {
        let message = v1::GetWithdrawalByIdempotencyKeyRequest { idempotency_key: "k-1".to_owned() };
        let api = api(&cell);
        async move {
            api.get_by_idempotency_key(called_by("client", name, message)).await.map(Response::into_inner)
        }
    };
    assert_eq!(by_key("pipeline").await.unwrap().id, withdrawal.id);
    assert_eq!(by_key("other").await.unwrap_err().code(), Code::NotFound);
    let list = |name: &'static str| {
        let api = api(&cell);
        async move {
            api.list(called_by("client", name, v1::ListWithdrawalsRequest::default()))
                .await
                .unwrap()
                .into_inner()
        }
    };
    assert_eq!((list("pipeline").await.withdrawals.len(), list("other").await.withdrawals.len()), (1, 0));
}

#[tokio::test]
async fn pages_hold_every_withdrawal_once_and_newest_first() {
    let cell = Cell::ready().await;
    let mut ids = Vec::new();
    for i in 0..7 {
        ids.insert(0, cell.submit(&format!("k-{i}"), i).await.to_string());
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let message =
            v1::ListWithdrawalsRequest { page_size: 3, page_token, ..v1::ListWithdrawalsRequest::default() };
        let page = api(&cell).list(called_by("officer", "alice", message)).await.unwrap().into_inner();
        assert!(page.withdrawals.len() <= 3);
        assert!(page.withdrawals.iter().all(|withdrawal| withdrawal.decision.is_none()));
        found.extend(page.withdrawals.into_iter().map(|withdrawal| withdrawal.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ids);
    let message =
        v1::ListWithdrawalsRequest { state: v1::WithdrawalState::Held.into(), ..Default::default() };
    let held = api(&cell).list(called_by("officer", "alice", message)).await.unwrap().into_inner();
    assert!(held.withdrawals.is_empty());
}

#[tokio::test]
async fn binding_the_same_again_returns_the_withdrawal_even_when_it_is_too_late() {
    let cell = Cell::ready().await;
    let mut payload = client_request(cell.clock.now(), "k-1", 1_250, 0);
    payload.as_object_mut().unwrap().remove("transaction");
    let allowed = submit(&cell, signed_request(&payload), 1_000).await.unwrap();
    assert_eq!(allowed.state(), v1::WithdrawalState::Allowed);
    let bind = |nonce: u64| {
        let payload = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": allowed.id,
            "transaction": usdt_transfer(1_250, nonce).to_hex()});
        let envelope = sign(PayloadKind::BindTransaction, &payload, "client", "pipeline").to_json();
        let message = v1::BindTransactionRequest { envelope, wait_ms: 10_000 };
        let api = api(&cell);
        async move {
            api.bind_transaction(called_by("client", "pipeline", message)).await.map(Response::into_inner)
        }
    };
    start_signing(&cell);
    assert_eq!(bind(3).await.unwrap().state(), v1::WithdrawalState::Signed);
    assert_eq!(bind(3).await.unwrap().state(), v1::WithdrawalState::Signed);
    let refused = bind(4).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("TRANSACTION_ALREADY_BOUND"));
}

#[tokio::test]
async fn cancelling_twice_is_as_good_as_once() {
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    let payload = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id});
    let envelope = sign(PayloadKind::CancelWithdrawal, &payload, "client", "pipeline").to_json();
    for _ in 0..2 {
        let message = v1::CancelWithdrawalRequest { envelope: envelope.clone() };
        let cancelled =
            api(&cell).cancel(called_by("client", "pipeline", message)).await.unwrap().into_inner();
        assert_eq!(cancelled.state(), v1::WithdrawalState::Cancelled);
    }
}

async fn next(
    stream: &mut ReceiverStream<Result<v1::WithdrawalEvent, Status>>,
) -> Option<(u64, v1::Withdrawal)> {
    let event =
        tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("no event")?.unwrap();
    Some((event.position.unwrap().index, event.withdrawal.unwrap()))
}

async fn watch(
    cell: &Cell,
    role: &str,
    name: &str,
    from_index: u64,
    only: Option<WithdrawalId>,
) -> ReceiverStream<Result<v1::WithdrawalEvent, Status>> {
    let message = v1::WatchWithdrawalsRequest { from_index, withdrawal_id: only.map(|id| id.to_string()) };
    api(cell).watch(called_by(role, name, message)).await.unwrap().into_inner()
}

#[tokio::test]
async fn watch_tells_history_as_it_was_then_goes_on_live_and_ends_with_the_final_state() {
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    let mut stream = watch(&cell, "client", "pipeline", 0, Some(id)).await;
    let (first, bound) = next(&mut stream).await.unwrap();
    assert_eq!(bound.state(), v1::WithdrawalState::Bound);
    start_signing(&cell);
    let mut states = vec![bound.state()];
    let mut last = first;
    while let Some((index, withdrawal)) = next(&mut stream).await {
        assert!(index >= last, "positions go back");
        last = index;
        states.push(withdrawal.state());
        if withdrawal.state() == v1::WithdrawalState::Signed {
            assert!(withdrawal.receipt.is_some());
        }
    }
    states.dedup();
    let expected = [v1::WithdrawalState::Bound, v1::WithdrawalState::Authorized, v1::WithdrawalState::Signed];
    assert_eq!(states, expected);
    // And a watch that resumes after the first event misses nothing and repeats nothing
    let mut resumed = watch(&cell, "client", "pipeline", first + 1, Some(id)).await;
    assert_eq!(next(&mut resumed).await.unwrap().1.state(), v1::WithdrawalState::Authorized);
    assert_eq!(next(&mut resumed).await.unwrap().1.state(), v1::WithdrawalState::Signed);
    assert!(next(&mut resumed).await.is_none());
}

#[tokio::test]
async fn watch_shows_a_client_only_its_own_withdrawals() {
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    let mut everything = watch(&cell, "auditor", "anna", 0, None).await;
    assert_eq!(next(&mut everything).await.unwrap().1.id, id.to_string());
    let mut foreign = watch(&cell, "client", "other", 0, None).await;
    let nothing = tokio::time::timeout(Duration::from_millis(200), foreign.next()).await;
    assert!(nothing.is_err(), "another client's withdrawal was shown");
    let message = v1::WatchWithdrawalsRequest { from_index: 0, withdrawal_id: Some(id.to_string()) };
    let refused = api(&cell).watch(called_by("client", "other", message)).await.err().unwrap();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn watch_tells_that_a_withdrawal_expired_also_to_those_who_come_later() {
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    let index = cell.size().await - 1;
    let mut live = watch(&cell, "client", "pipeline", index, Some(id)).await;
    assert_eq!(next(&mut live).await.unwrap().1.state(), v1::WithdrawalState::Bound);
    cell.clock.advance(600_001);
    cell.parts.book.expire(cell.clock.clock().now()).await.unwrap();
    let (position, expired) = next(&mut live).await.unwrap();
    assert_eq!((position, expired.state()), (index, v1::WithdrawalState::Expired));
    assert!(next(&mut live).await.is_none());
    let mut later = watch(&cell, "client", "pipeline", index + 1, None).await;
    assert_eq!(next(&mut later).await.unwrap().1.state(), v1::WithdrawalState::Expired);
    let state = cell.parts.book.read().await.unwrap().index().counts().get(&State::Expired).copied();
    assert_eq!(state, Some(1));
}

#[tokio::test]
async fn number_of_streams_is_bounded_and_a_closed_one_frees_its_place() {
    let cell = Cell::ready().await;
    let api = api(&cell);
    let open = || async {
        let message = v1::WatchWithdrawalsRequest::default();
        api.watch(called_by("officer", "alice", message)).await.map(Response::into_inner)
    };
    let mut streams = Vec::new();
    let refused = loop {
        match open().await {
            Ok(stream) => streams.push(stream),
            Err(refused) => break refused,
        }
        assert!(streams.len() <= 1_000, "unbounded");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(streams);
    for _ in 0..200 {
        if open().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("closed streams keep their places");
}
