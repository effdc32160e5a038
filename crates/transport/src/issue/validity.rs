//! From when until when a certificate is valid.
//!
//! Must never read a clock: the present is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::IssueError;

/// Certificates are valid a little before they are made, because clocks differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// A certificate's dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
}

impl Validity {
    /// From five minutes before `now` until `lifetime` after it.
    ///
    /// # Errors
    /// `VALIDITY_INVALID` when the dates cannot be expressed, or the lifetime is zero.
    pub fn new(now: SystemTime, lifetime: Duration) -> Result<Self, IssueError> {
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| IssueError::Validity)?;
        let end = now.checked_add(lifetime).ok_or(IssueError::Validity)?;
        if lifetime.is_zero() {
            return Err(IssueError::Validity);
        }
        Ok(Self { not_before: date(now.saturating_sub(CLOCK_TOLERANCE))?, not_after: date(end)? })
    }
}

fn date(since_epoch: Duration) -> Result<OffsetDateTime, IssueError> {
    let seconds = i64::try_from(since_epoch.as_secs()).map_err(|_| IssueError::Validity)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| IssueError::Validity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_starts_a_little_early_and_ends_on_time() {
        let now = UNIX_EPOCH + Duration::from_secs(1_763_700_000);
        let validity = Validity::new(now, Duration::from_secs(60)).unwrap();
        assert_eq!(validity.not_before.unix_timestamp(), 1_763_699_700);
        assert_eq!(validity.not_after.unix_timestamp(), 1_763_700_060);
    }

    #[test]
    fn inexpressible_dates_are_refused() {
        assert!(Validity::new(UNIX_EPOCH, Duration::MAX).is_err());
        assert!(Validity::new(UNIX_EPOCH, Duration::ZERO).is_err());
        assert!(Validity::new(UNIX_EPOCH - Duration::from_secs(1), Duration::from_secs(9)).is_err());
    }
}
