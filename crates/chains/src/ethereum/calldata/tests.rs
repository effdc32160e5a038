//! Attacks on calldata: too much, too little, transfers in disguise, addresses in odd places.

use super::*;

fn code(text: &str) -> &'static str {
    Calldata::parse(text).unwrap_err().code()
}

#[test]
fn transfer_of_a_token_in_the_disguise_of_a_call_is_refused() {
    for signature in TOKEN_MOVEMENTS {
        let disguised = [&Selector::of(signature).0[..], &[0; 64]].concat();
        let error = Calldata::new(&disguised).unwrap_err();
        assert_eq!(error, CalldataError::TokenMovement { signature });
        assert_eq!(error.code(), "CALLDATA_MOVES_TOKEN");
    }
    // The two everybody knows, by their published selectors.
    assert_eq!(code("0xa9059cbb"), "CALLDATA_MOVES_TOKEN");
    assert_eq!(code("0x23b872dd"), "CALLDATA_MOVES_TOKEN");
}

#[test]
fn calldata_has_one_spelling_and_bounds() {
    for malformed in ["", "0x", "095ea7b3", "0x095EA7B3", "0x095ea7b", "0x095ea7", "0x095ea7bz"] {
        assert_eq!(code(malformed), "CALLDATA_MALFORMED", "{malformed}");
    }
    let most = format!("0x{}", "ab".repeat(4096));
    assert_eq!(Calldata::parse(&most).unwrap().to_string(), most);
    assert_eq!(code(&format!("{most}00")), "CALLDATA_TOO_LONG");
    assert_eq!(code(&format!("{most}0")), "CALLDATA_TOO_LONG");
}

#[test]
fn address_is_found_wherever_it_is_hidden() {
    let hidden = Address::from_bytes([0xee; 20]);
    for offset in [4, 5, 16, 100] {
        let mut bytes = vec![0x11; 160];
        bytes[offset..offset + 20].copy_from_slice(hidden.as_bytes());
        let calldata = Calldata::new(&bytes).unwrap();
        assert!(calldata.possible_addresses().any(|address| address == hidden), "{offset}");
    }
    assert_eq!(Calldata::new(&[1, 2, 3, 4]).unwrap().possible_addresses().count(), 0);
}
