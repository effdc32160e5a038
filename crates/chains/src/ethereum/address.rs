//! Ethereum addresses with their EIP-55 checksum.
//!
//! An address that a person or a client names must carry its checksum: it is the only redundancy there is against
//! a typing error that sends funds to nobody. Must never fold case silently.

use std::fmt;

use thiserror::Error;

use crate::serde_text::text_value;

/// Digits of an address.
const DIGITS: usize = 40;

/// A 20-byte account or contract address. Text and JSON form: EIP-55 checksummed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

impl Address {
    /// The zero address: nobody's account, where funds are lost.
    pub const ZERO: Self = Self([0; 20]);

    /// Reads `0x` and 40 digits whose case is exactly the [EIP-55](https://eips.ethereum.org/EIPS/eip-55) checksum.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let address = Self::parse_unchecked_case(text)?;
        if address.to_string() == text {
            return Ok(address);
        }
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let lower = digits.bytes().any(|byte| byte.is_ascii_lowercase());
        let upper = digits.bytes().any(|byte| byte.is_ascii_uppercase());
        if lower && upper {
            Err(AddressError::ChecksumMismatch { text: text.to_owned() })
        } else {
            Err(AddressError::NotChecksummed { text: text.to_owned() })
        }
    }

    /// Reads `0x` and 40 digits in lower case, in upper case, or in mixed case that is exactly the checksum: for addresses that
    /// somebody confirms as they are then shown, with their checksum.
    pub fn parse_any_case(text: &str) -> Result<Self, AddressError> {
        match Self::parse(text) {
            Err(AddressError::NotChecksummed { .. }) => Self::parse_unchecked_case(text),
            parsed => parsed,
        }
    }

    /// Reads `0x` and 40 digits of any case. For published screening lists only, whose spelling is not ours and
    /// where refusing an entry would let its owner through.
    pub fn parse_unchecked_case(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix("0x").ok_or(AddressError::MissingPrefix)?;
        if digits.len() != DIGITS {
            return Err(AddressError::Length { found: digits.len() });
        }
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressError::NotHex)?;
        Ok(Self(bytes))
    }

    /// The address of 20 bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Whether this is the zero address.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    pub(crate) fn from_alloy(address: alloy_primitives::Address) -> Self {
        Self(address.into_array())
    }

    pub(crate) fn to_alloy(self) -> alloy_primitives::Address {
        alloy_primitives::Address::from(self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_alloy().to_checksum_buffer(None).as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

text_value!(Address, AddressError, "an EIP-55 checksummed address");

/// Why a text is not an address.
///
/// The right checksum is not shown on purpose: whoever copies it would confirm the typing error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// The text must start with `0x`.
    #[error("address must start with `0x`")]
    MissingPrefix,
    /// Not 40 digits after the prefix.
    #[error("address must have 40 hexadecimal digits after `0x`, found {found} bytes")]
    Length {
        /// Bytes of text found after the prefix.
        found: usize,
    },
    /// Something other than hexadecimal digits.
    #[error("address may only have hexadecimal digits after `0x`")]
    NotHex,
    /// All lower or all upper case: no checksum to check.
    #[error("address `{text}` carries no EIP-55 checksum: copy it with its mixed case from the source")]
    NotChecksummed {
        /// The text as given: `0x` and 40 hexadecimal digits.
        text: String,
    },
    /// The mixed case does not fit the digits: at least one digit is wrong.
    #[error("address `{text}` fails its EIP-55 checksum: copy it again from the source")]
    ChecksumMismatch {
        /// The text as given: `0x` and 40 hexadecimal digits.
        text: String,
    },
}

impl AddressError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingPrefix | Self::Length { .. } | Self::NotHex => "ADDRESS_MALFORMED",
            Self::NotChecksummed { .. } => "ADDRESS_NOT_CHECKSUMMED",
            Self::ChecksumMismatch { .. } => "ADDRESS_CHECKSUM_MISMATCH",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases of EIP-55.
    const PUBLISHED: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];
    const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

    #[test]
    fn published_checksums_are_accepted_and_written_back() {
        for text in PUBLISHED {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(serde_json::to_string(&address).unwrap(), format!("\"{text}\""));
            assert_eq!(Address::parse_unchecked_case(&text.to_lowercase()), Ok(address));
        }
    }

    #[test]
    fn address_without_checksum_is_refused_and_says_so() {
        let lower = USDT.to_lowercase();
        let upper = format!("0x{}", lower[2..].to_uppercase());
        for text in [lower, upper] {
            let error = Address::parse(&text).unwrap_err();
            assert_eq!(error.code(), "ADDRESS_NOT_CHECKSUMMED");
            assert!(Address::parse_unchecked_case(&text).is_ok());
            assert!(serde_json::from_str::<Address>(&format!("\"{text}\"")).is_err());
        }
    }

    #[test]
    fn every_single_wrong_case_fails_the_checksum() {
        for position in 2..USDT.len() {
            let mut text = USDT.to_owned().into_bytes();
            if text[position].is_ascii_digit() {
                continue;
            }
            text[position] ^= 0x20;
            let text = String::from_utf8(text).unwrap();
            assert_eq!(Address::parse(&text), Err(AddressError::ChecksumMismatch { text }));
        }
    }

    #[test]
    fn swapped_digits_fail_the_checksum_without_revealing_the_right_one() {
        let text = USDT.replacen("17", "71", 1);
        let error = Address::parse(&text).unwrap_err();
        assert_eq!(error.code(), "ADDRESS_CHECKSUM_MISMATCH");
        let corrected = Address::parse_unchecked_case(&text).unwrap().to_string();
        assert_ne!(text, corrected);
        assert!(!error.to_string().contains(&corrected));
    }

    #[test]
    fn malformed_address_is_refused() {
        let cases = [
            (USDT[2..].to_owned(), AddressError::MissingPrefix),
            (USDT.replace("0x", "0X"), AddressError::MissingPrefix),
            (format!(" {USDT}"), AddressError::MissingPrefix),
            (String::new(), AddressError::MissingPrefix),
            ("0x".to_owned(), AddressError::Length { found: 0 }),
            (USDT[..41].to_owned(), AddressError::Length { found: 39 }),
            (format!("{USDT}0"), AddressError::Length { found: 41 }),
            (format!("{USDT}\n"), AddressError::Length { found: 41 }),
            (format!("{}g", &USDT[..41]), AddressError::NotHex),
            (format!("{}é", &USDT[..40]), AddressError::NotHex),
        ];
        for (text, error) in cases {
            assert_eq!(Address::parse(&text), Err(error.clone()), "`{text}`");
            assert_eq!(Address::parse_unchecked_case(&text), Err(error), "`{text}`");
        }
    }

    #[test]
    fn zero_address_is_recognised() {
        assert!(Address::parse("0x0000000000000000000000000000000000000000").unwrap().is_zero());
        assert!(!Address::parse(USDT).unwrap().is_zero());
    }
}
