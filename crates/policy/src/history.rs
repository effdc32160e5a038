//! Owns what is kept of one customer: when they came, what they usually withdraw, when, where to and from which devices. It is
//! made by replay alone, holds integers only, and fits in [`MAX_HISTORY_BYTES`]. It never decides and never forgets by the clock:
//! what it forgets depends on what happened.

mod amounts;
mod codec;
mod devices;
mod hours;
mod paid;
mod recent;

use holdfast_chains::Address;

use crate::{
    digest::sha256,
    ids::{ClientId, DeviceRef},
    minute::Minute,
    time::TimestampMs,
};
use devices::Devices;
use hours::Hours;
use paid::PaidDestinations;
use recent::Recent;

pub use amounts::{AmountStats, Deviation, Log2};
pub use codec::HistoryError;

/// The most bytes that one customer's history takes, encoded. Most take less than a tenth of it.
pub const MAX_HISTORY_BYTES: usize = 1_024;

/// A silence of so many minutes is remembered when it ends: 30 days.
const SILENCE: u32 = 30 * 24 * 60;
/// An account is new for 30 days.
const FRESH_ACCOUNT: u32 = 30 * 24 * 60;
/// Sessions are counted up to this, then all counters are halved: the newest half weighs most.
const MAX_SESSIONS: u8 = 64;
const MAX_CLIENTS: usize = 3;

/// What is known of one customer by replay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomerHistory {
    opened: Option<Minute>,
    last_active: Option<Minute>,
    /// When the customer came back from the last silence of at least 30 days, and how many minutes it had lasted.
    woke: Option<(Minute, u32)>,
    first_paid: Option<Minute>,
    paid: u32,
    sessions: Sessions,
    clients: Vec<u32>,
    amounts: AmountStats,
    hours: Hours,
    recent: Recent,
    destinations: PaidDestinations,
    devices: Devices,
}

/// How many sessions were seen, and how many of them were hidden, came from a data centre or from another country than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sessions {
    seen: u8,
    hidden: u8,
    hosted: u8,
    moved: u8,
}

/// One session, as replay tells it.
#[derive(Debug, Clone, Copy)]
pub struct SessionSeen<'a> {
    /// When.
    pub at: TimestampMs,
    /// The device, where the provider names it.
    pub device: Option<&'a DeviceRef>,
    /// Whether the provider had not seen the device with this customer before.
    pub new_device: bool,
    /// Whether the session came over Tor or a VPN.
    pub hidden: bool,
    /// Whether it came from a data centre.
    pub hosted: bool,
    /// Whether it came from another country than the one before.
    pub country_changed: bool,
}

/// One withdrawal that was paid, as replay tells it.
#[derive(Debug, Clone, Copy)]
pub struct PaymentSeen<'a> {
    /// When it was signed.
    pub at: TimestampMs,
    /// Who was paid.
    pub destination: &'a Address,
    /// What it was worth; `None` when nobody knew.
    pub usd_cents: Option<u64>,
    /// The client that asked.
    pub client: &'a ClientId,
}

impl CustomerHistory {
    /// The customer was registered: when the account was opened and, for imported accounts, the last sign of life.
    pub fn register(&mut self, opened_at: TimestampMs, last_active_at: Option<TimestampMs>) {
        let opened = Minute::of(opened_at);
        let first_seen = self.first_seen().filter(|_| self.opened.is_none());
        self.opened = Some(self.opened.map_or(opened, |known| known.min(opened)));
        let active = Minute::of(last_active_at.unwrap_or(opened_at)).max(opened);
        // A newer sign of life ends a silence like any other: it must not make it forgotten.
        self.be_active(active);
        // Who is registered only after a first session was silent until that one.
        let silence = first_seen.map(|seen| (seen, seen.since(active)));
        if let Some((seen, silence)) = silence.filter(|(_, silence)| *silence >= SILENCE) {
            self.woke = self.woke.filter(|(at, _)| *at > seen).or(Some((seen, silence)));
        }
    }

    /// As far as is remembered.
    fn first_seen(&self) -> Option<Minute> {
        let devices = self.devices.0.iter().map(|device| device.first);
        devices.chain(self.first_paid).min().or(self.last_active)
    }

    /// A session was reported.
    pub fn record_session(&mut self, session: &SessionSeen<'_>) {
        let now = Minute::of(session.at);
        self.be_active(now);
        if self.sessions.seen >= MAX_SESSIONS {
            let Sessions { seen, hidden, hosted, moved } = self.sessions;
            self.sessions =
                Sessions { seen: seen / 2, hidden: hidden / 2, hosted: hosted / 2, moved: moved / 2 };
        }
        self.sessions.seen = self.sessions.seen.saturating_add(1);
        self.sessions.hidden = self.sessions.hidden.saturating_add(u8::from(session.hidden));
        self.sessions.hosted = self.sessions.hosted.saturating_add(u8::from(session.hosted));
        self.sessions.moved = self.sessions.moved.saturating_add(u8::from(session.country_changed));
        if let Some(device) = session.device {
            self.devices.see(device.key(), now, session.new_device);
        }
    }

    /// A withdrawal was paid.
    pub fn record_payment(&mut self, payment: &PaymentSeen<'_>) {
        let now = Minute::of(payment.at);
        self.be_active(now);
        self.first_paid.get_or_insert(now);
        self.paid = self.paid.saturating_add(1);
        self.hours.add(now);
        let log2 = payment.usd_cents.map(Log2::of);
        if let Some(log2) = log2 {
            self.amounts.add(log2);
        }
        let young = self.destinations.first_paid(payment.destination).is_none_or(|first| {
            // A destination is young for a week: what goes there counts as going to a new place.
            now.since(first) <= 7 * 24 * 60
        });
        self.destinations.pay(payment.destination, now);
        self.recent.add(now, log2.unwrap_or_default(), young);
        let client = client_key(payment.client);
        if !self.clients.contains(&client) && self.clients.len() < MAX_CLIENTS {
            self.clients.push(client);
        }
    }

    fn be_active(&mut self, now: Minute) {
        if let Some(silence) =
            self.last_active.map(|last| now.since(last)).filter(|silence| *silence >= SILENCE)
        {
            self.woke = Some((now, silence));
        }
        self.last_active = Some(self.last_active.map_or(now, |last| last.max(now)));
    }

    /// When the account was opened; `None` when nobody registered it.
    pub fn opened(&self) -> Option<Minute> {
        self.opened
    }

    /// Whether the account is new: opened at most 30 days ago.
    pub fn is_fresh(&self, now: Minute) -> bool {
        self.opened.is_some_and(|opened| now.since(opened) <= FRESH_ACCOUNT)
    }

    /// When the last silence of 30 days or more ended and how many minutes it had lasted; one that lasts still ends at `now`.
    /// `Err` when nobody knows since when the customer is silent.
    pub fn awakening(&self, now: Minute) -> Result<Option<(Minute, u32)>, NeverSeen> {
        let silence = now.since(self.last_active.ok_or(NeverSeen)?);
        Ok(if silence >= SILENCE { Some((now, silence)) } else { self.woke })
    }

    /// Withdrawals paid so far.
    pub fn paid(&self) -> u32 {
        self.paid
    }

    /// Withdrawals that would be paid in `minutes` at the pace since the first one, in hundredths.
    pub fn usual_hundredths_in(&self, minutes: u32, now: Minute) -> u64 {
        const LEAST: u32 = 7 * 24 * 60;
        let Some(first) = self.first_paid.or(self.opened) else { return 0 };
        let known_for = u64::from(now.since(first.min(self.opened.unwrap_or(first))).max(LEAST));
        let hundred_times = u64::from(self.paid).saturating_mul(100).saturating_mul(u64::from(minutes));
        hundred_times.checked_div(known_for).unwrap_or(0)
    }

    /// What the customer's withdrawals are usually worth.
    pub fn amounts(&self) -> &AmountStats {
        &self.amounts
    }

    /// How many of 100 earlier withdrawals were paid within two hours of this hour of the day, and of how many that is known.
    pub fn share_at_hour(&self, now: Minute) -> (u32, u32) {
        self.hours.share_around(now)
    }

    /// When this customer was first paid to the destination, as far as is remembered.
    pub fn first_paid_to(&self, destination: &Address) -> Option<Minute> {
        self.destinations.first_paid(destination)
    }

    /// How many first and last hexadecimal digits the destination has in common with another one of this customer's, of those that
    /// share at least so many.
    pub fn look_alike(&self, destination: &Address, prefix: u8, suffix: u8) -> Option<(u8, u8)> {
        self.destinations.look_alike(destination, prefix, suffix)
    }

    /// Recent withdrawals within `minutes` before `now`.
    pub fn recent(&self, minutes: u32, now: Minute) -> impl Iterator<Item = RecentPayment> {
        self.recent.within(minutes, now)
    }

    /// When the device was first seen with this customer, and whether the account was known before that without it.
    pub fn device(&self, device: &DeviceRef) -> Option<DeviceSeen> {
        self.devices.find(device.key())
    }

    /// How many devices are remembered.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// How many of 100 sessions were hidden, if at least four are known.
    pub fn hidden_percent(&self) -> Option<u32> {
        self.sessions.percent(self.sessions.hidden)
    }

    /// How many of 100 sessions came from a data centre, if at least four are known.
    pub fn hosted_percent(&self) -> Option<u32> {
        self.sessions.percent(self.sessions.hosted)
    }

    /// How many of 100 sessions came from another country than the one before, if at least four are known.
    pub fn moved_percent(&self) -> Option<u32> {
        self.sessions.percent(self.sessions.moved)
    }

    /// Whether a withdrawal was ever paid through this client.
    pub fn used_client(&self, client: &ClientId) -> bool {
        self.clients.contains(&client_key(client))
    }
}

/// Nobody reported anything about the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeverSeen;

/// One of a customer's recent withdrawals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentPayment {
    /// When.
    pub at: Minute,
    /// What it was worth; zero when nobody knew.
    pub worth: Log2,
    /// Whether the destination was first paid at most a week before.
    pub to_young: bool,
}

/// What is known of a customer's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceSeen {
    /// First seen with this customer.
    pub first: Minute,
    /// It is the device the customer was first seen with, and the provider had not called it new then.
    pub from_the_start: bool,
}

impl Sessions {
    fn percent(self, part: u8) -> Option<u32> {
        const LEAST: u8 = 4;
        let percent = u32::from(part).saturating_mul(100).checked_div(u32::from(self.seen));
        percent.filter(|_| self.seen >= LEAST)
    }
}

/// Four bytes tell a handful of clients apart; nobody can choose them, because clients are registered by officers.
fn client_key(client: &ClientId) -> u32 {
    let [a, b, c, d, ..] = sha256(client.as_str().as_bytes());
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
