//! What callers do after an authorization: replace, sweep, report, give up.

use super::*;
use crate::testing::Behaviour;

/// A withdrawal that is authorized while no node signs.
async fn authorized(cell: &Cell) -> WithdrawalId {
    cell.fakes.iter().for_each(|fake| fake.behave(Behaviour::Refuses("LATCHED")));
    start_signing(cell);
    let id = cell.submit("k-1", 0).await;
    until(cell, &id, State::Authorized).await;
    id
}

async fn until(cell: &Cell, id: &WithdrawalId, state: State) {
    for _ in 0..400 {
        let found = cell.parts.book.read().await.unwrap().state().withdrawal(id).unwrap().logged_state();
        if found == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it is not {state:?}");
}

async fn give_up(cell: &Cell, role: &str, name: &str, id: &WithdrawalId) -> Result<v1::Withdrawal, Status> {
    let message = v1::GiveUpRequest { withdrawal_id: id.to_string() };
    api(cell).give_up(called_by(role, name, message)).await.map(Response::into_inner)
}

#[tokio::test]
async fn enough_oaths_tombstone_a_withdrawal_and_no_attempt_is_begun_after_it_was_given_up() {
    // Given nodes of which one refuses to swear
    let cell = Cell::ready().await;
    let id = authorized(&cell).await;
    cell.fakes[0].behave(Behaviour::Honest);
    let given = give_up(&cell, "client", "pipeline", &id).await.unwrap();
    assert_eq!(given.state(), v1::WithdrawalState::Authorized);
    assert_eq!((given.tombstones, given.tombstones_needed), (vec!["node-1".to_owned()], 2));
    // When all could sign again
    let sessions: usize = cell.fakes.iter().map(|fake| fake.sessions().len()).sum();
    cell.fakes.iter().for_each(|fake| fake.behave(Behaviour::Honest));
    // Then the one that asked gets the rest of the oaths, and nothing was signed meanwhile
    let given = give_up(&cell, "officer", "alice", &id).await.unwrap();
    assert_eq!((given.state(), given.tombstones.len()), (v1::WithdrawalState::Tombstoned, 2));
    let after: usize = cell.fakes.iter().map(|fake| fake.sessions().len()).sum();
    assert_eq!(sessions, after, "an attempt was begun");
    // And again changes nothing
    let size = cell.size().await;
    give_up(&cell, "client", "pipeline", &id).await.unwrap();
    assert_eq!(cell.size().await, size);
}

#[tokio::test]
async fn what_was_given_up_stays_so_after_a_restart_and_is_forgotten_once_it_is_over() {
    // Given a withdrawal that was given up while one node swore: too few
    let cell = Cell::ready().await;
    let id = authorized(&cell).await;
    cell.fakes[0].behave(Behaviour::Honest);
    give_up(&cell, "client", "pipeline", &id).await.unwrap();
    // When the coordinator starts again and all nodes would sign
    let now = cell.clock.now();
    let cell = Cell::open(cell.shut_down().await, now).await;
    cell.replicate();
    start_signing(&cell);
    // Then no attempt is begun, while others are signed
    let other = cell.submit("k-2", 1).await;
    until(&cell, &other, State::Signed).await;
    assert!(cell.parts.given_up.contains(&id));
    until(&cell, &id, State::Authorized).await;
    // And with enough oaths it is over, and nothing more is kept of it
    let given = give_up(&cell, "client", "pipeline", &id).await.unwrap();
    assert_eq!(given.state(), v1::WithdrawalState::Tombstoned);
    let over = {
        let reader = cell.parts.book.read().await.unwrap();
        cell.parts.given_up.over(|id| reader.index().open().contains_key(id))
    };
    assert!(over.contains(&id));
    cell.parts.given_up.forget(over).await.unwrap();
    let now = cell.clock.now();
    let cell = Cell::open(cell.shut_down().await, now).await;
    assert!(!cell.parts.given_up.contains(&id));
}

#[tokio::test]
async fn what_is_signed_unknown_or_another_clients_cannot_be_given_up() {
    let cell = Cell::ready().await;
    start_signing(&cell);
    let id = cell.submit("k-1", 0).await;
    until(&cell, &id, State::Signed).await;
    let refused = give_up(&cell, "client", "pipeline", &id).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("WITHDRAWAL_NOT_TOMBSTONABLE"));
    let other = give_up(&cell, "client", "other", &id).await.unwrap_err();
    assert_eq!(reason_of(&other).as_deref(), Some("UNKNOWN_WITHDRAWAL"));
    // Too early: a withdrawal that is not authorized is cancelled, not given up
    let request = client_request(cell.clock.now(), "k-2", 2_000_000, 1);
    let held = submit(&cell, signed_request(&request), 0).await.unwrap();
    let early = give_up(&cell, "client", "pipeline", &held.id.parse().unwrap()).await.unwrap_err();
    assert_eq!(reason_of(&early).as_deref(), Some("WITHDRAWAL_NOT_TOMBSTONABLE"));
}

#[tokio::test]
async fn outcomes_are_shown_with_their_entry_and_only_the_owner_reports() {
    let cell = Cell::ready().await;
    start_signing(&cell);
    let signed = submit(&cell, request(&cell, "k-1"), 10_000).await.unwrap();
    let hash = signed.receipt.unwrap().transaction_hash;
    let report = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": signed.id, "outcome": "confirmed",
        "transaction_hash": format!("0x{}", hex::encode(&hash)), "block_number": 7, "observed_at_ms": cell.clock.now()});
    let envelope = sign(PayloadKind::OutcomeReport, &report, "client", "pipeline").to_json();
    let message = || v1::ReportOutcomeRequest { envelope: envelope.clone() };
    let refused = api(&cell).report_outcome(called_by("client", "other", message())).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("SIGNER_NOT_AUTHORIZED"));
    let shown = api(&cell).report_outcome(called_by("client", "pipeline", message())).await.unwrap();
    let outcome = shown.into_inner().outcomes.remove(0);
    assert_eq!(outcome.outcome(), v1::TransactionOutcome::Confirmed);
    assert_eq!((outcome.transaction_hash, outcome.block_number), (hash, Some(7)));
    assert_eq!(outcome.position.unwrap().index, cell.size().await - 1);
}

#[tokio::test]
async fn requests_of_other_kinds_are_no_withdrawals() {
    let cell = Cell::ready().await;
    for kind in [PayloadKind::CancelWithdrawal, PayloadKind::OutcomeReport, PayloadKind::SessionReport] {
        let envelope = sign(kind, &json!({}), "client", "pipeline").to_json();
        let refused = submit(&cell, envelope, 0).await.unwrap_err();
        assert_eq!(reason_of(&refused).as_deref(), Some("PAYLOAD_TYPE_UNKNOWN"), "{kind:?}");
    }
}
