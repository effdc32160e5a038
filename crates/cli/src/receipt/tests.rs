//! A hostile coordinator's receipts: whatever it changes, the client notices.

use holdfast_proto::v1;

use super::verify;
use crate::failure::Exit;
use crate::known::KnownWallet;
use crate::testing::{TestCell, wallet_public};

type Tamper = fn(&mut v1::Withdrawal);

fn receipt(withdrawal: &mut v1::Withdrawal) -> &mut v1::Receipt {
    withdrawal.receipt.as_mut().unwrap()
}

#[test]
fn honest_receipt_is_accepted_with_and_without_a_known_wallet() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    let known = KnownWallet { address: wallet_public().address(), public_key: wallet_public() };
    let verified = verify(&cell.session.genesis, Some(&known), &withdrawal).unwrap();
    assert!(verified.wallet_known);
    assert_eq!(verified.signed.sender(), wallet_public().address());
    assert_eq!(verified.request.idempotency_key, "k-1");
    assert_eq!(verified.inclusion.cosignatures.len(), 2);
    assert!(!verify(&cell.session.genesis, None, &withdrawal).unwrap().wallet_known);
}

#[test]
fn tampered_receipt_is_refused_whichever_part_is_changed() {
    let mut cell = TestCell::ready();
    let honest = cell.signed();
    let tampers: [(&str, Tamper); 15] = [
        ("no receipt", |w| w.receipt = None),
        ("another id", |w| w.id = w.id.replace('0', "1").replace('a', "b")),
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
        ("address", |w| receipt(w).address = crate::testing::PAYEE.to_owned()),
        ("public key", |w| receipt(w).public_key[0] ^= 1),
        ("request entry", |w| receipt(w).request_entry.truncate(40)),
        ("entries exchanged", |w| receipt(w).signature_entry = receipt(w).authorization_entry.clone()),
        ("proofs exchanged", |w| receipt(w).tlog_proof = receipt(w).authorization_proof.clone()),
        ("proof", |w| receipt(w).authorization_proof[40] ^= 1),
    ];
    for (what, tamper) in tampers {
        let mut withdrawal = honest.clone();
        tamper(&mut withdrawal);
        let failure = match verify(&cell.session.genesis, None, &withdrawal) {
            Err(failure) => failure,
            Ok(_) => panic!("a receipt with changed `{what}` was accepted"),
        };
        assert_eq!((failure.exit(), failure.reason()), (Exit::Verification, "RECEIPT_INVALID"), "{what}");
    }
}

#[test]
fn receipt_under_a_checkpoint_that_too_few_nodes_cosigned_is_refused() {
    let mut cell = TestCell::ready();
    let mut withdrawal = cell.signed();
    let last = cell.log.len() - 1;
    receipt(&mut withdrawal).tlog_proof = cell.proof(last, &[3]);
    let failure = verify(&cell.session.genesis, None, &withdrawal).unwrap_err();
    assert!(failure.message().contains("1 known cosigners"), "{failure}");
}

#[test]
fn receipt_of_a_key_that_is_not_the_known_wallets_is_refused() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    let other = k256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
    let other = other.verifying_key().to_encoded_point(true);
    let public_key = holdfast_chains::PublicKey::from_sec1(other.as_bytes()).unwrap();
    let known = KnownWallet { address: public_key.address(), public_key };
    let failure = verify(&cell.session.genesis, Some(&known), &withdrawal).unwrap_err();
    assert!(failure.message().contains("knows as wallet `hot-1`"), "{failure}");
}

#[test]
fn receipt_of_another_cell_is_refused() {
    let mut cell = TestCell::ready();
    let withdrawal = cell.signed();
    let other = TestCell::new();
    assert!(verify(&other.session.genesis, None, &withdrawal).is_err());
}
