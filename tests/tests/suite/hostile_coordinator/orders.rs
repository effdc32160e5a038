//! Attacks on authorizations and orders: decisions, digests, nonces and replacements.

use holdfast_ledger::{PayloadKind, WithdrawalId, WithdrawalState};
use holdfast_proto::v1;
use holdfast_tests::{
    Hostile, PAYEE, Request, STRANGER, THIEF, WALLET, admitted, new_session, now_ms, transfer,
};
use serde_json::json;
use tonic::Code;

use super::{PAIR, Stolen, THIRD, key_of, large, never_authorized};

#[tokio::test]
async fn an_order_without_an_authorization_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    // A withdrawal that nobody asked for
    let invented: WithdrawalId = format!("w-{}", "0".repeat(32)).parse().unwrap();
    hostile.nobody_signs(&invented, Code::NotFound, "ORDER_UNKNOWN").await;
    // One that was asked for and is allowed, but not authorized
    let bound = admitted(&hostile.log.append(&cluster.request().signed(cluster)));
    hostile.nobody_signs(&bound, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
}

#[tokio::test]
async fn a_claimed_decision_that_the_rules_do_not_give_is_no_decision() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // One that the policy denies, one that it holds
    let denied = cluster.intent().set("destination", THIEF).with_transfer(902);
    for request in [denied, large(cluster)] {
        let id = admitted(&hostile.log.append(&request.signed(cluster)));
        never_authorized(&mut hostile, id).await;
        // A decision is not taken as input
        let digest = hostile.log.state().withdrawal(&id).unwrap().transaction.clone().unwrap().signing_hash;
        let claim = json!({"cluster": cluster.name(), "withdrawal": id, "digests": [digest.to_string()],
            "decision": "allow"});
        let claim = hostile.speak(PayloadKind::Authorize, &claim);
        hostile.noop(&claim, "FIELD_INVALID");
        hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    }
}

#[tokio::test]
async fn an_authorization_of_another_digest_is_a_no_op() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = admitted(&hostile.log.append(&cluster.request().signed(cluster)));
    let own = hostile.log.state().withdrawal(&id).unwrap().transaction.clone().unwrap().signing_hash;
    let stolen = transfer(THIEF, 1_250_000_000, 903).signing_hash();
    for digests in [vec![stolen], vec![own, stolen], vec![own, own], vec![]] {
        let payload = json!({"cluster": cluster.name(), "withdrawal": id, "digests": digests});
        let envelope = hostile.speak(PayloadKind::Authorize, &payload);
        hostile.noop(&envelope, "DIGEST_MISMATCH");
    }
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
}

#[tokio::test]
async fn a_digest_without_its_transaction_is_not_signed() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let intent = cluster.intent();
    let id = admitted(&hostile.log.append(&intent.signed(cluster)));
    let digest = transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce()).signing_hash();
    let payload = json!({"cluster": cluster.name(), "withdrawal": id, "digests": [digest]});
    let authorization = hostile.speak(PayloadKind::Authorize, &payload);
    hostile.noop(&authorization, "WITHDRAWAL_NOT_AUTHORIZABLE");
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
}

#[tokio::test]
async fn a_transaction_bound_after_the_authorization_changes_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    // The client's own later transaction, held back until now
    let later = transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce());
    let bind = cluster.bind(&id.to_string(), &later).signed(cluster);
    hostile.noop(&bind, "TRANSACTION_ALREADY_BOUND");
    let withdrawal = hostile.log.state().withdrawal(&id).unwrap();
    let digests = withdrawal.authorization.clone().unwrap().digests;
    assert_ne!(digests, [later.signing_hash()]);
    hostile.sign(&id, &PAIR).await.unwrap();
}

#[tokio::test]
async fn one_authorization_is_used_for_one_digest_by_whatever_signer_sets() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    // Given a signature of one digest by one pair
    let first = hostile.sign(&id, &PAIR).await.unwrap();
    // When the same pair and another one are asked for a second digest
    for pair in [PAIR, ["node-1", "node-3"]] {
        for digest_index in [1, 7, u32::MAX] {
            let mut order = hostile.order("node-1", &new_session(), &id, &pair).await;
            order.digest_index = digest_index;
            let result = hostile.prepare_at("node-1", order).await;
            hostile.caught("node-1", result, Code::FailedPrecondition, "ORDER_NOT_PERMITTED");
        }
    }
    let later = transfer(PAYEE, 1_250_000_000, cluster.next_account_nonce());
    let payload = json!({"cluster": cluster.name(), "withdrawal": id, "digests": [later.signing_hash()]});
    let second = hostile.speak(PayloadKind::Authorize, &payload);
    hostile.noop(&second, "DIGEST_MISMATCH");
    // Then another signature is of the same digest, under another nonce
    hostile.authorize(id);
    let again = hostile.sign(&id, &["node-1", "node-3"]).await.unwrap();
    let digest = hostile.log.state().withdrawal(&id).unwrap().authorization.clone().unwrap().digests[0];
    assert_ne!(first[0].r, again[0].r);
    for signature in [&first[0], &again[0]] {
        hostile.wallet_signature(&id, signature, &digest);
    }
}

#[tokio::test]
async fn signer_sets_that_are_not_exactly_a_threshold_of_the_committee_are_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let sets: [&[&str]; 6] = [
        &[],
        &["node-1"],
        &["node-1", "node-2", "node-3"],
        &["node-1", "node-1"],
        &["node-2", "node-3"],
        &["node-1", "node-9"],
    ];
    for set in sets {
        let order = hostile.order("node-1", &new_session(), &id, set).await;
        let result = hostile.prepare_at("node-1", order).await;
        hostile.caught("node-1", result, Code::InvalidArgument, "SIGNERS_INVALID");
    }
}

#[tokio::test]
async fn a_hidden_signature_keeps_its_account_nonce_whatever_becomes_of_its_withdrawal() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given a signature that the coordinator keeps to itself
    let nonce = cluster.next_account_nonce();
    let id = hostile.authorized(&cluster.intent().with_transfer(nonce));
    hostile.sign(&id, &PAIR).await.unwrap();
    // When the withdrawal is cancelled, authorized again, and replaced
    hostile.noop(&cluster.cancel(&id.to_string()).signed(cluster), "WITHDRAWAL_NOT_CANCELLABLE");
    hostile.authorize(id);
    let replacement = bump(cluster, &id, priced(PAYEE, 1_250_000_000, nonce, 60));
    let replacement = admitted(&hostile.log.append(&replacement.signed(cluster)));
    hostile.authorize(replacement);
    assert_eq!(hostile.log.state().withdrawal(&id).unwrap().logged_state(), WithdrawalState::Replaced);
    // Then nobody signs the first one again
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    // And no other withdrawal gets its nonce
    let other = admitted(&hostile.log.append(&cluster.intent().with_transfer(nonce).signed(cluster)));
    never_authorized(&mut hostile, other).await;
    hostile.sign(&replacement, &PAIR).await.unwrap();
}

#[tokio::test]
async fn a_replacement_signed_by_another_client_or_to_another_destination_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let nonce = cluster.next_account_nonce();
    let id = hostile.authorized(&cluster.intent().with_transfer(nonce));
    let honest = || priced(PAYEE, 1_250_000_000, nonce, 60);
    // Another client, in its own name and in the victim's
    let other = bump(cluster, &id, honest()).set("client", THIRD);
    hostile.noop(&other.sign("client:third", &key_of(THIRD)), "UNKNOWN_WITHDRAWAL");
    let posing = bump(cluster, &id, honest());
    hostile.noop(&posing.sign("client:third", &key_of(THIRD)), "SIGNER_NOT_AUTHORIZED");
    hostile.stops(&posing.sign("client:pipeline", &key_of(THIRD)), "ENVELOPE_SIGNATURE_INVALID").await;
    // The right client, whose transactions were made elsewhere
    for (transaction, reason) in [
        (priced(THIEF, 1_250_000_000, nonce, 60), "TRANSACTION_DESTINATION_MISMATCH"),
        (priced(PAYEE, 9_250_000_000, nonce, 60), "TRANSACTION_AMOUNT_MISMATCH"),
        (priced(PAYEE, 1_250_000_000, cluster.next_account_nonce(), 60), "ACCOUNT_NONCE_CHANGED"),
        (priced(PAYEE, 1_250_000_000, nonce, 30), "REPLACEMENT_FEE_TOO_LOW"),
    ] {
        let request = bump(cluster, &id, transaction);
        hostile.noop(&request.signed(cluster), reason);
        let refused = WithdrawalId::of(cluster.name(), "pipeline", &request.text("idempotency_key"));
        hostile.nobody_signs(&refused, Code::NotFound, "ORDER_UNKNOWN").await;
    }
    // A cancellation on chain that pays
    let cancel = bump(cluster, &id, priced(THIEF, 0, nonce, 60)).set("action", "cancel-on-chain");
    hostile.noop(&cancel.signed(cluster), "TRANSACTION_ASSET_MISMATCH");
}

#[tokio::test]
async fn a_sweep_signed_by_a_stranger_or_to_another_destination_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let address = hostile.log.state().wallet(&WALLET.parse().unwrap()).unwrap().address.to_string();
    let sweep = |to: &str| {
        let now = now_ms();
        Request::of(
            PayloadKind::SweepRequest,
            json!({"cluster": cluster.name(), "client": "pipeline", "wallet": WALLET, "deposit_index": 7,
                "asset": "USDT", "amount": "1000000", "fee_cap": "10000000000000000",
                "idempotency_key": format!("sweep-{}", cluster.fresh_number()),
                "created_at_ms": now, "expires_at_ms": now + 600_000,
                "transaction": transfer(to, 1_000_000, 0).to_hex()}),
        )
    };
    for to in [THIEF, PAYEE, STRANGER] {
        let request = sweep(to);
        hostile.noop(&request.signed(cluster), "TRANSACTION_DESTINATION_MISMATCH");
        let id = WithdrawalId::of(cluster.name(), "pipeline", &request.text("idempotency_key"));
        hostile.nobody_signs(&id, Code::NotFound, "ORDER_UNKNOWN").await;
    }
    let coordinators = cluster.ed25519_key("coordinator/entry.key");
    hostile
        .stops(&sweep(&address).sign("client:pipeline", &coordinators), "ENVELOPE_SIGNATURE_INVALID")
        .await;
    // Nor does it name a destination at all
    let named = sweep(&address).set("destination", THIEF);
    hostile.noop(&named.signed(cluster), "FIELD_INVALID");
}

#[tokio::test]
async fn a_wallet_with_a_key_of_the_coordinators_own_is_never_activated() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let ceremony = hostile.log.state().wallets().next().unwrap().ceremony;
    for ceremony in [format!("c-{}", "0".repeat(32)), ceremony.to_string()] {
        let payload = json!({"cluster": cluster.name(), "ceremony": ceremony, "wallet": "hot-9", "epoch": 0});
        let activation = hostile.speak(PayloadKind::EpochActivated, &payload);
        let applied = hostile.log.append(&activation);
        assert!(matches!(applied.outcome, holdfast_ledger::Outcome::Rejected(_)), "{applied:?}");
    }
    let request = cluster.intent().set("wallet", "hot-9").with_transfer(905);
    hostile.noop(&request.signed(cluster), "UNKNOWN_WALLET");
    let id = WithdrawalId::of(cluster.name(), "pipeline", &request.text("idempotency_key"));
    hostile.nobody_signs(&id, Code::NotFound, "ORDER_UNKNOWN").await;
}

#[tokio::test]
async fn a_key_generation_that_officers_did_not_approve_is_refused() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let invented = format!("c-{}", "0".repeat(32));
    let finished = hostile.log.state().wallets().next().unwrap().ceremony.to_string();
    for (ceremony_id, code, reason) in [
        (invented, Code::NotFound, "ORDER_UNKNOWN"),
        (finished, Code::FailedPrecondition, "ORDER_NOT_PERMITTED"),
    ] {
        let request = v1::KeygenPrepareRequest {
            ceremony_id,
            session_id: new_session(),
            replication: Some(hostile.replication(tip)),
        };
        let result = hostile.node("node-1").await.keygen_prepare(request).await;
        hostile.caught("node-1", result, code, reason);
    }
}

/// A fee bump of a withdrawal.
fn bump(
    cluster: &holdfast_tests::Cluster,
    of: &WithdrawalId,
    transaction: holdfast_chains::UnsignedTransaction,
) -> Request {
    let now = now_ms();
    let members = json!({"cluster": cluster.name(), "client": "pipeline", "of": of, "action": "bump-fee",
        "fee_cap": "10000000000000000", "idempotency_key": format!("bump-{}-{now}", cluster.fresh_number()),
        "created_at_ms": now, "expires_at_ms": now + 600_000, "transaction": transaction.to_hex()});
    Request::of(PayloadKind::ReplacementRequest, members)
}

/// A transfer of USDT at a price of gas, in gwei.
fn priced(to: &str, amount: u128, nonce: u64, gwei: u128) -> holdfast_chains::UnsignedTransaction {
    holdfast_tests::priced_transfer(to, amount, nonce, gwei)
}
