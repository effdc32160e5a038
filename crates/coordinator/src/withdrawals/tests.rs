//! Withdrawals against nodes that crash, refuse, lie and come back.

use std::time::Duration;

use holdfast_ledger::Withdrawal;
use holdfast_proto::convert::Waiting;

use super::*;
use crate::testing::{Behaviour, Cell, wallet_public};

async fn signing_cell() -> Cell {
    let cell = Cell::ready().await;
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
    tokio::time::timeout(Duration::from_secs(5), async {
        while !cell.parts.nodes.links().all(|link| link.health().is_sound()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    cell
}

async fn withdrawal(cell: &Cell, id: &WithdrawalId) -> Withdrawal {
    cell.parts.book.read().await.unwrap().state().withdrawal(id).unwrap().clone()
}

async fn signed(cell: &Cell, id: &WithdrawalId) -> Withdrawal {
    for _ in 0..1_000 {
        let found = withdrawal(cell, id).await;
        if found.logged_state() == WithdrawalState::Signed {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not signed: {:?}", cell.parts.progress.withdrawal(id));
}

async fn waits(cell: &Cell, id: &WithdrawalId, code: &str) -> Waiting {
    for _ in 0..500 {
        if let Some(waiting) = cell.parts.progress.withdrawal(id).filter(|waiting| waiting.code == code) {
            return waiting;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not wait for `{code}`: {:?}", cell.parts.progress.withdrawal(id));
}

#[tokio::test]
async fn allowed_withdrawal_is_authorized_signed_and_verified() {
    let cell = signing_cell().await;
    let id = cell.submit("k-1", 0).await;
    let found = signed(&cell, &id).await;
    let digest = found.transaction.as_ref().unwrap().signing_hash;
    found.signature.unwrap().verify(&digest, &wallet_public()).unwrap();
    assert_eq!(found.authorization.unwrap().renewals, 0);
    let receipt = cell.parts.receipt(&id).await.unwrap();
    assert_eq!(receipt.transaction.sender(), wallet_public().address());
}

#[tokio::test]
async fn one_node_down_does_not_keep_the_others_from_signing() {
    let cell = signing_cell().await;
    cell.fakes[0].behave(Behaviour::Down);
    let id = cell.submit("k-1", 0).await;
    signed(&cell, &id).await;
    assert!(cell.fakes[0].sessions().is_empty());
}

#[tokio::test]
async fn node_that_dies_in_any_round_is_replaced_with_a_new_session() {
    for round in 1..=4 {
        let cell = signing_cell().await;
        cell.fakes[1].behave(Behaviour::DiesInRound(round));
        let id = cell.submit("k-1", 0).await;
        signed(&cell, &id).await;
        // The fakes assert that no session id comes twice.
        assert!(!cell.fakes[0].sessions().is_empty() || !cell.fakes[2].sessions().is_empty());
    }
}

#[tokio::test]
async fn two_nodes_down_are_named_and_the_withdrawal_is_signed_once_one_is_back() {
    let cell = signing_cell().await;
    cell.fakes[0].behave(Behaviour::Down);
    cell.fakes[2].behave(Behaviour::Down);
    let id = cell.submit("k-1", 0).await;
    let waiting = waits(&cell, &id, "NODES_UNAVAILABLE").await;
    let missing: Vec<&str> = waiting.missing_nodes.iter().map(|node| node.as_str()).collect();
    assert_eq!(missing, ["node-1", "node-3"]);
    cell.fakes[2].behave(Behaviour::Honest);
    signed(&cell, &id).await;
    for _ in 0..100 {
        if cell.parts.progress.withdrawal(&id).is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still seems to wait");
}

#[tokio::test]
async fn signature_of_another_digest_is_never_logged() {
    let cell = signing_cell().await;
    for fake in &cell.fakes {
        fake.behave(Behaviour::SignsOtherDigest);
    }
    let id = cell.submit("k-1", 0).await;
    for _ in 0..200 {
        if cell.fakes.iter().map(|fake| fake.sessions().len()).sum::<usize>() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(withdrawal(&cell, &id).await.logged_state(), WithdrawalState::Authorized);
    cell.fakes.iter().for_each(|fake| fake.behave(Behaviour::Honest));
    signed(&cell, &id).await;
}

#[tokio::test]
async fn node_that_sends_nothing_is_left_out_of_the_next_attempt() {
    let cell = signing_cell().await;
    cell.fakes[0].behave(Behaviour::SendsNothing);
    let id = cell.submit("k-1", 0).await;
    signed(&cell, &id).await;
    assert!(cell.fakes[0].sessions().len() <= 2);
}

#[tokio::test]
async fn engine_with_other_rounds_signs_through_the_same_attempts() {
    let cell = signing_cell().await;
    cell.fakes.iter().for_each(|fake| fake.has_rounds(6, 8));
    let id = cell.submit("k-1", 0).await;
    signed(&cell, &id).await;
}

#[tokio::test]
async fn node_that_says_another_number_of_rounds_is_left_out_of_a_later_attempt() {
    let cell = signing_cell().await;
    cell.fakes[0].behave(Behaviour::MiscountsRounds);
    let id = cell.submit("k-1", 0).await;
    signed(&cell, &id).await;
}

#[tokio::test]
async fn refusal_by_an_officers_latch_is_shown_and_not_hammered() {
    let cell = signing_cell().await;
    for fake in &cell.fakes {
        fake.behave(Behaviour::Refuses("LATCHED"));
    }
    let id = cell.submit("k-1", 0).await;
    let waiting = waits(&cell, &id, "LATCHED").await;
    assert!(waiting.missing_nodes.is_empty());
    // When other entries are logged meanwhile, it is not tried more often for that
    let sessions = |cell: &Cell| cell.fakes.iter().map(|fake| fake.sessions().len()).sum::<usize>();
    let before = sessions(&cell);
    for _ in 0..5 {
        cell.accept(cell.session_report()).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(sessions(&cell), before);
    assert_eq!(cell.parts.progress.withdrawal(&id), Some(waiting));
}

#[tokio::test]
async fn authorization_that_is_too_old_is_renewed() {
    // Given an authorized withdrawal that no node would sign
    let cell = signing_cell().await;
    cell.fakes.iter().for_each(|fake| fake.behave(Behaviour::Refuses("TOO_MANY_SESSIONS")));
    let request = {
        let mut request = crate::testing::client_request(cell.clock.now(), "k-1", 1_250, 0);
        request["expires_at_ms"] = (cell.clock.now() + 100_000_000).into();
        crate::testing::sign(holdfast_ledger::PayloadKind::WithdrawalRequest, &request, "client", "pipeline")
    };
    let id = cell.accept(request).await.withdrawal.unwrap();
    while withdrawal(&cell, &id).await.authorization.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // When they are ready eleven minutes later, and their rule is ten
    cell.clock.advance(11 * 60 * 1_000);
    cell.fakes.iter().for_each(|fake| fake.behave(Behaviour::Honest));
    // Then it is signed under a second authorization of the same digest
    let found = signed(&cell, &id).await;
    let authorization = found.authorization.unwrap();
    assert_eq!(authorization.renewals, 1);
    assert_eq!(authorization.digests, [found.transaction.unwrap().signing_hash]);
}

#[tokio::test]
async fn second_withdrawal_on_a_used_account_nonce_is_parked_with_its_reason() {
    let cell = signing_cell().await;
    let first = cell.submit("k-1", 7).await;
    signed(&cell, &first).await;
    let second = cell.submit("k-2", 7).await;
    waits(&cell, &second, "ACCOUNT_NONCE_USED").await;
    let size = cell.size().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cell.size().await, size, "the attempt is logged again and again");
    // When its client binds a transaction with another nonce
    let transaction = crate::testing::usdt_transfer(1_250, 8).to_hex();
    let bind = serde_json::json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": second, "transaction": transaction});
    cell.accept(crate::testing::sign(
        holdfast_ledger::PayloadKind::BindTransaction,
        &bind,
        "client",
        "pipeline",
    ))
    .await;
    // Then it is signed
    signed(&cell, &second).await;
}

#[tokio::test]
async fn open_withdrawal_is_taken_up_again_after_a_restart() {
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    let now = cell.clock.now();
    let cell = Cell::open(cell.shut_down().await, now).await;
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
    signed(&cell, &id).await;
}

#[tokio::test]
async fn expired_withdrawal_is_not_driven() {
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    cell.clock.advance(600_001);
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(withdrawal(&cell, &id).await.authorization, None);
    assert!(cell.fakes.iter().all(|fake| fake.sessions().is_empty()));
}

#[tokio::test]
async fn many_withdrawals_are_signed_side_by_side() {
    let cell = signing_cell().await;
    let mut ids = Vec::new();
    for i in 0..40 {
        ids.push(cell.submit(&format!("k-{i}"), i).await);
    }
    for id in &ids {
        signed(&cell, id).await;
    }
}

/// Above 1,000 USDT a minute must pass, and nobody can shorten it.
fn waits_a_minute(document: &mut serde_json::Value) {
    let band = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }";
    let timer = "hold_above = { amount = \"1000000000\", timer_ms = 60000, at_end = \"release\" }";
    let policy = document["policy"].as_str().unwrap();
    assert!(policy.contains(band));
    document["policy"] = policy.replacen(band, timer, 1).into();
}

#[tokio::test]
async fn hold_that_time_released_while_the_coordinator_was_down_goes_on_by_itself() {
    // Given a withdrawal that waits for time, and a coordinator that goes down
    let dir = tempfile::TempDir::new().unwrap();
    let cell = Cell::open_amended(dir, crate::testing::START + 1_000, waits_a_minute).await;
    cell.make_ready().await;
    let id = cell.submit("k-1", 0).await;
    let held = withdrawal(&cell, &id).await;
    assert_eq!(held.logged_state(), WithdrawalState::Held);
    let (released_at, size) = (held.released_at().unwrap(), cell.size().await);
    let dir = cell.shut_down().await;
    // When it is back a moment before, nothing moves
    let cell = Cell::open_amended(dir, released_at.0 - 1_000, waits_a_minute).await;
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        (withdrawal(&cell, &id).await.logged_state(), cell.size().await),
        (WithdrawalState::Held, size)
    );
    // Then with the time it is signed, without anybody's doing
    cell.clock.advance(1_000);
    let found = signed(&cell, &id).await;
    assert!(found.authorization.unwrap().time >= released_at);
}
