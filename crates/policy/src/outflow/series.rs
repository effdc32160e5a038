//! Owns amounts in the order of their times, as running totals, so that the sum over any latest part is a subtraction.

use holdfast_chains::Amount;
use imbl::Vector;

use super::total::Total;
use crate::time::{DurationMs, TimestampMs};

#[derive(Debug, Clone)]
pub(super) struct Series {
    // Time, and the total of this and everything before it.
    totals: Vector<(TimestampMs, Total)>,
    // The total of what was forgotten.
    forgotten: Total,
}

impl Default for Series {
    fn default() -> Self {
        Self { totals: Vector::new(), forgotten: Total::ZERO }
    }
}

impl Series {
    /// `time` is not before that of the amount pushed last.
    pub(super) fn push(&mut self, time: TimestampMs, amount: Amount) {
        self.totals.push_back((time, self.total().plus(Total::of(amount))));
    }

    /// The sum of what has not left the window at this time.
    pub(super) fn sum(&self, at: TimestampMs, window: DurationMs) -> Total {
        let left = self.left(at, window);
        let before = left.checked_sub(1).and_then(|last| self.totals.get(last));
        self.total().minus(before.map_or(self.forgotten, |(_, total)| *total))
    }

    /// Takes one amount back out that was pushed with this time.
    pub(super) fn remove(&mut self, time: TimestampMs, amount: Amount) {
        let amount = Total::of(amount);
        let mut before = self.forgotten;
        let found = self.totals.iter().position(|(at, total)| {
            let here = total.minus(before);
            before = *total;
            *at == time && here == amount
        });
        let Some(index) = found else { return };
        self.totals.remove(index);
        for (_, total) in self.totals.iter_mut().skip(index) {
            *total = total.minus(amount);
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
        self.totals.is_empty()
    }

    fn total(&self) -> Total {
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
