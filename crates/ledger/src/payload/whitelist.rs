//! What clients say about their customers' destinations: requests for entries, which the customer confirms, and revocations.

use std::collections::BTreeSet;

use holdfast_chains::{Address, AddressError, AssetSymbol, ChainId};
use holdfast_policy::{ClientId, ClusterId, CustomerRef, TimestampMs, WhitelistEntryId};
use serde::{Deserialize, Serialize};

use super::parse;
use super::request::check_lifetime;
use crate::rejection::{Rejection, RejectionCode};

const MAX_ASSETS: usize = 16;

/// A client's request for an entry of one of its customers. It means nothing until an identity provider attests that the customer
/// was shown exactly this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitelistRequest {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The registered client that asks and signs.
    pub client: ClientId,
    /// Keyed pseudonym of the customer whose address it is.
    pub customer: CustomerRef,
    /// Chain of the address.
    pub chain_id: ChainId,
    /// Who may be paid.
    pub address: Address,
    /// In which assets; at least one.
    pub assets: BTreeSet<AssetSymbol>,
    /// Valid from this time, or from the end of the cooling-off if that is later.
    pub not_before_ms: Option<TimestampMs>,
    /// Valid until just before this time.
    pub expires_at_ms: TimestampMs,
    /// When the client made the request.
    pub created_at_ms: TimestampMs,
    /// From this time on the request is void unless the customer confirmed it.
    pub confirm_by_ms: TimestampMs,
}

/// Ends everything that this client asked for at one destination of one customer, at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhitelistRevocation {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The client that asked for the entry.
    pub client: ClientId,
    /// One of the entries or requests: it names customer, chain and address.
    pub entry: WhitelistEntryId,
}

/// The same members as the wire has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRequest {
    cluster: ClusterId,
    client: ClientId,
    customer: CustomerRef,
    chain_id: u64,
    address: String,
    assets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before_ms: Option<u64>,
    expires_at_ms: u64,
    created_at_ms: u64,
    confirm_by_ms: u64,
}

impl WhitelistRequest {
    /// Parses the payload.
    ///
    /// # Errors
    /// A [`Rejection`] that names the member at fault.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let wire: WireRequest = parse(payload)?;
        let (created_at_ms, confirm_by_ms) =
            (TimestampMs(wire.created_at_ms), TimestampMs(wire.confirm_by_ms));
        check_lifetime(created_at_ms, confirm_by_ms)
            .map_err(|rejection| rejection.with_field("confirm_by_ms"))?;
        Ok(Self {
            address: address(&wire.address)?,
            assets: assets(&wire.assets)?,
            cluster: wire.cluster,
            client: wire.client,
            customer: wire.customer,
            chain_id: ChainId(wire.chain_id),
            not_before_ms: wire.not_before_ms.map(TimestampMs),
            expires_at_ms: TimestampMs(wire.expires_at_ms),
            created_at_ms,
            confirm_by_ms,
        })
    }

    /// Renders the payload, for clients.
    pub fn to_json(&self) -> Vec<u8> {
        let wire = WireRequest {
            cluster: self.cluster.clone(),
            client: self.client.clone(),
            customer: self.customer.clone(),
            chain_id: self.chain_id.0,
            address: self.address.to_string(),
            assets: self.assets.iter().map(ToString::to_string).collect(),
            not_before_ms: self.not_before_ms.map(|at| at.0),
            expires_at_ms: self.expires_at_ms.0,
            created_at_ms: self.created_at_ms.0,
            confirm_by_ms: self.confirm_by_ms.0,
        };
        // A struct of strings and integers always renders.
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

/// Any case is read; a checksum that is there must be right.
fn address(text: &str) -> Result<Address, Rejection> {
    let address = Address::parse_any_case(text).map_err(|error| {
        let code = match &error {
            AddressError::NotChecksummed { .. } | AddressError::ChecksumMismatch { .. } => {
                RejectionCode::AddressChecksum
            }
            AddressError::MissingPrefix | AddressError::Length { .. } | AddressError::NotHex => {
                RejectionCode::FieldInvalid
            }
        };
        Rejection::new(code, error.to_string()).with_field("address")
    })?;
    if address.is_zero() {
        let detail = "the zero address is never paid";
        return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("address"));
    }
    Ok(address)
}

fn assets(symbols: &[String]) -> Result<BTreeSet<AssetSymbol>, Rejection> {
    let invalid = |detail: String| Rejection::new(RejectionCode::FieldInvalid, detail).with_field("assets");
    if symbols.is_empty() || symbols.len() > MAX_ASSETS {
        return Err(invalid(format!("name 1 to {MAX_ASSETS} assets")));
    }
    let mut assets = BTreeSet::new();
    for symbol in symbols {
        let asset = AssetSymbol::parse(symbol).map_err(|error| invalid(error.to_string()))?;
        if !assets.insert(asset) {
            return Err(invalid(format!("names `{symbol}` twice")));
        }
    }
    Ok(assets)
}
