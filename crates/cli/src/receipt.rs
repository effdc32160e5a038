//! Receipts, checked on this machine: nothing of what a server says about its own work is believed.
//!
//! A receipt is good if it is of the withdrawal that was asked for, the client itself signed the intent, the unsigned
//! transaction does exactly that, the key is the wallet's as this machine learnt it elsewhere, the signature is that key's,
//! the raw transaction is what those make, and t nodes cosigned a log that holds authorization and signature.

mod asked;
mod intent;

use holdfast_audit::LogKeys;
use holdfast_chains::{
    Address, Digest, ExpectedEffects, PublicKey, Signature, SignedTransaction, UnsignedTransaction,
    check_effects,
};
use holdfast_ledger::{Act, Genesis, VerifiedAct, WithdrawalId, WithdrawalRequest, verify_act};
use holdfast_log::{Entry, TlogProof, VerifiedInclusion};
use holdfast_proto::v1;

use crate::failure::Failure;
use crate::known::{self, Rosters};
use crate::session::Session;

pub(crate) use asked::Asked;
use intent::Intent;
pub(crate) use intent::Purpose;

/// A receipt that passed every check.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedReceipt {
    pub(crate) request: WithdrawalRequest,
    pub(crate) purpose: Purpose,
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

/// Whose keys count: the pinned genesis, and the rosters that follow from it in a log that was replayed here.
struct Trust<'a> {
    genesis: &'a Genesis,
    rosters: Rosters,
}

/// Checks a signed withdrawal completely.
pub(crate) fn verify(
    session: &Session,
    asked: &Asked<'_>,
    withdrawal: &v1::Withdrawal,
) -> Result<VerifiedReceipt, Failure> {
    asked.check(withdrawal)?;
    let trust = &Trust { genesis: &session.genesis, rosters: session.rosters()? };
    let receipt = withdrawal.receipt.as_ref().ok_or_else(|| refuse("there is no receipt"))?;
    let Intent { purpose, request, deposit_index } = intent::read(session, trust, asked, receipt)?;
    asked::says_the_same(withdrawal, &request)?;
    asked::is_for(withdrawal, purpose, deposit_index)?;
    let transaction = UnsignedTransaction::decode(&withdrawal.unsigned_transaction)
        .map_err(|error| refuse(format!("the unsigned transaction cannot be decoded: {error}")))?;
    does_what_was_asked(trust.genesis, &request, &transaction)?;
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
    authorized(trust, &asked.id, &digest, receipt)?;
    let inclusion = signature_logged(trust, &asked.id, &signature, receipt)?;
    let key_source = key_source(session, asked, &request, deposit_index, &public_key)?;
    Ok(VerifiedReceipt { request, purpose, transaction, signed, public_key, inclusion, key_source })
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
        calldata: request.calldata.as_ref(),
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
    deposit_index: Option<u32>,
    key: &PublicKey,
) -> Result<KeySource, Failure> {
    let wallet = &request.wallet;
    if let Some(address) = asked.address.filter(|address| *address != key.address()) {
        return Err(refuse(format!("the key is that of {}, not of {address} as you say", key.address())));
    }
    match known::wallet(&session.profile, wallet.as_str())? {
        Some(known) if known.has_sent_with(key, deposit_index)? => Ok(KeySource::Replayed),
        Some(_) if deposit_index.is_some() => {
            Err(refuse(format!("the key is not that of the deposit address of wallet `{wallet}`")))
        }
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
    trust: &Trust<'_>,
    id: &WithdrawalId,
    digest: &Digest,
    receipt: &v1::Receipt,
) -> Result<(), Failure> {
    let (entry, act) = entry_act(trust, &receipt.authorization_entry, "authorization")?;
    match act.act() {
        Ok(Act::Authorize(authorize))
            if authorize.withdrawal == *id && authorize.digests.contains(digest) => {}
        Ok(_) | Err(_) => return Err(refuse("the authorization entry is not for this transaction")),
    }
    included(trust, &entry, &receipt.authorization_proof, "authorization").map(|_| ())
}

fn signature_logged(
    trust: &Trust<'_>,
    id: &WithdrawalId,
    signature: &Signature,
    receipt: &v1::Receipt,
) -> Result<VerifiedInclusion, Failure> {
    let (entry, act) = entry_act(trust, &receipt.signature_entry, "signature")?;
    match act.act() {
        Ok(Act::Signature(logged)) if logged.withdrawal == *id && logged.signature == *signature => {}
        Ok(_) | Err(_) => return Err(refuse("the signature entry is not this signature's")),
    }
    included(trust, &entry, &receipt.tlog_proof, "signature")
}

/// An entry under the newest roster that accepts it: a party may have got another key since.
fn entry_act(trust: &Trust<'_>, bytes: &[u8], which: &str) -> Result<(Entry, VerifiedAct), Failure> {
    let entry = Entry::parse(bytes).map_err(|error| refuse(format!("the {which} entry: {error}")))?;
    let mut first = None;
    for roster in trust.rosters.newest_first() {
        match verify_act(roster, entry.envelope()) {
            Ok(act) => return Ok((entry, act)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let why = first.map_or_else(|| "no roster is known".to_owned(), |error| error.to_string());
    Err(refuse(format!("the {which} entry: {why}")))
}

/// INVARIANT (G7): log signature, cosignatures of t nodes and inclusion, all with keys of the roster in force at the checkpoint's size.
fn included(
    trust: &Trust<'_>,
    entry: &Entry,
    proof: &[u8],
    which: &str,
) -> Result<VerifiedInclusion, Failure> {
    let wrong = |error: &dyn std::fmt::Display| refuse(format!("the proof of the {which} entry: {error}"));
    let proof = TlogProof::parse(proof).map_err(|error| wrong(&error))?;
    let mut first = None;
    for roster in trust.rosters.newest_first() {
        let keys =
            LogKeys::of(roster).map_err(|error| Failure::verification(error.code(), error.to_string()))?;
        match proof.verify(entry.leaf_hash(), keys.log(), keys.cosigners(), keys.threshold()) {
            Ok(included) if trust.rosters.at(included.checkpoint.size) == Some(roster) => {
                return Ok(included);
            }
            Ok(_) => first = first.or_else(|| Some(wrong(&"made with keys that are void at its size"))),
            Err(error) => first = first.or_else(|| Some(wrong(&error))),
        }
    }
    Err(first.unwrap_or_else(|| wrong(&"no roster is known")))
}

fn refuse(detail: impl Into<String>) -> Failure {
    Failure::verification("RECEIPT_INVALID", detail)
        .next("do not broadcast it: keep it and ask an officer, the coordinator may be hostile")
}

#[cfg(test)]
mod tests;
