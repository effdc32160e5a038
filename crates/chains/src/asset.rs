//! What is moved: a chain's own coin or a token contract on it.
//!
//! Plain data. Which assets exist is the business of the registry in the log; decimals are taken from there and
//! never from a transaction or a caller.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chain_id::ChainId;
use crate::ethereum::Address;
use crate::serde_text::text_value;

/// The longest symbol.
const MAX_SYMBOL: usize = 12;

/// An asset as the registry describes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// The name used in requests and statements.
    pub symbol: AssetSymbol,
    /// The chain it lives on.
    pub chain_id: ChainId,
    /// The token's contract; absent for the chain's own coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Address>,
    /// Base units in a whole unit, as a power of ten.
    pub decimals: u8,
}

impl Asset {
    /// Whether this is the chain's own coin.
    pub fn is_native(&self) -> bool {
        self.contract.is_none()
    }
}

/// A symbol such as `USDT`: 1 to 12 characters of `A-Z`, `0-9` and `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetSymbol(String);

impl AssetSymbol {
    /// Reads a symbol; lower case is refused, not folded.
    pub fn parse(text: &str) -> Result<Self, AssetSymbolError> {
        if text.is_empty() || text.len() > MAX_SYMBOL {
            return Err(AssetSymbolError::Length);
        }
        if !text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'.')) {
            return Err(AssetSymbolError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The symbol's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AssetSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssetSymbol({self})")
    }
}

text_value!(AssetSymbol, AssetSymbolError, "an asset symbol, 1 to 12 characters of `A-Z0-9.`");

/// Why a text is not an asset symbol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssetSymbolError {
    /// Empty or longer than 12 characters.
    #[error("asset symbol must have 1 to 12 characters")]
    Length,
    /// A character outside `A-Z`, `0-9` and `.`.
    #[error("asset symbol may only have `A-Z`, `0-9` and `.`")]
    Character,
}

impl AssetSymbolError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Length | Self::Character => "ASSET_SYMBOL_MALFORMED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDT: &str = r#"{"symbol":"USDT","chain_id":1,"contract":"0xdAC17F958D2ee523a2206206994597C13D831ec7","decimals":6}"#;
    const ETH: &str = r#"{"symbol":"ETH","chain_id":1,"decimals":18}"#;

    #[test]
    fn symbol_outside_its_alphabet_is_refused() {
        for text in ["U", "USDC.E", "123456789012"] {
            assert_eq!(AssetSymbol::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "1234567890123"] {
            assert_eq!(AssetSymbol::parse(text), Err(AssetSymbolError::Length), "`{text}`");
        }
        // The last one starts with a Cyrillic letter that looks like `S`.
        for text in ["usdt", "USD T", "USD-T", "USDT\n", "\u{0405}OL"] {
            assert_eq!(AssetSymbol::parse(text), Err(AssetSymbolError::Character), "`{text}`");
        }
    }

    #[test]
    fn asset_round_trips_through_json() {
        for json in [USDT, ETH] {
            let asset: Asset = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&asset).unwrap(), json);
        }
        assert!(serde_json::from_str::<Asset>(ETH).unwrap().is_native());
        assert!(!serde_json::from_str::<Asset>(USDT).unwrap().is_native());
    }

    #[test]
    fn asset_with_an_unknown_member_or_an_unchecksummed_contract_is_refused() {
        let misspelt = USDT.replace("contract", "contarct");
        assert!(serde_json::from_str::<Asset>(&misspelt).is_err(), "must not become the native coin");
        assert!(serde_json::from_str::<Asset>(&USDT.replace("dAC17F", "dac17f")).is_err());
        assert!(serde_json::from_str::<Asset>(&USDT.replace(":6", ":256")).is_err());
    }
}
