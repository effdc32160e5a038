//! Owns what evaluation looks at: the withdrawal, and the view of everything the log says about it. It never holds what a
//! caller concluded: decisions are derived, not passed in.

use holdfast_chains::{Address, Amount, Asset, AssetSymbol, Calldata, ChainId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

use crate::{
    approvals::Approval,
    crowd::{DestinationStats, DeviceStats},
    digest::IntentDigest,
    document::PolicyDocument,
    exposure::Exposure,
    history::CustomerHistory,
    identity::IdentityAttestation,
    ids::{ClientId, CustomerRef, DeviceRef, LegalOrderId, OfficerId, RuleId, WalletId},
    legal::LegalFacts,
    look_alike::LookAlikes,
    outflow::{Outflow, Outflows, Place},
    price::UsdPrice,
    screening::ScreeningIndex,
    session::SessionSignals,
    time::TimestampMs,
    travel::TravelReport,
    whitelist::Whitelist,
};

/// Everything the log says that a decision depends on, at one position of the log.
///
/// Implementations answer from memory and always the same: evaluation is a pure function of the view, the withdrawal and
/// the time (G10). A fact that is absent is `None`, never a default.
pub trait PolicyView {
    /// The policy in force.
    fn document(&self) -> &PolicyDocument;
    /// The version under which it came into force.
    fn policy_version(&self) -> PolicyVersion;
    /// All whitelist entries.
    fn whitelist(&self) -> &Whitelist;
    /// The screening lists in force.
    fn screening(&self) -> &ScreeningIndex;
    /// The newest session report about a customer; a newer report supersedes an older one.
    fn session_signals(&self, customer: &CustomerRef) -> Option<&SessionSignals>;
    /// An asset of the registry.
    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset>;
    /// What leaves the wallets, counted for the windows of [`PolicyView::document`].
    fn outflows(&self) -> &Outflows;
    /// The highest price of an asset among those that are young enough at `at`.
    fn usd_price(&self, symbol: &AssetSymbol, at: TimestampMs) -> Option<UsdPrice>;
    /// What the providers that the policy names for exposure say about a destination. A view that knows no reports says so:
    /// everybody is silent.
    fn exposure(&self, chain_id: ChainId, destination: &Address, at: TimestampMs) -> Exposure {
        let _ = (chain_id, destination);
        Exposure::of(self.document().exposure(), |_| None, at)
    }
    /// What replay kept of a customer; `None` when nobody reported anything about them.
    fn customer_history(&self, _customer: &CustomerRef) -> Option<CustomerHistory> {
        None
    }
    /// The customers that a destination was paid for; `None` when that is not counted. Nobody yet is an empty crowd.
    fn destination_stats(&self, _chain: ChainId, _destination: &Address) -> Option<DestinationStats> {
        None
    }
    /// The customers who came from a device; `None` when that is not counted. Nobody yet is an empty crowd.
    fn device_stats(&self, _device: &DeviceRef) -> Option<DeviceStats> {
        None
    }
    /// The addresses each wallet paid, by their ends; `None` when they are not kept.
    fn look_alikes(&self) -> Option<&LookAlikes> {
        None
    }
    /// Whether everything that was asked could be read. If not, some answers may have been empty that are not: whatever they would
    /// allow is denied.
    fn is_readable(&self) -> bool {
        true
    }
    /// What legal orders say about a withdrawal.
    fn legal(&self, withdrawal: &WithdrawalFacts, at: TimestampMs) -> LegalFacts;
    /// Whether a pause of the wallet by this circuit breaker is in force.
    fn breaker_tripped(&self, rule: &RuleId, wallet: &WalletId) -> bool;
    /// A wallet's status; `None` unless its key is active.
    fn wallet(&self, wallet: &WalletId) -> Option<WalletStatus>;
    /// The address that pays for a wallet; `None` when nobody knows it, and then it is nobody's.
    fn wallet_address(&self, _wallet: &WalletId) -> Option<Address> {
        None
    }
}

/// Counts the policies of a cluster; the genesis policy is version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyVersion(pub u64);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether a wallet may pay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletStatus {
    /// It may.
    Active,
    /// An officer or a circuit breaker paused it.
    Paused,
    /// It is frozen.
    Frozen,
}

/// One requested withdrawal and the approvals it has so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawalFacts {
    /// The wallet that pays.
    pub wallet: WalletId,
    /// The asset; for a call, the chain's own coin.
    pub asset: AssetSymbol,
    /// The amount, in the asset's base units; for a call, what goes along with it.
    pub amount: Amount,
    /// Where it goes, on the asset's chain; for a call, the contract.
    pub destination: Address,
    /// What is called there; `None` for a transfer.
    pub call: Option<Calldata>,
    /// The highest fee the client accepts, in base units of the chain's native coin (wei).
    pub fee_cap: Amount,
    /// The client that asked.
    pub client: ClientId,
    /// Officers whose approval does not count, because they stand behind the client that asked. An officer with the same
    /// name as the client never counts.
    pub requesters: BTreeSet<OfficerId>,
    /// The customer it is for; `None` for the house's own withdrawals.
    pub customer: Option<CustomerRef>,
    /// The time of the log entry that carried the request: the hold's deadline counts from here.
    pub requested_at: TimestampMs,
    /// The time of the log entry that first asked for this payment: delays count from here. For a replacement that of what it
    /// replaces, otherwise the same as `requested_at`.
    pub first_requested_at: TimestampMs,
    /// Its place in sliding windows: where its request is in the log; for a replacement, where that of what it replaces is.
    pub place: Place,
    /// The legal order that it says demands it.
    pub order: Option<LegalOrderId>,
    /// What providers reported last about its Travel Rule exchange, at most one for each.
    pub travel: Vec<TravelReport>,
    /// Approvals so far, with the roles that the roster gives each officer now.
    pub approvals: Vec<Approval>,
    /// What exactly was asked for: attestations of identity are bound to it.
    pub intent: IntentDigest,
    /// Attestations of the customer's identity so far, at most the newest of each provider.
    pub attestations: Vec<IdentityAttestation>,
}

impl WithdrawalFacts {
    /// Every address that it may have to do with: the destination, and whatever in a call's bytes may be one.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        let named = self.call.iter().flat_map(Calldata::possible_addresses);
        std::iter::once(self.destination).chain(named)
    }

    /// What it takes out, for sliding windows.
    pub fn outflow(&self, asset: &Asset, price: Option<UsdPrice>) -> Outflow {
        Outflow {
            wallet: self.wallet.clone(),
            asset: asset.symbol.clone(),
            client: self.client.clone(),
            customer: self.customer.clone(),
            chain_id: asset.chain_id,
            destination: self.destination,
            amount: self.amount,
            usd_cents: price.and_then(|price| price.price.cents(self.amount, asset.decimals)),
        }
    }
}
