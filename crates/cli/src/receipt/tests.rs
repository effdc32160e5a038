//! A hostile coordinator's receipts: whatever it changes, the client notices.

#![expect(clippy::arithmetic_side_effects, reason = "test: small numbers")]

use holdfast_chains::{Amount, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_ledger::ReplacementAction;
use holdfast_proto::v1;

use super::{Asked, KeySource, Purpose, VerifiedReceipt, verify};
use crate::failure::{Exit, Failure};
use crate::known::{self, KnownWallet};
use crate::testing::{PAYEE, TestCell, wallet_public};

type Tamper = fn(&mut v1::Withdrawal);

fn receipt(withdrawal: &mut v1::Withdrawal) -> &mut v1::Receipt {
    withdrawal.receipt.as_mut().unwrap()
}

/// A machine that has replayed the log, and a signed withdrawal.
fn replayed() -> (TestCell, v1::Withdrawal) {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    known::remember(&cell.session.profile, cell.state()).unwrap();
    (cell, withdrawal)
}

/// As the client that asked for the honest withdrawal, with whatever is answered.
fn checked(cell: &TestCell, answered: &v1::Withdrawal) -> Result<VerifiedReceipt, Failure> {
    let who = cell.session.profile.choose(holdfast_transport::Role::Client, None).unwrap();
    let id = cell.request("1250 USDT").withdrawal_id();
    verify(&cell.session, &Asked::named(&who, id), answered)
}

fn know(cell: &TestCell, wallet: &str, public_key: holdfast_chains::PublicKey) {
    let known = KnownWallet {
        address: public_key.address(),
        public_key,
        chain_code: None,
        former_chain_codes: Vec::new(),
    };
    let text = serde_json::json!({wallet: known}).to_string();
    std::fs::write(cell.session.profile.directory.join("known-wallets.json"), text).unwrap();
}

fn other_key() -> holdfast_chains::PublicKey {
    let other = k256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
    let other = other.verifying_key().to_encoded_point(true);
    holdfast_chains::PublicKey::from_sec1(other.as_bytes()).unwrap()
}

#[test]
fn honest_receipt_is_accepted_on_a_machine_that_replayed_the_log() {
    let (cell, withdrawal) = replayed();
    let verified = checked(&cell, &withdrawal).unwrap();
    assert_eq!(verified.key_source, KeySource::Replayed);
    assert_eq!(verified.signed.sender(), wallet_public().address());
    assert_eq!(verified.request.idempotency_key, "k-1");
    assert_eq!(verified.inclusion.cosignatures.len(), 2);
}

#[test]
fn another_signed_withdrawal_of_the_same_client_is_no_answer() {
    let mut cell = TestCell::ready();
    let wanted = cell.request_under("k-2", "10 USDT", 1);
    let other = cell.signed();
    known::remember(&cell.session.profile, cell.state()).unwrap();
    let own = Asked::submitted(&wanted);
    // Given withdrawal A as it is, and A under B's id
    let relabelled = v1::Withdrawal { id: wanted.withdrawal_id().to_string(), ..other.clone() };
    for answered in [&other, &relabelled] {
        let failure = verify(&cell.session, &own, answered).unwrap_err();
        assert_eq!((failure.exit(), failure.reason()), (Exit::Verification, "ANSWER_MISMATCH"), "{failure}");
        // It is no answer before it is signed either.
        let unsigned = v1::Withdrawal { state: v1::WithdrawalState::Denied.into(), ..answered.clone() };
        assert_eq!(own.check(&unsigned).unwrap_err().reason(), "ANSWER_MISMATCH");
    }
    // And with everything that is shown changed to B's, it is still A's request that the client signed.
    let disguised = v1::Withdrawal {
        amount: wanted.amount.to_string(),
        idempotency_key: wanted.idempotency_key.clone(),
        ..relabelled
    };
    own.check(&disguised).unwrap();
    let failure = verify(&cell.session, &own, &disguised).unwrap_err();
    assert!(failure.message().contains("request_entry"), "{failure}");
}

#[test]
fn receipt_whose_words_differ_from_the_signed_intent_is_refused() {
    let (cell, honest) = replayed();
    let tampers: [(&str, Tamper); 8] = [
        ("client", |w| w.client = "another".to_owned()),
        ("wallet", |w| w.wallet = "no-such-wallet".to_owned()),
        ("asset", |w| w.asset = "ETH".to_owned()),
        ("amount", |w| w.amount = "1".to_owned()),
        ("destination", |w| w.destination = wallet_public().address().to_string()),
        ("customer", |w| w.customer = "c-2".to_owned()),
        ("idempotency_key", |w| w.idempotency_key = "k-9".to_owned()),
        ("effects.chain_id", |w| w.effects = Some(v1::Effects { chain_id: 5, ..v1::Effects::default() })),
    ];
    for (what, tamper) in tampers {
        let mut answered = honest.clone();
        tamper(&mut answered);
        let failure = checked(&cell, &answered).map(|_| ()).unwrap_err();
        assert_eq!((failure.exit(), failure.reason()), (Exit::Verification, "ANSWER_MISMATCH"), "{what}");
        assert!(failure.message().contains(what), "{failure}");
    }
}

#[test]
fn intent_that_differs_from_the_one_just_signed_is_refused_under_the_same_key() {
    let (cell, honest) = replayed();
    // Given a client that signed the same payment, valid for longer
    let mut signed_here = cell.request("1250 USDT");
    signed_here.expires_at_ms.0 += 60_000;
    let failure = verify(&cell.session, &Asked::submitted(&signed_here), &honest).unwrap_err();
    assert!(failure.message().contains("another intent"), "{failure}");
}

#[test]
fn wallet_that_this_machine_does_not_know_is_not_called_verified() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    let failure = checked(&cell, &withdrawal).unwrap_err();
    assert_eq!((failure.exit(), failure.reason()), (Exit::Verification, "WALLET_KEY_UNKNOWN"));
    let shown = failure.to_string();
    assert!(shown.contains("holdfast wallet show hot-1") && shown.contains("--address 0x..."), "{shown}");
}

#[test]
fn naming_an_unknown_wallet_does_not_switch_the_key_check_off() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    know(&cell, "hot-1", other_key());
    let renamed = v1::Withdrawal { wallet: "cold-9".to_owned(), ..withdrawal };
    assert_eq!(checked(&cell, &renamed).unwrap_err().reason(), "ANSWER_MISMATCH");
}

#[test]
fn address_that_a_person_gave_stands_for_the_key_and_must_be_right() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    let request = cell.request("1250 USDT");
    let who = cell.session.profile.choose(holdfast_transport::Role::Client, None).unwrap();
    let with = |address| {
        let asked = Asked::named(&who, request.withdrawal_id()).with_address(Some(address));
        verify(&cell.session, &asked, &withdrawal)
    };
    assert_eq!(with(wallet_public().address()).unwrap().key_source, KeySource::Address);
    let payee = holdfast_chains::Address::parse(PAYEE).unwrap();
    assert_eq!(with(payee).unwrap_err().reason(), "RECEIPT_INVALID");
    // It does not overrule what this machine has replayed.
    know(&cell, "hot-1", other_key());
    assert_eq!(with(wallet_public().address()).unwrap_err().reason(), "RECEIPT_INVALID");
}

#[test]
fn tampered_receipt_is_refused_whichever_part_is_changed() {
    let (cell, honest) = replayed();
    let tampers: [(&str, Tamper); 14] = [
        ("no receipt", |w| w.receipt = None),
        ("another nonce in the transaction", |w| {
            let position = w.unsigned_transaction.iter().position(|byte| *byte == 0x80).unwrap();
            w.unsigned_transaction[position] = 0x05;
        }),
        ("cut off transaction", |w| w.unsigned_transaction.truncate(40)),
        ("signing hash", |w| receipt(w).signing_hash[0] ^= 1),
        ("signature", |w| receipt(w).signature[5] ^= 1),
        ("parity", |w| receipt(w).signature[64] ^= 1),
        ("raw transaction", |w| *receipt(w).raw_transaction.last_mut().unwrap() ^= 1),
        ("transaction hash", |w| receipt(w).transaction_hash[0] ^= 1),
        ("address", |w| receipt(w).address = PAYEE.to_owned()),
        ("public key", |w| receipt(w).public_key[0] ^= 1),
        ("request entry", |w| receipt(w).request_entry.truncate(40)),
        ("entries exchanged", |w| receipt(w).signature_entry = receipt(w).authorization_entry.clone()),
        ("proofs exchanged", |w| receipt(w).tlog_proof = receipt(w).authorization_proof.clone()),
        ("proof", |w| receipt(w).authorization_proof[40] ^= 1),
    ];
    for (what, tamper) in tampers {
        let mut withdrawal = honest.clone();
        tamper(&mut withdrawal);
        let failure = match checked(&cell, &withdrawal) {
            Err(failure) => failure,
            Ok(_) => panic!("a receipt with changed `{what}` was accepted"),
        };
        assert_eq!((failure.exit(), failure.reason()), (Exit::Verification, "RECEIPT_INVALID"), "{what}");
    }
}

#[test]
fn receipt_under_a_checkpoint_that_too_few_nodes_cosigned_is_refused() {
    let (cell, mut withdrawal) = replayed();
    let last = cell.log.len() - 1;
    receipt(&mut withdrawal).tlog_proof = cell.proof(last, &[3]);
    let failure = checked(&cell, &withdrawal).unwrap_err();
    assert!(failure.message().contains("1 known cosigners"), "{failure}");
}

#[test]
fn receipt_of_a_key_that_is_not_the_known_wallets_is_refused() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    know(&cell, "hot-1", other_key());
    let failure = checked(&cell, &withdrawal).unwrap_err();
    assert!(failure.message().contains("knows as wallet `hot-1`"), "{failure}");
}

#[test]
fn receipt_of_another_cell_is_refused() {
    let (_, withdrawal) = replayed();
    let other = TestCell::new();
    let who = other.session.profile.choose(holdfast_transport::Role::Client, None).unwrap();
    let asked = Asked::named(&who, withdrawal.id.parse().unwrap());
    assert_eq!(verify(&other.session, &asked, &withdrawal).unwrap_err().reason(), "RECEIPT_INVALID");
}

/// Officers replace the log's key.
fn rotate_log_key(cell: &mut TestCell) {
    let roster = cell.state().roster();
    let log_key = Some(ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key());
    let proposal = holdfast_ledger::RosterProposal {
        version: roster.version(),
        digest: roster.digest(),
        change: holdfast_ledger::RosterChange::ReplaceCoordinatorKeys { log_key, entry_key: None },
    };
    cell.approved(holdfast_ledger::StatementBody::ProposeRosterChange(Box::new(proposal)));
    known::remember(&cell.session.profile, cell.state()).unwrap();
}

#[test]
fn receipt_from_before_the_log_key_was_replaced_stays_good() {
    let (mut cell, withdrawal) = replayed();
    rotate_log_key(&mut cell);
    checked(&cell, &withdrawal).unwrap();
}

#[test]
fn receipt_under_a_log_key_that_officers_replaced_before_is_refused() {
    let mut cell = TestCell::ready();
    rotate_log_key(&mut cell);
    let withdrawal = cell.signed();
    let refused = checked(&cell, &withdrawal).unwrap_err();
    assert_eq!(refused.reason(), "RECEIPT_INVALID");
    assert!(refused.message().contains("proof"), "{}", refused.message());
}

/// A machine that replayed the log, a signed payment, and its fee bump.
fn bumped() -> (TestCell, v1::Withdrawal, v1::Withdrawal) {
    let mut cell = TestCell::ready();
    let payment = cell.signed();
    let bump = replaced(&mut cell, &payment, ReplacementAction::BumpFee);
    known::remember(&cell.session.profile, cell.state()).unwrap();
    (cell, payment, bump)
}

/// Signed, in the place of another one, for twice as much for gas.
fn replaced(cell: &mut TestCell, of: &v1::Withdrawal, action: ReplacementAction) -> v1::Withdrawal {
    let old = UnsignedTransaction::decode(&of.unsigned_transaction).unwrap();
    let to_itself = Transfer { contract: None, to: wallet_public().address(), amount: Amount::ZERO };
    let draft = Eip1559Draft {
        chain_id: old.chain_id(),
        nonce: old.nonce(),
        gas_limit: old.gas_limit(),
        max_fee_per_gas: old.max_fee_per_gas() * 2,
        max_priority_fee_per_gas: old.max_priority_fee_per_gas() * 2,
        transfer: if action == ReplacementAction::BumpFee { old.effects().transfer } else { to_itself },
    };
    let id = cell.replacement(&of.id.parse().unwrap(), action, &draft.build().unwrap());
    cell.sign_withdrawal(&id)
}

fn checked_as(cell: &TestCell, answered: &v1::Withdrawal) -> Result<VerifiedReceipt, Failure> {
    let who = cell.session.profile.choose(holdfast_transport::Role::Client, None).unwrap();
    verify(&cell.session, &Asked::named(&who, answered.id.parse().unwrap()), answered)
}

#[test]
fn fee_bumps_and_cancellations_are_verified_against_the_clients_first_request() {
    let (mut cell, payment, bump) = bumped();
    let verified = checked_as(&cell, &bump).unwrap();
    assert_eq!(verified.purpose, Purpose::FeeBump(payment.id.parse().unwrap()));
    assert_eq!(verified.request.destination.to_string(), PAYEE);
    // A bump of a bump, and a cancellation of that
    let again = replaced(&mut cell, &bump, ReplacementAction::BumpFee);
    checked_as(&cell, &again).unwrap();
    let cancelled = replaced(&mut cell, &again, ReplacementAction::CancelOnChain);
    let verified = checked_as(&cell, &cancelled).unwrap();
    assert_eq!(verified.purpose, Purpose::CancelOnChain(again.id.parse().unwrap()));
    assert_eq!(verified.request.destination, wallet_public().address());
    assert!(verified.request.amount.is_zero());
}

#[test]
fn fee_bump_that_comes_with_other_requests_than_those_it_replaces_is_refused() {
    let (mut cell, payment, bump) = bumped();
    let other = cell.request_under("k-9", "10 USDT", 9);
    let other = cell.sign_request(&other).receipt.unwrap().request_entry;
    let own = bump.receipt.as_ref().unwrap().request_entry.clone();
    let first = payment.receipt.as_ref().unwrap().request_entry.clone();
    let forgeries: [(&str, Vec<Vec<u8>>); 5] = [
        ("nothing", Vec::new()),
        ("another payment of the client", vec![other.clone()]),
        ("itself", vec![own.clone()]),
        ("one too many", vec![first.clone(), other]),
        ("far too many", vec![first; 17]),
    ];
    for (what, entries) in forgeries {
        let mut forged = bump.clone();
        receipt(&mut forged).replaced_request_entries = entries;
        let failure = checked_as(&cell, &forged).unwrap_err();
        assert_eq!(failure.reason(), "RECEIPT_INVALID", "{what}: {failure}");
    }
    // And one that calls itself something else
    for kind in
        [v1::WithdrawalKind::Payment, v1::WithdrawalKind::CancelOnChain, v1::WithdrawalKind::Unspecified]
    {
        let disguised = v1::Withdrawal { kind: kind.into(), ..bump.clone() };
        assert_eq!(checked_as(&cell, &disguised).unwrap_err().reason(), "ANSWER_MISMATCH");
    }
    let elsewhere = v1::Withdrawal { replaces: "w-00112233445566778899aabbccddeeff".to_owned(), ..bump };
    assert_eq!(checked_as(&cell, &elsewhere).unwrap_err().reason(), "ANSWER_MISMATCH");
}

#[test]
fn deposit_keys_are_derived_here_and_need_a_chain_code_that_was_replayed() {
    let (cell, _) = replayed();
    let known = known::wallet(&cell.session.profile, "hot-1").unwrap().unwrap();
    let expected = cell.state().wallet(&"hot-1".parse().unwrap()).unwrap().deposit_key(7).unwrap();
    assert_eq!(known.deposit_key(7).unwrap(), expected);
    assert_eq!(known.sender(Some(7)).unwrap(), expected);
    assert_eq!(known.sender(None).unwrap(), wallet_public());
    // Given a file of an earlier version
    let older = KnownWallet { chain_code: None, ..known };
    assert_eq!(older.deposit_key(7).unwrap_err().reason(), "CHAIN_CODE_UNKNOWN");
    know(&cell, "hot-1", wallet_public());
    known::remember(&cell.session.profile, cell.state()).unwrap();
    let learnt = known::wallet(&cell.session.profile, "hot-1").unwrap().unwrap();
    assert_eq!(learnt.deposit_key(7).unwrap(), expected);
}
