//! Clients: one officer revokes, the quorum admits under a new key.

use holdfast_policy::{ClientId, TimestampMs};
use serde_json::json;

use super::authority::add_client;
use super::cell::{Cell, PAYEE, ed25519, sign, usdt_transfer};
use crate::*;

fn pipeline() -> ClientId {
    ClientId::new("pipeline").unwrap()
}

fn revoke(cell: &mut Cell) {
    let statement = cell.statement("carol", StatementBody::RevokeClient(pipeline()));
    assert_eq!(cell.accept(&statement).client, Some(pipeline()));
}

fn code_of(result: Result<AuthorizedWithdrawal, OrderRefusal>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn revoked_client_asks_binds_and_cancels_nothing() {
    let mut cell = Cell::ready();
    let known = cell.request("k-1", 1250);
    let id = cell.ask(&known);
    revoke(&mut cell);
    let request = cell.request("k-2", 1250);
    assert_eq!(
        cell.refuse(&sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline")),
        "CLIENT_REVOKED"
    );
    let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "transaction": usdt_transfer(PAYEE, 1250, 0).to_hex()});
    assert_eq!(
        cell.refuse(&sign(PayloadKind::BindTransaction, &bind, "client", "pipeline")),
        "CLIENT_REVOKED"
    );
    let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id});
    assert_eq!(
        cell.refuse(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline")),
        "CLIENT_REVOKED"
    );
}

#[test]
fn what_a_revoked_client_asked_for_is_neither_authorized_nor_signed() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    let mut earlier = cell.state.clone();
    revoke(&mut cell);
    assert_eq!(cell.refuse(&authorize), "CLIENT_REVOKED");
    // Authorized first, revoked then: a node that knows of the revocation does not sign.
    cell.state = earlier.clone();
    cell.accept(&authorize);
    earlier.clone_from(&cell.state);
    revoke(&mut cell);
    let at = TimestampMs(cell.now);
    assert!(earlier.authorized_withdrawal(&id, 0, at).is_ok());
    assert_eq!(code_of(cell.state.authorized_withdrawal(&id, 0, at)), "CLIENT_REVOKED");
}

#[test]
fn one_officer_revokes_without_a_quorum_and_the_first_one_stays() {
    let mut cell = Cell::ready();
    let version = cell.state.roster().version();
    revoke(&mut cell);
    assert_eq!(cell.state.roster().version(), version, "one officer cannot void the others' proposals");
    assert_eq!(cell.state.client_revocation(&pipeline()).unwrap().officer.as_str(), "carol");
    cell.now += 1;
    let again = cell.statement("bob", StatementBody::RevokeClient(pipeline()));
    assert_eq!(cell.accept(&again).client, None);
    assert!(cell.state.statement_acted(&StatementDigest::of(&again.payload)));
    assert_eq!(cell.state.client_revocation(&pipeline()).unwrap().officer.as_str(), "carol");
}

#[test]
fn revocation_sets_a_latch_for_the_client() {
    let cell = Cell::ready();
    let envelope = cell.statement("carol", StatementBody::RevokeClient(pipeline()));
    let act = verify_act(cell.state.roster(), &envelope).unwrap();
    let Ok(Act::Statement { statement, text, .. }) = act.act() else { panic!("not a statement") };
    cell.state.check_protective(statement, text).unwrap();
    assert_eq!(latch_of(statement).unwrap().scope, LatchScope::Client(pipeline()));
    assert!(text.contains(&format!("key: {}", hex::encode(ed25519("pipeline").verifying_key().as_bytes()))));
}

#[test]
fn client_comes_back_by_quorum_under_a_new_key_only() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let old = cell.ask(&request);
    let drawer = cell.statement("bob", StatementBody::RevokeClient(pipeline()));
    revoke(&mut cell);
    assert_eq!(cell.refused_change(add_client(&cell, "pipeline", "pipeline")), "KEY_ALREADY_USED");
    let change = add_client(&cell, "pipeline", "pipeline-2");
    cell.change_roster(change);
    assert!(cell.state.client_revocation(&pipeline()).is_none());
    // What the stolen key asked for stays dead, and so does the old key.
    let authorize = cell.authorize(old);
    assert_eq!(cell.refuse(&authorize), "SIGNER_NOT_AUTHORIZED");
    let by_old_key = sign(PayloadKind::WithdrawalRequest, &cell.request("k-2", 1250), "client", "pipeline");
    assert_eq!(cell.unauthentic(&by_old_key), "ENVELOPE_SIGNATURE_INVALID");
    // A revocation kept in a drawer names the old key.
    assert_eq!(cell.refuse(&drawer), "STATEMENT_MISMATCH");
    cell.now += 1;
    revoke(&mut cell);
}

#[test]
fn removed_client_is_unknown_and_revoking_it_is_refused() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let revocation = cell.statement("carol", StatementBody::RevokeClient(pipeline()));
    cell.change_roster(RosterChange::RemoveClient { name: pipeline() });
    let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "transaction": usdt_transfer(PAYEE, 1250, 0).to_hex()});
    assert_eq!(
        cell.unauthentic(&sign(PayloadKind::BindTransaction, &bind, "client", "pipeline")),
        "SIGNER_UNKNOWN"
    );
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "SIGNER_NOT_AUTHORIZED");
    assert_eq!(cell.refuse(&revocation), "UNKNOWN_PARTY");
}

#[test]
fn client_whose_key_would_have_expired_is_not_admitted() {
    let mut cell = Cell::new();
    let mut change = add_client(&cell, "c-2", "c-2");
    if let RosterChange::AddClient { expires_at, .. } = &mut change {
        // The proposal is made and logged one millisecond later each.
        *expires_at = TimestampMs(cell.now + 2);
    }
    assert_eq!(cell.refused_change(change.clone()), "FIELD_INVALID");
    if let RosterChange::AddClient { expires_at, .. } = &mut change {
        *expires_at = TimestampMs(cell.now + 3);
    }
    let body = cell.roster_proposal(change);
    cell.now += 1;
    cell.proposed("alice", body);
}

#[test]
fn revocation_outlives_every_other_change_of_the_roster() {
    let mut cell = Cell::ready();
    revoke(&mut cell);
    cell.change_roster(super::authority::add_officer("dave", "dave"));
    let change = add_client(&cell, "c-2", "c-2");
    cell.change_roster(change);
    assert!(cell.state.client_revocation(&pipeline()).is_some());
    let request = cell.request("k-2", 1250);
    let request = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    assert_eq!(cell.refuse(&request), "CLIENT_REVOKED");
}

#[test]
fn new_client_asks_for_its_own_wallets_only() {
    let mut cell = Cell::ready();
    let change = add_client(&cell, "c-2", "c-2");
    cell.change_roster(change);
    let mut request = cell.request("k-1", 1250);
    request["client"] = json!("c-2");
    cell.accept(&sign(PayloadKind::WithdrawalRequest, &request, "client", "c-2"));
    cell.create_wallet("hot-2");
    request["wallet"] = json!("hot-2");
    request["idempotency_key"] = json!("k-2");
    let other = sign(PayloadKind::WithdrawalRequest, &request, "client", "c-2");
    assert_eq!(cell.refuse(&other), "SIGNER_NOT_AUTHORIZED");
}
