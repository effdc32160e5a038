//! Owns what a `circuit_breaker` restriction says: how many denials or how much outflow pauses a wallet, and what is counted.
//! It never counts: `breaker.rs` does.

use std::collections::BTreeSet;

use holdfast_chains::{Amount, AssetSymbol};

use super::{
    LimitUnit, PolicyError,
    read::set,
    toml_field::{Field, Table},
};
use crate::{
    ids::{ClientId, WalletId},
    outflow::{MAX_WINDOW, Outflow},
    reason::ReasonCode,
    time::DurationMs,
};

/// The most denials that a breaker can let pass: what is kept of each is bounded by it.
pub const MAX_BREAKER_DENIALS: u32 = 1_000;

/// When a wallet is paused until officers resume it; at least one of the bounds is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// The wallets it is about; `None` is every wallet. Each is counted and paused by itself.
    pub wallets: Option<BTreeSet<WalletId>>,
    /// The assets it is about; `None` is every asset.
    pub assets: Option<BTreeSet<AssetSymbol>>,
    /// The clients it is about; `None` is every client.
    pub clients: Option<BTreeSet<ClientId>>,
    /// Whether each client is counted by itself.
    pub per_client: bool,
    /// How far back it counts; at most [`MAX_WINDOW`].
    pub window: DurationMs,
    /// Which denials trip it.
    pub denials: Option<DenialBound>,
    /// Which outflow trips it.
    pub outflow: Option<OutflowBound>,
}

/// How many denied requests trip a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialBound {
    /// One more than this trips it; 1 to [`MAX_BREAKER_DENIALS`].
    pub most: u32,
    /// The most that count of one customer; `None` is all of them.
    pub per_customer: Option<u32>,
    /// A denial for these reasons alone does not count.
    pub except: BTreeSet<ReasonCode>,
}

/// How much authorized outflow trips a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutflowBound {
    /// What is added up.
    pub unit: LimitUnit,
    /// More than this trips it.
    pub most: Amount,
}

impl CircuitBreaker {
    /// Whether it counts what this withdrawal does.
    pub fn is_about(&self, wallet: &WalletId, asset: &AssetSymbol, client: &ClientId) -> bool {
        self.wallets.as_ref().is_none_or(|wallets| wallets.contains(wallet))
            && self.assets.as_ref().is_none_or(|assets| assets.contains(asset))
            && self.clients.as_ref().is_none_or(|clients| clients.contains(client))
    }

    pub(super) fn counts_dollars(&self) -> bool {
        self.outflow.as_ref().is_some_and(|bound| bound.unit == LimitUnit::UsdCents)
    }

    /// Whether what the other one counted is what this one would have counted: only the bounds may differ.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        let Self { wallets, assets, clients, per_client, window, denials, outflow } = self;
        // A bound more or less changes nothing about what the other one counts.
        let denied = denials.as_ref().zip(other.denials.as_ref());
        let paid = outflow.as_ref().zip(other.outflow.as_ref());
        (wallets, assets, clients) == (&other.wallets, &other.assets, &other.clients)
            && (*per_client, *window) == (other.per_client, other.window)
            && denied.is_none_or(|(mine, theirs)| {
                (mine.per_customer, &mine.except) == (theirs.per_customer, &theirs.except)
            })
            && paid.is_none_or(|(mine, theirs)| mine.unit == theirs.unit)
    }
}

impl OutflowBound {
    /// What an outflow adds: `None` when the bound is not about it, `Some(None)` when nobody knows.
    pub fn value_of(&self, outflow: &Outflow) -> Option<Option<Amount>> {
        self.unit.value_of(outflow)
    }
}

pub(super) fn read(table: &mut Table<'_>) -> Result<CircuitBreaker, PolicyError> {
    let wallets = table.optional("wallets").map(|field| set(&field)).transpose()?;
    let assets = table.optional("assets").map(|field| set(&field)).transpose()?;
    let clients = table.optional("clients").map(|field| set(&field)).transpose()?;
    let per_client = table.optional("per_client").map(|field| field.boolean()).transpose()?.unwrap_or(false);
    let window = DurationMs(table.required("window_ms")?.number(1, MAX_WINDOW.0)?);
    let outflow = table.optional("max_outflow").map(outflow_bound).transpose()?;
    let denials = denial_bound(table, outflow.is_some())?;
    Ok(CircuitBreaker { wallets, assets, clients, per_client, window, denials, outflow })
}

fn denial_bound(table: &mut Table<'_>, may_be_absent: bool) -> Result<Option<DenialBound>, PolicyError> {
    let number = |field: Field<'_>| field.number(1, MAX_BREAKER_DENIALS);
    let per_customer = table.optional("per_customer").map(number).transpose()?;
    let except = table.optional("except").map(|field| set(&field)).transpose()?;
    // What says which denials count says nothing without a number of them, and nothing trips a breaker without a bound.
    if table.has("max_denials") || per_customer.is_some() || except.is_some() || !may_be_absent {
        let most = number(table.required("max_denials")?)?;
        return Ok(Some(DenialBound { most, per_customer, except: except.unwrap_or_default() }));
    }
    Ok(None)
}

fn outflow_bound(field: Field<'_>) -> Result<OutflowBound, PolicyError> {
    let mut table = field.table()?;
    let unit = super::read::limit_unit(&mut table)?;
    let most = table.required("amount")?.parse()?;
    table.finish()?;
    Ok(OutflowBound { unit, most })
}
