//! Unsigned EIP-1559 transactions: from bytes to effects and the hash to sign.
//!
//! An [`UnsignedTransaction`] exists only if all its bytes are understood. Must never accept bytes that it cannot
//! reproduce, nor a hash that it did not compute.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{TxKind, U256};
use alloy_rlp::Decodable;

use super::address::Address;
use super::calldata::Calldata;
use super::decode_error::DecodeError;
use super::erc20;
use crate::amount::Amount;
use crate::chain_id::ChainId;
use crate::digest::Digest;
use crate::effects::{Effects, Transfer};

/// The EIP-2718 type of EIP-1559 transactions.
const TYPE_BYTE: u8 = 0x02;

/// A transaction that moves the native coin or an ERC-20 token, or calls a contract, and does nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedTransaction {
    bytes: Vec<u8>,
    fields: TxEip1559,
    effects: Effects,
}

impl UnsignedTransaction {
    /// The most bytes that are looked at.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// The gas of the cheapest transaction.
    pub const MIN_GAS_LIMIT: u64 = 21_000;
    /// More gas than any transfer needs; of the order of a block.
    pub const MAX_GAS_LIMIT: u64 = 30_000_000;

    /// Reads the EIP-2718 bytes that are hashed for signing: `0x02` and the RLP list of nine fields.
    ///
    /// Accepts one encoding of each transaction, and only transactions that [`Effects`] describe completely.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let fields = decode_fields(bytes)?;
        // INVARIANT: `fields` and `bytes` determine each other, so what was checked is what is hashed (G1).
        if fields.encoded_for_signing() != bytes {
            return Err(DecodeError::NotCanonical);
        }
        check_fields(&fields)?;
        let effects = read_effects(&fields)?;
        Ok(Self { bytes: bytes.to_vec(), fields, effects })
    }

    /// Reads the same bytes as `0x` and hexadecimal digits of any case.
    pub fn parse_hex(text: &str) -> Result<Self, DecodeError> {
        let digits = text.strip_prefix("0x").ok_or(DecodeError::HexPrefix)?;
        let length = digits.len().div_ceil(2);
        if length > Self::MAX_BYTES {
            return Err(DecodeError::TooLarge { found: length });
        }
        if let Some(position) = digits.bytes().position(|byte| !byte.is_ascii_hexdigit()) {
            return Err(DecodeError::HexDigit { position });
        }
        let bytes = hex::decode(digits).map_err(|_| DecodeError::HexLength)?;
        Self::decode(&bytes)
    }

    /// What the transaction does.
    pub fn effects(&self) -> Effects {
        self.effects.clone()
    }

    /// The hash that a signature of this transaction signs: keccak-256 over [`Self::as_bytes`].
    pub fn signing_hash(&self) -> Digest {
        Digest(self.fields.signature_hash().0)
    }

    /// The exact bytes that were decoded.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes as `0x` and lower-case digits.
    pub fn to_hex(&self) -> String {
        format!("0x{}", hex::encode(&self.bytes))
    }

    /// The chain it is valid on.
    pub fn chain_id(&self) -> ChainId {
        ChainId(self.fields.chain_id)
    }

    /// The sender's account nonce that it uses up.
    pub fn nonce(&self) -> u64 {
        self.fields.nonce
    }

    /// The most gas it may use.
    pub fn gas_limit(&self) -> u64 {
        self.fields.gas_limit
    }

    /// The most it pays for a unit of gas, in wei.
    pub fn max_fee_per_gas(&self) -> u128 {
        self.fields.max_fee_per_gas
    }

    /// The most of that which goes to the block's proposer, in wei.
    pub fn max_priority_fee_per_gas(&self) -> u128 {
        self.fields.max_priority_fee_per_gas
    }

    pub(super) fn fields(&self) -> &TxEip1559 {
        &self.fields
    }
}

/// Reads type and RLP, and leaves no byte over.
fn decode_fields(bytes: &[u8]) -> Result<TxEip1559, DecodeError> {
    if bytes.len() > UnsignedTransaction::MAX_BYTES {
        return Err(DecodeError::TooLarge { found: bytes.len() });
    }
    let (found, mut rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if *found != TYPE_BYTE {
        return Err(DecodeError::TypeUnsupported { found: *found });
    }
    let fields = TxEip1559::decode(&mut rest).map_err(DecodeError::Malformed)?;
    if rest.is_empty() { Ok(fields) } else { Err(DecodeError::TrailingBytes { count: rest.len() }) }
}

/// Refuses what no transfer needs and what no chain accepts.
fn check_fields(fields: &TxEip1559) -> Result<(), DecodeError> {
    if !fields.access_list.is_empty() {
        return Err(DecodeError::AccessList);
    }
    if fields.nonce == u64::MAX {
        return Err(DecodeError::Nonce);
    }
    if !(UnsignedTransaction::MIN_GAS_LIMIT..=UnsignedTransaction::MAX_GAS_LIMIT).contains(&fields.gas_limit)
    {
        return Err(DecodeError::GasLimit { found: fields.gas_limit });
    }
    if fields.max_priority_fee_per_gas > fields.max_fee_per_gas {
        return Err(DecodeError::PriorityFeeAboveMaxFee);
    }
    Ok(())
}

fn read_effects(fields: &TxEip1559) -> Result<Effects, DecodeError> {
    let (transfer, calldata) = read_action(fields)?;
    let max_fee = Amount::from_u128(fields.max_fee_per_gas)
        .checked_mul_u64(fields.gas_limit)
        .ok_or(DecodeError::CostOverflow)?;
    // The sender's balance must cover both: a sum that wraps could pass for a small one.
    Amount::from_u256(fields.value).checked_add(max_fee).ok_or(DecodeError::CostOverflow)?;
    Ok(Effects { chain_id: ChainId(fields.chain_id), transfer, calldata, max_fee, nonce: fields.nonce })
}

fn read_action(fields: &TxEip1559) -> Result<(Transfer, Option<Calldata>), DecodeError> {
    let to = match fields.to {
        TxKind::Call(to) => Address::from_alloy(to),
        TxKind::Create => return Err(DecodeError::ContractCreation),
    };
    if fields.input.is_empty() {
        return Ok((read_native_transfer(to, fields.value)?, None));
    }
    if erc20::is_transfer(&fields.input) {
        return Ok((erc20::read_transfer(to, fields.value, &fields.input)?, None));
    }
    // INVARIANT: a call is described by all its bytes, never by what they are taken to mean (G1).
    let calldata =
        Calldata::new(&fields.input).map_err(|error| DecodeError::of_call(&error, &fields.input))?;
    Ok((read_native_transfer(to, fields.value)?, Some(calldata)))
}

fn read_native_transfer(to: Address, value: U256) -> Result<Transfer, DecodeError> {
    if to.is_zero() {
        return Err(DecodeError::DestinationZero);
    }
    Ok(Transfer { contract: None, to, amount: Amount::from_u256(value) })
}

#[cfg(test)]
mod tests;
