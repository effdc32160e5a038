//! Owns amounts in the order of their times, as running totals, so that the sum over any latest part is a subtraction.

use holdfast_chains::Amount;
use imbl::Vector;

use crate::time::{DurationMs, TimestampMs};

#[derive(Debug, Clone)]
pub(super) struct Series {
    // Time, and the total of this and everything before it.
    totals: Vector<(TimestampMs, Amount)>,
    // The total of what was forgotten.
    forgotten: Amount,
    endless: bool,
}

impl Default for Series {
    fn default() -> Self {
        Self { totals: Vector::new(), forgotten: Amount::ZERO, endless: false }
    }
}

impl Series {
    /// `time` is not before that of the amount pushed last.
    pub(super) fn push(&mut self, time: TimestampMs, amount: Amount) {
        if self.total().checked_add(amount).is_none() {
            self.rebase();
        }
        match self.total().checked_add(amount) {
            Some(total) => self.totals.push_back((time, total)),
            // Beyond 2^256 - 1 nothing can be told apart any more: whoever asks hears so.
            None => self.endless = true,
        }
    }

    /// The sum of what has not left the window at this time; `None` when the totals ran over.
    pub(super) fn sum(&self, at: TimestampMs, window: DurationMs) -> Option<Amount> {
        if self.endless {
            return None;
        }
        let left = self.left(at, window);
        let before = left.checked_sub(1).and_then(|last| self.totals.get(last));
        let before = before.map_or(self.forgotten, |(_, total)| *total);
        self.total().checked_sub(before)
    }

    /// Takes one amount back out that was pushed with this time.
    pub(super) fn remove(&mut self, time: TimestampMs, amount: Amount) {
        let mut before = self.forgotten;
        let found = self.totals.iter().position(|(at, total)| {
            let here = total.checked_sub(before);
            before = *total;
            *at == time && here == Some(amount)
        });
        let Some(index) = found else { return };
        self.totals.remove(index);
        for (_, total) in self.totals.iter_mut().skip(index) {
            *total = total.checked_sub(amount).unwrap_or(Amount::ZERO);
        }
    }

    /// Lets the totals begin at what is kept.
    fn rebase(&mut self) {
        let forgotten = std::mem::replace(&mut self.forgotten, Amount::ZERO);
        for (_, total) in self.totals.iter_mut() {
            *total = total.checked_sub(forgotten).unwrap_or(Amount::ZERO);
        }
    }

    pub(super) fn forget(&mut self, at: TimestampMs, window: DurationMs) {
        for _ in 0..self.left(at, window) {
            if let Some((_, total)) = self.totals.pop_front() {
                self.forgotten = total;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.totals.is_empty() && !self.endless
    }

    fn total(&self) -> Amount {
        self.totals.back().map_or(self.forgotten, |(_, total)| *total)
    }

    /// How many have left the window: they are the first ones.
    fn left(&self, at: TimestampMs, window: DurationMs) -> usize {
        let Some(start) = at.checked_sub(window) else { return 0 };
        match self.totals.binary_search_by(|(time, _)| {
            // Never equal: what was paid at `start` has left too.
            if *time <= start { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        }) {
            Ok(index) | Err(index) => index,
        }
    }
}
