//! Tests of the comparison: each field on its own, all at once, and contradictions.

use super::*;
use crate::asset::AssetSymbol;

const TOKEN: Address = Address::from_bytes([0xaa; 20]);
const CUSTOMER: Address = Address::from_bytes([0xbb; 20]);
const THIEF: Address = Address::from_bytes([0xee; 20]);

fn token() -> Asset {
    Asset {
        symbol: AssetSymbol::parse("USDT").unwrap(),
        chain_id: ChainId::ETHEREUM_MAINNET,
        contract: Some(TOKEN),
        decimals: 6,
    }
}

fn expected(asset: &Asset) -> ExpectedEffects<'_> {
    ExpectedEffects {
        chain_id: ChainId::ETHEREUM_MAINNET,
        asset,
        destination: CUSTOMER,
        amount: Amount::from_u128(1_250_000_000),
        calldata: None,
        fee_cap: Amount::from_u128(1_000),
    }
}

fn honest() -> Effects {
    Effects {
        chain_id: ChainId::ETHEREUM_MAINNET,
        transfer: Transfer { contract: Some(TOKEN), to: CUSTOMER, amount: Amount::from_u128(1_250_000_000) },
        calldata: None,
        max_fee: Amount::from_u128(1_000),
        nonce: 7,
    }
}

fn codes(effects: &Effects) -> Vec<&'static str> {
    match check_effects(effects, &expected(&token())) {
        Ok(()) => Vec::new(),
        Err(mismatch) => mismatch.codes().collect(),
    }
}

#[test]
fn transaction_that_does_what_was_asked_passes_up_to_the_fee_cap() {
    assert_eq!(codes(&honest()), [""; 0]);
    assert_eq!(codes(&Effects { max_fee: Amount::ZERO, ..honest() }), [""; 0]);
}

#[test]
fn destination_of_a_thief_is_named_beside_the_expected_one() {
    let mut effects = honest();
    effects.transfer.to = THIEF;

    let mismatch = check_effects(&effects, &expected(&token())).unwrap_err();

    let [difference] = mismatch.mismatches() else { panic!("one difference: {mismatch}") };
    assert_eq!(difference.code(), "TRANSACTION_DESTINATION_MISMATCH");
    assert_eq!(difference.field(), "destination");
    assert_eq!(difference.expected(), CUSTOMER.to_string());
    assert_eq!(difference.found(), THIEF.to_string());
    assert_eq!(
        mismatch.to_string(),
        format!(
            "transaction does not do what the withdrawal asks: destination is `{THIEF}`, expected `{CUSTOMER}`"
        )
    );
}

#[test]
fn amount_one_unit_off_in_either_direction_is_refused() {
    for amount in [1_249_999_999, 1_250_000_001, 0] {
        let mut effects = honest();
        effects.transfer.amount = Amount::from_u128(amount);
        assert_eq!(codes(&effects), ["TRANSACTION_AMOUNT_MISMATCH"], "{amount}");
    }
}

#[test]
fn another_token_or_the_native_coin_is_refused() {
    for contract in [Some(THIEF), None] {
        let mut effects = honest();
        effects.transfer.contract = contract;
        assert_eq!(codes(&effects), ["TRANSACTION_ASSET_MISMATCH"], "{contract:?}");
    }
}

#[test]
fn token_transfer_for_a_native_withdrawal_is_refused() {
    let native = Asset { contract: None, ..token() };
    let mismatch = check_effects(&honest(), &expected(&native)).unwrap_err();
    let [difference] = mismatch.mismatches() else { panic!("one difference: {mismatch}") };
    assert_eq!((difference.field(), difference.expected().as_str()), ("contract", "native"));
    assert_eq!(difference.found(), TOKEN.to_string());
}

/// `approve(0xaa.., amount)`.
fn approve(amount: u8) -> Calldata {
    let mut bytes = [&[0x09, 0x5e, 0xa7, 0xb3][..], &[0; 12], TOKEN.as_bytes(), &[0; 32]].concat();
    bytes[67] = amount;
    Calldata::new(&bytes).unwrap()
}

#[test]
fn swapped_calldata_is_refused_whatever_of_it_differs() {
    let (native, asked) = (Asset { contract: None, ..token() }, approve(1));
    let expected = ExpectedEffects { calldata: Some(&asked), ..expected(&native) };
    let calling = |calldata| Effects {
        calldata,
        transfer: Transfer { contract: None, ..honest().transfer },
        ..honest()
    };
    assert_eq!(check_effects(&calling(Some(asked.clone())), &expected), Ok(()));
    for position in 0..asked.as_bytes().len() {
        let mut swapped = asked.as_bytes().to_vec();
        swapped[position] ^= 1;
        let mismatch =
            check_effects(&calling(Some(Calldata::new(&swapped).unwrap())), &expected).unwrap_err();
        assert_eq!(mismatch.codes().collect::<Vec<_>>(), ["TRANSACTION_CALLDATA_MISMATCH"], "{position}");
    }
    let longer = Calldata::new(&[asked.as_bytes(), &[0]].concat()).unwrap();
    assert!(check_effects(&calling(Some(longer)), &expected).is_err());
    assert!(check_effects(&calling(None), &expected).is_err());
}

#[test]
fn call_for_a_withdrawal_that_asks_for_a_transfer_is_refused() {
    let native = Asset { contract: None, ..token() };
    let effects = Effects {
        calldata: Some(approve(1)),
        transfer: Transfer { contract: None, ..honest().transfer },
        ..honest()
    };
    let mismatch = check_effects(&effects, &expected(&native)).unwrap_err();
    let [difference] = mismatch.mismatches() else { panic!("one difference: {mismatch}") };
    assert_eq!((difference.code(), difference.field()), ("TRANSACTION_CALLDATA_MISMATCH", "calldata"));
    assert_eq!(difference.expected(), "none");
    assert!(difference.found().starts_with("0x095ea7b3, 68 bytes, keccak-256 0x"), "{difference}");
}

#[test]
fn another_chain_is_refused() {
    assert_eq!(codes(&Effects { chain_id: ChainId(11_155_111), ..honest() }), ["TRANSACTION_CHAIN_MISMATCH"]);
}

#[test]
fn fee_one_unit_above_the_cap_is_refused() {
    let effects = Effects { max_fee: Amount::from_u128(1_001), ..honest() };
    let mismatch = check_effects(&effects, &expected(&token())).unwrap_err();
    let [difference] = mismatch.mismatches() else { panic!("one difference: {mismatch}") };
    assert_eq!(difference.code(), "TRANSACTION_FEE_ABOVE_CAP");
    assert_eq!((difference.expected().as_str(), difference.found().as_str()), ("1000", "1001"));
}

#[test]
fn registry_entry_of_another_chain_is_refused_even_if_the_withdrawal_agrees() {
    let foreign = Asset { chain_id: ChainId(137), ..token() };
    let mismatch = check_effects(&honest(), &expected(&foreign)).unwrap_err();
    assert_eq!(mismatch.codes().collect::<Vec<_>>(), ["TRANSACTION_CHAIN_MISMATCH"]);
}

#[test]
fn every_difference_is_reported_at_once() {
    let effects = Effects {
        chain_id: ChainId(5),
        transfer: Transfer { contract: None, to: THIEF, amount: Amount::MAX },
        calldata: Some(approve(1)),
        max_fee: Amount::MAX,
        nonce: 0,
    };
    assert_eq!(
        codes(&effects),
        [
            "TRANSACTION_CHAIN_MISMATCH",
            "TRANSACTION_CALLDATA_MISMATCH",
            "TRANSACTION_ASSET_MISMATCH",
            "TRANSACTION_DESTINATION_MISMATCH",
            "TRANSACTION_AMOUNT_MISMATCH",
            "TRANSACTION_FEE_ABOVE_CAP",
        ]
    );
}
