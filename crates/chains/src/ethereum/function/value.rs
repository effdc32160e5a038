//! The value of one argument, for rules to compare and people to read.
//!
//! Must never hold a value that its type does not have, and never show more of it than people can read.

use std::fmt;

use alloy_dyn_abi::DynSolValue;

use super::{CallDecodeError, ParameterKind, address, max_of};
use crate::amount::Amount;
use crate::ethereum::Address;

/// Most bytes and characters of one value that are shown.
const MAX_SHOWN: usize = 64;
/// Most elements of a list that are shown.
const MAX_ELEMENTS: usize = 8;
/// Most characters of a whole argument where room is scarce.
const MAX_BRIEF: usize = 200;

/// One argument of a call.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallValue {
    /// An account or contract.
    Address(Address),
    /// An unsigned number.
    Uint(Amount),
    /// A signed number in decimal digits.
    Int(String),
    /// `true` or `false`.
    Bool(bool),
    /// Bytes, of a fixed or any number.
    Bytes(Vec<u8>),
    /// Text, by whoever made the call.
    Text(String),
    /// The elements of an array, or the members of a tuple.
    Several(Vec<CallValue>),
}

impl CallValue {
    // INVARIANT: bits outside of a type are no part of any value: the library decodes and encodes them as they are (G1).
    pub(super) fn of(value: DynSolValue) -> Result<Self, CallDecodeError> {
        let several = |values: Vec<DynSolValue>| {
            values.into_iter().map(Self::of).collect::<Result<_, _>>().map(Self::Several)
        };
        match value {
            DynSolValue::Address(address) => Ok(Self::Address(Address::from_alloy(address))),
            DynSolValue::Uint(number, bits) => {
                let number = Amount::from_u256(number);
                if number <= max_of(bits) {
                    Ok(Self::Uint(number))
                } else {
                    Err(CallDecodeError::NotCanonical)
                }
            }
            DynSolValue::Int(number, bits) => {
                // The sign's bit is one of them.
                let used = usize::try_from(number.bits()).unwrap_or(usize::MAX);
                if used <= bits {
                    Ok(Self::Int(number.to_string()))
                } else {
                    Err(CallDecodeError::NotCanonical)
                }
            }
            DynSolValue::Bool(yes) => Ok(Self::Bool(yes)),
            DynSolValue::FixedBytes(word, size) => {
                let (bytes, padding) = word.split_at_checked(size).ok_or(CallDecodeError::NotDecodable)?;
                if padding.iter().all(|byte| *byte == 0) {
                    Ok(Self::Bytes(bytes.to_vec()))
                } else {
                    Err(CallDecodeError::NotCanonical)
                }
            }
            DynSolValue::Function(function) => Ok(Self::Bytes(function.to_vec())),
            DynSolValue::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            DynSolValue::String(text) => Ok(Self::Text(text)),
            DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
                several(values)
            }
        }
    }

    pub(super) fn read(kind: ParameterKind, text: &str) -> Result<Self, String> {
        match kind {
            ParameterKind::Address => address(text).map(Self::Address),
            ParameterKind::Uint(_) => Amount::parse(text).map(Self::Uint).map_err(|error| error.to_string()),
            ParameterKind::Bool => match text {
                "true" => Ok(Self::Bool(true)),
                "false" => Ok(Self::Bool(false)),
                _ => Err("use `true` or `false`".to_owned()),
            },
            ParameterKind::Bytes(_) => {
                let digits = text
                    .strip_prefix("0x")
                    .filter(|digits| !digits.contains(|c: char| c.is_ascii_uppercase()));
                let bytes = digits.and_then(|digits| hex::decode(digits).ok());
                // What a rule compares with, people can read to its end.
                let bytes = bytes.filter(|bytes| bytes.len() <= MAX_SHOWN);
                bytes
                    .map(Self::Bytes)
                    .ok_or_else(|| format!("write `0x` and lower-case digits, of at most {MAX_SHOWN} bytes"))
            }
            ParameterKind::Other => Err("arguments of this type cannot be compared".to_owned()),
        }
    }

    pub(super) fn fits(&self, kind: ParameterKind) -> bool {
        match (self, kind) {
            (Self::Address(_), ParameterKind::Address)
            | (Self::Bool(_), ParameterKind::Bool)
            | (Self::Bytes(_), ParameterKind::Bytes(None)) => true,
            (Self::Uint(number), ParameterKind::Uint(bits)) => *number <= max_of(bits),
            (Self::Bytes(bytes), ParameterKind::Bytes(Some(size))) => bytes.len() == size,
            (
                Self::Address(_)
                | Self::Uint(_)
                | Self::Int(_)
                | Self::Bool(_)
                | Self::Bytes(_)
                | Self::Text(_)
                | Self::Several(_),
                _,
            ) => false,
        }
    }

    /// For people, where all of a call's arguments must find room: the beginning, and how much is left out.
    pub fn brief(&self) -> String {
        let text = self.to_string();
        match text.len().checked_sub(MAX_BRIEF).filter(|left| *left > 0) {
            Some(left) => {
                let shown: String = text.chars().take(MAX_BRIEF).collect();
                format!("{shown} and {left} more characters")
            }
            None => text,
        }
    }

    /// Every address in it, of that type.
    pub fn addresses(&self) -> Vec<Address> {
        match self {
            Self::Address(address) => vec![*address],
            Self::Several(values) => values.iter().flat_map(Self::addresses).collect(),
            Self::Uint(_) | Self::Int(_) | Self::Bool(_) | Self::Bytes(_) | Self::Text(_) => Vec::new(),
        }
    }
}

/// Printable ASCII on one line; long values end with what is left out, and text is quoted.
impl fmt::Display for CallValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Uint(number) => write!(f, "{number}"),
            Self::Int(number) => f.write_str(number),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::Bytes(bytes) => {
                let shown: Vec<_> = bytes.iter().copied().take(MAX_SHOWN).collect();
                write!(f, "0x{}", hex::encode(&shown))?;
                more(f, bytes.len(), MAX_SHOWN, "bytes")
            }
            Self::Text(text) => {
                let shown: String = text.chars().take(MAX_SHOWN).collect();
                write!(f, "\"{}\"", shown.escape_default())?;
                more(f, text.chars().count(), MAX_SHOWN, "characters")
            }
            Self::Several(values) => {
                f.write_str("[")?;
                for (position, value) in values.iter().take(MAX_ELEMENTS).enumerate() {
                    let separator = if position == 0 { "" } else { ", " };
                    write!(f, "{separator}{value}")?;
                }
                f.write_str("]")?;
                more(f, values.len(), MAX_ELEMENTS, "elements")
            }
        }
    }
}

impl fmt::Debug for CallValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn more(f: &mut fmt::Formatter<'_>, all: usize, shown: usize, what: &str) -> fmt::Result {
    match all.checked_sub(shown).filter(|left| *left > 0) {
        Some(left) => write!(f, " and {left} more {what}"),
        None => Ok(()),
    }
}
