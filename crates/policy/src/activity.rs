//! Owns what replay keeps for the risk score: a packed history for each customer, crowds at destinations and devices, and the
//! addresses wallets paid. Histories and crowds lie in pages, of which those that nobody asks for need not be in memory. A clone is
//! cheap. It never decides and never learns from what was only asked for.

use holdfast_chains::{Address, ChainId};

use crate::{
    crowd::{Crowd, DestinationStats, DeviceStats},
    history::{CustomerHistory, PaymentSeen, SessionSeen},
    ids::{CustomerRef, DeviceKey, DeviceRef, WalletId},
    look_alike::LookAlikes,
    minute::Minute,
    pages::{KeptPages, PageHash, PageRef, PagedMap, Pages},
    session::{Network, SessionSignals},
    time::TimestampMs,
};

const CUSTOMER: u8 = b'c';
const DEVICE: u8 = b'd';
const DESTINATION: u8 = b'p';

/// Everything that replay keeps for the risk score.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    records: PagedMap,
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
        self.change_customer(customer, |history| history.register(opened_at, last_active_at));
    }

    /// A session was reported.
    pub fn record_session(&mut self, customer: &CustomerRef, signals: &SessionSignals) {
        let details = &signals.details;
        let now = Minute::of(signals.observed_at);
        let seen = SessionSeen {
            at: signals.observed_at,
            device: details.device.as_ref(),
            new_device: signals.new_device,
            hidden: details.network.is_some_and(Network::is_hidden),
            hosted: details.network == Some(Network::Hosting),
            country_changed: details.country_changed.unwrap_or(false),
        };
        let mut fresh = false;
        self.change_customer(customer, |history| {
            history.record_session(&seen);
            fresh = history.is_fresh(now);
        });
        if let Some(device) = &details.device {
            self.see(&device_key(device.key()), customer, now, fresh);
        }
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
        let now = Minute::of(payment.at);
        let mut fresh = false;
        self.change_customer(customer, |history| {
            fresh = history.is_fresh(now);
            history.record_payment(payment);
        });
        self.see(&destination_key(chain, payment.destination), customer, now, fresh);
    }

    /// What is kept of a customer; `None` when nobody reported anything about them.
    pub fn customer(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        self.records.read(&customer_key(customer), |packed| CustomerHistory::unpack(packed).ok())
    }

    /// The customers that a destination was paid for.
    pub fn destination(&self, chain: ChainId, destination: &Address) -> DestinationStats {
        self.records.read(&destination_key(chain, destination), Crowd::unpack).unwrap_or_default()
    }

    /// The customers who came from a device.
    pub fn device(&self, device: &DeviceRef) -> DeviceStats {
        self.records.read(&device_key(device.key()), Crowd::unpack).unwrap_or_default()
    }

    /// The addresses wallets paid.
    pub fn look_alikes(&self) -> &LookAlikes {
        &self.look_alikes
    }

    /// Histories and crowds, for those who keep their pages.
    pub fn records(&self) -> &PagedMap {
        &self.records
    }

    /// From now on pages are read from here.
    pub fn read_from(&mut self, pages: &Pages) {
        self.records.read_from(pages);
    }

    /// See [`PagedMap::keep`].
    #[must_use = "pages that nobody writes are lost"]
    pub fn keep(&mut self) -> KeptPages {
        self.records.keep()
    }

    /// See [`PagedMap::settle`].
    pub fn settle(&mut self, kept: &KeptPages) {
        self.records.settle(kept);
    }

    /// The hashes of all pages that somebody keeps.
    pub fn named_pages(&self) -> impl Iterator<Item = PageHash> {
        self.records.named()
    }

    /// From pages that are kept elsewhere; `None` if they cannot be those of one state.
    pub fn from_references(references: Vec<(Vec<u8>, PageRef)>, pages: &Pages) -> Option<Self> {
        let records = PagedMap::from_references(references, pages)?;
        Some(Self { records, look_alikes: LookAlikes::default() })
    }

    /// From pages that are at hand; `None` if one is not what it is said to be.
    pub fn from_contents(contents: Vec<(Vec<u8>, PageRef, Vec<u8>)>, pages: &Pages) -> Option<Self> {
        let records = PagedMap::from_contents(contents, is_record, pages)?;
        Some(Self { records, look_alikes: LookAlikes::default() })
    }

    /// Puts an address that a wallet paid back.
    pub fn restore_look_alike(&mut self, wallet: &WalletId, chain: ChainId, address: &Address) {
        self.look_alikes.record(wallet, chain, address);
    }

    fn change_customer(&mut self, customer: &CustomerRef, change: impl FnOnce(&mut CustomerHistory)) {
        self.records.update(&customer_key(customer), |packed| {
            let mut history = match packed {
                Some(packed) => CustomerHistory::unpack(packed).ok()?,
                None => CustomerHistory::default(),
            };
            change(&mut history);
            Some(history.pack())
        });
    }

    fn see(&mut self, place: &[u8], customer: &CustomerRef, now: Minute, fresh: bool) {
        self.records.update(place, |packed| {
            let mut crowd = match packed {
                Some(packed) => Crowd::unpack(packed)?,
                None => Crowd::default(),
            };
            crowd.see(customer, now, fresh);
            Some(crowd.pack())
        });
    }
}

fn customer_key(customer: &CustomerRef) -> Vec<u8> {
    [&[CUSTOMER], customer.as_str().as_bytes()].concat()
}

fn device_key(device: DeviceKey) -> Vec<u8> {
    [[DEVICE].as_slice(), &device.0].concat()
}

fn destination_key(chain: ChainId, destination: &Address) -> Vec<u8> {
    [[DESTINATION].as_slice(), &chain.0.to_be_bytes(), destination.as_bytes()].concat()
}

/// Whether a record is what its key says.
fn is_record(key: &[u8], value: &[u8]) -> bool {
    match key.split_first() {
        Some((&CUSTOMER, name)) => {
            let named = std::str::from_utf8(name).is_ok_and(|name| CustomerRef::new(name).is_ok());
            named && CustomerHistory::unpack(value).is_ok()
        }
        Some((&DEVICE, device)) => device.len() == 8 && Crowd::unpack(value).is_some(),
        Some((&DESTINATION, place)) => place.len() == 28 && Crowd::unpack(value).is_some(),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests;
