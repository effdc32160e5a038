//! Amounts of money in an asset's smallest unit.
//!
//! Integers only. Arithmetic is checked and says `None` instead of wrapping; there are no operators and no
//! floats, so an amount can never be computed by accident.

use std::fmt;

use alloy_primitives::U256;
use thiserror::Error;

use crate::serde_text::text_value;

/// The most decimal digits a 256-bit number has.
const MAX_DIGITS: usize = 78;

/// An amount in base units (wei, or a token's smallest unit), 0 to 2^256 - 1. JSON form: a decimal string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);
    /// The largest amount, 2^256 - 1.
    pub const MAX: Self = Self(U256::MAX);

    /// Reads base units: decimal digits, no sign, no leading zeros, no white space, at most 78 digits.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        if text.len() > MAX_DIGITS {
            return Err(AmountError::Overflow);
        }
        check_digits(text)?;
        if text.len() > 1 && text.starts_with('0') {
            return Err(AmountError::LeadingZero);
        }
        U256::from_str_radix(text, 10).map(Self).map_err(|_| AmountError::Overflow)
    }

    /// Reads a number of whole units such as `1250.5` and scales it by `decimals`, exactly.
    ///
    /// More fractional digits than `decimals` are refused, never rounded.
    pub fn parse_units(text: &str, decimals: u8) -> Result<Self, AmountError> {
        let decimals = usize::from(decimals);
        if text.len() > MAX_DIGITS.saturating_add(decimals).saturating_add(1) {
            return Err(AmountError::Overflow);
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => {
                check_digits(fraction)?;
                (whole, fraction)
            }
            None => (text, ""),
        };
        check_digits(whole)?;
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(AmountError::LeadingZero);
        }
        if fraction.len() > decimals {
            return Err(AmountError::TooPrecise { decimals });
        }
        let scaled = format!("{whole}{fraction:0<decimals$}");
        let significant = scaled.trim_start_matches('0');
        if significant.is_empty() { Ok(Self::ZERO) } else { Self::parse(significant) }
    }

    /// Writes the amount in whole units, exactly: `1250500000` with 6 decimals is `1250.5`.
    pub fn format_units(&self, decimals: u8) -> String {
        let decimals = usize::from(decimals);
        let width = decimals.saturating_add(1);
        let digits = format!("{:0>width$}", self.to_string());
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }

    /// The amount of `value` base units.
    pub fn from_u128(value: u128) -> Self {
        Self(U256::from(value))
    }

    /// Reads a 256-bit big-endian number.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }

    /// Writes a 256-bit big-endian number.
    pub fn to_be_bytes(&self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// The sum, or `None` above [`Amount::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The product, or `None` above [`Amount::MAX`].
    #[must_use]
    pub fn checked_mul_u64(self, factor: u64) -> Option<Self> {
        self.0.checked_mul(U256::from(factor)).map(Self)
    }

    /// The quotient by ten to the power of `exponent`, rounded up; `None` only when the rounding does not fit.
    #[must_use]
    pub fn checked_div_pow10_up(self, exponent: u32) -> Option<Self> {
        let Some(divisor) = U256::from(10_u64).checked_pow(U256::from(exponent)) else {
            // More digits than an amount can have: less than one of it is left.
            return Some(if self.is_zero() { Self::ZERO } else { Self(U256::from(1_u64)) });
        };
        let quotient = self.0.checked_div(divisor)?;
        let rest = self.0.checked_rem(divisor)?;
        if rest.is_zero() { Some(Self(quotient)) } else { quotient.checked_add(U256::from(1_u64)).map(Self) }
    }

    /// The amount as a 64-bit number, if it fits.
    pub fn to_u64(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    /// How many bits it has, from its highest one on: 0 of nothing.
    pub fn bits(&self) -> u32 {
        u32::try_from(self.0.bit_len()).unwrap_or(u32::MAX)
    }

    /// Whether this is nothing.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    pub(crate) fn from_u256(value: U256) -> Self {
        Self(value)
    }

    pub(crate) fn as_u256(&self) -> U256 {
        self.0
    }
}

fn check_digits(text: &str) -> Result<(), AmountError> {
    if text.is_empty() {
        return Err(AmountError::Empty);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) { Ok(()) } else { Err(AmountError::NotDigits) }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

text_value!(Amount, AmountError, "an amount in base units as a decimal string");

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// No digits where digits are required.
    #[error("amount is empty: write decimal digits")]
    Empty,
    /// A sign, white space, exponent or any other character.
    #[error("amount may only have decimal digits: no sign, no spaces, no exponent")]
    NotDigits,
    /// A leading zero would give one amount two spellings.
    #[error("amount has a leading zero: remove it")]
    LeadingZero,
    /// Above 2^256 - 1.
    #[error("amount is above 2^256 - 1")]
    Overflow,
    /// More fractional digits than the asset has.
    #[error("amount has more than {decimals} fractional digits, the asset's smallest unit")]
    TooPrecise {
        /// Fractional digits the asset has.
        decimals: usize,
    },
}

impl AmountError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::NotDigits | Self::LeadingZero => "AMOUNT_MALFORMED",
            Self::Overflow => "AMOUNT_OVERFLOW",
            Self::TooPrecise { .. } => "AMOUNT_TOO_PRECISE",
        }
    }
}

#[cfg(test)]
mod tests;
