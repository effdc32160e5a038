//! A 32-byte hash: what is signed, and what names a transaction.

use std::fmt;

use crate::fixed_hex::{self, HexError};
use crate::serde_text::text_value;

/// A 32-byte hash. Text and JSON form: `0x` and 64 lower-case digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads `0x` and 64 lower-case digits.
    pub fn parse(text: &str) -> Result<Self, HexError> {
        fixed_hex::parse_prefixed(text).map(Self)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

text_value!(Digest, HexError, "a digest as `0x` and 64 lower-case digits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_has_one_spelling() {
        let digest = Digest([0xab; 32]);
        let text = format!("0x{}", "ab".repeat(32));

        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::parse(&text), Ok(digest));
        assert_eq!(serde_json::from_str::<Digest>(&format!("\"{text}\"")).unwrap(), digest);

        assert_eq!(Digest::parse(&"ab".repeat(32)), Err(HexError::MissingPrefix));
        assert_eq!(Digest::parse(&text.replace("0x", "0X")), Err(HexError::MissingPrefix));
        assert_eq!(Digest::parse(&text[..64]), Err(HexError::Length { expected: 64, found: 62 }));
        assert_eq!(Digest::parse(&format!("{text}00")), Err(HexError::Length { expected: 64, found: 66 }));
        assert_eq!(
            Digest::parse(&format!("0x{}", "AB".repeat(32))),
            Err(HexError::Digit { position: 0 }),
            "upper case"
        );
        assert_eq!(
            Digest::parse(&format!("0x{}é", "ab".repeat(31))),
            Err(HexError::Digit { position: 62 }),
            "right length in bytes, not hexadecimal"
        );
    }
}
