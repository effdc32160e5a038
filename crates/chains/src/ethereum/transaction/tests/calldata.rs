//! Attacks on the calldata of a token transfer.

use super::*;
use crate::ethereum::fixtures::THIEF;

fn with_calldata(calldata: &[u8]) -> Items {
    Items::honest().with(CALLDATA, string(calldata))
}

#[test]
fn swapped_destination_in_the_calldata_shows_up_in_the_effects() {
    let mut swapped = calldata();
    swapped[16..36].copy_from_slice(THIEF.as_bytes());

    let effects = with_calldata(&swapped).decode().unwrap().effects();

    let mut expected = token_transaction().effects();
    expected.transfer.to = THIEF;
    assert_eq!(effects, expected);
}

#[test]
fn dirty_bytes_in_front_of_the_address_are_refused() {
    for position in 4..16 {
        for byte in [0x01, 0x80, 0xff] {
            let mut dirty = calldata();
            dirty[position] = byte;
            let items = with_calldata(&dirty);
            assert_eq!(items.decode(), Err(DecodeError::CalldataDirtyAddress), "byte {position}");
            assert_eq!(items.code(), "TRANSACTION_CALLDATA_DIRTY_ADDRESS");
        }
    }
}

#[test]
fn padded_and_shortened_calldata_is_refused() {
    for padding in [1, 28, 32, 64] {
        let padded = [calldata(), vec![0; padding]].concat();
        assert_eq!(with_calldata(&padded).code(), "TRANSACTION_CALLDATA_LENGTH", "{padding} more");
    }
    // Calldata that ends early is completed with zeros by the contract: the short address attack.
    for length in [67, 66, 36, 4] {
        assert_eq!(with_calldata(&calldata()[..length]).code(), "TRANSACTION_CALLDATA_LENGTH", "{length}");
    }
    assert_eq!(with_calldata(&calldata()[..3]).code(), "TRANSACTION_CALL_UNSUPPORTED");
}

#[test]
fn every_other_movement_of_a_token_is_refused_and_named() {
    let calls = [
        ("transferFrom(address,address,uint256)", "23b872dd"),
        ("transfer(address,uint256,bytes)", "be45fd62"),
        ("transferAndCall(address,uint256)", "1296ee62"),
        ("transferAndCall(address,uint256,bytes)", "4000aea0"),
        ("send(address,uint256,bytes)", "9bd9bbc6"),
    ];
    for (name, selector) in calls {
        let mut call = calldata();
        call[..4].copy_from_slice(&hex::decode(selector).unwrap());
        let error = with_calldata(&call).decode().unwrap_err();
        assert_eq!(error.code(), "TRANSACTION_CALL_UNSUPPORTED", "{name}");
        assert!(error.to_string().contains(&format!("`0x{selector}`")), "{error}");
    }
}

#[test]
fn call_is_described_by_every_byte_and_is_no_transfer() {
    for selector in ["095ea7b3", "39509351", "a22cb465", "d505accf", "ac9650d8"] {
        let mut call = calldata();
        call[..4].copy_from_slice(&hex::decode(selector).unwrap());
        let effects = with_calldata(&call).decode().unwrap().effects();
        assert_eq!(effects.calldata.unwrap().as_bytes(), call, "{selector}");
        let contract = Transfer { contract: None, to: usdt(), amount: Amount::ZERO };
        assert_eq!(effects.transfer, contract, "{selector}");
    }
}

#[test]
fn every_selector_one_bit_away_is_no_transfer() {
    for byte in 0..4 {
        for bit in 0..8 {
            let mut call = calldata();
            call[byte] ^= 1 << bit;
            let effects = with_calldata(&call).decode().unwrap().effects();
            assert_eq!(effects.calldata.unwrap().as_bytes(), call, "{byte}, {bit}");
        }
    }
}

#[test]
fn call_of_the_zero_address_and_calldata_of_more_than_4_kib_are_refused() {
    let call = [&[0x09, 0x5e, 0xa7, 0xb3][..], &[0; 4092]].concat();
    assert!(with_calldata(&call).decode().is_ok());
    assert_eq!(with_calldata(&[call.clone(), vec![0]].concat()).code(), "TRANSACTION_CALL_TOO_LONG");
    let nobody = [&[0x94][..], &[0; 20]].concat();
    assert_eq!(with_calldata(&call).with(TO, nobody).code(), "TRANSACTION_DESTINATION_ZERO");
}

#[test]
fn value_that_goes_with_a_call_is_what_it_moves() {
    let ether = hex::decode("880de0b6b3a7640000").unwrap();
    let deposit = with_calldata(&hex::decode("d0e30db0").unwrap()).with(VALUE, ether);
    let effects = deposit.decode().unwrap().effects();
    assert_eq!(effects.transfer.amount.to_string(), "1000000000000000000");
}

#[test]
fn value_with_a_token_transfer_is_refused() {
    assert_eq!(Items::honest().with(VALUE, [0x01]).code(), "TRANSACTION_VALUE_WITH_TOKEN_TRANSFER");
    let ether = hex::decode("880de0b6b3a7640000").unwrap();
    assert_eq!(Items::honest().with(VALUE, ether).code(), "TRANSACTION_VALUE_WITH_TOKEN_TRANSFER");
}

#[test]
fn tokens_are_not_sent_where_they_are_lost() {
    let mut draft = token_draft();
    draft.transfer.to = Address::ZERO;
    assert_eq!(draft.build().unwrap_err().code(), "TRANSACTION_DESTINATION_ZERO");
    draft.transfer.to = usdt();
    assert_eq!(draft.build().unwrap_err().code(), "TRANSACTION_DESTINATION_IS_CONTRACT");
}

#[test]
fn largest_token_amount_is_read_exactly() {
    let mut draft = token_draft();
    draft.transfer.amount = Amount::MAX;
    assert_eq!(draft.build().unwrap().effects().transfer.amount, Amount::MAX);
}
