//! Attacks on the authorization: at the end of the intent's time, and when the policy changed its mind.

use super::cell::Cell;
use crate::*;

/// The clock skew of the cell.
const SKEW: u64 = 5000;

#[test]
fn authorization_leaves_every_node_the_skew_before_the_intent_expires() {
    let mut cell = Cell::ready();
    let requests = [cell.request("k-1", 10), cell.request("k-2", 10)];
    let expires_at = requests[0]["expires_at_ms"].as_u64().unwrap();
    let [first, second] = requests.map(|request| cell.ask(&request));
    // The entry is the next millisecond.
    cell.now = expires_at - SKEW - 2;
    cell.accept_authorize(first);
    assert_eq!(cell.state_of(first), WithdrawalState::Authorized);
    assert_eq!(cell.now, expires_at - SKEW - 1);
    assert_eq!(cell.refuse_authorize(second), "WITHDRAWAL_NOT_AUTHORIZABLE");
}

#[test]
fn renewal_that_the_policy_no_longer_allows_leaves_the_authorization_as_it_is() {
    // Given an authorized withdrawal, of which nodes may have signed something
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 10, 7);
    let authorized = cell.withdrawal(id).clone();
    // When its destination is revoked
    let entry = cell.state.whitelist().next().unwrap().id.clone();
    let revoke = cell.statement("carol", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&revoke);
    // Then it is neither renewed nor taken for denied: it still counts
    assert_eq!(cell.refuse_authorize(id), "WITHDRAWAL_NOT_AUTHORIZABLE");
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
    assert_eq!(*cell.withdrawal(id), authorized);
    let signature = cell.signature_of(id);
    cell.accept(&signature);
    assert_eq!(cell.state_of(id), WithdrawalState::Signed);
}
