//! Canonical text encodings: one byte string has exactly one accepted spelling.
//!
//! Never lenient: padding, trailing bits, case and leading zeroes are all checked, so that no signed or hashed
//! text has a second form that means the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Standard base64 with padding (RFC 4648, section 4).
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of canonical, padded, standard base64; `None` for every other spelling.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// ASCII decimal without sign and without leading zeroes.
pub(crate) fn from_decimal(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_base64_is_accepted() {
        assert_eq!(from_base64("aGk="), Some(b"hi".to_vec()));
        for spelling in ["aGk", "aGl=", "aGk==", "aGk=\n", " aGk=", "aG k=", "-_8=", "a"] {
            assert_eq!(from_base64(spelling), None, "{spelling:?}");
        }
    }

    #[test]
    fn only_the_canonical_spelling_of_a_number_is_accepted() {
        assert_eq!(from_decimal("0"), Some(0));
        assert_eq!(from_decimal("18446744073709551615"), Some(u64::MAX));
        for spelling in ["", "+1", "-1", "01", "00", " 1", "1 ", "18446744073709551616", "0x1", "1e3"] {
            assert_eq!(from_decimal(spelling), None, "{spelling:?}");
        }
    }
}
