//! The node's clock: the one place of this crate that reads time.
//!
//! Owns the passage from the operating system's clock to [`TimestampMs`]. Clocks gate signing and waiting and must never
//! decide what an entry means (G10).

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_policy::TimestampMs;

/// What time it is.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> TimestampMs;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    // A clock before the epoch reads 0 and one beyond the range reads the last millisecond: both make every
    // authorization too far ahead or too old, so a broken clock refuses to sign (G9).
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> TimestampMs {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimestampMs(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_reads_milliseconds_of_this_century() {
        let now = SystemClock.now().0;
        assert!((1_600_000_000_000..4_000_000_000_000).contains(&now), "{now}");
    }
}
