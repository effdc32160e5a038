//! A client's request to put another transaction in the place of one that is authorized or signed.

use holdfast_chains::Amount;
use holdfast_policy::{ClientId, ClusterId, TimestampMs};
use serde::{Deserialize, Serialize};

use super::parse;
use super::request::{check_idempotency_key, check_lifetime};
use crate::ids::WithdrawalId;
use crate::rejection::Rejection;

/// Replaces a withdrawal by a new one on the same account nonce, under an idempotency key of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacementRequest {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The client that asked for the original.
    pub client: ClientId,
    /// The withdrawal to replace: the newest of its group.
    pub of: WithdrawalId,
    /// What the new transaction does.
    pub action: ReplacementAction,
    /// Most the new transaction's fee may cost, in the chain's base units (wei).
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

/// What a replacing transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplacementAction {
    /// Exactly what the original does, for a higher fee.
    BumpFee,
    /// Nothing: the sending address pays itself zero of the chain's own coin, so that the original cannot be mined.
    CancelOnChain,
}

impl ReplacementRequest {
    /// Parses the payload.
    ///
    /// # Errors
    /// A [`Rejection`] that names the member at fault.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let request: Self = parse(payload)?;
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
