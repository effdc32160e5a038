//! Receipts, checked on this machine: nothing of what a server says about its own work is believed.
//!
//! A receipt is good if it is of the withdrawal that was asked for, the client itself signed the intent, the unsigned
//! transaction does exactly that, the key is the wallet's as this machine learnt it elsewhere, the signature is that key's,
//! the raw transaction is what those make, and t nodes cosigned a log that holds authorization and signature.

mod asked;

use holdfast_audit::LogKeys;
use holdfast_chains::{
    Address, Digest, ExpectedEffects, PublicKey, Signature, SignedTransaction, UnsignedTransaction,
    check_effects,
};
use holdfast_ledger::{Act, Genesis, VerifiedAct, WithdrawalId, WithdrawalRequest, verify_act};
use holdfast_log::{Entry, TlogProof, VerifiedInclusion};
use holdfast_proto::v1;

use crate::failure::Failure;
use crate::known;
use crate::session::Session;

pub(crate) use asked::Asked;

/// A receipt that passed every check.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedReceipt {
    pub(crate) request: WithdrawalRequest,
    pub(crate) transaction: UnsignedTransaction,
    pub(crate) signed: SignedTransaction,
    pub(crate) public_key: PublicKey,
    pub(crate) inclusion: VerifiedInclusion,
    pub(crate) key_source: KeySource,
}

/// How this machine knows that the key is the wallet's. There is no third way: a server's word is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// A log was replayed here and held the wallet.
    Replayed,
    /// The person gave the wallet's address.
    Address,
}

/// Checks a signed withdrawal completely.
pub(crate) fn verify(
    session: &Session,
    asked: &Asked<'_>,
    withdrawal: &v1::Withdrawal,
) -> Result<VerifiedReceipt, Failure> {
    asked.check(withdrawal)?;
    let genesis = &session.genesis;
    let receipt = withdrawal.receipt.as_ref().ok_or_else(|| refuse("there is no receipt"))?;
    let request = intent(genesis, asked, &receipt.request_entry)?;
    asked::says_the_same(withdrawal, &request)?;
    let transaction = UnsignedTransaction::decode(&withdrawal.unsigned_transaction)
        .map_err(|error| refuse(format!("the unsigned transaction cannot be decoded: {error}")))?;
    does_what_was_asked(genesis, &request, &transaction)?;
    let digest = transaction.signing_hash();
    if receipt.signing_hash != digest.as_bytes() {
        return Err(refuse("the signing hash is not the unsigned transaction's"));
    }
    let public_key = public_key(receipt)?;
    let signature = signature(&receipt.signature)?;
    let signed = SignedTransaction::assemble(&transaction, &signature, &public_key)
        .map_err(|error| refuse(format!("the signature is not the wallet's: {error}")))?;
    if signed.raw() != receipt.raw_transaction || receipt.transaction_hash != signed.hash().as_bytes() {
        return Err(refuse("the raw transaction is not the unsigned one with this signature"));
    }
    if signed.sender().to_string() != receipt.address {
        return Err(refuse("the raw transaction recovers another sender"));
    }
    authorized(genesis, &asked.id, &digest, receipt)?;
    let inclusion = signature_logged(genesis, &asked.id, &signature, receipt)?;
    let key_source = key_source(session, asked, &request, &public_key)?;
    Ok(VerifiedReceipt { request, transaction, signed, public_key, inclusion, key_source })
}

/// INVARIANT (G1): the intent is the one that the client's own key signed, not the server's account of it.
fn intent(genesis: &Genesis, asked: &Asked<'_>, entry: &[u8]) -> Result<WithdrawalRequest, Failure> {
    let (_, act) = entry_act(genesis, entry, "request")?;
    let Ok(Act::Request(request, _)) = act.act() else {
        return Err(refuse("the request entry holds no request"));
    };
    asked.check_request(request)?;
    Ok((**request).clone())
}

fn does_what_was_asked(
    genesis: &Genesis,
    request: &WithdrawalRequest,
    transaction: &UnsignedTransaction,
) -> Result<(), Failure> {
    let mut assets = genesis.document.assets.iter();
    let asset = assets
        .find(|asset| asset.symbol == request.asset && asset.chain_id == request.chain_id)
        .ok_or_else(|| refuse("the asset is not in the registry"))?;
    let expected = ExpectedEffects {
        chain_id: request.chain_id,
        asset,
        destination: request.destination,
        amount: request.amount,
        fee_cap: request.fee_cap,
    };
    check_effects(&transaction.effects(), &expected).map_err(|mismatch| refuse(mismatch.to_string()))
}

fn public_key(receipt: &v1::Receipt) -> Result<PublicKey, Failure> {
    let key = PublicKey::from_sec1(&receipt.public_key)
        .map_err(|error| refuse(format!("the public key is malformed: {error}")))?;
    if key.address().to_string() != receipt.address {
        return Err(refuse("the address is not the public key's"));
    }
    Ok(key)
}

/// INVARIANT (G2): the wallet is the one that the client's signature names, and its key comes from a log that was replayed
/// here or from a person. Whoever answers can neither choose the wallet nor leave it out.
fn key_source(
    session: &Session,
    asked: &Asked<'_>,
    request: &WithdrawalRequest,
    key: &PublicKey,
) -> Result<KeySource, Failure> {
    let wallet = &request.wallet;
    if let Some(address) = asked.address.filter(|address| *address != key.address()) {
        return Err(refuse(format!("the key is that of {}, not of {address} as you say", key.address())));
    }
    match known::wallet(&session.profile, wallet.as_str())? {
        Some(known) if known.public_key == *key => Ok(KeySource::Replayed),
        Some(known) => Err(refuse(format!(
            "the key is not the one that this machine knows as wallet `{wallet}` ({})",
            known.address
        ))),
        None if asked.address.is_some() => Ok(KeySource::Address),
        None => Err(unknown_key(asked, request, key.address())),
    }
}

fn unknown_key(asked: &Asked<'_>, request: &WithdrawalRequest, address: Address) -> Failure {
    let (id, wallet) = (&asked.id, &request.wallet);
    let message = format!(
        "withdrawal {id} is signed, but this machine does not know the key of wallet `{wallet}` and cannot tell whether {address} is its address"
    );
    Failure::verification("WALLET_KEY_UNKNOWN", message).next(format!(
        "learn it with `holdfast wallet show {wallet}`, which replays the log as officer or auditor, or ask an officer for the address; then `holdfast withdraw show {id} --address 0x...`"
    ))
}

fn signature(bytes: &[u8]) -> Result<Signature, Failure> {
    let bytes: &[u8; 65] = bytes.try_into().map_err(|_| refuse("the signature must have 65 bytes"))?;
    Signature::from_bytes(bytes).map_err(|error| refuse(error.to_string()))
}

fn authorized(
    genesis: &Genesis,
    id: &WithdrawalId,
    digest: &Digest,
    receipt: &v1::Receipt,
) -> Result<(), Failure> {
    let (entry, act) = entry_act(genesis, &receipt.authorization_entry, "authorization")?;
    match act.act() {
        Ok(Act::Authorize(authorize))
            if authorize.withdrawal == *id && authorize.digests.contains(digest) => {}
        Ok(_) | Err(_) => return Err(refuse("the authorization entry is not for this transaction")),
    }
    included(genesis, &entry, &receipt.authorization_proof, "authorization").map(|_| ())
}

fn signature_logged(
    genesis: &Genesis,
    id: &WithdrawalId,
    signature: &Signature,
    receipt: &v1::Receipt,
) -> Result<VerifiedInclusion, Failure> {
    let (entry, act) = entry_act(genesis, &receipt.signature_entry, "signature")?;
    match act.act() {
        Ok(Act::Signature(logged)) if logged.withdrawal == *id && logged.signature == *signature => {}
        Ok(_) | Err(_) => return Err(refuse("the signature entry is not this signature's")),
    }
    included(genesis, &entry, &receipt.tlog_proof, "signature")
}

fn entry_act(genesis: &Genesis, bytes: &[u8], which: &str) -> Result<(Entry, VerifiedAct), Failure> {
    let entry = Entry::parse(bytes).map_err(|error| refuse(format!("the {which} entry: {error}")))?;
    let act = verify_act(&genesis.roster, entry.envelope())
        .map_err(|error| refuse(format!("the {which} entry: {error}")))?;
    Ok((entry, act))
}

/// INVARIANT (G7): log signature, cosignatures of t nodes and inclusion, all against the pinned genesis.
fn included(
    genesis: &Genesis,
    entry: &Entry,
    proof: &[u8],
    which: &str,
) -> Result<VerifiedInclusion, Failure> {
    let keys = LogKeys::of(&genesis.roster)
        .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
    TlogProof::parse(proof)
        .and_then(|proof| proof.verify(entry.leaf_hash(), keys.log(), keys.cosigners(), keys.threshold()))
        .map_err(|error| refuse(format!("the proof of the {which} entry: {error}")))
}

fn refuse(detail: impl Into<String>) -> Failure {
    Failure::verification("RECEIPT_INVALID", detail)
        .next("do not broadcast it: keep it and ask an officer, the coordinator may be hostile")
}

#[cfg(test)]
mod tests;
