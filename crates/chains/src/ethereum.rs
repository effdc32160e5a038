//! Ethereum: addresses and EIP-1559 transactions.

mod address;

pub use address::{Address, AddressError};
