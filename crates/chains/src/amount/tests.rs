//! Tests of amounts: one spelling, no overflow, exact units.

use proptest::prelude::*;

use super::*;

const MAX_TEXT: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

#[test]
fn amount_has_one_spelling() {
    for text in ["0", "1", "10", "1250000000", MAX_TEXT] {
        assert_eq!(Amount::parse(text).unwrap().to_string(), text);
    }
    let cases = [
        ("", AmountError::Empty),
        ("00", AmountError::LeadingZero),
        ("01", AmountError::LeadingZero),
        ("+1", AmountError::NotDigits),
        ("-1", AmountError::NotDigits),
        (" 1", AmountError::NotDigits),
        ("1\n", AmountError::NotDigits),
        ("1_000", AmountError::NotDigits),
        ("1e3", AmountError::NotDigits),
        ("0x1", AmountError::NotDigits),
        ("1.0", AmountError::NotDigits),
        ("١", AmountError::NotDigits),
    ];
    for (text, error) in cases {
        assert_eq!(Amount::parse(text), Err(error), "`{text}`");
    }
}

#[test]
fn amount_above_256_bits_is_refused_and_never_wraps() {
    let above = format!("{}6", &MAX_TEXT[..77]);
    assert_eq!(Amount::parse(&above), Err(AmountError::Overflow));
    assert_eq!(Amount::parse(&"9".repeat(78)), Err(AmountError::Overflow));
    assert_eq!(Amount::parse(&"1".repeat(79)), Err(AmountError::Overflow));
    assert_eq!(Amount::parse(&"x".repeat(1 << 20)), Err(AmountError::Overflow), "refused by length alone");

    let one = Amount::from_u128(1);
    assert_eq!(Amount::MAX.checked_add(one), None);
    assert_eq!(Amount::ZERO.checked_sub(one), None);
    assert_eq!(Amount::MAX.checked_mul_u64(2), None);
    assert_eq!(Amount::MAX.checked_sub(Amount::MAX), Some(Amount::ZERO));
}

#[test]
fn json_number_is_not_an_amount() {
    assert_eq!(serde_json::to_string(&Amount::MAX).unwrap(), format!("\"{MAX_TEXT}\""));
    assert_eq!(serde_json::from_str::<Amount>("\"5\"").unwrap(), Amount::from_u128(5));
    for json in ["5", "5.0", "null", "\"\"", "\"05\""] {
        assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
    }
}

#[test]
fn units_are_exact() {
    let cases = [
        ("1250000000", 6, "1250"),
        ("1250500000", 6, "1250.5"),
        ("1", 18, "0.000000000000000001"),
        ("0", 18, "0"),
        ("100", 0, "100"),
        ("1000000", 6, "1"),
        ("1000001", 6, "1.000001"),
    ];
    for (base, decimals, units) in cases {
        let amount = Amount::parse(base).unwrap();
        assert_eq!(amount.format_units(decimals), units);
        assert_eq!(Amount::parse_units(units, decimals), Ok(amount));
    }
    assert_eq!(
        Amount::parse_units("1.50", 6),
        Ok(Amount::from_u128(1_500_000)),
        "trailing zeros are harmless"
    );
}

#[test]
fn units_are_never_rounded_or_guessed() {
    let cases = [
        ("1.0000001", 6, AmountError::TooPrecise { decimals: 6 }),
        ("1.0", 0, AmountError::TooPrecise { decimals: 0 }),
        ("", 6, AmountError::Empty),
        (".5", 6, AmountError::Empty),
        ("5.", 6, AmountError::Empty),
        ("01.5", 6, AmountError::LeadingZero),
        ("1,5", 6, AmountError::NotDigits),
        ("1.2.3", 6, AmountError::NotDigits),
        ("-1.5", 6, AmountError::NotDigits),
        ("1.-5", 6, AmountError::NotDigits),
        (MAX_TEXT, 1, AmountError::Overflow),
    ];
    for (text, decimals, error) in cases {
        assert_eq!(Amount::parse_units(text, decimals), Err(error), "`{text}`");
    }
}

#[test]
fn extreme_decimals_are_exact_too() {
    let text = Amount::MAX.format_units(u8::MAX);
    assert_eq!(text.len(), 2 + 255);
    assert_eq!(Amount::parse_units(&text, u8::MAX), Ok(Amount::MAX));
}

proptest! {
    #[test]
    fn text_bytes_and_units_round_trip(bytes: [u8; 32], decimals: u8) {
        let amount = Amount::from_be_bytes(bytes);
        prop_assert_eq!(amount.to_be_bytes(), bytes);
        prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
        prop_assert_eq!(Amount::parse_units(&amount.format_units(decimals), decimals), Ok(amount));
    }

    #[test]
    fn any_text_is_read_back_as_itself_or_refused(text in "[0-9+. -]{0,90}") {
        if let Ok(amount) = Amount::parse(&text) {
            prop_assert_eq!(amount.to_string(), text);
        }
    }
}
