//! Owns the answers to what evaluation asks: the same structures that the ledger keeps.

use holdfast_chains::{Address, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    CustomerHistory, CustomerRef, DestinationStats, DeviceRef, DeviceStats, Exposure, LegalFacts, LookAlikes,
    Outflows, PolicyDocument, PolicyVersion, PolicyView, RuleId, ScreeningIndex, SessionSignals, TimestampMs,
    UsdPrice, WalletId, WalletStatus, Whitelist, WithdrawalFacts,
};

use crate::exchange::Exchange;

impl PolicyView for Exchange {
    fn document(&self) -> &PolicyDocument {
        &self.document
    }

    fn policy_version(&self) -> PolicyVersion {
        PolicyVersion(1)
    }

    fn whitelist(&self) -> &Whitelist {
        &self.whitelist
    }

    fn screening(&self) -> &ScreeningIndex {
        &self.screening
    }

    fn session_signals(&self, customer: &CustomerRef) -> Option<&SessionSignals> {
        self.sessions.get(customer)
    }

    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset> {
        self.assets.get(symbol)
    }

    fn outflows(&self) -> &Outflows {
        &self.outflows
    }

    fn usd_price(&self, symbol: &AssetSymbol, at: TimestampMs) -> Option<UsdPrice> {
        let price = self.prices.get(symbol)?;
        let age = at.checked_duration_since(price.observed_at)?;
        self.document.prices().filter(|terms| age <= terms.max_age).map(|_| *price)
    }

    fn customer_history(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        self.activity.customer(customer)
    }

    fn destination_stats(&self, chain: ChainId, destination: &Address) -> Option<DestinationStats> {
        Some(self.activity.destination(chain, destination))
    }

    fn device_stats(&self, device: &DeviceRef) -> Option<DeviceStats> {
        Some(self.activity.device(device))
    }

    fn look_alikes(&self) -> Option<&LookAlikes> {
        Some(self.activity.look_alikes())
    }

    fn exposure(&self, _chain: ChainId, destination: &Address, at: TimestampMs) -> Exposure {
        // There is one provider; every one that the policy names says the same.
        Exposure::of(self.document.exposure(), |_| self.exposures.get(destination).cloned(), at)
    }

    fn legal(&self, _withdrawal: &WithdrawalFacts, _at: TimestampMs) -> LegalFacts {
        LegalFacts::default()
    }

    fn breaker_tripped(&self, _rule: &RuleId, _wallet: &WalletId) -> bool {
        false
    }

    fn wallet(&self, _wallet: &WalletId) -> Option<WalletStatus> {
        Some(WalletStatus::Active)
    }
}
