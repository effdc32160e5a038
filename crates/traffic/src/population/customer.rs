//! Owns what is remembered of one customer. Honest behaviour and thefts both act on it; it decides neither.

use crate::{
    calendar::{Rhythm, hours},
    draw::{Domain, Draws, Seed},
    event::{Address, Asset, Client, Country, CustomerId, DeviceId, SessionReport, TimeMs},
    number::whole,
    population::Segment,
};

/// Nobody robs this customer.
const NEVER: TimeMs = TimeMs(u64::MAX);

/// What a customer always does.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Usually behind a VPN.
    pub vpn: bool,
    /// Often behind Tor.
    pub tor: bool,
    /// Lets the exchange pay only to confirmed addresses.
    pub whitelist: bool,
    /// Likes round numbers.
    pub rounds: bool,
    /// Stays under published limits.
    pub under_limit: bool,
    /// Uses the API.
    pub api: bool,
}

/// What kind of place a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The customer's own wallet, or a friend's.
    Private,
    /// A busy service.
    Hot,
    /// A new busy place.
    Launch,
    /// Shared in the household.
    Household,
}

/// A destination that the customer used or is about to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub address: Address,
    pub kind: Kind,
    pub whitelisted_since: Option<TimeMs>,
    /// Ever, also before the stream began.
    pub used: bool,
    /// In the stream.
    pub paid: bool,
}

impl Known {
    pub(crate) fn new(address: Address, kind: Kind) -> Self {
        Self { address, kind, whitelisted_since: None, used: false, paid: false }
    }
}

/// Last resets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resets {
    pub second_factor: Option<TimeMs>,
    pub password: Option<TimeMs>,
    pub email: Option<TimeMs>,
}

/// What the customer does next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// Becomes known to the log.
    Arrive,
    /// Logs in to look, and withdraws another time.
    Look { cents: f64, until: TimeMs },
    /// Withdraws about so many cents, to this destination if one was prepared.
    Withdraw { cents: f64, errand: Option<Address> },
    /// Pays everybody.
    Payday,
}

/// How somebody logs in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub device: DeviceId,
    pub new_device: bool,
    pub country: Country,
    pub network: crate::event::Network,
    pub api_key_made: Option<TimeMs>,
}

/// One customer.
#[derive(Debug)]
pub(crate) struct Customer {
    pub index: u32,
    pub id: CustomerId,
    pub segment: Segment,
    pub home: Country,
    pub rhythm: Rhythm,
    pub habits: Habits,
    pub opened_at: TimeMs,
    pub known_from: TimeMs,
    pub last_active_at: TimeMs,
    pub last_paid_at: TimeMs,
    /// Withdrawals a day.
    pub rate: f64,
    pub median_cents: f64,
    pub sigma: f64,
    pub favourite: Asset,
    pub main_device: DeviceId,
    pub main_device_since: TimeMs,
    pub other_device: Option<DeviceId>,
    pub shared_device: Option<(DeviceId, f64)>,
    pub household_address: Option<Address>,
    pub destinations: Vec<Known>,
    /// Confirmed by a thief: the customer never chooses these.
    pub foreign: Vec<Known>,
    pub balance: u64,
    /// Comes in at this time, and counts when the customer acts after it.
    pub pending: (TimeMs, u64),
    pub last_country: Country,
    pub journey: Option<(TimeMs, Country)>,
    pub resets: Resets,
    pub api_key_made: TimeMs,
    pub plan: Plan,
    pub locked_from: TimeMs,
    pub robbed: bool,
    step: u64,
    devices: u64,
}

/// What a profile decides; the rest of a customer follows.
#[derive(Debug)]
pub(crate) struct Person {
    pub index: u32,
    pub segment: Segment,
    pub home: Country,
    pub rhythm: Rhythm,
    pub habits: Habits,
    pub opened_at: TimeMs,
    pub known_from: TimeMs,
    pub last_active_at: TimeMs,
    pub rate: f64,
    pub median_cents: f64,
    pub sigma: f64,
    pub favourite: Asset,
}

impl Customer {
    pub(crate) fn new(person: Person, seed: Seed) -> Self {
        let mut customer = Self {
            index: person.index,
            id: CustomerId(seed.pseudonym(Domain::Profile, u64::from(person.index))),
            segment: person.segment,
            home: person.home,
            rhythm: person.rhythm,
            habits: person.habits,
            opened_at: person.opened_at,
            known_from: person.known_from,
            last_active_at: person.last_active_at,
            last_paid_at: person.last_active_at,
            rate: person.rate,
            median_cents: person.median_cents,
            sigma: person.sigma,
            favourite: person.favourite,
            main_device: DeviceId(0),
            main_device_since: person.opened_at,
            other_device: None,
            shared_device: None,
            household_address: None,
            destinations: Vec::new(),
            foreign: Vec::new(),
            balance: 0,
            pending: (person.known_from, 0),
            last_country: person.home,
            journey: None,
            resets: Resets::default(),
            api_key_made: person.opened_at,
            plan: Plan::Arrive,
            locked_from: NEVER,
            robbed: false,
            step: 0,
            devices: 0,
        };
        customer.main_device = customer.another_device(seed);
        customer
    }

    /// Draws for the next thing this customer does.
    pub(crate) fn draws(&mut self, seed: Seed) -> Draws {
        self.step = self.step.saturating_add(1);
        seed.draws(Domain::Customer, u64::from(self.index), self.step)
    }

    /// A device never seen before.
    pub(crate) fn another_device(&mut self, seed: Seed) -> DeviceId {
        self.devices = self.devices.saturating_add(1);
        let number = u64::from(self.index).wrapping_shl(24) | (self.devices & 0x00ff_ffff);
        DeviceId(seed.pseudonym(Domain::Customer, number))
    }

    /// Whether no attacker has chosen this customer.
    pub(crate) fn is_free(&self) -> bool {
        !self.robbed && self.locked_from == NEVER
    }

    /// An amount this customer might take, in cents.
    pub(crate) fn usual_cents(&self, draws: &mut Draws) -> f64 {
        draws.log_normal(self.median_cents, self.sigma)
    }

    /// Which client a login leads to.
    pub(crate) fn client(&self, access: &Access) -> Client {
        if access.api_key_made.is_some() {
            Client::Api
        } else if self.segment == Segment::Whale {
            Client::Desk
        } else {
            Client::Web
        }
    }

    /// An asset this customer might take.
    pub(crate) fn some_asset(&self, draws: &mut Draws) -> Asset {
        if draws.chance(0.8) { self.favourite } else { some_asset(draws) }
    }

    /// What the session provider reports about this login; the country counts as the last one seen.
    pub(crate) fn report(&mut self, access: &Access, resets: &Resets, at: TimeMs) -> SessionReport {
        let country_changed = access.country != self.last_country;
        self.last_country = access.country;
        SessionReport {
            customer: self.id,
            device: access.device,
            new_device: access.new_device,
            country: access.country,
            country_changed,
            network: access.network,
            second_factor_reset_hours: lately(resets.second_factor, at),
            password_reset_hours: lately(resets.password, at),
            email_change_hours: lately(resets.email, at),
            api_key_hours: access.api_key_made.map(|made| hours_since(made, at).min(720)),
        }
    }

    /// What came in until `now` is there.
    pub(crate) fn settle(&mut self, now: TimeMs) {
        let (at, cents) = self.pending;
        if at <= now {
            self.balance = self.balance.saturating_add(cents);
            self.pending = (at, 0);
        }
    }

    /// The destination with this address.
    pub(crate) fn known(&mut self, address: Address) -> Option<&mut Known> {
        self.destinations.iter_mut().chain(&mut self.foreign).find(|known| known.address == address)
    }
}

/// Assumed; stablecoins lead what leaves exchanges on Ethereum.
pub(crate) fn some_asset(draws: &mut Draws) -> Asset {
    Asset::ALL.get(draws.weighted(&[0.30, 0.45, 0.17, 0.08])).copied().unwrap_or(Asset::Usdt)
}

fn hours_since(then: TimeMs, at: TimeMs) -> u16 {
    let passed = at.since(then).checked_div(hours(1.0)).unwrap_or(0);
    u16::try_from(passed).unwrap_or(u16::MAX)
}

/// Hours since `then`, if that is at most 720.
fn lately(then: Option<TimeMs>, at: TimeMs) -> Option<u16> {
    then.filter(|then| *then <= at).map(|then| hours_since(then, at)).filter(|passed| *passed <= 720)
}

/// Whole cents of a wish.
pub(crate) fn cents(wish: f64) -> u64 {
    whole(wish.clamp(0.0, 5e9))
}
