//! Whose places in sliding windows stay taken, and whose are free: what nobody can authorize any more limits nobody.

use holdfast_policy::{ClientId, Outflow, Outflows, TimestampMs};
use serde_json::json;

use super::after::{by_pipeline, gwei, own_address, pays_usdt};
use super::authority::add_client;
use super::cell::{Cell, START};
use super::windows::{USDT_2000, limited};
use crate::codec::{Decode as _, Encode as _};
use crate::*;

fn pipeline() -> ClientId {
    "pipeline".parse().unwrap()
}

fn revoke(cell: &mut Cell, client: &str) {
    cell.now += 1;
    let revoke = cell.statement("alice", StatementBody::RevokeClient(client.parse().unwrap()));
    cell.accept(&revoke);
}

fn open(cell: &Cell) -> usize {
    cell.state.outflows().open().count()
}

#[test]
fn places_of_a_revoked_client_are_free() {
    let mut cell = limited(USDT_2000);
    let asked = cell.asked("k-1", 2_000);
    assert_eq!(open(&cell), 1);
    revoke(&mut cell, "pipeline");
    assert_eq!(open(&cell), 0);
    assert_eq!(cell.main_reason(asked), None);
}

#[test]
fn places_of_a_removed_client_are_free() {
    let mut cell = limited(USDT_2000);
    cell.asked("k-1", 2_000);
    cell.change_roster(RosterChange::RemoveClient { name: pipeline() });
    assert_eq!(open(&cell), 0);
}

#[test]
fn change_of_another_client_frees_no_place() {
    let mut cell = limited(USDT_2000);
    cell.asked("k-1", 2_000);
    revoke(&mut cell, "other");
    assert_eq!(open(&cell), 1);
    let newcomer = add_client(&cell, "c-2", "c-2");
    cell.change_roster(newcomer);
    assert_eq!(open(&cell), 1);
    assert!(!cell.fits("k-2", 1));
}

#[test]
fn approval_of_what_a_revoked_client_asked_for_takes_no_place_again() {
    let mut cell = limited(&USDT_2000.replace("2000000000", "20000000000"));
    // Given a payment that waits for officers, of a client that is revoked
    let held = cell.asked("k-1", 20_000);
    assert_eq!((cell.state_of(held), open(&cell)), (WithdrawalState::Held, 1));
    revoke(&mut cell, "pipeline");
    assert_eq!(open(&cell), 0);
    // When officers approve it, before the client is back under a new key and after
    let approval = cell.statement("alice", StatementBody::ApproveHold(held));
    cell.accept(&approval);
    assert_eq!(open(&cell), 0);
    let change = add_client(&cell, "pipeline", "pipeline-2");
    cell.change_roster(change);
    let approval = cell.statement("bob", StatementBody::ApproveHold(held));
    cell.accept(&approval);
    // Then it takes no place, because nobody can authorize it
    assert_eq!(cell.refuse_authorize(held), "SIGNER_NOT_AUTHORIZED");
    assert_eq!(open(&cell), 0);
    // And what is asked for with the new key does
    let request = cell.request("k-2", 20_000);
    let payload = serde_json::to_vec(&request).unwrap();
    let (kind, key) = (PayloadKind::WithdrawalRequest, super::cell::ed25519("pipeline-2"));
    let by_new_key =
        holdfast_log::Envelope::sign_ed25519(kind.payload_type(), payload, "client:pipeline", &key);
    cell.accept(&by_new_key.unwrap());
    assert_eq!(open(&cell), 1);
}

#[test]
fn sweep_takes_no_place() {
    let mut cell = limited(USDT_2000);
    let sweep = json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "deposit_index": 5, "asset": "USDT",
        "amount": "2000000000", "fee_cap": super::after::CAP, "idempotency_key": "k-1", "created_at_ms": cell.now,
        "expires_at_ms": cell.now + 600_000, "transaction": pays_usdt(&own_address(), 2_000, 0, gwei(30, 1)).to_hex()});
    cell.accept(&by_pipeline(PayloadKind::SweepRequest, &sweep));
    assert_eq!(open(&cell), 0);
    assert!(cell.fits("k-2", 2_000));
}

#[test]
fn snapshot_with_places_or_payments_out_of_order_is_refused() {
    let mut cell = limited(USDT_2000);
    cell.asked("k-1", 1);
    let outflow = cell.state.outflows().open().next().unwrap().1.clone();
    let read = |open: &[u64], paid: &[(u64, u64)]| {
        let open: Vec<(u64, Outflow, Option<TimestampMs>)> =
            open.iter().map(|place| (*place, outflow.clone(), None)).collect();
        let paid: Vec<(TimestampMs, u64, Outflow)> =
            paid.iter().map(|(ms, place)| (TimestampMs(START + ms), *place, outflow.clone())).collect();
        let mut bytes = open.to_bytes();
        paid.encode(&mut bytes);
        Outflows::from_bytes(&bytes).map(|outflows| outflows.to_bytes() == bytes)
    };
    assert!(
        read(&[3, 4], &[(7, 2), (7, 1)]).unwrap(),
        "payments of one moment are in the order of their signatures"
    );
    for (open, paid) in [
        (vec![4, 3], vec![]),
        (vec![3, 3], vec![]),
        (vec![], vec![(8, 1), (7, 2)]),
        (vec![4, 3], vec![(8, 1), (7, 2)]),
    ] {
        assert_eq!(read(&open, &paid).unwrap_err().0, "outflows are not in order", "{open:?} {paid:?}");
    }
}
