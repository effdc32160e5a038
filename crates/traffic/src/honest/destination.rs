//! Owns where honest customers send money: mostly where they sent it before, sometimes somewhere new.

use crate::{
    calendar::{hours, minutes},
    draw::Draws,
    event::{Address, Event, TimeMs, WhitelistEntry},
    label::Label,
    outbox::Outbox,
    population::{Customer, Kind, Known},
    scene::Scene,
};

/// Destinations a customer remembers. Older ones than that are forgotten from the end.
const REMEMBERED: usize = 64;

/// A destination chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub address: Address,
    pub kind: Kind,
    /// Never paid before.
    pub is_new: bool,
}

impl Choice {
    /// The exchange would refuse: this customer's money goes only to confirmed addresses.
    pub(super) fn is_unconfirmed(&self, customer: &mut Customer) -> bool {
        customer.habits.whitelist && self.whitelisted_since(customer).is_none()
    }

    pub(super) fn whitelisted_since(&self, customer: &mut Customer) -> Option<TimeMs> {
        customer.known(self.address).and_then(|known| known.whitelisted_since)
    }

    pub(super) fn mark_used(&self, customer: &mut Customer) {
        if let Some(known) = customer.known(self.address) {
            known.used = true;
            known.paid = true;
        }
    }
}

/// Where it shall go: the prepared address, one of those in use (Zipf by age), or a new one.
pub(super) fn choose(
    customer: &mut Customer,
    errand: Option<Address>,
    now: TimeMs,
    scene: &Scene,
    draws: &mut Draws,
) -> Option<Choice> {
    if let Some(prepared) = errand.and_then(|address| customer.known(address)) {
        return Some(choice(prepared));
    }
    let chance = customer.segment.traits().new_address
        * scene.mood(now).new_addresses
        * scene.shift(now).new_addresses;
    if customer.destinations.is_empty() || draws.chance(chance.min(0.95)) {
        let (address, kind) = somewhere_new(customer, now, scene, draws);
        if customer.known(address).is_none() {
            customer.destinations.truncate(REMEMBERED);
            customer.destinations.push(Known::new(address, kind));
        }
        return customer.known(address).map(|known| choice(known));
    }
    let at = draws.zipf(customer.destinations.len());
    customer.destinations.get(at).map(choice)
}

fn choice(known: &Known) -> Choice {
    Choice { address: known.address, kind: known.kind, is_new: !known.used }
}

fn somewhere_new(customer: &Customer, now: TimeMs, scene: &Scene, draws: &mut Draws) -> (Address, Kind) {
    if let Some(shared) = customer.household_address.filter(|_| draws.chance(0.35)) {
        return (shared, Kind::Household);
    }
    let launch = draws.chance(0.06).then(|| scene.places.launch(now, draws)).flatten();
    let hot = draws.chance(0.15).then(|| scene.places.hot(draws)).flatten();
    if let Some(launch) = launch {
        (launch, Kind::Launch)
    } else if let Some(hot) = hot {
        (hot, Kind::Hot)
    } else {
        (Address(draws.twenty_bytes()), Kind::Private)
    }
}

/// The customer confirms an address. Returns when the exchange says it can be used.
pub(super) fn confirm(
    customer: &mut Customer,
    address: Address,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
) -> TimeMs {
    let confirmed_at = now.plus(minutes(draws.between(1.0, 6.0)));
    confirm_at(customer, address, confirmed_at, scene, outbox, Label::PLAIN);
    let wait = f64::from(scene.parameters.published.whitelist_wait_hours);
    // Some are back the minute it can be used, others days later.
    confirmed_at.plus(hours(wait)).plus(hours(draws.exponential(8.0)))
}

/// Tells the log of a confirmation at a given time.
pub(crate) fn confirm_at(
    customer: &mut Customer,
    address: Address,
    at: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    label: Label,
) {
    let at = scene.no_later_than_end(at);
    if let Some(known) = customer.known(address) {
        known.whitelisted_since = Some(at);
    }
    let entry = WhitelistEntry { customer: customer.id, destination: address, confirmed_at: at };
    outbox.push(at, Event::Whitelisted(entry), label);
}
