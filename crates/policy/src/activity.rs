//! Owns what replay keeps for the risk score: a packed history for each customer, crowds at destinations and devices, and the
//! addresses wallets paid. Persistent maps: a clone is cheap. It never decides and never learns from what was only asked for.

use std::sync::Arc;

use holdfast_chains::{Address, ChainId};
use imbl::OrdMap;

use crate::{
    crowd::{Crowd, DestinationStats, DeviceStats},
    history::{CustomerHistory, HistoryError, PaymentSeen, SessionSeen},
    ids::{CustomerRef, DeviceKey, DeviceRef, WalletId},
    look_alike::LookAlikes,
    minute::Minute,
    session::{Network, SessionSignals},
    time::TimestampMs,
};

/// Everything that replay keeps for the risk score.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    customers: OrdMap<CustomerRef, Arc<[u8]>>,
    destinations: OrdMap<(ChainId, Address), DestinationStats>,
    devices: OrdMap<DeviceKey, DeviceStats>,
    look_alikes: LookAlikes,
}

impl Activity {
    /// A customer was registered, or imported with the last sign of life.
    pub fn register(
        &mut self,
        customer: &CustomerRef,
        opened_at: TimestampMs,
        last_active_at: Option<TimestampMs>,
    ) {
        let mut history = self.customer(customer).unwrap_or_default();
        history.register(opened_at, last_active_at);
        self.keep(customer, &history);
    }

    /// A session was reported.
    pub fn record_session(&mut self, customer: &CustomerRef, signals: &SessionSignals) {
        let details = &signals.details;
        let mut history = self.customer(customer).unwrap_or_default();
        history.record_session(&SessionSeen {
            at: signals.observed_at,
            device: details.device.as_ref(),
            new_device: signals.new_device,
            hidden: details.network.is_some_and(Network::is_hidden),
            hosted: details.network == Some(Network::Hosting),
            country_changed: details.country_changed.unwrap_or(false),
        });
        if let Some(device) = &details.device {
            let now = Minute::of(signals.observed_at);
            let fresh = history.is_fresh(now);
            self.devices.entry(device.key()).or_default().see(customer, now, fresh);
        }
        self.keep(customer, &history);
    }

    /// A withdrawal was paid: its canonical signature exists.
    pub fn record_payment(
        &mut self,
        wallet: &WalletId,
        chain: ChainId,
        customer: Option<&CustomerRef>,
        payment: &PaymentSeen<'_>,
    ) {
        self.look_alikes.record(wallet, chain, payment.destination);
        let Some(customer) = customer else { return };
        let mut history = self.customer(customer).unwrap_or_default();
        let now = Minute::of(payment.at);
        let fresh = history.is_fresh(now);
        self.destinations.entry((chain, *payment.destination)).or_default().see(customer, now, fresh);
        history.record_payment(payment);
        self.keep(customer, &history);
    }

    /// What is kept of a customer; `None` when nobody reported anything about them.
    pub fn customer(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        // What cannot be read is unknown, never empty: rules that require it hold.
        self.customers.get(customer).and_then(|packed| CustomerHistory::unpack(packed).ok())
    }

    /// The customers that a destination was paid for.
    pub fn destination(&self, chain: ChainId, destination: &Address) -> DestinationStats {
        self.destinations.get(&(chain, *destination)).cloned().unwrap_or_default()
    }

    /// The customers who came from a device.
    pub fn device(&self, device: &DeviceRef) -> DeviceStats {
        self.devices.get(&device.key()).cloned().unwrap_or_default()
    }

    /// The addresses wallets paid.
    pub fn look_alikes(&self) -> &LookAlikes {
        &self.look_alikes
    }

    /// Every packed history, in order: for snapshots.
    pub fn packed(&self) -> impl ExactSizeIterator<Item = (&CustomerRef, &[u8])> {
        self.customers.iter().map(|(customer, packed)| (customer, &**packed))
    }

    /// Every destination's crowd, in order: for snapshots.
    pub fn destinations(&self) -> impl ExactSizeIterator<Item = (ChainId, &Address, &Crowd)> {
        self.destinations.iter().map(|((chain, address), crowd)| (*chain, address, crowd))
    }

    /// Every device's crowd, in order: for snapshots.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = (DeviceKey, &Crowd)> {
        self.devices.iter().map(|(device, crowd)| (*device, crowd))
    }

    /// Puts a packed history back.
    pub fn restore_customer(&mut self, customer: CustomerRef, packed: &[u8]) -> Result<(), HistoryError> {
        CustomerHistory::unpack(packed)?;
        self.customers.insert(customer, packed.into());
        Ok(())
    }

    /// Puts a destination's crowd back.
    pub fn restore_destination(&mut self, chain: ChainId, destination: Address, crowd: Crowd) {
        self.destinations.insert((chain, destination), crowd);
    }

    /// Puts a device's crowd back.
    pub fn restore_device(&mut self, device: DeviceKey, crowd: Crowd) {
        self.devices.insert(device, crowd);
    }

    /// Puts an address that a wallet paid back.
    pub fn restore_look_alike(&mut self, wallet: &WalletId, chain: ChainId, address: &Address) {
        self.look_alikes.record(wallet, chain, address);
    }

    fn keep(&mut self, customer: &CustomerRef, history: &CustomerHistory) {
        self.customers.insert(customer.clone(), history.pack().into());
    }
}

#[cfg(test)]
mod tests;
