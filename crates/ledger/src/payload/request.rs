//! The client's two payloads that carry free text from outside: parsed member by member, so that a refusal names the
//! member and gives its own reason code.

use holdfast_chains::{Address, AddressError, Amount, AssetSymbol, Calldata, CalldataError, ChainId};
use holdfast_policy::{ClientId, ClusterId, CustomerRef, LegalOrderId, TimestampMs, WalletId};
use serde::{Deserialize, Serialize};

use super::parse;
use crate::ids::WithdrawalId;
use crate::rejection::{Rejection, RejectionCode};

const MAX_IDEMPOTENCY_KEY_CHARS: usize = 64;

/// A client's intent. The unsigned transaction may come with it or be bound later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalRequest {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The registered client that asks and signs.
    pub client: ClientId,
    /// The wallet that pays.
    pub wallet: WalletId,
    /// Asset symbol in the cell's registry; for a call, the chain's own coin.
    pub asset: AssetSymbol,
    /// Chain of the asset.
    pub chain_id: ChainId,
    /// Amount in base units; for a call, what goes along with it, which may be nothing.
    pub amount: Amount,
    /// Who is paid; for a call, the contract.
    pub destination: Address,
    /// What is called there, byte for byte; `None` for a transfer.
    pub calldata: Option<Calldata>,
    /// Most the fee may cost, in the chain's base units (wei).
    pub fee_cap: Amount,
    /// Keyed pseudonym of the customer.
    pub customer: CustomerRef,
    /// The client's own key: `[A-Za-z0-9._:-]{1,64}`.
    pub idempotency_key: String,
    /// When the client made the intent.
    pub created_at_ms: TimestampMs,
    /// From this time on the intent is void.
    pub expires_at_ms: TimestampMs,
    /// The unsigned transaction as `0x` hex, if it comes with the intent.
    pub transaction: Option<String>,
    /// The legal order that demands the payment, if one does.
    pub order: Option<LegalOrderId>,
}

/// An unsigned transaction for an earlier request; replaces one bound before, until authorization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindTransaction {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The client that asked for the withdrawal.
    pub client: ClientId,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// The unsigned transaction as `0x` hex.
    pub transaction: String,
}

/// The same members as the wire has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRequest {
    cluster: String,
    client: String,
    wallet: String,
    asset: String,
    chain_id: u64,
    amount: String,
    destination: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calldata: Option<String>,
    fee_cap: String,
    customer: String,
    idempotency_key: String,
    created_at_ms: u64,
    expires_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<String>,
}

impl WithdrawalRequest {
    /// Parses the payload.
    ///
    /// # Errors
    /// A [`Rejection`] that names the member at fault.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let wire: WireRequest = parse(payload)?;
        let created_at_ms = TimestampMs(wire.created_at_ms);
        let expires_at_ms = TimestampMs(wire.expires_at_ms);
        check_lifetime(created_at_ms, expires_at_ms)?;
        check_idempotency_key(&wire.idempotency_key)?;
        let calldata = wire.calldata.as_deref().map(calldata).transpose()?;
        if calldata.is_some() && wire.order.is_some() {
            return Err(invalid("order", "a legal order demands a payment, and this is a contract call"));
        }
        Ok(Self {
            cluster: member("cluster", &wire.cluster)?,
            client: member("client", &wire.client)?,
            wallet: member("wallet", &wire.wallet)?,
            asset: AssetSymbol::parse(&wire.asset).map_err(|error| invalid("asset", error))?,
            chain_id: ChainId(wire.chain_id),
            amount: amount(&wire.amount, calldata.is_some())?,
            destination: destination(&wire.destination)?,
            calldata,
            fee_cap: Amount::parse(&wire.fee_cap).map_err(|error| invalid("fee_cap", error))?,
            customer: member("customer", &wire.customer)?,
            idempotency_key: wire.idempotency_key,
            created_at_ms,
            expires_at_ms,
            transaction: wire.transaction,
            order: wire.order.map(|order| member("order", &order)).transpose()?,
        })
    }

    /// Whether it goes to this address, or calls something with bytes that may be this address.
    // INVARIANT (G4, G9): what may name an address names it: whoever listed or revoked one stops every call that reaches it.
    pub fn may_reach(&self, address: &Address) -> bool {
        let called = || self.calldata.iter().flat_map(Calldata::possible_addresses);
        self.destination == *address || called().any(|named| named == *address)
    }

    /// Renders the payload, for clients.
    pub fn to_json(&self) -> Vec<u8> {
        let wire = WireRequest {
            cluster: self.cluster.to_string(),
            client: self.client.to_string(),
            wallet: self.wallet.to_string(),
            asset: self.asset.to_string(),
            chain_id: self.chain_id.0,
            amount: self.amount.to_string(),
            destination: self.destination.to_string(),
            calldata: self.calldata.as_ref().map(ToString::to_string),
            fee_cap: self.fee_cap.to_string(),
            customer: self.customer.to_string(),
            idempotency_key: self.idempotency_key.clone(),
            created_at_ms: self.created_at_ms.0,
            expires_at_ms: self.expires_at_ms.0,
            transaction: self.transaction.clone(),
            order: self.order.as_ref().map(ToString::to_string),
        };
        // A struct of strings and integers always renders.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// The withdrawal that this request names.
    pub fn withdrawal_id(&self) -> WithdrawalId {
        WithdrawalId::of(self.cluster.as_str(), self.client.as_str(), &self.idempotency_key)
    }
}

fn member<T>(field: &str, text: &str) -> Result<T, Rejection>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| invalid(field, error))
}

/// A call may send nothing along; a transfer of nothing is a slip.
fn amount(text: &str, is_call: bool) -> Result<Amount, Rejection> {
    let amount = Amount::parse(text).map_err(|error| invalid("amount", error))?;
    if !is_call {
        check_positive(amount)?;
    }
    Ok(amount)
}

// INVARIANT (G1): what moves a token is no call: it would be counted by no limit.
fn calldata(text: &str) -> Result<Calldata, Rejection> {
    Calldata::parse(text).map_err(|error| {
        let code = match &error {
            CalldataError::TokenMovement { .. } => RejectionCode::Calldata(error.code()),
            CalldataError::HexPrefix
            | CalldataError::HexLength
            | CalldataError::HexDigit { .. }
            | CalldataError::NoFunction { .. }
            | CalldataError::TooLong { .. } => RejectionCode::FieldInvalid,
        };
        Rejection::new(code, error.to_string()).with_field("calldata")
    })
}

pub(super) fn check_positive(amount: Amount) -> Result<(), Rejection> {
    if amount.is_zero() { Err(invalid("amount", "must be more than zero")) } else { Ok(()) }
}

pub(super) fn check_lifetime(created_at: TimestampMs, expires_at: TimestampMs) -> Result<(), Rejection> {
    if expires_at <= created_at {
        return Err(invalid("expires_at_ms", "must be later than `created_at_ms`"));
    }
    Ok(())
}

fn destination(text: &str) -> Result<Address, Rejection> {
    let address = Address::parse(text).map_err(|error| {
        let code = match &error {
            AddressError::NotChecksummed { .. } | AddressError::ChecksumMismatch { .. } => {
                RejectionCode::AddressChecksum
            }
            AddressError::MissingPrefix | AddressError::Length { .. } | AddressError::NotHex => {
                RejectionCode::FieldInvalid
            }
        };
        Rejection::new(code, error.to_string()).with_field("destination")
    })?;
    if address.is_zero() {
        return Err(invalid("destination", "the zero address is never paid"));
    }
    Ok(address)
}

pub(super) fn check_idempotency_key(text: &str) -> Result<(), Rejection> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if text.is_empty() || text.len() > MAX_IDEMPOTENCY_KEY_CHARS || !text.chars().all(allowed) {
        return Err(invalid("idempotency_key", "must be 1 to 64 of `A-Z a-z 0-9 . _ : -`"));
    }
    Ok(())
}

fn invalid(field: &str, detail: impl std::fmt::Display) -> Rejection {
    Rejection::new(RejectionCode::FieldInvalid, detail.to_string()).with_field(field)
}
