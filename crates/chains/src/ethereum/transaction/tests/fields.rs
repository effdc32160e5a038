//! Attacks on the fields: fees, gas, nonce, access list, creation, amounts that overflow.

use super::*;
use crate::asset::{Asset, AssetSymbol};
use crate::effects::{ExpectedEffects, check_effects};
use crate::ethereum::draft::Eip1559Draft;

fn refusal(draft: Eip1559Draft) -> &'static str {
    draft.build().expect_err("must be refused").code()
}

#[test]
fn access_list_is_refused() {
    // One entry: the token's address and no storage keys.
    let entry = list(&[&[0x94][..], usdt().as_bytes(), &[0xc0]].concat());
    assert_eq!(Items::honest().with(ACCESS_LIST, list(&entry)).code(), "TRANSACTION_ACCESS_LIST");
}

#[test]
fn contract_creation_is_refused() {
    let create = Items::honest().with(TO, [0x80]);
    assert_eq!(create.decode(), Err(DecodeError::ContractCreation));
    assert_eq!(create.with(CALLDATA, [0x80]).code(), "TRANSACTION_CONTRACT_CREATION", "without calldata too");
}

#[test]
fn recipient_of_other_than_20_bytes_is_refused() {
    for length in [2, 19, 21, 32] {
        let items = Items::honest().with(TO, string(&vec![0xaa; length]));
        assert_eq!(items.code(), "TRANSACTION_MALFORMED", "{length} bytes");
    }
}

#[test]
fn priority_fee_above_the_maximum_fee_is_refused() {
    let equal = Eip1559Draft { max_priority_fee_per_gas: 30_000_000_000, ..token_draft() };
    assert!(equal.build().is_ok());
    let above = Eip1559Draft { max_priority_fee_per_gas: 30_000_000_001, ..token_draft() };
    assert_eq!(refusal(above), "TRANSACTION_PRIORITY_FEE_ABOVE_MAX_FEE");
}

#[test]
fn gas_limit_outside_its_range_is_refused() {
    for gas_limit in [21_000, 30_000_000] {
        assert!(Eip1559Draft { gas_limit, ..token_draft() }.build().is_ok(), "{gas_limit}");
    }
    for gas_limit in [0, 20_999, 30_000_001, u64::MAX] {
        let draft = Eip1559Draft { gas_limit, ..token_draft() };
        assert_eq!(draft.build(), Err(DecodeError::GasLimit { found: gas_limit }));
        assert_eq!(refusal(draft), "TRANSACTION_GAS_LIMIT_OUT_OF_RANGE");
    }
}

#[test]
fn nonce_that_no_account_can_have_is_refused() {
    assert!(Eip1559Draft { nonce: u64::MAX - 1, ..token_draft() }.build().is_ok());
    assert_eq!(refusal(Eip1559Draft { nonce: u64::MAX, ..token_draft() }), "TRANSACTION_NONCE_OUT_OF_RANGE");
    // 2^64 must not wrap to 0.
    let wrapped = Items::honest().with(NONCE, hex::decode("89010000000000000000").unwrap());
    assert_eq!(wrapped.code(), "TRANSACTION_MALFORMED");
}

#[test]
fn numbers_wider_than_their_fields_are_refused_and_never_wrap() {
    let wide = [
        // 2^64 + 1 as chain id: truncated it would be the main network.
        (CHAIN_ID, "89010000000000000001"),
        // 2^128 + 1 as fees: truncated they would be 1 wei.
        (MAX_FEE, "910100000000000000000000000000000001"),
        (PRIORITY_FEE, "910100000000000000000000000000000001"),
        // 2^64 + 60,000 as gas limit.
        (GAS_LIMIT, "8901000000000000ea60"),
        // 2^256 as value: truncated it would be 0.
        (VALUE, "a1010000000000000000000000000000000000000000000000000000000000000000"),
    ];
    for (position, item) in wide {
        let items = Items::honest().with(position, hex::decode(item).unwrap());
        assert_eq!(items.code(), "TRANSACTION_MALFORMED", "field {position}");
    }
}

#[test]
fn largest_fee_is_computed_without_wrapping() {
    let draft = Eip1559Draft { gas_limit: 30_000_000, max_fee_per_gas: u128::MAX, ..token_draft() };
    let max_fee = draft.build().unwrap().effects().max_fee;
    // (2^128 - 1) * 30,000,000, computed elsewhere.
    assert_eq!(max_fee.to_string(), "10208471007628153903901238222953046343650000000");
}

#[test]
fn amount_and_fee_that_overflow_together_are_refused() {
    let with_amount = |amount| {
        let mut draft = native_draft();
        draft.transfer.amount = amount;
        draft
    };
    let fee = native_draft().build().unwrap().effects().max_fee;
    let affordable = Amount::MAX.checked_sub(fee).unwrap();
    assert!(with_amount(affordable).build().is_ok());

    let above = affordable.checked_add(Amount::from_u128(1)).unwrap();
    assert_eq!(refusal(with_amount(above)), "TRANSACTION_COST_OVERFLOW");
    assert_eq!(refusal(with_amount(Amount::MAX)), "TRANSACTION_COST_OVERFLOW");
}

#[test]
fn native_transfer_to_the_zero_address_is_refused() {
    let mut draft = native_draft();
    draft.transfer.to = Address::ZERO;
    assert_eq!(refusal(draft), "TRANSACTION_DESTINATION_ZERO");
}

#[test]
fn native_transfer_with_calldata_is_never_described_as_a_transfer() {
    for calldata in [vec![0x00], string(b"not")] {
        let items = Items::honest().with(VALUE, [0x01]).with(CALLDATA, calldata);
        assert_eq!(items.code(), "TRANSACTION_CALL_UNSUPPORTED");
    }
    for calldata in [&b"note"[..], &[0; 68]] {
        let items = Items::honest().with(VALUE, [0x01]).with(CALLDATA, string(calldata));
        assert_eq!(items.decode().unwrap().effects().calldata.unwrap().as_bytes(), calldata);
    }
}

#[test]
fn transaction_for_another_chain_or_above_the_fee_cap_does_not_match_the_withdrawal() {
    let asset = Asset {
        symbol: AssetSymbol::parse("USDT").unwrap(),
        chain_id: ChainId::ETHEREUM_MAINNET,
        contract: Some(usdt()),
        decimals: 6,
    };
    let transfer = token_draft().transfer;
    let honest = token_transaction().effects();
    let expected = ExpectedEffects {
        chain_id: ChainId::ETHEREUM_MAINNET,
        asset: &asset,
        destination: transfer.to,
        amount: transfer.amount,
        calldata: None,
        fee_cap: honest.max_fee,
    };
    assert_eq!(check_effects(&honest, &expected), Ok(()));

    let codes = |draft: Eip1559Draft| -> Vec<&'static str> {
        let effects = draft.build().unwrap().effects();
        check_effects(&effects, &expected).unwrap_err().codes().collect()
    };
    let other_chain = Eip1559Draft { chain_id: ChainId(11_155_111), ..token_draft() };
    assert_eq!(codes(other_chain), ["TRANSACTION_CHAIN_MISMATCH"]);
    let more_gas = Eip1559Draft { gas_limit: 60_001, ..token_draft() };
    assert_eq!(codes(more_gas), ["TRANSACTION_FEE_ABOVE_CAP"]);
    let dearer_gas = Eip1559Draft { max_fee_per_gas: 30_000_000_001, ..token_draft() };
    assert_eq!(codes(dearer_gas), ["TRANSACTION_FEE_ABOVE_CAP"]);
}
