//! Attacks on type and RLP: second spellings of a transaction, hidden bytes, other types.

use super::*;

#[test]
fn trailing_bytes_are_refused() {
    for extra in [&[0x00][..], &[0x80], &[0xc0], &[0; 100]] {
        let bytes = [token_transaction().as_bytes(), extra].concat();
        assert_eq!(
            UnsignedTransaction::decode(&bytes),
            Err(DecodeError::TrailingBytes { count: extra.len() })
        );
        assert_eq!(code(&bytes), "TRANSACTION_TRAILING_BYTES");
    }
}

#[test]
fn second_transaction_behind_the_first_is_refused() {
    let bytes = [token_transaction().as_bytes(), native_draft().build().unwrap().as_bytes()].concat();
    assert_eq!(code(&bytes), "TRANSACTION_TRAILING_BYTES");
}

#[test]
fn every_other_type_byte_is_refused() {
    let honest = token_transaction();
    for found in (0..=u8::MAX).filter(|byte| *byte != 0x02) {
        let mut bytes = honest.as_bytes().to_vec();
        bytes[0] = found;
        assert_eq!(UnsignedTransaction::decode(&bytes), Err(DecodeError::TypeUnsupported { found }));
    }
    assert_eq!(code(&[0x01]), "TRANSACTION_TYPE_UNSUPPORTED");
}

#[test]
fn well_formed_legacy_2930_4844_and_7702_transactions_are_refused() {
    use alloy_consensus::{TxEip2930, TxEip4844, TxEip7702, TxLegacy};

    let legacy = TxLegacy { chain_id: Some(1), ..Default::default() }.encoded_for_signing();
    assert!(legacy[0] >= 0xc0, "a bare list");
    assert_eq!(code(&legacy), "TRANSACTION_TYPE_UNSUPPORTED");

    let typed = [
        (0x01, TxEip2930::default().encoded_for_signing()),
        (0x03, TxEip4844::default().encoded_for_signing()),
        (0x04, TxEip7702::default().encoded_for_signing()),
    ];
    for (found, bytes) in typed {
        assert_eq!(UnsignedTransaction::decode(&bytes), Err(DecodeError::TypeUnsupported { found }));
    }
}

#[test]
fn nothing_and_type_byte_alone_are_refused() {
    assert_eq!(code(&[]), "TRANSACTION_EMPTY");
    assert_eq!(code(&[0x02]), "TRANSACTION_MALFORMED");
    assert_eq!(code(&[0x02, 0xc0]), "TRANSACTION_MALFORMED");
    assert_eq!(code(&[0x02, 0x80]), "TRANSACTION_MALFORMED");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = token_transaction().as_bytes().to_vec();
    for length in 0..bytes.len() {
        assert!(UnsignedTransaction::decode(&bytes[..length]).is_err(), "first {length} bytes");
    }
}

#[test]
fn numbers_with_leading_zeros_are_refused() {
    let padded = [
        (CHAIN_ID, "820001"),
        (NONCE, "820007"),
        (PRIORITY_FEE, "85003b9aca00"),
        (MAX_FEE, "860006fc23ac00"),
        (GAS_LIMIT, "8300ea60"),
        (VALUE, "820000"),
    ];
    for (position, item) in padded {
        let items = Items::honest().with(position, hex::decode(item).unwrap());
        assert_eq!(items.code(), "TRANSACTION_MALFORMED", "field {position}");
    }
}

#[test]
fn zero_written_as_a_zero_byte_is_refused() {
    assert_eq!(Items::honest().with(VALUE, [0x00]).code(), "TRANSACTION_MALFORMED");
    assert_eq!(Items::honest().with(NONCE, [0x00]).code(), "TRANSACTION_MALFORMED");
}

#[test]
fn small_number_written_with_a_length_is_refused() {
    assert_eq!(Items::honest().with(CHAIN_ID, [0x81, 0x01]).code(), "TRANSACTION_MALFORMED");
    assert_eq!(Items::honest().with(NONCE, [0x81, 0x07]).code(), "TRANSACTION_MALFORMED");
}

#[test]
fn lengths_written_longer_than_needed_are_refused() {
    let to = [&[0xb8, 0x14][..], usdt().as_bytes()].concat();
    assert_eq!(Items::honest().with(TO, to).code(), "TRANSACTION_MALFORMED", "20 bytes in long form");

    let calldata = [&[0xb9, 0x00, 0x44][..], &calldata()].concat();
    assert_eq!(Items::honest().with(CALLDATA, calldata).code(), "TRANSACTION_MALFORMED");

    let payload = Items::honest().0.concat();
    let length = u8::try_from(payload.len()).unwrap();
    let outer = [&[0x02, 0xf9, 0x00, length][..], &payload].concat();
    assert_eq!(code(&outer), "TRANSACTION_MALFORMED", "list header in longer form");

    let access_list = Items::honest().with(ACCESS_LIST, [0xf8, 0x00]);
    assert_eq!(access_list.code(), "TRANSACTION_MALFORMED", "empty list in long form");
}

#[test]
fn list_header_that_does_not_cover_the_fields_is_refused() {
    let payload = Items::honest().0.concat();
    let length = u8::try_from(payload.len()).unwrap();
    for claimed in [length - 1, length + 1, 56, u8::MAX] {
        let bytes = [&[0x02, 0xf8, claimed][..], &payload].concat();
        assert_eq!(code(&bytes), "TRANSACTION_MALFORMED", "claims {claimed} of {length}");
    }
}

#[test]
fn missing_and_additional_fields_are_refused() {
    let items = Items::honest().0;
    let eight = [vec![0x02], list(&items[..8].concat())].concat();
    assert_eq!(code(&eight), "TRANSACTION_MALFORMED");
    let ten = [vec![0x02], list(&[items.concat(), vec![0x80]].concat())].concat();
    assert_eq!(code(&ten), "TRANSACTION_MALFORMED");
}

#[test]
fn strings_and_lists_are_not_exchanged() {
    assert_eq!(Items::honest().with(ACCESS_LIST, [0x80]).code(), "TRANSACTION_MALFORMED");
    assert_eq!(Items::honest().with(VALUE, [0xc0]).code(), "TRANSACTION_MALFORMED");
    assert_eq!(Items::honest().with(CALLDATA, list(&calldata())).code(), "TRANSACTION_MALFORMED");
    let as_string = [vec![0x02], string(&Items::honest().0.concat())].concat();
    assert_eq!(code(&as_string), "TRANSACTION_MALFORMED");
}

#[test]
fn huge_claimed_length_is_refused_without_allocating() {
    let header = [0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(code(&header), "TRANSACTION_MALFORMED");
    let calldata = Items::honest().with(CALLDATA, [0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(calldata.code(), "TRANSACTION_MALFORMED");
}
