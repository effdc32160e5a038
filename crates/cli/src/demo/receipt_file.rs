//! `receipt.json`: the first signed withdrawal with everything that proves it, for other people's tools.

use std::path::Path;

use holdfast_log::TlogProof;
use holdfast_proto::v1;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::receipt::VerifiedReceipt;
use crate::wire;

/// Writes the file.
pub(super) fn write(
    path: &Path,
    withdrawal: &v1::Withdrawal,
    verified: &VerifiedReceipt,
) -> Result<(), Failure> {
    let document = document(withdrawal, verified)?;
    let mut bytes = serde_json::to_vec_pretty(&document)
        .map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    bytes.push(b'\n');
    files::write(path, &bytes)
}

fn document(withdrawal: &v1::Withdrawal, verified: &VerifiedReceipt) -> Result<Value, Failure> {
    let receipt = withdrawal
        .receipt
        .as_ref()
        .ok_or_else(|| Failure::verification("RECEIPT_INVALID", "there is no receipt"))?;
    let proof = TlogProof::parse(&receipt.tlog_proof)
        .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
    let effects = verified.transaction.effects();
    // For a token transfer the transaction goes to the contract, and its calldata pays the recipient.
    let to = effects.transfer.contract.unwrap_or(effects.transfer.to);
    let hashes: Vec<_> = proof.inclusion.iter().map(holdfast_log::Hash::to_hex).collect();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(json!({
        "withdrawal": withdrawal.id,
        "address": receipt.address,
        "public_key": hex::encode(&receipt.public_key),
        "chain_id": effects.chain_id,
        "to": to,
        "calldata": calldata(verified),
        "nonce": effects.nonce,
        "effects": {
            "asset": withdrawal.asset,
            "contract": effects.transfer.contract,
            "destination": effects.transfer.to,
            "amount": effects.transfer.amount,
            "max_fee_wei": effects.max_fee,
        },
        "unsigned_transaction": wire::hex0x(&withdrawal.unsigned_transaction),
        "raw_transaction": wire::hex0x(&receipt.raw_transaction),
        "signing_hash": wire::hex0x(&receipt.signing_hash),
        "signature": wire::hex0x(&receipt.signature),
        "transaction_hash": wire::hex0x(&receipt.transaction_hash),
        "decision": withdrawal.decision.as_ref().map(wire::decision),
        "checkpoint": text(&proof.checkpoint.to_bytes()),
        "inclusion_proof": {
            "index": proof.index,
            "tree_size": verified.inclusion.checkpoint.size,
            "root": verified.inclusion.checkpoint.root.to_hex(),
            "leaf_hash": holdfast_log::Hash::leaf(&receipt.signature_entry).to_hex(),
            "hashes": hashes,
        },
        "tlog_proof": text(&receipt.tlog_proof),
        "authorization_proof": text(&receipt.authorization_proof),
        "request_entry": text(&receipt.request_entry),
        "authorization_entry": text(&receipt.authorization_entry),
        "signature_entry": text(&receipt.signature_entry),
    }))
}

/// The calldata of a call or of `transfer(address,uint256)`, or nothing for the chain's own coin: from the verified effects.
fn calldata(verified: &VerifiedReceipt) -> String {
    let effects = verified.transaction.effects();
    if let Some(calldata) = &effects.calldata {
        return calldata.to_string();
    }
    let transfer = effects.transfer;
    if transfer.contract.is_none() {
        return "0x".to_owned();
    }
    let recipient = hex::encode(transfer.to.as_bytes());
    format!("0xa9059cbb{recipient:0>64}{}", hex::encode(transfer.amount.to_be_bytes()))
}
