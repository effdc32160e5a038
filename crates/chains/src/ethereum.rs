//! Ethereum: addresses and EIP-1559 transactions.
//!
//! Type 2 only, and of these only transfers of the native coin (no calldata) and ERC-20
//! `transfer(address,uint256)`. There is no way to build, decode or sign anything else.

mod address;
mod decode_error;
mod draft;
mod erc20;
mod signed;
mod transaction;

pub use address::{Address, AddressError};
pub use decode_error::DecodeError;
pub use draft::Eip1559Draft;
pub use signed::{AssembleError, SignedTransaction};
pub use transaction::UnsignedTransaction;

#[cfg(test)]
pub(crate) mod fixtures;
