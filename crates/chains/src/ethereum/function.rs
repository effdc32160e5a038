//! Functions of contracts: from a signature such as `approve(address,uint256)` to the arguments of a call.
//!
//! Types and encoding are the ABI library's. Must never give out arguments that do not make exactly the bytes they were read
//! from, and never take a type whose values could be large where the calldata is small.

use std::fmt;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use thiserror::Error;

use super::address::Address;
use super::calldata::{Calldata, Selector};
use crate::amount::Amount;

mod value;

pub use value::CallValue;

/// The longest signature, in characters.
const MAX_CHARS: usize = 256;
/// Most arguments of a function, and members of a tuple.
const MAX_MEMBERS: usize = 16;
/// Most elements of an array of fixed length.
const MAX_FIXED: usize = 64;
/// How deep arrays and tuples may be inside each other.
const MAX_DEPTH: usize = 4;
/// How many of them may be arrays: each one more lets the same bytes be read that many times more.
const MAX_ARRAYS: usize = 2;

/// A function's name and the types of its arguments, written as Solidity writes it for the selector: no spaces, no names of
/// arguments, `uint256` and not `uint`. Text form: that signature.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionSignature {
    text: String,
    selector: Selector,
    types: Vec<DynSolType>,
}

impl FunctionSignature {
    /// Reads a signature.
    pub fn parse(text: &str) -> Result<Self, SignatureTextError> {
        if text.len() > MAX_CHARS {
            return Err(SignatureTextError::TooLong);
        }
        let (name, types) = text.split_at(text.find('(').ok_or(SignatureTextError::Malformed)?);
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
        let is_name = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
        if !is_name {
            return Err(SignatureTextError::Malformed);
        }
        let types = members(types)?;
        check_members(&types, MAX_DEPTH, MAX_ARRAYS)?;
        let canonical = format!("{name}{}", canonical_members(&types));
        if canonical != text {
            return Err(SignatureTextError::NotCanonical { canonical });
        }
        Ok(Self { selector: Selector::of(text), text: canonical, types })
    }

    /// The name alone.
    pub fn name(&self) -> &str {
        self.text.split('(').next().unwrap_or_default()
    }

    /// The whole signature.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What calldata of this function begins with.
    pub fn selector(&self) -> Selector {
        self.selector
    }

    /// How many arguments it takes.
    pub fn arity(&self) -> usize {
        self.types.len()
    }

    /// The kind of an argument, by its position from 1.
    pub fn parameter(&self, position: usize) -> Option<ParameterKind> {
        self.types.get(position.checked_sub(1)?).map(ParameterKind::of)
    }

    /// Reads a value as an argument's type writes it: an address, a decimal number, `true`, `false`, or `0x` and lower-case
    /// digits.
    pub fn read_value(&self, position: usize, text: &str) -> Result<CallValue, String> {
        let kind = self.parameter(position).ok_or("the function has no such argument")?;
        let value = CallValue::read(kind, text)?;
        if value.fits(kind) { Ok(value) } else { Err(format!("not a value of type {kind}")) }
    }

    /// The arguments of a call of this function.
    // INVARIANT: what is returned makes exactly these bytes again, so that nothing in them is left unsaid (G1).
    pub fn decode(&self, calldata: &Calldata) -> Result<Vec<CallValue>, CallDecodeError> {
        if calldata.selector() != self.selector {
            return Err(CallDecodeError::OtherFunction { found: calldata.selector() });
        }
        let arguments = calldata.arguments();
        if self.types.is_empty() {
            return match arguments.len() {
                0 => Ok(Vec::new()),
                count => Err(CallDecodeError::Surplus { count }),
            };
        }
        let decoded = DynSolType::Tuple(self.types.clone())
            .abi_decode_sequence(arguments)
            .map_err(|_| CallDecodeError::NotDecodable)?;
        let again = decoded.abi_encode_sequence().ok_or(CallDecodeError::NotDecodable)?;
        if again != arguments {
            let surplus = arguments.len().checked_sub(again.len()).filter(|_| arguments.starts_with(&again));
            return Err(match surplus {
                Some(count) => CallDecodeError::Surplus { count },
                None => CallDecodeError::NotCanonical,
            });
        }
        match decoded {
            DynSolValue::Tuple(values) => values.into_iter().map(CallValue::of).collect(),
            DynSolValue::Bool(_)
            | DynSolValue::Int(..)
            | DynSolValue::Uint(..)
            | DynSolValue::FixedBytes(..)
            | DynSolValue::Address(_)
            | DynSolValue::Function(_)
            | DynSolValue::Bytes(_)
            | DynSolValue::String(_)
            | DynSolValue::Array(_)
            | DynSolValue::FixedArray(_) => Err(CallDecodeError::NotDecodable),
        }
    }
}

impl std::str::FromStr for FunctionSignature {
    type Err = SignatureTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for FunctionSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FunctionSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FunctionSignature({})", self.text)
    }
}

/// What an argument is, as far as rules speak about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// An account or contract.
    Address,
    /// An unsigned number of this many bits.
    Uint(usize),
    /// `true` or `false`.
    Bool,
    /// So many bytes, or any number of them.
    Bytes(Option<usize>),
    /// A signed number, a text, a function, an array or a tuple.
    Other,
}

impl ParameterKind {
    fn of(kind: &DynSolType) -> Self {
        match kind {
            DynSolType::Address => Self::Address,
            DynSolType::Uint(bits) => Self::Uint(*bits),
            DynSolType::Bool => Self::Bool,
            DynSolType::FixedBytes(size) => Self::Bytes(Some(*size)),
            DynSolType::Bytes => Self::Bytes(None),
            DynSolType::Int(_)
            | DynSolType::Function
            | DynSolType::String
            | DynSolType::Array(_)
            | DynSolType::FixedArray(..)
            | DynSolType::Tuple(_) => Self::Other,
        }
    }
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Uint(bits) => write!(f, "uint{bits}"),
            Self::Bool => f.write_str("bool"),
            Self::Bytes(Some(size)) => write!(f, "bytes{size}"),
            Self::Bytes(None) => f.write_str("bytes"),
            Self::Other => f.write_str("another type"),
        }
    }
}

fn members(text: &str) -> Result<Vec<DynSolType>, SignatureTextError> {
    if text == "()" {
        return Ok(Vec::new());
    }
    match DynSolType::parse(text) {
        Ok(DynSolType::Tuple(types)) => Ok(types),
        Ok(_) | Err(_) => Err(SignatureTextError::Malformed),
    }
}

/// Bounds what a value of these types can be, before any calldata is looked at.
fn check_members(types: &[DynSolType], depth: usize, arrays: usize) -> Result<(), SignatureTextError> {
    if types.len() > MAX_MEMBERS {
        return Err(SignatureTextError::TooComplex);
    }
    types.iter().try_for_each(|kind| check_type(kind, depth, arrays))
}

fn check_type(kind: &DynSolType, depth: usize, arrays: usize) -> Result<(), SignatureTextError> {
    let less = |count: usize| count.checked_sub(1).ok_or(SignatureTextError::TooComplex);
    match kind {
        DynSolType::Bool
        | DynSolType::Int(_)
        | DynSolType::Uint(_)
        | DynSolType::FixedBytes(_)
        | DynSolType::Address
        | DynSolType::Function
        | DynSolType::Bytes
        | DynSolType::String => Ok(()),
        DynSolType::Array(of) => check_type(of, less(depth)?, less(arrays)?),
        DynSolType::FixedArray(of, size) if (1..=MAX_FIXED).contains(size) => {
            check_type(of, less(depth)?, less(arrays)?)
        }
        DynSolType::FixedArray(..) => Err(SignatureTextError::TooComplex),
        // What takes no bytes could be there any number of times.
        DynSolType::Tuple(types) if types.is_empty() => Err(SignatureTextError::TooComplex),
        DynSolType::Tuple(types) => check_members(types, less(depth)?, arrays),
    }
}

fn canonical_members(types: &[DynSolType]) -> String {
    format!("({})", types.iter().map(canonical).collect::<Vec<_>>().join(","))
}

/// As the selector wants it; the library writes tuples of one member with a comma more.
fn canonical(kind: &DynSolType) -> String {
    match kind {
        DynSolType::Array(of) => format!("{}[]", canonical(of)),
        DynSolType::FixedArray(of, size) => format!("{}[{size}]", canonical(of)),
        DynSolType::Tuple(types) => canonical_members(types),
        DynSolType::Bool
        | DynSolType::Int(_)
        | DynSolType::Uint(_)
        | DynSolType::FixedBytes(_)
        | DynSolType::Address
        | DynSolType::Function
        | DynSolType::Bytes
        | DynSolType::String => kind.sol_type_name().into_owned(),
    }
}

/// Why a text is no signature.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureTextError {
    /// No name and types in parentheses, or a type that does not exist.
    #[error("a signature is a name and types, such as `approve(address,uint256)`")]
    Malformed,
    /// Means a function that is written in another way.
    #[error("the selector is made from `{canonical}`: write that")]
    NotCanonical {
        /// The same as the selector wants it.
        canonical: String,
    },
    /// More characters than any accepted signature has.
    #[error("a signature has at most {MAX_CHARS} characters")]
    TooLong,
    /// Types whose values could be far larger than the calldata.
    #[error(
        "at most {MAX_MEMBERS} arguments or members, {MAX_DEPTH} types and {MAX_ARRAYS} arrays inside each other, 1 to {MAX_FIXED} elements"
    )]
    TooComplex,
}

/// Why calldata is not a call of a function.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallDecodeError {
    /// It calls another one.
    #[error("it calls `{found}`, another function")]
    OtherFunction {
        /// The selector found.
        found: Selector,
    },
    /// Too short, or with places outside of itself.
    #[error("it does not decode by the function's types")]
    NotDecodable,
    /// Bytes that no argument is made of.
    #[error("{count} bytes follow the arguments")]
    Surplus {
        /// How many.
        count: usize,
    },
    /// Decodes, but the arguments make other bytes.
    #[error("its arguments make other bytes: dirty padding or parts out of order")]
    NotCanonical,
}

/// The most an unsigned number of so many bits can be.
fn max_of(bits: usize) -> Amount {
    let mut bytes = [0_u8; 32];
    for byte in bytes.iter_mut().rev().take(bits.div_ceil(8)) {
        *byte = u8::MAX;
    }
    Amount::from_be_bytes(bytes)
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
