//! Owns at which hours of the day a customer withdraws: 24 small counters that fade.

use crate::minute::Minute;

const HOURS: usize = 24;
/// Past so many, all counters are halved.
const MAX: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hours(pub(super) [u8; HOURS]);

impl Hours {
    pub(super) fn add(&mut self, now: Minute) {
        if self.known() >= MAX {
            self.0.iter_mut().for_each(|count| *count /= 2);
        }
        if let Some(count) = self.0.get_mut(now.hour()) {
            *count = count.saturating_add(1);
        }
    }

    fn known(&self) -> u32 {
        self.0.iter().map(|count| u32::from(*count)).sum()
    }

    /// How many of 100 were within two hours of this one, and how many are known.
    pub(super) fn share_around(&self, now: Minute) -> (u32, u32) {
        let known = self.known();
        let start = now.hour().saturating_add(HOURS).saturating_sub(2);
        let near: u32 =
            self.0.iter().cycle().skip(start % HOURS).take(5).map(|count| u32::from(*count)).sum();
        (near.saturating_mul(100).checked_div(known).unwrap_or(0), known)
    }
}
