//! One withdrawal, explained from the log: who asked, what the bytes do, each rule, each risk component, who approved,
//! who signed, and where in the log all of it is.
//!
//! Everything here is derived by the replay. Nothing is taken from a server's answer.

mod aftermath;
mod page;

use holdfast_chains::{Amount, AssetSymbol, SignedTransaction};
use holdfast_ledger::{State, Withdrawal, WithdrawalId, WithdrawalRequest};
use holdfast_policy::{Decision, LegalOrderId, TimestampMs};
use serde::Serialize;

use crate::history::{History, Step};
use crate::shown::upper;

pub use aftermath::{Aftermath, Kind, Relative, Reported, Sworn};

/// One withdrawal, explained. `Display` is a page for people, serde the same for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Id of the withdrawal.
    pub withdrawal: String,
    /// The cell.
    pub cluster: String,
    /// Entries of the log that this was read from.
    pub log_size: u64,
    /// Time of its last entry, ms: the time at which `state` holds.
    pub as_of_ms: u64,
    /// State of the withdrawal.
    pub state: String,
    /// What it is for.
    pub purpose: Kind,
    /// Who asked for what.
    pub asked: Asked,
    /// What the bound transaction does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
    /// The newest decision: every rule, every risk component.
    pub decision: Decision,
    /// Officers' approvals, those included that no longer count.
    pub approvals: Vec<Approved>,
    /// The officer who rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_by: Option<String>,
    /// The authorization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized: Option<Authorized>,
    /// The canonical signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// What became of it after its authorization.
    pub aftermath: Aftermath,
    /// Every entry that concerned it, no-ops included.
    pub steps: Vec<Step>,
}

/// Who asked for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The client.
    pub client: String,
    /// On behalf of whom: a pseudonym.
    pub customer: String,
    /// The wallet that pays.
    pub wallet: String,
    /// The address that pays: the wallet's own, or a deposit address of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Amount in whole units with its symbol.
    pub pays: String,
    /// Amount in base units.
    pub amount: String,
    /// Symbol.
    pub asset: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who is paid; for a call, the contract.
    pub destination: String,
    /// What is called there, by the names that the policy in force lists; empty for a transfer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub call: Vec<String>,
    /// The most that fees may cost, wei.
    pub fee_cap_wei: String,
    /// The client's key for repeats.
    pub idempotency_key: String,
    /// SHA-256 of the exact request payload, hex.
    pub intent_digest: String,
    /// Log index of the request.
    pub index: u64,
    /// Its time, ms.
    pub time_ms: u64,
    /// The intent's expiry, ms.
    pub expires_at_ms: u64,
    /// The legal order that it names, and how that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_order: Option<String>,
}

/// What a transaction does, decoded here from its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// The unsigned transaction, `0x` hex.
    pub unsigned: String,
    /// The hash that a signature of it signs.
    pub signing_hash: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The token contract that is called; absent for the chain's own coin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Who receives; for a call, the contract.
    pub to: String,
    /// Base units received.
    pub amount: String,
    /// The same in whole units with its symbol; absent if the registry does not have what is moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<String>,
    /// What is called there, `0x` hex; absent for a transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calldata: Option<String>,
    /// Account nonce.
    pub nonce: u64,
    /// The most it can cost, wei.
    pub max_fee_wei: String,
    /// Log index of the entry that bound it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// An officer's approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approved {
    /// The officer.
    pub officer: String,
    /// The officer's roles at the time.
    pub roles: Vec<String>,
    /// Digest of the hold that was approved, hex.
    pub hold: String,
    /// Log index.
    pub index: u64,
    /// Time of the entry, ms.
    pub time_ms: u64,
    /// From this time on it counts no more, ms.
    pub expires_at_ms: u64,
}

/// The authorization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authorized {
    /// What may be signed.
    pub digests: Vec<String>,
    /// Log index of the newest authorization.
    pub index: u64,
    /// Its time, ms.
    pub time_ms: u64,
    /// How often it was renewed.
    pub renewals: u32,
}

/// The canonical signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// Nodes that made it.
    pub nodes: Vec<String>,
    /// r, s and y parity, `0x` hex.
    pub signature: String,
    /// The public key of the address that pays, SEC1 compressed.
    pub public_key: String,
    /// The raw transaction, assembled and read back here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_transaction: Option<String>,
    /// Its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_hash: Option<String>,
    /// Log index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// Explains a withdrawal; `None` if the log has none of this id.
pub fn explain(history: &History, id: &WithdrawalId) -> Option<Explanation> {
    let state = history.state();
    let remembered = history.trail(id).and_then(|trail| trail.latest.as_ref());
    let withdrawal = remembered.or_else(|| state.withdrawal(id))?;
    let steps = history.withdrawal_steps(id).to_vec();
    Some(Explanation {
        withdrawal: id.to_string(),
        cluster: state.cluster().to_string(),
        log_size: state.size(),
        as_of_ms: state.last_time().0,
        state: upper(&withdrawal.state_at(state.last_time())),
        purpose: Kind::of(withdrawal),
        asked: asked(state, withdrawal),
        transaction: transaction(state, withdrawal),
        decision: withdrawal.decision.as_ref().clone(),
        approvals: withdrawal.approvals.iter().map(approved).collect(),
        rejected_by: withdrawal.rejected_by.as_ref().map(ToString::to_string),
        authorized: withdrawal.authorization.as_ref().map(|authorization| Authorized {
            digests: authorization.digests.iter().map(ToString::to_string).collect(),
            index: authorization.index,
            time_ms: authorization.time.0,
            renewals: authorization.renewals,
        }),
        signed: signed(history, withdrawal),
        aftermath: Aftermath::of(state, withdrawal),
        steps,
    })
}

fn asked(state: &State, withdrawal: &Withdrawal) -> Asked {
    let request = &withdrawal.request;
    Asked {
        client: request.client.to_string(),
        customer: request.customer.to_string(),
        wallet: request.wallet.to_string(),
        sender: state.sender(withdrawal).map(|sender| sender.address.to_string()),
        pays: money(state, &request.asset, request.amount),
        amount: request.amount.to_string(),
        asset: request.asset.to_string(),
        chain_id: request.chain_id.0,
        destination: request.destination.to_string(),
        call: called(state, request),
        fee_cap_wei: request.fee_cap.to_string(),
        idempotency_key: request.idempotency_key.clone(),
        intent_digest: hex::encode(withdrawal.request_digest),
        index: withdrawal.positions.request,
        time_ms: withdrawal.received_at.0,
        expires_at_ms: request.expires_at_ms.0,
        legal_order: request.order.as_ref().map(|order| legal_order(state, order)),
    }
}

fn called(state: &State, request: &WithdrawalRequest) -> Vec<String> {
    let lines = state.call_lines(request).unwrap_or_default();
    lines.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

fn legal_order(state: &State, id: &LegalOrderId) -> String {
    let Some(order) = state.legal_order(id) else { return format!("`{id}`, which this log does not have") };
    let officers = order.approvals.iter().map(|approval| approval.officer.to_string());
    let contacts = order.confirmations.iter().map(|confirmation| confirmation.contact.to_string());
    let behind: Vec<_> = officers.chain(contacts).collect();
    let stands = match order.confirmed {
        Some(met) => format!("confirmed in entry {} by {}", met.index, behind.join(", ")),
        None => "not confirmed".to_owned(),
    };
    let (agency, reference) = (&order.proposal.agency, &order.proposal.reference);
    format!(
        "`{id}`, `{reference}` of `{agency}`, opened by {} in entry {}, {stands}",
        order.opened_by, order.index
    )
}

fn transaction(state: &State, withdrawal: &Withdrawal) -> Option<Transaction> {
    let bound = withdrawal.transaction.as_ref()?;
    let (chain, moved) = (bound.effects.chain_id, &bound.effects.transfer);
    let registry = &state.genesis().document.assets;
    let asset = registry.iter().find(|asset| asset.chain_id == chain && asset.contract == moved.contract);
    Some(Transaction {
        unsigned: bound.transaction.to_hex(),
        signing_hash: bound.signing_hash.to_string(),
        chain_id: bound.effects.chain_id.0,
        contract: moved.contract.map(|contract| contract.to_string()),
        to: moved.to.to_string(),
        amount: moved.amount.to_string(),
        moves: asset.map(|asset| format!("{} {}", moved.amount.format_units(asset.decimals), asset.symbol)),
        calldata: bound.effects.calldata.as_ref().map(ToString::to_string),
        nonce: bound.effects.nonce,
        max_fee_wei: bound.effects.max_fee.to_string(),
        index: withdrawal.positions.bound,
    })
}

fn approved(approval: &holdfast_ledger::Approval) -> Approved {
    Approved {
        officer: approval.officer.to_string(),
        roles: approval.roles.iter().map(ToString::to_string).collect(),
        hold: approval.hold.to_string(),
        index: approval.index,
        time_ms: approval.time.0,
        expires_at_ms: approval.expires_at.0,
    }
}

fn signed(history: &History, withdrawal: &Withdrawal) -> Option<Signed> {
    let signature = withdrawal.signature.as_ref()?;
    let public_key = history.state().sender(withdrawal)?.public_key;
    let assembled = withdrawal
        .transaction
        .as_ref()
        .and_then(|bound| SignedTransaction::assemble(&bound.transaction, signature, &public_key).ok());
    Some(Signed {
        nodes: history.signers(&withdrawal.id).iter().map(ToString::to_string).collect(),
        signature: signature.to_string(),
        public_key: public_key.to_string(),
        raw_transaction: assembled.as_ref().map(SignedTransaction::raw_hex),
        transaction_hash: assembled.as_ref().map(|signed| signed.hash().to_string()),
        index: withdrawal.positions.signed,
    })
}

/// An amount in whole units with its symbol, as the cell's registry scales it.
pub(crate) fn money(state: &State, symbol: &AssetSymbol, amount: Amount) -> String {
    let asset = state.genesis().document.assets.iter().find(|asset| asset.symbol == *symbol);
    match asset {
        Some(asset) => format!("{} {symbol}", amount.format_units(asset.decimals)),
        None => format!("{amount} base units of {symbol}"),
    }
}

fn when(ms: u64) -> String {
    TimestampMs(ms).to_string()
}
