//! Owns the destinations a customer was paid to: first and last bytes, which look-alikes are found by, and a piece of a hash. It
//! never takes one address for another that somebody crafted: 88 bits would have to agree.

use holdfast_chains::Address;

use crate::{digest::sha256, look_alike, minute::Minute};

/// How many destinations are remembered; then the one that was paid least lately is forgotten.
pub(super) const MAX_DESTINATIONS: usize = 40;

/// First three and last three bytes, and five of the address's hash.
pub(super) type Mark = [u8; 11];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PaidDestination {
    pub(super) mark: Mark,
    /// Hours since the epoch.
    pub(super) first: u32,
    pub(super) last: u32,
}

/// In order of their marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PaidDestinations(pub(super) Vec<PaidDestination>);

impl PaidDestinations {
    pub(super) fn pay(&mut self, destination: &Address, now: Minute) {
        let (mark, hour) = (mark(destination), now.in_hours());
        match self.0.binary_search_by_key(&mark, |known| known.mark) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    known.last = known.last.max(hour);
                }
            }
            Err(_) => {
                if self.0.len() >= MAX_DESTINATIONS {
                    self.forget_one();
                }
                self.0.push(PaidDestination { mark, first: hour, last: hour });
                self.0.sort_unstable_by_key(|known| known.mark);
            }
        }
    }

    fn forget_one(&mut self) {
        let oldest = self.0.iter().enumerate().min_by_key(|(_, known)| (known.last, known.mark));
        if let Some(at) = oldest.map(|(at, _)| at) {
            self.0.remove(at);
        }
    }

    pub(super) fn first_paid(&self, destination: &Address) -> Option<Minute> {
        let at = self.0.binary_search_by_key(&mark(destination), |known| known.mark).ok()?;
        self.0.get(at).map(|known| Minute::of_hour(known.first))
    }

    pub(super) fn look_alike(&self, destination: &Address, prefix: u8, suffix: u8) -> Option<(u8, u8)> {
        let own = mark(destination);
        let others = self.0.iter().filter(|known| known.mark != own);
        let shared = others
            .map(|known| (look_alike::common(head(&known.mark), head(&own)), tail_common(&known.mark, &own)));
        shared
            .filter(|(first, last)| *first >= prefix && *last >= suffix)
            .max_by_key(|(first, last)| first.saturating_add(*last))
    }
}

fn head(mark: &Mark) -> impl Iterator<Item = u8> + '_ {
    look_alike::nibbles(mark.iter().take(3).copied())
}

fn tail_common(one: &Mark, other: &Mark) -> u8 {
    let tail = |mark: &Mark| -> Vec<u8> {
        let mut digits: Vec<u8> = look_alike::nibbles(mark.iter().skip(3).take(3).copied()).collect();
        digits.reverse();
        digits
    };
    look_alike::common(tail(one).into_iter(), tail(other).into_iter())
}

fn mark(address: &Address) -> Mark {
    let bytes = address.as_bytes();
    let hash = sha256(bytes);
    let mut mark = [0; 11];
    let parts = bytes.iter().take(3).chain(bytes.iter().skip(17)).chain(hash.iter().take(5));
    mark.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
    mark
}
