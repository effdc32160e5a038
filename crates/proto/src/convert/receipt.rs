//! Receipts of signed withdrawals towards the wire.

use holdfast_chains::{Digest, PublicKey, Signature, SignedTransaction};
use holdfast_log::TlogProof;

use crate::v1;

/// What proves and carries a signature.
#[derive(Clone, Debug)]
pub struct SignedReceipt {
    /// The request's log entry.
    pub request_entry: Vec<u8>,
    /// The canonical signature.
    pub signature: Signature,
    /// What was signed.
    pub signing_hash: Digest,
    /// The transaction, ready to broadcast; assembling it verified the signature.
    pub transaction: SignedTransaction,
    /// The wallet's public key.
    pub public_key: PublicKey,
    /// Proof of the signature's entry.
    pub signature_proof: TlogProof,
    /// Proof of the authorization's entry.
    pub authorization_proof: TlogProof,
    /// The signature's log entry.
    pub signature_entry: Vec<u8>,
    /// The authorization's log entry.
    pub authorization_entry: Vec<u8>,
    /// The log entries of the requests that it replaces, the nearest first.
    pub replaced_request_entries: Vec<Vec<u8>>,
}

impl SignedReceipt {
    /// The wire form.
    pub fn to_wire(&self) -> v1::Receipt {
        v1::Receipt {
            request_entry: self.request_entry.clone(),
            signature: self.signature.to_bytes().to_vec(),
            signing_hash: self.signing_hash.as_bytes().to_vec(),
            raw_transaction: self.transaction.raw().to_vec(),
            transaction_hash: self.transaction.hash().as_bytes().to_vec(),
            address: self.transaction.sender().to_string(),
            public_key: self.public_key.as_bytes().to_vec(),
            tlog_proof: self.signature_proof.to_bytes(),
            authorization_proof: self.authorization_proof.to_bytes(),
            signature_entry: self.signature_entry.clone(),
            authorization_entry: self.authorization_entry.clone(),
            replaced_request_entries: self.replaced_request_entries.clone(),
        }
    }
}
