//! Attacks on the canonical form: every other spelling is refused.

use super::*;

fn round_trip<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: T) {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes), Ok(value));
    for end in 0..bytes.len() {
        assert!(T::from_bytes(&bytes[..end]).is_err(), "cut off at {end}");
    }
    assert!(T::from_bytes(&[bytes, vec![0]].concat()).is_err(), "a byte follows");
}

#[test]
fn numbers_have_one_spelling() {
    for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        round_trip(value);
    }
    for padded in [&[0x80, 0][..], &[0x81, 0x80, 0], &[0xff, 0x80, 0]] {
        assert!(u64::from_bytes(padded).is_err(), "{padded:?}");
    }
    assert!(u64::from_bytes(&[0xff; 10]).is_err());
    assert!(u64::from_bytes(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).is_err());
    assert!(u8::from_bytes(&256_u64.to_bytes()).is_err());
    assert!(bool::from_bytes(&[2]).is_err());
}

#[test]
fn amounts_have_one_spelling() {
    use holdfast_chains::Amount;
    for value in [Amount::ZERO, Amount::from_u128(1), Amount::from_u128(u128::MAX), Amount::MAX] {
        round_trip(value);
    }
    assert!(Amount::from_bytes(&[1, 0]).is_err(), "zero is written without bytes");
    assert!(Amount::from_bytes(&[2, 0, 1]).is_err());
    assert!(Amount::from_bytes(&[&[33][..], &[1; 33]].concat()).is_err());
}

#[test]
fn lengths_beyond_the_end_reserve_nothing() {
    assert!(Vec::<u64>::from_bytes(&u64::MAX.to_bytes()).is_err());
    assert!(String::from_bytes(&[5, b'a']).is_err());
}

#[test]
fn sets_and_maps_out_of_order_are_refused() {
    use std::collections::{BTreeMap, BTreeSet};
    round_trip(BTreeSet::from([1_u64, 2, 300]));
    round_trip(BTreeMap::from([(1_u64, "a".to_owned()), (2, String::new())]));
    assert!(BTreeSet::<u64>::from_bytes(&vec![2_u64, 1].to_bytes()).is_err());
    assert!(BTreeSet::<u64>::from_bytes(&vec![1_u64, 1].to_bytes()).is_err());
    assert!(BTreeMap::<u64, u64>::from_bytes(&vec![(1_u64, 1_u64), (1, 2)].to_bytes()).is_err());
}

#[test]
fn transaction_text_in_capitals_is_kept_to_the_letter() {
    for text in [None, Some("0xabcd"), Some("0xABcd"), Some("0xabc"), Some("abcd"), Some("0x"), Some("")] {
        round_trip(request(text));
    }
    assert_eq!(request(Some("0xab")).to_bytes().len() + 1, request(Some("0xabab")).to_bytes().len());
}

#[test]
fn call_is_kept_byte_for_byte_and_a_token_movement_is_not_taken_for_one() {
    let call = holdfast_chains::Calldata::parse("0x095ea7b300").unwrap();
    round_trip(crate::WithdrawalRequest { calldata: Some(call.clone()), ..request(Some("0xab")) });
    assert_eq!(call.to_bytes(), [&[5][..], call.as_bytes()].concat());
    assert!(holdfast_chains::Calldata::from_bytes(&[4, 0xa9, 0x05, 0x9c, 0xbb]).is_err());
    assert!(holdfast_chains::Calldata::from_bytes(&[3, 1, 2, 3]).is_err());
}

#[test]
fn digits_of_a_transaction_have_one_spelling() {
    let mut bytes = request(None).to_bytes();
    assert_eq!(bytes.pop(), Some(0), "no transaction");
    let spelled = |form: &[u8]| [&bytes[..], form].concat();
    assert!(crate::WithdrawalRequest::from_bytes(&spelled(&[1, 1, 0xab])).is_ok());
    assert!(crate::WithdrawalRequest::from_bytes(&spelled(&[2, 4, b'0', b'x', b'A', b'B'])).is_ok());
    assert!(crate::WithdrawalRequest::from_bytes(&spelled(&[2, 4, b'0', b'x', b'a', b'b'])).is_err());
    assert!(crate::WithdrawalRequest::from_bytes(&spelled(&[3])).is_err());
}

#[test]
fn risk_component_keeps_its_own_words_and_repeats_the_usual_ones_never() {
    use holdfast_policy::{ComponentState, ReasonCode, RiskComponent};
    let code = ReasonCode::NewDevice;
    let with = |reason: &str| RiskComponent {
        code,
        state: ComponentState::Present,
        weight: 40,
        contribution: 40,
        reason: reason.to_owned(),
    };
    round_trip(with("as an older program said it"));
    round_trip(with(code.officer_sentence()));
    let mut bytes = with(code.officer_sentence()).to_bytes();
    assert_eq!(bytes.pop(), Some(0), "no words of its own");
    Some(code.officer_sentence().to_owned()).encode(&mut bytes);
    assert!(RiskComponent::from_bytes(&bytes).is_err());
}

fn request(transaction: Option<&str>) -> crate::WithdrawalRequest {
    let intent = serde_json::json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "asset": "USDT", "chain_id": 1,
        "amount": "1", "destination": "0x8ba1f109551bD432803012645Ac136ddd64DBA72", "fee_cap": "1", "customer": "c-1",
        "idempotency_key": "k-1", "created_at_ms": 1, "expires_at_ms": 2, "transaction": transaction});
    crate::WithdrawalRequest::parse(intent.to_string().as_bytes()).unwrap()
}

#[test]
fn record_in_its_own_json_has_one_spelling() {
    use holdfast_policy::WhitelistEntry;
    let json = r#"{"id":"a","chain_id":1,"address":"0x8ba1f109551bD432803012645Ac136ddd64DBA72","assets":["USDT"],"owner":"house","not_before_ms":1,"expires_at_ms":2}"#;
    let stored = |json: &str| {
        let mut bytes = Vec::new();
        put_bytes(json.as_bytes(), &mut bytes);
        WhitelistEntry::from_bytes(&bytes)
    };
    round_trip(stored(json).unwrap());
    assert!(stored(&json.replace("\"id\":", "\"id\": ")).is_err());
    assert!(stored(&json.replace("\"chain_id\":1,", "").replace("}", ",\"chain_id\":1}")).is_err());
}
