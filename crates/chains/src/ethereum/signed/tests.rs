//! Tests of assembling: only the wallet's own signature over this very transaction gives raw bytes.

use super::*;
use crate::ethereum::fixtures::{
    PUBLISHED_NATIVE, PUBLISHED_TOKEN, native_draft, signature, token_draft, token_transaction, wallet,
};

#[test]
fn published_transactions_are_assembled_to_their_known_bytes_and_hashes() {
    for published in [PUBLISHED_TOKEN, PUBLISHED_NATIVE] {
        let unsigned = UnsignedTransaction::parse_hex(published.unsigned).unwrap();
        let public_key = PublicKey::parse(published.public_key).unwrap();
        let given = Signature::parse(published.signature).unwrap();
        // The parity is found again from the bare scalars.
        let found =
            Signature::from_scalars(*given.r(), *given.s(), &unsigned.signing_hash(), &public_key).unwrap();
        assert_eq!(found, given);

        let signed = SignedTransaction::assemble(&unsigned, &found, &public_key).unwrap();

        assert_eq!(signed.raw_hex(), published.raw);
        assert_eq!(signed.hash().to_string(), published.hash);
        assert_eq!(SignedTransaction::hash_of(&unsigned, &found), signed.hash());
        assert_eq!(signed.sender(), public_key.address());
        assert_eq!(signed.sender(), Address::parse_unchecked_case(published.sender).unwrap());
    }
}

#[test]
fn alloy_reads_the_raw_transaction_as_the_wallets() {
    use alloy_consensus::{Transaction, TxEnvelope};
    use alloy_rlp::Decodable;

    for seed in 1..=20 {
        let (key, public_key) = wallet(seed);
        let unsigned = token_transaction();
        let given = signature(&key, &public_key, &unsigned.signing_hash());
        let signed = SignedTransaction::assemble(&unsigned, &given, &public_key).unwrap();

        // `TxEnvelope` reads the network form: the raw bytes as an RLP string.
        let network = alloy_rlp::encode(signed.raw());
        let envelope = TxEnvelope::decode(&mut network.as_slice()).unwrap();

        let sender = envelope.signature().recover_address_from_prehash(&envelope.signature_hash()).unwrap();
        assert_eq!(sender, public_key.address().to_alloy());
        assert_eq!(envelope.tx_hash().0, signed.hash().0);
        assert_eq!(envelope.chain_id(), Some(1));
        assert_eq!(envelope.to().unwrap(), token_draft().transfer.contract.unwrap().to_alloy());
    }
}

#[test]
fn signature_of_another_transaction_is_refused() {
    let (key, public_key) = wallet(1);
    let other = native_draft().build().unwrap();
    let given = signature(&key, &public_key, &other.signing_hash());

    let error = SignedTransaction::assemble(&token_transaction(), &given, &public_key).unwrap_err();

    assert_eq!(error, AssembleError::Signature(SignatureError::Invalid));
    assert_eq!(error.code(), "SIGNATURE_INVALID");
}

#[test]
fn signature_of_another_wallet_is_refused() {
    let (key, public_key) = wallet(1);
    let (_, other_key) = wallet(2);
    let unsigned = token_transaction();
    let given = signature(&key, &public_key, &unsigned.signing_hash());

    assert!(SignedTransaction::assemble(&unsigned, &given, &public_key).is_ok());
    let error = SignedTransaction::assemble(&unsigned, &given, &other_key).unwrap_err();
    assert_eq!(error.code(), "SIGNATURE_INVALID");
}

#[test]
fn flipped_parity_that_would_name_another_sender_is_refused() {
    let (key, public_key) = wallet(1);
    let unsigned = token_transaction();
    let mut bytes = signature(&key, &public_key, &unsigned.signing_hash()).to_bytes();
    bytes[64] ^= 1;
    let flipped = Signature::from_bytes(&bytes).unwrap();

    let error = SignedTransaction::assemble(&unsigned, &flipped, &public_key).unwrap_err();

    assert_eq!(error, AssembleError::Signature(SignatureError::ParityMismatch));
}
