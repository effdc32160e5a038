//! The number that names a chain in a transaction (EIP-155, EIP-1559).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A chain's number. JSON form: a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub u64);

impl ChainId {
    /// Ethereum's main network.
    pub const ETHEREUM_MAINNET: Self = Self(1);

    /// Reads decimal digits: no sign, no leading zeros, no white space.
    pub fn parse(text: &str) -> Result<Self, ChainIdError> {
        let canonical =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !canonical {
            return Err(ChainIdError);
        }
        text.parse().map(Self).map_err(|_| ChainIdError)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ChainId {
    type Err = ChainIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The text is not a chain number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("chain id must be a decimal number below 2^64 without sign or leading zeros, for example `1`")]
pub struct ChainIdError;

impl ChainIdError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        "CHAIN_ID_MALFORMED"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_id_has_one_spelling() {
        assert_eq!(ChainId::parse("1"), Ok(ChainId::ETHEREUM_MAINNET));
        assert_eq!(ChainId::parse("18446744073709551615"), Ok(ChainId(u64::MAX)));
        for text in ["", "01", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "١"] {
            assert_eq!(ChainId::parse(text), Err(ChainIdError), "`{text}`");
        }
    }

    #[test]
    fn chain_id_is_a_json_number_and_never_a_string() {
        assert_eq!(serde_json::to_string(&ChainId(137)).unwrap(), "137");
        assert_eq!(serde_json::from_str::<ChainId>("137").unwrap(), ChainId(137));
        for json in ["\"1\"", "-1", "1.0", "null"] {
            assert!(serde_json::from_str::<ChainId>(json).is_err(), "{json}");
        }
    }
}
