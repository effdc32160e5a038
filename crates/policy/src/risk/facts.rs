//! Owns the facts that components look at, gathered once for one withdrawal. A fact that nobody knows is `None` and stays so: no
//! component turns it into a default.

use std::collections::BTreeSet;

use holdfast_chains::{Address, Asset, ChainId};

use super::RiskFact;
use crate::{
    crowd::{DestinationStats, DeviceStats},
    exposure::Exposure,
    facts::{PolicyView, WithdrawalFacts},
    history::{CustomerHistory, DeviceSeen, Log2},
    ids::{ClientId, CustomerRef},
    look_alike::LookAlikes,
    minute::Minute,
    session::SessionSignals,
    time::{DurationMs, TimestampMs},
};

/// What one evaluation knows for the score.
pub(crate) struct RiskFacts<'a> {
    pub(super) at: TimestampMs,
    pub(super) now: Minute,
    /// `None`: a list is missing and no other one lists the destination.
    pub(super) listed: Option<bool>,
    /// The session report, if it counts, and its age.
    pub(super) session: Option<(&'a SessionSignals, DurationMs)>,
    pub(super) client: &'a ClientId,
    pub(super) customer: Option<&'a CustomerRef>,
    pub(super) history: Option<CustomerHistory>,
    pub(super) destination: Option<DestinationStats>,
    pub(super) device: Option<DeviceStats>,
    pub(super) look_alikes: Option<&'a LookAlikes>,
    pub(super) exposure: &'a Exposure,
    pub(super) usd_cents: Option<u64>,
    /// Whether an active whitelist entry covers the withdrawal; `None` without an asset.
    pub(super) whitelisted: Option<bool>,
    pub(super) place: Option<(ChainId, Address)>,
    /// The addresses among a call's arguments.
    pub(super) named: Vec<Address>,
    pub(super) withdrawal: &'a WithdrawalFacts,
}

/// What evaluation knows already.
pub(crate) struct Known<'a> {
    pub(crate) at: TimestampMs,
    pub(crate) named: &'a [Address],
    pub(crate) listed: Option<bool>,
    pub(crate) session: Option<(&'a SessionSignals, DurationMs)>,
    pub(crate) asset: Option<&'a Asset>,
    pub(crate) whitelisted: bool,
    pub(crate) usd_cents: Option<u64>,
    pub(crate) exposure: &'a Exposure,
}

impl<'a> RiskFacts<'a> {
    pub(crate) fn gather<V: PolicyView + ?Sized>(
        view: &'a V,
        withdrawal: &'a WithdrawalFacts,
        known: Known<'a>,
    ) -> Self {
        let place = known.asset.map(|asset| (asset.chain_id, withdrawal.destination));
        let customer = withdrawal.customer.as_ref();
        let device = known.session.and_then(|(report, _)| report.details.device.as_ref());
        Self {
            at: known.at,
            now: Minute::of(known.at),
            listed: known.listed,
            session: known.session,
            client: &withdrawal.client,
            customer,
            history: customer.and_then(|customer| view.customer_history(customer)),
            destination: place.and_then(|(chain, address)| view.destination_stats(chain, &address)),
            device: device.and_then(|device| view.device_stats(device)),
            look_alikes: view.look_alikes(),
            exposure: known.exposure,
            usd_cents: known.usd_cents,
            whitelisted: place.map(|_| known.whitelisted),
            place,
            named: known.named.to_vec(),
            withdrawal,
        }
    }

    /// The facts that nobody knows.
    pub(crate) fn unknown(&self) -> BTreeSet<RiskFact> {
        RiskFact::ALL.into_iter().filter(|fact| !self.knows(*fact)).collect()
    }

    fn knows(&self, fact: RiskFact) -> bool {
        match fact {
            // INVARIANT (G9): a customer whom nobody registered has no silence to compare with, however many sessions were
            // reported since.
            RiskFact::History => self.history.as_ref().is_some_and(|history| history.opened().is_some()),
            RiskFact::Destination => self.destination.is_some() && self.customer.is_some(),
            RiskFact::Device => self.device_seen().is_some() && self.device.is_some(),
            RiskFact::Worth => self.usd_cents.is_some(),
        }
    }

    pub(super) fn report(&self) -> Option<&'a SessionSignals> {
        self.session.map(|(report, _)| report)
    }

    pub(super) fn worth(&self) -> Option<Log2> {
        self.usd_cents.map(Log2::of)
    }

    /// When this customer was first paid to the destination. The destination remembers its first customers to the minute, the
    /// customer the last destinations to the hour. `None` when nobody knows, `Some(None)` when never.
    pub(super) fn first_paid(&self) -> Option<Option<Minute>> {
        let history = self.history.as_ref()?;
        let own = history.first_paid_to(&self.withdrawal.destination);
        let theirs =
            self.destination.as_ref().zip(self.customer).and_then(|(crowd, customer)| crowd.since(customer));
        Some(theirs.or(own))
    }

    /// The device of the session as this customer's history knows it: `None` when nobody can tell.
    pub(super) fn device_seen(&self) -> Option<DeviceSeen> {
        let device = self.report()?.details.device.as_ref()?;
        // A device that is not among those remembered is first seen now.
        let unknown = DeviceSeen { first: self.now, from_the_start: false };
        Some(self.history.as_ref()?.device(device).unwrap_or(unknown))
    }
}
