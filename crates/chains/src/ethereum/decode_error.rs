//! Why bytes are not a transaction we sign.
//!
//! Each reason has a stable code. Texts never repeat input other than single bytes and numbers.

use thiserror::Error;

use super::calldata::{Calldata, CalldataError};
use super::transaction::UnsignedTransaction;

/// Why an unsigned transaction is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The text does not start with `0x`.
    #[error("transaction must be hexadecimal text starting with `0x`")]
    HexPrefix,
    /// The text has an odd number of digits.
    #[error("transaction has an odd number of hexadecimal digits: one is missing or too many")]
    HexLength,
    /// The text has a character that is no hexadecimal digit.
    #[error("transaction may only have hexadecimal digits after `0x`: see character {position}")]
    HexDigit {
        /// Zero-based position of the first bad character, counted after the prefix.
        position: usize,
    },
    /// No bytes.
    #[error("transaction is empty")]
    Empty,
    /// More bytes than any accepted transaction has.
    #[error("transaction has {found} bytes, at most {} are accepted", UnsignedTransaction::MAX_BYTES)]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Legacy, EIP-2930, EIP-4844, EIP-7702 or unknown.
    #[error("transaction starts with byte `0x{found:02x}`, only EIP-1559 (`0x02`) is supported")]
    TypeUnsupported {
        /// The first byte; `0xc0` and above means a legacy transaction.
        found: u8,
    },
    /// Not the RLP list of the nine fields of an unsigned EIP-1559 transaction.
    #[error("transaction is not the unsigned form of EIP-1559: type byte and RLP list of nine fields")]
    Malformed(#[source] alloy_rlp::Error),
    /// Bytes after the transaction.
    #[error("transaction is followed by {count} more bytes: remove them")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// Decodes, but encodes to other bytes.
    #[error("transaction is not in canonical RLP: encoding it again gives other bytes")]
    NotCanonical,
    /// Access lists have no use in a transfer.
    #[error("transaction has an access list: leave it empty")]
    AccessList,
    /// No recipient.
    #[error("transaction creates a contract: only transfers and calls are supported")]
    ContractCreation,
    /// Invalid by EIP-1559.
    #[error("transaction's priority fee is above its maximum fee per gas")]
    PriorityFeeAboveMaxFee,
    /// Too little for any transaction, or more than a transfer can need.
    #[error(
        "transaction's gas limit is {found}, must be {} to {}",
        UnsignedTransaction::MIN_GAS_LIMIT,
        UnsignedTransaction::MAX_GAS_LIMIT
    )]
    GasLimit {
        /// The gas limit found.
        found: u64,
    },
    /// Invalid by EIP-2681.
    #[error("transaction's nonce is above 2^64 - 2")]
    Nonce,
    /// Amount and fee together are more than a balance can hold.
    #[error("transaction's amount and maximum fee add up to more than 2^256 - 1")]
    CostOverflow,
    /// Calldata that is no call, or moves a token in another way than `transfer`.
    #[error(
        "transaction calls `0x{}`: of what moves tokens only `transfer(address,uint256)` (`0xa9059cbb`) is supported, and a call begins with the four bytes of its function",
        hex::encode(.selector)
    )]
    CallUnsupported {
        /// The first bytes of the calldata, at most four.
        selector: Vec<u8>,
    },
    /// More calldata than any accepted call has.
    #[error("transaction's calldata has {found} bytes, a call has at most {}", Calldata::MAX_BYTES)]
    CallTooLong {
        /// Bytes found.
        found: usize,
    },
    /// A token transfer that also sends the native coin.
    #[error("transaction sends native coin along with a token transfer: set its value to 0")]
    ValueWithTokenTransfer,
    /// Calldata longer or shorter than selector and two words.
    #[error("transaction's calldata has {found} bytes, a token transfer has 68")]
    CalldataLength {
        /// Bytes found.
        found: usize,
    },
    /// Bytes hidden in front of the recipient's address.
    #[error("transaction's calldata has bytes other than zero in front of the recipient's address")]
    CalldataDirtyAddress,
    /// The ABI decoder refuses the calldata, or encoding it again gives other bytes.
    #[error("transaction's calldata is not the canonical encoding of a token transfer")]
    CalldataNotCanonical,
    /// Funds sent to the zero address are lost.
    #[error("transaction pays the zero address: funds would be lost")]
    DestinationZero,
    /// Tokens sent to their own contract are lost.
    #[error("transaction pays the token's own contract: funds would be lost")]
    DestinationIsContract,
}

impl DecodeError {
    /// Why calldata is no call that is signed.
    pub(super) fn of_call(error: &CalldataError, calldata: &[u8]) -> Self {
        match error {
            CalldataError::TooLong { found } => Self::CallTooLong { found: *found },
            CalldataError::HexPrefix
            | CalldataError::HexLength
            | CalldataError::HexDigit { .. }
            | CalldataError::NoFunction { .. }
            | CalldataError::TokenMovement { .. } => {
                Self::CallUnsupported { selector: calldata.iter().take(4).copied().collect() }
            }
        }
    }

    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HexPrefix | Self::HexLength | Self::HexDigit { .. } => "TRANSACTION_HEX_MALFORMED",
            Self::Empty => "TRANSACTION_EMPTY",
            Self::TooLarge { .. } => "TRANSACTION_TOO_LARGE",
            Self::TypeUnsupported { .. } => "TRANSACTION_TYPE_UNSUPPORTED",
            Self::Malformed(_) => "TRANSACTION_MALFORMED",
            Self::TrailingBytes { .. } => "TRANSACTION_TRAILING_BYTES",
            Self::NotCanonical => "TRANSACTION_NOT_CANONICAL",
            Self::AccessList => "TRANSACTION_ACCESS_LIST",
            Self::ContractCreation => "TRANSACTION_CONTRACT_CREATION",
            Self::PriorityFeeAboveMaxFee => "TRANSACTION_PRIORITY_FEE_ABOVE_MAX_FEE",
            Self::GasLimit { .. } => "TRANSACTION_GAS_LIMIT_OUT_OF_RANGE",
            Self::Nonce => "TRANSACTION_NONCE_OUT_OF_RANGE",
            Self::CostOverflow => "TRANSACTION_COST_OVERFLOW",
            Self::CallUnsupported { .. } => "TRANSACTION_CALL_UNSUPPORTED",
            Self::CallTooLong { .. } => "TRANSACTION_CALL_TOO_LONG",
            Self::ValueWithTokenTransfer => "TRANSACTION_VALUE_WITH_TOKEN_TRANSFER",
            Self::CalldataLength { .. } => "TRANSACTION_CALLDATA_LENGTH",
            Self::CalldataDirtyAddress => "TRANSACTION_CALLDATA_DIRTY_ADDRESS",
            Self::CalldataNotCanonical => "TRANSACTION_CALLDATA_NOT_CANONICAL",
            Self::DestinationZero => "TRANSACTION_DESTINATION_ZERO",
            Self::DestinationIsContract => "TRANSACTION_DESTINATION_IS_CONTRACT",
        }
    }
}
