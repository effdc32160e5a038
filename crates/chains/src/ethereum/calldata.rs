//! Calldata of a contract call: the bytes that say which function is called, and with what.
//!
//! Bounded, and never the movement of a token: what moves tokens is a [`Transfer`](crate::Transfer), which limits count. Must
//! never be shortened, padded or normalised.

use std::fmt;

use alloy_primitives::keccak256;
use thiserror::Error;

use super::address::Address;
use crate::digest::Digest;
use crate::serde_text::text_value;

/// The first four bytes of calldata: which function is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(pub [u8; 4]);

impl Selector {
    /// The selector of a function: the first bytes of keccak-256 over its signature.
    pub fn of(signature: &str) -> Self {
        let [a, b, c, d, ..] = keccak256(signature.as_bytes()).0;
        Self([a, b, c, d])
    }

    /// The function that moves an ERC-20 token, if this is one.
    pub fn token_movement(self) -> Option<&'static str> {
        TOKEN_MOVEMENTS.into_iter().find(|signature| Self::of(signature) == self)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Functions that move a token out of an account: ERC-20, ERC-223, ERC-677, ERC-777 and ERC-1363.
const TOKEN_MOVEMENTS: [&str; 9] = [
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "transfer(address,uint256,bytes)",
    "transferAndCall(address,uint256)",
    "transferAndCall(address,uint256,bytes)",
    "transferFromAndCall(address,address,uint256)",
    "transferFromAndCall(address,address,uint256,bytes)",
    "send(address,uint256,bytes)",
    "operatorSend(address,address,uint256,bytes,bytes)",
];

/// The calldata of a contract call: a selector and its arguments. JSON form: `0x` and lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Calldata {
    selector: Selector,
    bytes: Vec<u8>,
}

impl Calldata {
    /// The most bytes of a call.
    pub const MAX_BYTES: usize = 4096;

    /// Takes the exact bytes.
    // INVARIANT: no call moves a token by a function that limits would have to count (G1).
    pub fn new(bytes: &[u8]) -> Result<Self, CalldataError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(CalldataError::TooLong { found: bytes.len() });
        }
        let Some(selector) = bytes.first_chunk().copied().map(Selector) else {
            return Err(CalldataError::NoFunction { found: bytes.len() });
        };
        match selector.token_movement() {
            Some(signature) => Err(CalldataError::TokenMovement { signature }),
            None => Ok(Self { selector, bytes: bytes.to_vec() }),
        }
    }

    /// Reads `0x` and lower-case digits.
    pub fn parse(text: &str) -> Result<Self, CalldataError> {
        let digits = text.strip_prefix("0x").ok_or(CalldataError::HexPrefix)?;
        let length = digits.len().div_ceil(2);
        if length > Self::MAX_BYTES {
            return Err(CalldataError::TooLong { found: length });
        }
        if let Some(position) = digits.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(CalldataError::HexDigit { position });
        }
        Self::new(&hex::decode(digits).map_err(|_| CalldataError::HexLength)?)
    }

    /// Which function is called.
    pub fn selector(&self) -> Selector {
        self.selector
    }

    /// The exact bytes, the selector included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes after the selector.
    pub(super) fn arguments(&self) -> &[u8] {
        self.bytes.get(self.selector.0.len()..).unwrap_or_default()
    }

    /// keccak-256 over the bytes: names them where they are too long to show.
    pub fn digest(&self) -> Digest {
        Digest(keccak256(&self.bytes).0)
    }

    /// Every 20 consecutive bytes: whatever address the call names, in whatever place and type, is among them.
    pub fn possible_addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.bytes.windows(20).filter_map(|bytes| bytes.try_into().ok().map(Address::from_bytes))
    }

    /// For people, where all of it is too long: `0x095ea7b3, 68 bytes, keccak-256 0x..`.
    pub fn summary(&self) -> String {
        format!("{}, {} bytes, keccak-256 {}", self.selector, self.bytes.len(), self.digest())
    }
}

impl fmt::Display for Calldata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(&self.bytes))
    }
}

impl fmt::Debug for Calldata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calldata({})", self.summary())
    }
}

text_value!(Calldata, CalldataError, "calldata as `0x` and lower-case hexadecimal digits");

/// Why bytes are not the calldata of a call.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CalldataError {
    /// The text does not start with `0x`.
    #[error("calldata must be hexadecimal text starting with `0x`")]
    HexPrefix,
    /// The text has an odd number of digits.
    #[error("calldata has an odd number of hexadecimal digits: one is missing or too many")]
    HexLength,
    /// Something other than `0-9a-f`; upper case is refused so that every call has one spelling.
    #[error("calldata must be lower case `0-9a-f`: see character {position}")]
    HexDigit {
        /// Zero-based position of the first bad character, counted after the prefix.
        position: usize,
    },
    /// Fewer bytes than a selector has.
    #[error("calldata has {found} bytes, a call begins with the four bytes of its function")]
    NoFunction {
        /// Bytes found.
        found: usize,
    },
    /// More bytes than any accepted call has.
    #[error("calldata has {found} bytes, at most {} are accepted", Calldata::MAX_BYTES)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// It moves a token, which limits on transfers must count.
    #[error(
        "calldata calls `{signature}`: ask for a transfer of the token instead, so that its limits count it"
    )]
    TokenMovement {
        /// The function.
        signature: &'static str,
    },
}

impl CalldataError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HexPrefix | Self::HexLength | Self::HexDigit { .. } | Self::NoFunction { .. } => {
                "CALLDATA_MALFORMED"
            }
            Self::TooLong { .. } => "CALLDATA_TOO_LONG",
            Self::TokenMovement { .. } => "CALLDATA_MOVES_TOKEN",
        }
    }
}

#[cfg(test)]
mod tests;
