//! Known answers from Ethereum's main network, and the hexadecimal form.

use super::*;
use crate::ethereum::fixtures::{PUBLISHED_NATIVE, PUBLISHED_TOKEN, Published};

fn check(published: &Published) {
    let transaction = UnsignedTransaction::parse_hex(published.unsigned).unwrap();

    let expected = Transfer {
        contract: published.contract.map(|text| Address::parse(text).unwrap()),
        to: Address::parse_unchecked_case(published.to).unwrap(),
        amount: Amount::parse(published.amount).unwrap(),
    };
    assert_eq!(transaction.effects().transfer, expected);
    assert_eq!(transaction.signing_hash().to_string(), published.signing_hash);
    assert_eq!(transaction.chain_id(), ChainId::ETHEREUM_MAINNET);
    assert_eq!(transaction.nonce(), published.nonce);
    assert_eq!(transaction.gas_limit(), published.gas_limit);
    assert_eq!(transaction.max_fee_per_gas(), published.max_fee_per_gas);
    assert_eq!(transaction.max_priority_fee_per_gas(), published.max_priority_fee_per_gas);
    assert_eq!(transaction.to_hex(), published.unsigned);
}

#[test]
fn published_token_transfer_has_its_known_effects_and_signing_hash() {
    check(&PUBLISHED_TOKEN);
}

#[test]
fn published_native_transfer_has_its_known_effects_and_signing_hash() {
    check(&PUBLISHED_NATIVE);
}

#[test]
fn signed_transaction_is_not_taken_for_an_unsigned_one() {
    for published in [PUBLISHED_TOKEN, PUBLISHED_NATIVE] {
        let error = UnsignedTransaction::parse_hex(published.raw).unwrap_err();
        assert_eq!(error.code(), "TRANSACTION_MALFORMED");
    }
}

#[test]
fn malformed_hex_says_what_is_wrong() {
    let text = PUBLISHED_NATIVE.unsigned;
    assert_eq!(UnsignedTransaction::parse_hex(&text[2..]), Err(DecodeError::HexPrefix));
    assert_eq!(UnsignedTransaction::parse_hex(&text[..text.len() - 1]), Err(DecodeError::HexLength));
    assert_eq!(UnsignedTransaction::parse_hex("0x02zz"), Err(DecodeError::HexDigit { position: 2 }));
    assert_eq!(
        UnsignedTransaction::parse_hex(&format!("{text}\n")),
        Err(DecodeError::HexDigit { position: text.len() - 2 })
    );
    assert_eq!(UnsignedTransaction::parse_hex("0x"), Err(DecodeError::Empty));
    assert_eq!(DecodeError::HexPrefix.code(), "TRANSACTION_HEX_MALFORMED");

    let upper = format!("0x{}", text[2..].to_uppercase());
    assert_eq!(
        UnsignedTransaction::parse_hex(&upper),
        UnsignedTransaction::parse_hex(text),
        "case of the text does not matter: the bytes are what counts"
    );
}

#[test]
fn oversized_input_is_refused_by_its_length_alone() {
    let limit = UnsignedTransaction::MAX_BYTES;
    assert_eq!(code(&vec![0xff; limit + 1]), "TRANSACTION_TOO_LARGE");
    assert_eq!(code(&vec![0xff; limit]), "TRANSACTION_TYPE_UNSUPPORTED", "exactly at the limit is looked at");
    // Not even hexadecimal: nothing is read before the length.
    let text = format!("0x{}", "z".repeat(2 * limit + 1));
    assert_eq!(UnsignedTransaction::parse_hex(&text), Err(DecodeError::TooLarge { found: limit + 1 }));
}
