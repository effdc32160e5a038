//! Owns points in time and spans of time, in milliseconds. It never reads a clock: time is an argument everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A point in time: milliseconds since the Unix epoch, UTC. A JSON number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimestampMs(pub u64);

/// A span of time in milliseconds. A JSON number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationMs(pub u64);

impl TimestampMs {
    /// The value in milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This point plus a span; `None` when the sum does not fit.
    pub fn checked_add(self, span: DurationMs) -> Option<Self> {
        self.0.checked_add(span.0).map(Self)
    }

    /// This point minus a span; `None` before the epoch.
    pub fn checked_sub(self, span: DurationMs) -> Option<Self> {
        self.0.checked_sub(span.0).map(Self)
    }

    /// The span from `earlier` to this point; `None` when `earlier` is later.
    pub fn checked_duration_since(self, earlier: Self) -> Option<DurationMs> {
        self.0.checked_sub(earlier.0).map(DurationMs)
    }
}

impl DurationMs {
    /// The value in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The sum of two spans; `None` when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

/// `2026-11-21T01:02:03.004Z`: UTC with exactly three decimals. Times past the year 9999 show as plain milliseconds.
impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = i64::try_from(self.0 / 1_000).ok().map(OffsetDateTime::from_unix_timestamp);
        let Some(Ok(at)) = at else { return write!(f, "{} ms", self.0) };
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second) = at.to_hms();
        let (month, milli) = (u8::from(month), self.0 % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// `5000 ms`. Decisions say it, and they are part of the state's digest: pages for people go through [`readable`](crate::readable).
impl fmt::Display for DurationMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_that_does_not_fit_is_none() {
        assert_eq!(TimestampMs(u64::MAX).checked_add(DurationMs(1)), None);
        assert_eq!(TimestampMs(0).checked_sub(DurationMs(1)), None);
        assert_eq!(TimestampMs(5).checked_duration_since(TimestampMs(6)), None);
        assert_eq!(DurationMs(u64::MAX).checked_add(DurationMs(1)), None);
    }

    #[test]
    fn arithmetic_that_fits_is_exact() {
        assert_eq!(TimestampMs(5).checked_add(DurationMs(7)), Some(TimestampMs(12)));
        assert_eq!(TimestampMs(12).checked_sub(DurationMs(7)), Some(TimestampMs(5)));
        assert_eq!(TimestampMs(6).checked_duration_since(TimestampMs(6)), Some(DurationMs(0)));
    }

    #[test]
    fn timestamps_are_json_numbers() {
        assert_eq!(serde_json::to_string(&TimestampMs(1_763_700_000_000)).unwrap(), "1763700000000");
        assert!(serde_json::from_str::<TimestampMs>("\"1\"").is_err());
        assert!(serde_json::from_str::<TimestampMs>("-1").is_err());
        assert!(serde_json::from_str::<TimestampMs>("1.0").is_err());
    }
}
