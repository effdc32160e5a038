//! Attacks on replacements: fee bumps and cancellations on chain.

use holdfast_chains::Amount;
use holdfast_log::Envelope;
use holdfast_policy::TimestampMs;
use serde_json::json;

use super::after::{by_pipeline, gwei, own_address, pays, pays_usdt, sworn};
use super::cell::{Cell, PAYEE, ed25519, sign};
use crate::*;

mod approvals;
mod came_back;
mod refused;

const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";

fn bump(cell: &Cell, key: &str, of: WithdrawalId) -> serde_json::Value {
    cell.replacement(key, of, "bump-fee", &pays_usdt(PAYEE, 1250, 0, gwei(40, 2)))
}

fn cancel(cell: &Cell, key: &str, of: WithdrawalId) -> serde_json::Value {
    cell.replacement(key, of, "cancel-on-chain", &pays(None, &own_address(), 0, 0, gwei(40, 2)))
}

#[test]
fn fee_bump_takes_the_originals_place_when_it_is_authorized() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Bound);
    assert!(cell.order(original).is_ok(), "until then the original is signed");
    let admission = cell.accept_authorize(bumped);
    assert_eq!((admission.withdrawal, admission.replaced), (Some(bumped), Some(original)));
    assert_eq!(cell.state_of(original), WithdrawalState::Replaced);
    assert_eq!(cell.withdrawal(original).replaced_by, Some(bumped));
    assert_eq!(cell.order(original).unwrap_err(), "ORDER_NOT_PERMITTED");
    assert!(cell.order(bumped).is_ok());
    let request = &cell.withdrawal(bumped).request;
    assert_eq!(
        (request.amount, request.destination.to_string()),
        (Amount::from_u128(1_250_000_000), PAYEE.to_owned())
    );
    assert_eq!(cell.withdrawal(bumped).replaces(), Some(original));
}

#[test]
fn signature_of_the_original_may_still_be_logged_after_it_was_replaced() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    cell.accept_authorize(bumped);
    let signature = cell.signature_of(original);
    cell.accept(&signature);
    assert_eq!(cell.state_of(original), WithdrawalState::Replaced);
    assert!(cell.withdrawal(original).signature.is_some());
    let signature = cell.signature_of(bumped);
    cell.accept(&signature);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Signed);
}

#[test]
fn signed_withdrawal_can_be_replaced_and_keeps_its_signature() {
    let mut cell = Cell::ready();
    let original = cell.signed("k-1", 1250, 0);
    let request = cancel(&cell, "k-2", original);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert_eq!(cell.state_of(original), WithdrawalState::Replaced);
    assert!(cell.withdrawal(original).signature.is_some());
    let order = cell.order(cancelled).unwrap();
    assert_eq!(order.derivation_path(), [0_u32; 0]);
}

#[test]
fn replacement_is_void_when_the_original_was_tombstoned_meanwhile() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    for node in [2, 3] {
        cell.accept(&sworn(node, original));
    }
    assert_eq!(cell.refuse_authorize(bumped), "REPLACEMENT_NOT_PERMITTED");
}

#[test]
fn of_two_replacements_one_is_authorized_and_the_next_replaces_that_one() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let (first, second) = (bump(&cell, "k-2", original), cancel(&cell, "k-3", original));
    let (first, second) = (cell.replace(&first), cell.replace(&second));
    cell.accept_authorize(first);
    assert_eq!(cell.refuse_authorize(second), "ACCOUNT_NONCE_USED");
    let of_the_replaced = cancel(&cell, "k-4", original);
    assert_eq!(cell.refuse_replacement(&of_the_replaced), "REPLACEMENT_NOT_PERMITTED");
    // A replacement of the replacement must beat that one, not only the original.
    let request = cancel(&cell, "k-5", first);
    assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_FEE_TOO_LOW");
    let higher = pays(None, &own_address(), 0, 0, gwei(50, 3));
    let request = cell.replacement("k-5", first, "cancel-on-chain", &higher);
    let third = cell.replace(&request);
    cell.accept_authorize(third);
    assert_eq!([original, first].map(|id| cell.state_of(id)), [WithdrawalState::Replaced; 2]);
    let renewed = cell.accept_authorize(third);
    assert_eq!(
        (renewed.replaced, cell.withdrawal(third).authorization.as_ref().unwrap().renewals),
        (None, 1)
    );
}

#[test]
fn original_is_replaced_again_only_after_its_replacement_was_tombstoned() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let request = bump(&cell, "k-2", original);
    let first = cell.replace(&request);
    cell.accept_authorize(first);
    for node in [1, 3] {
        cell.accept(&sworn(node, first));
    }
    let request = cancel(&cell, "k-3", original);
    let second = cell.replace(&request);
    cell.accept_authorize(second);
    assert_eq!(cell.withdrawal(original).replaced_by, Some(second));
    assert!(cell.order(second).is_ok());
    assert!(cell.order(first).is_err() && cell.order(original).is_err());
}

#[test]
fn revoked_destination_and_paused_wallet_stop_bumps() {
    let mut cell = Cell::ready();
    let original = cell.authorized("k-1", 1250, 0);
    let entry = cell.state.whitelist().next().unwrap().id.clone();
    let revoke = cell.statement("bob", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&revoke);
    let request = bump(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Denied);
    let request = cancel(&cell, "k-3", original);
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert!(cell.order(cancelled).is_ok(), "what must not be paid can be cancelled");
    let pause = cell.statement("bob", StatementBody::PauseWallet("hot-1".parse().unwrap()));
    cell.accept(&pause);
    assert_eq!(cell.order(cancelled).unwrap_err(), "WALLET_PAUSED");
}

#[test]
fn cancellation_pays_in_the_own_coin_of_its_chain() {
    let with_assets = |assets: serde_json::Value| {
        let mut document = super::cell::document();
        document["assets"] = assets;
        let mut cell = Cell::from_genesis(super::cell::genesis_entry(&document).unwrap());
        cell.create_wallet("hot-1");
        cell.whitelist(PAYEE, 1_000_000);
        cell.now += 100_000;
        cell.session(false, false);
        let original = cell.authorized("k-1", 1250, 0);
        let request = cancel(&cell, "k-2", original);
        (cell, request)
    };
    let usdt = json!({"symbol": "USDT", "chain_id": 1, "contract": super::cell::USDT, "decimals": 6});
    let coin = |symbol: &str, chain_id: u64| json!({"symbol": symbol, "chain_id": chain_id, "contract": null, "decimals": 18});
    let (mut cell, request) = with_assets(json!([coin("POL", 137), coin("ETH", 1), usdt]));
    let cancelled = cell.replace(&request);
    assert_eq!(cell.withdrawal(cancelled).request.asset.as_str(), "ETH");
    let token = json!({"symbol": "ETH", "chain_id": 1, "contract": THIEF, "decimals": 18});
    let (mut cell, request) = with_assets(json!([coin("POL", 137), token, usdt]));
    assert_eq!(cell.refuse_replacement(&request), "UNKNOWN_ASSET");
}

#[test]
fn transaction_is_replaced_until_it_is_confirmed_and_again_when_its_chain_left_it() {
    for (outcome, block, replaceable) in [
        ("broadcast", None, true),
        ("confirmed", Some(7), false),
        ("dropped", None, true),
        ("reorganised", Some(7), true),
    ] {
        let mut cell = Cell::ready();
        let id = cell.signed("k-1", 1250, 0);
        let report = cell.outcome(id, outcome, block);
        cell.accept(&by_pipeline(PayloadKind::OutcomeReport, &report));
        let request = bump(&cell, "k-2", id);
        if replaceable {
            cell.replace(&request);
        } else {
            assert_eq!(cell.refuse_replacement(&request), "REPLACEMENT_NOT_PERMITTED", "{outcome}");
        }
    }
}
