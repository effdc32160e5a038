//! Owns the coarse time that statistics keep: whole minutes. It is for habits, never for a deadline or a window: those are exact
//! to the millisecond.

use crate::time::{DurationMs, TimestampMs};

const MS: u64 = 60_000;

/// Whole minutes since the Unix epoch, rounded down; what is later than the year 10000 is the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Minute(pub u32);

impl Minute {
    /// The minute of a point in time.
    pub fn of(at: TimestampMs) -> Self {
        Self(minutes(at.0))
    }

    /// Whole minutes since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether no more than `span` has passed since `self`.
    pub(crate) fn is_within(self, span: DurationMs, now: Self) -> bool {
        now.since(self) <= minutes(span.0)
    }

    /// The hour of the day, UTC: 0 to 23.
    pub(crate) fn hour(self) -> usize {
        usize::try_from(self.0 / 60 % 24).unwrap_or(0)
    }

    pub(crate) fn of_hour(hour: u32) -> Self {
        Self(hour.saturating_mul(60))
    }

    /// Whole hours since the epoch, rounded down.
    pub(crate) fn in_hours(self) -> u32 {
        self.0 / 60
    }
}

fn minutes(ms: u64) -> u32 {
    u32::try_from(ms / MS).unwrap_or(u32::MAX)
}

/// Minutes for people: `45 minutes`, `7.5 hours`, `12.3 days`.
pub(crate) fn shown(minutes: u32) -> String {
    const HOUR: u32 = 60;
    const DAY: u32 = 24 * HOUR;
    let tenths = |unit: u32| {
        let tenths = u64::from(minutes).saturating_mul(10).checked_div(u64::from(unit)).unwrap_or(0);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match minutes {
        0..HOUR => format!("{minutes} minutes"),
        HOUR..DAY => format!("{} hours", tenths(HOUR)),
        DAY.. => format!("{} days", tenths(DAY)),
    }
}
