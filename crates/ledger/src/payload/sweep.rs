//! A client's request to move what arrived at a deposit address to the wallet's own address.

use holdfast_chains::{Amount, AssetSymbol};
use holdfast_policy::{ClientId, ClusterId, TimestampMs, WalletId};
use serde::{Deserialize, Serialize};

use super::parse;
use super::request::{check_idempotency_key, check_lifetime, check_positive};
use crate::ids::WithdrawalId;
use crate::rejection::Rejection;

/// Sweeps a deposit address. Where the funds go is not the client's choice, so the payload names no destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepRequest {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The registered client that asks and signs.
    pub client: ClientId,
    /// The wallet whose deposit address pays and whose own address receives.
    pub wallet: WalletId,
    /// Which deposit address: the BIP-32 path `m/0/deposit_index` below the wallet's key, never hardened.
    pub deposit_index: u32,
    /// Asset symbol in the cell's registry; it names the chain.
    pub asset: AssetSymbol,
    /// Amount in base units.
    pub amount: Amount,
    /// Most the fee may cost, in the chain's base units (wei).
    pub fee_cap: Amount,
    /// The client's own key: `[A-Za-z0-9._:-]{1,64}`.
    pub idempotency_key: String,
    /// When the client made the intent.
    pub created_at_ms: TimestampMs,
    /// From this time on the intent is void.
    pub expires_at_ms: TimestampMs,
    /// The unsigned transaction as `0x` hex, if it comes with the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
}

impl SweepRequest {
    /// Parses the payload.
    ///
    /// # Errors
    /// A [`Rejection`] that names the member at fault.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let request: Self = parse(payload)?;
        check_positive(request.amount)?;
        check_idempotency_key(&request.idempotency_key)?;
        check_lifetime(request.created_at_ms, request.expires_at_ms)?;
        Ok(request)
    }

    /// Renders the payload, for clients.
    pub fn to_json(&self) -> Vec<u8> {
        // A struct of strings and integers always renders.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The withdrawal that this request names.
    pub fn withdrawal_id(&self) -> WithdrawalId {
        WithdrawalId::of(self.cluster.as_str(), self.client.as_str(), &self.idempotency_key)
    }
}
