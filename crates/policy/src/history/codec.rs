//! Owns the packed form of a history: one byte of version, then numbers of seven bits a byte. It never accepts bytes that it
//! would write differently: a history has one packed form.

use thiserror::Error;

use super::{
    AmountStats, CustomerHistory, Log2, MAX_CLIENTS, RecentPayment, Sessions,
    devices::{Device, Devices, MAX_DEVICES},
    hours::Hours,
    paid::{MAX_DESTINATIONS, PaidDestination, PaidDestinations},
    recent::{MAX_RECENT, Recent},
};
use crate::{ids::DeviceKey, minute::Minute};

const VERSION: u8 = 1;

/// Bytes that are no packed history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a packed customer history of version {VERSION}")]
pub struct HistoryError;

impl HistoryError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        "HISTORY_INVALID"
    }
}

impl CustomerHistory {
    /// The packed form, at most [`MAX_HISTORY_BYTES`](super::MAX_HISTORY_BYTES) long.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Writer(vec![VERSION]);
        for minute in [self.opened, self.last_active, self.first_paid] {
            out.optional(minute);
        }
        out.optional(self.woke.map(|(at, _)| at));
        if let Some((_, silence)) = self.woke {
            out.number(silence.into());
        }
        out.number(self.paid.into());
        let Sessions { seen, hidden, hosted, moved } = self.sessions;
        out.0.extend([seen, hidden, hosted, moved]);
        out.list(&self.clients, |out, client| out.number((*client).into()));
        out.number(self.amounts.count.into());
        out.number(self.amounts.sum);
        out.number(self.amounts.squares);
        out.hours(&self.hours);
        let newest = self.recent.0.last().map_or(Minute(0), |payment| payment.at);
        out.number(newest.0.into());
        out.list(&self.recent.0, |out, payment| {
            let marked = u64::from(newest.since(payment.at)) << 1 | u64::from(payment.to_young);
            out.number(marked);
            out.number(payment.worth.0.into());
        });
        out.list(&self.destinations.0, |out, known| {
            out.0.extend(known.mark);
            out.number(known.first.into());
            out.number(known.last.saturating_sub(known.first).into());
        });
        out.list(&self.devices.0, |out, device| {
            out.0.extend(device.key.0);
            out.number(u64::from(device.first.0) << 1 | u64::from(device.from_the_start));
            out.number(device.last.since(device.first).into());
        });
        out.0
    }

    /// Reads the packed form.
    pub fn unpack(bytes: &[u8]) -> Result<Self, HistoryError> {
        let mut input = Reader(bytes);
        let history = input.history().ok_or(HistoryError)?;
        // One form only: what would be written differently was not written here.
        if input.0.is_empty() && history.pack() == bytes { Ok(history) } else { Err(HistoryError) }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).unwrap_or(0);
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn optional(&mut self, minute: Option<Minute>) {
        self.number(minute.map_or(0, |minute| u64::from(minute.0).saturating_add(1)));
    }

    fn list<T>(&mut self, list: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.0.push(u8::try_from(list.len()).unwrap_or(u8::MAX));
        list.iter().for_each(|item| each(self, item));
    }

    /// Three bytes say which hours follow.
    fn hours(&mut self, hours: &Hours) {
        let used = hours.0.iter().rev().fold(0_u32, |bits, count| bits << 1 | u32::from(*count > 0));
        self.0.extend(used.to_le_bytes().iter().take(3));
        self.0.extend(hours.0.iter().filter(|count| **count > 0));
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn history(&mut self) -> Option<CustomerHistory> {
        if self.byte()? != VERSION {
            return None;
        }
        let [opened, last_active, first_paid, woke] = [(); 4].map(|()| self.optional());
        let (opened, last_active, first_paid) = (opened?, last_active?, first_paid?);
        let woke = match woke? {
            Some(at) => Some((at, self.small()?)),
            None => None,
        };
        let paid = self.small()?;
        let sessions =
            Sessions { seen: self.byte()?, hidden: self.byte()?, hosted: self.byte()?, moved: self.byte()? };
        let clients = self.list(MAX_CLIENTS, Self::small)?;
        let amounts = AmountStats { count: self.small()?, sum: self.number()?, squares: self.number()? };
        let hours = self.hours()?;
        let newest = self.small()?;
        let recent = self.list(MAX_RECENT, |input| input.recent(newest))?;
        let destinations = self.list(MAX_DESTINATIONS, Self::destination)?;
        let devices = self.list(MAX_DEVICES, Self::device)?;
        Some(CustomerHistory {
            opened,
            last_active,
            woke,
            first_paid,
            paid,
            sessions,
            clients,
            amounts,
            hours,
            recent: Recent(recent),
            destinations: PaidDestinations(destinations),
            devices: Devices(devices),
        })
    }

    fn recent(&mut self, newest: u32) -> Option<RecentPayment> {
        let marked = self.number()?;
        let at = Minute(newest.checked_sub(u32::try_from(marked >> 1).ok()?)?);
        let worth = Log2(u16::try_from(self.number()?).ok()?);
        Some(RecentPayment { at, worth, to_young: marked & 1 == 1 })
    }

    fn destination(&mut self) -> Option<PaidDestination> {
        let mark = self.array()?;
        let first = self.small()?;
        Some(PaidDestination { mark, first, last: first.checked_add(self.small()?)? })
    }

    fn device(&mut self) -> Option<Device> {
        let key = DeviceKey(self.array()?);
        let marked = self.number()?;
        let first = Minute(u32::try_from(marked >> 1).ok()?);
        let last = Minute(first.0.checked_add(self.small()?)?);
        Some(Device { key, first, last, from_the_start: marked & 1 == 1 })
    }

    fn hours(&mut self) -> Option<Hours> {
        let [a, b, c] = self.array()?;
        let used = u32::from_le_bytes([a, b, c, 0]);
        let mut hours = Hours::default();
        for (hour, count) in (0_u32..).zip(&mut hours.0) {
            if used >> hour & 1 == 1 {
                *count = self.byte()?;
            }
        }
        Some(hours)
    }

    fn list<T>(&mut self, max: usize, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = usize::from(self.byte()?);
        if length > max {
            return None;
        }
        (0..length).map(|_| each(self)).collect()
    }

    fn optional(&mut self) -> Option<Option<Minute>> {
        let number = self.number()?;
        match number.checked_sub(1) {
            Some(minute) => Some(Some(Minute(u32::try_from(minute).ok()?))),
            None => Some(None),
        }
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            let placed = part.checked_shl(shift)?;
            if placed >> shift != part {
                return None;
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}
