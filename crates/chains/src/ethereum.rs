//! Ethereum: addresses and EIP-1559 transactions.
//!
//! Type 2 only, and of these only transfers of the native coin (no calldata), ERC-20 `transfer(address,uint256)`, and calls of
//! contracts whose calldata is bounded and moves no token. There is no way to build, decode or sign anything else.

mod address;
mod calldata;
mod decode_error;
mod draft;
mod erc20;
mod function;
mod signed;
mod transaction;

pub use address::{Address, AddressError};
pub use calldata::{Calldata, CalldataError, Selector};
pub use decode_error::DecodeError;
pub use draft::Eip1559Draft;
pub use function::{CallDecodeError, CallValue, FunctionSignature, ParameterKind, SignatureTextError};
pub use signed::{AssembleError, SignedTransaction};
pub use transaction::UnsignedTransaction;

#[cfg(test)]
pub(crate) mod fixtures;
