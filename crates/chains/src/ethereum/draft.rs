//! Building an unsigned transaction from a transfer or a call.
//!
//! For clients, the demonstration and tests. What it builds goes through the same decoder as everything else: it
//! must never be a second way to an [`UnsignedTransaction`].

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{TxKind, U256};

use super::calldata::Calldata;
use super::decode_error::DecodeError;
use super::erc20;
use super::transaction::UnsignedTransaction;
use crate::chain_id::ChainId;
use crate::effects::Transfer;

/// The parts of an EIP-1559 transaction that makes one transfer or call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eip1559Draft {
    /// The chain it is valid on.
    pub chain_id: ChainId,
    /// The sender's account nonce.
    pub nonce: u64,
    /// The most gas it may use.
    pub gas_limit: u64,
    /// The most it pays for a unit of gas, in wei.
    pub max_fee_per_gas: u128,
    /// The most of that which goes to the block's proposer, in wei.
    pub max_priority_fee_per_gas: u128,
    /// The funds to move.
    pub transfer: Transfer,
}

impl Eip1559Draft {
    /// Encodes the draft and decodes it again; refused for the same reasons as bytes from outside.
    pub fn build(&self) -> Result<UnsignedTransaction, DecodeError> {
        UnsignedTransaction::decode(&self.fields().encoded_for_signing())
    }

    /// The same with a call of the recipient; of a transfer's asset only the chain's own coin can go with it.
    pub fn build_call(&self, calldata: Option<&Calldata>) -> Result<UnsignedTransaction, DecodeError> {
        let Some(calldata) = calldata else { return self.build() };
        if self.transfer.contract.is_some() {
            return Err(DecodeError::ValueWithTokenTransfer);
        }
        let fields = TxEip1559 { input: calldata.as_bytes().to_vec().into(), ..self.fields() };
        UnsignedTransaction::decode(&fields.encoded_for_signing())
    }

    fn fields(&self) -> TxEip1559 {
        let recipient = self.transfer.to.to_alloy();
        let amount = self.transfer.amount.as_u256();
        let (to, value, input) = match self.transfer.contract {
            None => (recipient, amount, Vec::new()),
            Some(contract) => (contract.to_alloy(), U256::ZERO, erc20::transfer_calldata(recipient, amount)),
        };
        TxEip1559 {
            chain_id: self.chain_id.0,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.max_fee_per_gas,
            max_priority_fee_per_gas: self.max_priority_fee_per_gas,
            to: TxKind::Call(to),
            value,
            access_list: Default::default(),
            input: input.into(),
        }
    }
}
