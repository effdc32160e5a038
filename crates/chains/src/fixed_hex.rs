//! Byte strings of a known length written as hexadecimal text.
//!
//! One value has one spelling: lower case, exact length, with or without `0x` as the type says. Must never trim,
//! pad or fold case.

use thiserror::Error;

/// Why a text is not the hexadecimal form of a fixed-length value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HexError {
    /// The text must start with `0x`.
    #[error("hexadecimal value must start with `0x`")]
    MissingPrefix,
    /// The text has the wrong number of digits (the prefix not counted).
    #[error("hexadecimal value must have {expected} digits, found {found}")]
    Length {
        /// Digits required.
        expected: usize,
        /// Bytes of text found where the digits should be.
        found: usize,
    },
    /// Something other than `0-9a-f`; upper case is refused so that every value has one spelling.
    #[error("hexadecimal value must be lower case `0-9a-f`: see character {position}")]
    Digit {
        /// Zero-based position of the first bad character, counted after the prefix.
        position: usize,
    },
}

impl HexError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingPrefix | Self::Length { .. } | Self::Digit { .. } => "HEX_MALFORMED",
        }
    }
}

/// Reads `0x` and exactly `2 * N` lower-case digits.
pub(crate) fn parse_prefixed<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    parse_bare(text.strip_prefix("0x").ok_or(HexError::MissingPrefix)?)
}

/// Reads exactly `2 * N` lower-case digits without a prefix.
pub(crate) fn parse_bare<const N: usize>(digits: &str) -> Result<[u8; N], HexError> {
    let expected = N.saturating_mul(2);
    if digits.len() != expected {
        return Err(HexError::Length { expected, found: digits.len() });
    }
    if let Some(position) = digits.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(HexError::Digit { position });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|_| HexError::Length { expected, found: digits.len() })?;
    Ok(bytes)
}
