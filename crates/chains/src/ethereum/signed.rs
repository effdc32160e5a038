//! Signed transactions, ready to broadcast.
//!
//! Assembling ends with reading the raw bytes back as a stranger would. Must never hand out raw bytes whose sender
//! is not the wallet.

use alloy_consensus::TxEip1559;
use alloy_consensus::transaction::{RlpEcdsaDecodableTx, RlpEcdsaEncodableTx};
use alloy_primitives::{Signature as AlloySignature, U256, keccak256};
use thiserror::Error;

use super::address::Address;
use super::transaction::UnsignedTransaction;
use crate::digest::Digest;
use crate::public_key::PublicKey;
use crate::signature::{Signature, SignatureError};

/// A transaction with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    raw: Vec<u8>,
    hash: Digest,
    sender: Address,
}

impl SignedTransaction {
    /// Puts transaction and signature together.
    ///
    /// The signature is verified with k256 first; then the raw bytes are decoded and the sender recovered with alloy,
    /// and both must agree with what went in.
    pub fn assemble(
        unsigned: &UnsignedTransaction,
        signature: &Signature,
        public_key: &PublicKey,
    ) -> Result<Self, AssembleError> {
        signature.verify(&unsigned.signing_hash(), public_key)?;
        let attached = to_alloy(signature);
        let mut raw = Vec::with_capacity(unsigned.fields().eip2718_encoded_length(&attached));
        unsigned.fields().eip2718_encode(&attached, &mut raw);
        let sender = read_back(&raw, unsigned, &attached)?;
        if sender != public_key.address() {
            return Err(AssembleError::SenderMismatch);
        }
        let hash = Digest(keccak256(&raw).0);
        Ok(Self { raw, hash, sender })
    }

    /// The hash that the transaction has on its chain with this signature, without checking the signature: to compare with
    /// what somebody says about a transaction that was assembled before.
    pub fn hash_of(unsigned: &UnsignedTransaction, signature: &Signature) -> Digest {
        let mut raw = Vec::new();
        unsigned.fields().eip2718_encode(&to_alloy(signature), &mut raw);
        Digest(keccak256(&raw).0)
    }

    /// The EIP-2718 bytes for `eth_sendRawTransaction`.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The raw bytes as `0x` and lower-case digits.
    pub fn raw_hex(&self) -> String {
        format!("0x{}", hex::encode(&self.raw))
    }

    /// The transaction's hash: keccak-256 over [`Self::raw`].
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The address that the raw bytes recover to.
    pub fn sender(&self) -> Address {
        self.sender
    }
}

/// Decodes the raw bytes and recovers their sender.
// INVARIANT: what is broadcast is the checked transaction with the checked signature and nothing more (G1).
fn read_back(
    raw: &[u8],
    unsigned: &UnsignedTransaction,
    attached: &AlloySignature,
) -> Result<Address, AssembleError> {
    let mut rest = raw;
    let decoded = TxEip1559::eip2718_decode(&mut rest).map_err(|_| AssembleError::ReadBack)?;
    if !rest.is_empty() || decoded.tx() != unsigned.fields() || decoded.signature() != attached {
        return Err(AssembleError::ReadBack);
    }
    let sender = decoded
        .signature()
        .recover_address_from_prehash(&decoded.signature_hash())
        .map_err(|_| AssembleError::SenderMismatch)?;
    Ok(Address::from_alloy(sender))
}

fn to_alloy(signature: &Signature) -> AlloySignature {
    AlloySignature::new(
        U256::from_be_bytes(*signature.r()),
        U256::from_be_bytes(*signature.s()),
        signature.y_parity(),
    )
}

/// Why a transaction and a signature do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssembleError {
    /// The signature is not the wallet's over this transaction.
    #[error("signature is not the wallet's over this transaction")]
    Signature(#[from] SignatureError),
    /// The raw bytes do not decode to what was put in.
    #[error("raw transaction does not decode to the transaction and signature it was made from")]
    ReadBack,
    /// The raw bytes recover to another sender.
    #[error("raw transaction does not recover to the wallet's address")]
    SenderMismatch,
}

impl AssembleError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.code(),
            Self::ReadBack => "TRANSACTION_READ_BACK_FAILED",
            Self::SenderMismatch => "TRANSACTION_SENDER_MISMATCH",
        }
    }
}

#[cfg(test)]
mod tests;
