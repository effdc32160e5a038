//! The one contract call that is a transfer: ERC-20 `transfer(address,uint256)`.
//!
//! Calldata has exactly one accepted form for each recipient and amount. Must never guess at other selectors, and
//! never ignore a byte.

use alloy_primitives::{Address as AlloyAddress, U256};
use alloy_sol_types::SolCall;

use super::address::Address;
use super::decode_error::DecodeError;
use crate::amount::Amount;
use crate::effects::Transfer;

/// Where the recipient's 20 bytes begin: selector, then twelve zeros.
const ADDRESS_OFFSET: usize = 16;
/// Selector and two words.
const CALLDATA_LENGTH: usize = 68;

mod abi {
    //! The signature of the call, in Solidity.
    alloy_sol_types::sol! {
        function transfer(address to, uint256 amount) external returns (bool);
    }
}

/// Whether calldata calls it.
pub(super) fn is_transfer(calldata: &[u8]) -> bool {
    calldata.starts_with(&abi::transferCall::SELECTOR)
}

/// Reads the calldata of such a call to `contract` that sends `value` of the native coin along.
pub(super) fn read_transfer(
    contract: Address,
    value: U256,
    calldata: &[u8],
) -> Result<Transfer, DecodeError> {
    if !value.is_zero() {
        return Err(DecodeError::ValueWithTokenTransfer);
    }
    if calldata.len() != CALLDATA_LENGTH {
        return Err(DecodeError::CalldataLength { found: calldata.len() });
    }
    if calldata.iter().take(ADDRESS_OFFSET).skip(abi::transferCall::SELECTOR.len()).any(|byte| *byte != 0) {
        return Err(DecodeError::CalldataDirtyAddress);
    }
    let call =
        abi::transferCall::abi_decode_validate(calldata).map_err(|_| DecodeError::CalldataNotCanonical)?;
    // INVARIANT: the effects that are compared and shown describe every byte of the calldata (G1).
    if call.abi_encode() != calldata {
        return Err(DecodeError::CalldataNotCanonical);
    }
    let to = Address::from_alloy(call.to);
    if to.is_zero() {
        return Err(DecodeError::DestinationZero);
    }
    if to == contract {
        return Err(DecodeError::DestinationIsContract);
    }
    Ok(Transfer { contract: Some(contract), to, amount: Amount::from_u256(call.amount) })
}

/// Writes the calldata that pays `amount` to `to`.
pub(super) fn transfer_calldata(to: AlloyAddress, amount: U256) -> Vec<u8> {
    abi::transferCall { to, amount }.abi_encode()
}
