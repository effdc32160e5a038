//! Owns a customer's last few withdrawals: when, how much, and whether to a place that was new then.

use super::{Log2, RecentPayment};
use crate::minute::Minute;

pub(super) const MAX_RECENT: usize = 16;

/// Oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Recent(pub(super) Vec<RecentPayment>);

impl Recent {
    pub(super) fn add(&mut self, at: Minute, worth: Log2, to_young: bool) {
        if self.0.len() >= MAX_RECENT {
            self.0.remove(0);
        }
        // Entries of the log do not go back in time; if one did, it would count as of the newest.
        let at = self.0.last().map_or(at, |newest| newest.at.max(at));
        self.0.push(RecentPayment { at, worth, to_young });
    }

    pub(super) fn within(&self, minutes: u32, now: Minute) -> impl Iterator<Item = RecentPayment> {
        self.0.iter().copied().filter(move |payment| now.since(payment.at) <= minutes)
    }
}
