//! What leaves the wallets, counted for sliding windows: [`Outflows`]. It answers how much the withdrawals beside one's own take
//! of a window, exactly and in logarithmic time, and it never decides: `evaluate/limit_window.rs` does.
//!
//! A withdrawal counts from the entry that carried its request. Until it is paid its amount weighs in every window whatever the
//! time is: it may leave at any moment. From its canonical signature on it ages.

mod meter;
mod places;
mod series;
mod total;

use std::sync::Arc;

use holdfast_chains::{Address, Amount, AssetSymbol, ChainId};
use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use crate::{
    document::{PolicyDocument, WindowLimit},
    ids::{ClientId, CustomerRef, RuleId, WalletId},
    time::{DurationMs, TimestampMs},
};
use meter::{Meter, MeterKey};

/// The longest window: what was paid earlier is forgotten.
pub const MAX_WINDOW: DurationMs = DurationMs(35 * 24 * 60 * 60 * 1000);

/// The most places of one client that are only asked for.
pub const MAX_PLACES_OF_CLIENT: u64 = 10_000;
/// The most places of one client for one customer that are only asked for: what a client asks for takes nobody else's place.
pub const MAX_PLACES_OF_CUSTOMER: u64 = 1_000;

/// What one withdrawal takes out, and whom it counts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outflow {
    /// The wallet that pays.
    pub wallet: WalletId,
    /// The asset.
    pub asset: AssetSymbol,
    /// The client that asked.
    pub client: ClientId,
    /// The customer it is for.
    pub customer: Option<CustomerRef>,
    /// The chain of the destination.
    pub chain_id: ChainId,
    /// Who is paid.
    pub destination: Address,
    /// The amount, in the asset's base units.
    pub amount: Amount,
    /// The amount in US cents when it was last decided; `None` when nobody knew the price.
    pub usd_cents: Option<u64>,
}

/// How far an outflow has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutflowStage {
    /// Asked for and neither refused nor authorized: it gives its place up at this time at the latest.
    Reserved {
        /// The first moment at which it cannot be authorized any more.
        until: TimestampMs,
    },
    /// Nodes may sign it. Time does not end this.
    Authorized,
}

/// Whose place in a window is asked for: where its request is in the log. A replacement has the place of what it replaces.
pub type Place = u64;

/// What others take of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// This much, in the window's unit.
    Known(Amount),
    /// At least one of them cannot be expressed in the window's unit, or the sum has no end.
    Unknown,
}

/// Whose places are so many that no other is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// The client's: [`MAX_PLACES_OF_CLIENT`].
    Client,
    /// The client's for this customer: [`MAX_PLACES_OF_CUSTOMER`].
    Customer,
}

/// Everything that counts in some window.
///
/// A clone is cheap. Times must not go back from one call to the next: they are those of log entries.
#[derive(Debug, Clone, Default)]
pub struct Outflows {
    open: OrdMap<Place, (Arc<Outflow>, OutflowStage)>,
    ends: OrdSet<(TimestampMs, Place)>,
    // How many of the open ones are only asked for.
    asked: OrdMap<Asker, u64>,
    paid: Vector<(TimestampMs, Place, Arc<Outflow>)>,
    paid_at: OrdMap<Place, (TimestampMs, Arc<Outflow>)>,
    windows: Vector<(RuleId, Arc<WindowLimit>)>,
    meters: OrdMap<MeterKey, Meter>,
}

impl Outflows {
    /// Counts for the windows of another document from now on: everything that is kept is counted again.
    pub fn measure(&mut self, document: &PolicyDocument) {
        self.windows =
            document.windows().map(|(rule, limit)| (rule.clone(), Arc::new(limit.clone()))).collect();
        self.meters = OrdMap::new();
        for (place, (outflow, stage)) in self.open.clone() {
            self.in_meters(&outflow, |meter, value| meter.wait(place, value, stage));
        }
        for (time, _, outflow) in self.paid.clone() {
            self.in_meters(&outflow, |meter, value| meter.pay(time, value));
        }
    }

    /// Takes or keeps a place.
    // INVARIANT (G1): what is authorized again, by a replacement of what was paid, is open again and does not age; and what was
    // authorized keeps the worth it was authorized with.
    pub fn hold_place(&mut self, place: Place, outflow: Outflow, stage: OutflowStage) {
        match (stage, self.open.get(&place).map(|(_, known)| *known)) {
            (OutflowStage::Authorized, Some(OutflowStage::Authorized)) => return,
            (OutflowStage::Authorized, _) => self.take_back(place),
            (OutflowStage::Reserved { .. }, _) if self.paid_at.contains_key(&place) => return,
            (OutflowStage::Reserved { .. }, _) => {}
        }
        self.leave(place);
        if let OutflowStage::Reserved { until } = stage {
            self.ends.insert((until, place));
            Asker::both(&outflow).for_each(|asker| self.count(asker, 1));
        }
        let outflow = Arc::new(outflow);
        self.in_meters(&outflow, |meter, value| meter.wait(place, value, stage));
        self.open.insert(place, (outflow, stage));
    }

    /// Gives a place up: refused, cancelled, expired, or sworn off by enough nodes.
    pub fn leave(&mut self, place: Place) {
        let Some((outflow, stage)) = self.open.remove(&place) else { return };
        if let OutflowStage::Reserved { until } = stage {
            self.ends.remove(&(until, place));
            Asker::both(&outflow).for_each(|asker| self.count(asker, -1));
        }
        self.in_meters(&outflow, |meter, _| meter.leave(place));
    }

    /// Gives up every place that was only asked for and that `stands` says nobody can use any more.
    pub fn free_places(&mut self, stands: impl Fn(Place, &Outflow) -> bool) {
        let reserved = |stage: &OutflowStage| matches!(stage, OutflowStage::Reserved { .. });
        let over: Vec<Place> = self
            .open
            .iter()
            .filter(|(place, (outflow, stage))| reserved(stage) && !stands(**place, outflow))
            .map(|(place, _)| *place)
            .collect();
        for place in over {
            self.leave(place);
        }
    }

    /// Its signature is in the log: from now on it ages.
    pub fn pay(&mut self, place: Place, time: TimestampMs) {
        let Some((outflow, _)) = self.open.get(&place).cloned() else { return };
        self.leave(place);
        self.in_meters(&outflow, |meter, value| meter.pay(time, value));
        self.paid.push_back((time, place, Arc::clone(&outflow)));
        self.paid_at.insert(place, (time, outflow));
    }

    /// Forgets what counts no more at this time.
    pub fn advance(&mut self, time: TimestampMs) {
        while let Some(&(until, place)) = self.ends.get_min()
            && until <= time
        {
            self.leave(place);
        }
        while let Some((paid, ..)) = self.paid.front()
            && has_left(*paid, time, MAX_WINDOW)
            && let Some((_, place, outflow)) = self.paid.pop_front()
        {
            self.paid_at.remove(&place);
            self.in_meters(&outflow, |meter, _| meter.forget(time, MAX_WINDOW));
        }
    }

    /// What others take of a window at a time: all that is authorized or paid, and the places asked for before this one.
    // INVARIANT (G1): of two withdrawals that do not fit together the one that was asked for first finds the other's amount not
    // counted, and the other finds this one's counted: both never pass.
    pub fn taken(
        &self,
        rule: &RuleId,
        limit: &WindowLimit,
        mine: &Outflow,
        place: Place,
        at: TimestampMs,
    ) -> Taken {
        let Some(meter) = self.meters.get(&MeterKey::of(rule, limit, mine)) else {
            return Taken::Known(Amount::ZERO);
        };
        // What was counted then, not what it is worth now.
        let paid = self.paid_at.get(&place).filter(|(paid, _)| !has_left(*paid, at, limit.window));
        let own = paid.and_then(|(_, outflow)| limit.value_of(outflow).flatten());
        meter.taken(place, own.unwrap_or(Amount::ZERO), at, limit.window)
    }

    /// Whether a client may ask for one more place at this time, and for this customer.
    ///
    /// # Errors
    /// [`Crowded`] if too many are only asked for already. They are given up when they are authorized, refused, cancelled or
    /// expired, and when the client is revoked.
    pub fn room(
        &self,
        client: &ClientId,
        customer: Option<&CustomerRef>,
        at: TimestampMs,
    ) -> Result<(), Crowded> {
        let of_client = (Asker::Client(client.clone()), MAX_PLACES_OF_CLIENT, Crowded::Client);
        let of_customer = customer.map(|customer| {
            (Asker::Customer(client.clone(), customer.clone()), MAX_PLACES_OF_CUSTOMER, Crowded::Customer)
        });
        for (asker, most, crowded) in std::iter::once(of_client).chain(of_customer) {
            let asked = self.asked.get(&asker).copied().unwrap_or(0);
            // What ended since the last entry takes no place, even if no entry comes that says so.
            if asked >= most && asked.saturating_sub(self.ended(&asker, at)) >= most {
                return Err(crowded);
            }
        }
        Ok(())
    }

    /// Places that are taken, in the order in which they were asked for.
    pub fn open(&self) -> impl Iterator<Item = (Place, &Outflow, OutflowStage)> {
        self.open.iter().map(|(place, (outflow, stage))| (*place, outflow.as_ref(), *stage))
    }

    /// What was paid within [`MAX_WINDOW`], the oldest first.
    pub fn paid(&self) -> impl Iterator<Item = (TimestampMs, Place, &Outflow)> {
        self.paid.iter().map(|(time, place, outflow)| (*time, *place, outflow.as_ref()))
    }

    /// What [`Outflows::open`] and [`Outflows::paid`] gave, put together again; windows are measured by [`Outflows::measure`].
    pub fn restore(
        open: impl IntoIterator<Item = (Place, Outflow, OutflowStage)>,
        paid: impl IntoIterator<Item = (TimestampMs, Place, Outflow)>,
    ) -> Self {
        let mut outflows = Self::default();
        for (place, outflow, stage) in open {
            outflows.hold_place(place, outflow, stage);
        }
        for (time, place, outflow) in paid {
            let outflow = Arc::new(outflow);
            outflows.paid.push_back((time, place, Arc::clone(&outflow)));
            outflows.paid_at.insert(place, (time, outflow));
        }
        outflows
    }

    fn ended(&self, asker: &Asker, at: TimestampMs) -> u64 {
        let ended = self.ends.range(..=(at, Place::MAX)).filter_map(|(_, place)| self.open.get(place));
        let theirs = ended.filter(|(outflow, _)| Asker::both(outflow).any(|one| one == *asker));
        u64::try_from(theirs.count()).unwrap_or(u64::MAX)
    }

    fn count(&mut self, asker: Asker, change: i64) {
        match self.asked.get(&asker).copied().unwrap_or(0).saturating_add_signed(change) {
            0 => self.asked.remove(&asker),
            asked => self.asked.insert(asker, asked),
        };
    }

    fn take_back(&mut self, place: Place) {
        let Some((time, outflow)) = self.paid_at.remove(&place) else { return };
        self.paid.retain(|(_, paid, _)| *paid != place);
        self.in_meters(&outflow, |meter, value| meter.take_back(time, value));
    }

    fn in_meters(&mut self, outflow: &Outflow, mut change: impl FnMut(&mut Meter, Option<Amount>)) {
        for (rule, limit) in &self.windows {
            let Some(value) = limit.value_of(outflow) else { continue };
            let key = MeterKey::of(rule, limit, outflow);
            let meter = self.meters.entry(key).or_default();
            change(meter, value);
            if meter.is_empty() {
                self.meters.remove(&key);
            }
        }
    }
}

/// Whose places are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    Client(ClientId),
    Customer(ClientId, CustomerRef),
}

impl Asker {
    fn both(outflow: &Outflow) -> impl Iterator<Item = Self> + use<> {
        let customer = outflow.customer.clone();
        let customer = customer.map(|customer| Self::Customer(outflow.client.clone(), customer));
        std::iter::once(Self::Client(outflow.client.clone())).chain(customer)
    }
}

/// Windows are `(at - window, at]`: what was paid exactly one window ago counts no more.
pub(crate) fn has_left(paid: TimestampMs, at: TimestampMs, window: DurationMs) -> bool {
    at.checked_sub(window).is_some_and(|start| paid <= start)
}

#[cfg(test)]
mod tests;
