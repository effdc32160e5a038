//! Attacks on sweeps of deposit addresses.

use bip32::{ChildNumber, ExtendedKey, ExtendedKeyAttrs, ExtendedPrivateKey, Prefix};
use holdfast_chains::{Digest, PublicKey, Signature};
use holdfast_policy::TimestampMs;
use k256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};

use super::after::{CAP, by_pipeline, gwei, own_address, pays, pays_usdt, signature_entry};
use super::cell::{Cell, PAYEE, wallet_key, wallet_signature};
use crate::*;

const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
const CHAIN_CODE: [u8; 32] = [0x11; 32];

/// The child's private key, which in a real cell nobody has: derived the private way, to compare with the public one.
fn child_key(path: &[u32]) -> k256::ecdsa::SigningKey {
    let attrs = ExtendedKeyAttrs {
        depth: 0,
        parent_fingerprint: [0; 4],
        child_number: ChildNumber::default(),
        chain_code: CHAIN_CODE,
    };
    let mut key_bytes = [0; 33];
    key_bytes[1..].copy_from_slice(&wallet_key().to_bytes());
    let master = ExtendedKey { prefix: Prefix::XPRV, attrs, key_bytes };
    let mut key = ExtendedPrivateKey::<k256::ecdsa::SigningKey>::try_from(master).unwrap();
    for index in path {
        key = key.derive_child(ChildNumber(*index)).unwrap();
    }
    key.private_key().clone()
}

pub(super) fn child_public(index: u32) -> PublicKey {
    let key = child_key(&[0, index]);
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

pub(super) fn child_signature(index: u32, digest: &Digest) -> Signature {
    let signature: k256::ecdsa::Signature = child_key(&[0, index]).sign_prehash(digest.as_bytes()).unwrap();
    let (r, s) = signature.split_bytes();
    Signature::from_scalars(r.into(), s.into(), digest, &child_public(index)).unwrap()
}

pub(super) fn sweep(cell: &Cell, key: &str, index: u32, nonce: u64) -> Value {
    json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "deposit_index": index, "asset": "USDT",
        "amount": "7000000", "fee_cap": CAP, "idempotency_key": key, "created_at_ms": cell.now,
        "expires_at_ms": cell.now + 600_000, "transaction": pays_usdt(&own_address(), 7, nonce, gwei(30, 1)).to_hex()})
}

pub(super) fn asked(cell: &mut Cell, request: &Value) -> WithdrawalId {
    cell.accept(&by_pipeline(PayloadKind::SweepRequest, request)).withdrawal.unwrap()
}

fn refused(cell: &mut Cell, request: &Value) -> &'static str {
    cell.refuse(&by_pipeline(PayloadKind::SweepRequest, request))
}

fn digest_of(cell: &Cell, id: WithdrawalId) -> Digest {
    cell.withdrawal(id).transaction.as_ref().unwrap().signing_hash
}

#[test]
fn sweep_goes_from_the_derived_address_to_the_wallets_own() {
    let mut cell = Cell::ready();
    let request = sweep(&cell, "k-1", 5, 0);
    let id = asked(&mut cell, &request);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound, "{:?}", cell.withdrawal(id).decision);
    cell.accept_authorize(id);
    let order = cell.order(id).unwrap();
    assert_eq!(order.derivation_path(), [0, 5]);
    assert_eq!(*order.public_key(), child_public(5), "private and public derivation agree");
    assert_eq!(cell.state.wallet(order.wallet()).unwrap().deposit_key(5).unwrap(), child_public(5));
    let sender = cell.state.sender(cell.withdrawal(id)).unwrap();
    assert_eq!(
        (sender.address, sender.path.as_slice()),
        (child_public(5).address(), order.derivation_path())
    );
    cell.accept(&signature_entry(id, child_signature(5, order.digest())));
    assert_eq!(cell.state_of(id), WithdrawalState::Signed);
    assert_eq!(cell.withdrawal(id).deposit_index, Some(5));
}

#[test]
fn sweep_to_anywhere_but_the_wallet_is_refused() {
    let mut cell = Cell::ready();
    for (to, code) in [
        (THIEF.to_owned(), "TRANSACTION_DESTINATION_MISMATCH"),
        (PAYEE.to_owned(), "TRANSACTION_DESTINATION_MISMATCH"),
        (child_public(5).address().to_string(), "TRANSACTION_DESTINATION_MISMATCH"),
    ] {
        let mut request = sweep(&cell, "k-1", 5, 0);
        request["transaction"] = json!(pays_usdt(&to, 7, 0, gwei(30, 1)).to_hex());
        assert_eq!(refused(&mut cell, &request), code, "{to}");
    }
    let mut request = sweep(&cell, "k-1", 5, 0);
    request["destination"] = json!(THIEF);
    assert_eq!(refused(&mut cell, &request), "FIELD_INVALID", "the payload names no destination");
    let request = sweep(&cell, "k-1", 5, 0);
    let id = asked(&mut cell, &request);
    let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id,
        "transaction": pays_usdt(THIEF, 7, 0, gwei(30, 1)).to_hex()});
    assert_eq!(
        cell.refuse(&by_pipeline(PayloadKind::BindTransaction, &bind)),
        "TRANSACTION_DESTINATION_MISMATCH"
    );
}

#[test]
fn signature_of_another_key_of_the_wallet_is_not_the_deposit_addresss() {
    let mut cell = Cell::ready();
    let request = sweep(&cell, "k-1", 5, 0);
    let id = asked(&mut cell, &request);
    cell.accept_authorize(id);
    let digest = digest_of(&cell, id);
    for signature in [wallet_signature(&digest), child_signature(6, &digest)] {
        assert_eq!(cell.refuse(&signature_entry(id, signature)), "WALLET_SIGNATURE_INVALID");
    }
    let payment = cell.authorized("k-2", 10, 0);
    let signature = child_signature(5, &digest_of(&cell, payment));
    assert_eq!(cell.refuse(&signature_entry(payment, signature)), "WALLET_SIGNATURE_INVALID");
}

#[test]
fn hardened_indices_have_no_address() {
    let mut cell = Cell::ready();
    for index in [1 << 31, u32::MAX] {
        let request = sweep(&cell, "k-1", index, 0);
        let envelope = by_pipeline(PayloadKind::SweepRequest, &request);
        assert_eq!(cell.refuse(&envelope), "FIELD_INVALID");
        let rejection = cell.state.check(&envelope, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert_eq!(rejection.field(), Some("deposit_index"));
    }
    let request = sweep(&cell, "k-1", (1 << 31) - 1, 0);
    asked(&mut cell, &request);
    for index in [json!(-1), json!(4_294_967_296_u64), json!("5"), json!(1.0)] {
        let mut request = sweep(&cell, "k-2", 0, 0);
        request["deposit_index"] = index;
        assert_eq!(refused(&mut cell, &request), "FIELD_INVALID");
    }
}

#[test]
fn account_nonces_are_those_of_the_sending_address() {
    let mut cell = Cell::ready();
    cell.authorized("k-0", 10, 0);
    let request = sweep(&cell, "k-1", 5, 0);
    let first = asked(&mut cell, &request);
    cell.accept_authorize(first);
    let request = sweep(&cell, "k-2", 6, 0);
    let second = asked(&mut cell, &request);
    cell.accept_authorize(second);
    let request = sweep(&cell, "k-3", 5, 0);
    let third = asked(&mut cell, &request);
    assert_eq!(cell.refuse_authorize(third), "ACCOUNT_NONCE_USED", "the same address, the same nonce");
    let request = sweep(&cell, "k-4", 5, 1);
    let fourth = asked(&mut cell, &request);
    cell.accept_authorize(fourth);
}

#[test]
fn sweep_needs_its_client_wallet_asset_and_cap() {
    let mut cell = Cell::ready();
    let with = |cell: &Cell, member: &str, value: Value| {
        let mut request = sweep(cell, "k-1", 5, 0);
        request[member] = value;
        request
    };
    for (member, value, code) in [
        ("wallet", json!("hot-9"), "UNKNOWN_WALLET"),
        ("asset", json!("DOGE"), "UNKNOWN_ASSET"),
        ("amount", json!("0"), "FIELD_INVALID"),
        ("amount", json!("7000001"), "TRANSACTION_AMOUNT_MISMATCH"),
        ("asset", json!("ETH"), "TRANSACTION_ASSET_MISMATCH"),
        ("fee_cap", json!("1"), "TRANSACTION_FEE_ABOVE_CAP"),
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH"),
        ("client", json!("other"), "SIGNER_NOT_AUTHORIZED"),
        ("idempotency_key", json!(""), "FIELD_INVALID"),
        ("expires_at_ms", json!(1), "FIELD_INVALID"),
    ] {
        let request = with(&cell, member, value);
        assert_eq!(refused(&mut cell, &request), code, "{member}");
    }
    let mut late = sweep(&cell, "k-1", 5, 0);
    late["created_at_ms"] = json!(cell.now - 20);
    late["expires_at_ms"] = json!(cell.now - 10);
    assert_eq!(refused(&mut cell, &late), "INTENT_EXPIRED");
    let foreign = with(&cell, "client", json!("other"));
    let by_other = super::cell::sign(PayloadKind::SweepRequest, &foreign, "client", "other");
    assert_eq!(cell.refuse(&by_other), "SIGNER_NOT_AUTHORIZED", "`other` may not use hot-1");
    let dear = with(&cell, "fee_cap", json!("50000000000000001"));
    let id = asked(&mut cell, &dear);
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
}

#[test]
fn sweep_may_not_burn_more_than_it_moves() {
    let mut cell = Cell::ready();
    let mut request = sweep(&cell, "k-1", 5, 0);
    request["asset"] = json!("ETH");
    request["amount"] = json!("9999999999999999");
    request["transaction"] =
        json!(pays(None, &own_address(), 9_999_999_999_999_999, 0, gwei(30, 1)).to_hex());
    let id = asked(&mut cell, &request);
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
    assert_eq!(cell.withdrawal(id).decision.main_reason().unwrap().code(), "FEE_ABOVE_AMOUNT");
}

#[test]
fn sweep_rests_on_no_whitelist_entry_even_if_there_is_one() {
    let mut cell = Cell::ready();
    cell.whitelist(&own_address(), 2_000_000);
    let request = sweep(&cell, "k-1", 5, 0);
    let id = asked(&mut cell, &request);
    assert!(cell.state.whitelist_footings(&id, TimestampMs(cell.now)).is_empty());
}

#[test]
fn paused_wallet_sweeps_nothing() {
    let mut cell = Cell::ready();
    let request = sweep(&cell, "k-1", 5, 0);
    let id = asked(&mut cell, &request);
    cell.accept_authorize(id);
    let pause = cell.statement("bob", StatementBody::PauseWallet("hot-1".parse().unwrap()));
    cell.accept(&pause);
    assert_eq!(cell.order(id).unwrap_err(), "WALLET_PAUSED");
    let request = sweep(&cell, "k-2", 6, 0);
    let later = asked(&mut cell, &request);
    assert_eq!(cell.state_of(later), WithdrawalState::Denied);
}

#[test]
fn bump_and_cancellation_of_a_sweep_stay_with_its_deposit_address() {
    let mut cell = Cell::ready();
    let request = sweep(&cell, "k-1", 5, 0);
    let original = asked(&mut cell, &request);
    cell.accept_authorize(original);
    let dearer = pays_usdt(&own_address(), 7, 0, gwei(40, 2));
    let request = cell.replacement("k-2", original, "bump-fee", &dearer);
    let bumped = cell.replace(&request);
    cell.accept_authorize(bumped);
    assert_eq!(cell.order(bumped).unwrap().derivation_path(), [0, 5]);
    let elsewhere = pays(None, &own_address(), 0, 0, gwei(50, 3));
    let request = cell.replacement("k-3", bumped, "cancel-on-chain", &elsewhere);
    assert_eq!(cell.refuse_replacement(&request), "TRANSACTION_DESTINATION_MISMATCH");
    let deposit = child_public(5).address().to_string();
    let request =
        cell.replacement("k-3", bumped, "cancel-on-chain", &pays(None, &deposit, 0, 0, gwei(50, 3)));
    let cancelled = cell.replace(&request);
    cell.accept_authorize(cancelled);
    assert_eq!(*cell.order(cancelled).unwrap().public_key(), child_public(5));
}

#[test]
fn payment_to_the_wallet_itself_is_still_a_payment() {
    let mut cell = Cell::ready();
    let mut request = cell.request("k-1", 10);
    request["destination"] = json!(own_address());
    request["transaction"] = json!(pays_usdt(&own_address(), 10, 0, gwei(30, 1)).to_hex());
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Denied, "only a sweep or a cancellation needs no entry");
}

/// No entry leads here: the node's own last look must stop it all the same.
#[test]
fn node_does_not_sign_a_transfer_to_oneself_that_pays_somebody_else() {
    let mut cell = Cell::ready();
    let request = sweep(&cell, "k-1", 5, 0);
    let id = asked(&mut cell, &request);
    cell.accept_authorize(id);
    let mut planted = cell.withdrawal(id).clone();
    let transaction = pays_usdt(THIEF, 7, 0, gwei(30, 1));
    planted.request.destination = THIEF.parse().unwrap();
    planted.authorization.as_mut().unwrap().digests = vec![transaction.signing_hash()];
    planted.transaction = Some(BoundTransaction::new(transaction));
    cell.state.withdrawals.insert(planted, cell.state.size);
    assert_eq!(cell.order(id).unwrap_err(), "TRANSACTION_MISMATCH");
}

#[test]
fn key_of_a_sweep_is_no_other_withdrawals() {
    let mut cell = Cell::ready();
    let request = sweep(&cell, "k-1", 5, 0);
    asked(&mut cell, &request);
    assert_eq!(refused(&mut cell, &request), "ALREADY_RECORDED");
    let other = sweep(&cell, "k-1", 6, 0);
    assert_eq!(refused(&mut cell, &other), "IDEMPOTENCY_KEY_REUSED");
    let payment = cell.request("k-1", 10);
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::WithdrawalRequest, &payment)), "IDEMPOTENCY_KEY_REUSED");
}
