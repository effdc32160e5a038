//! Owns what a policy demands of the life of a whitelist entry. The ledger calls [`WhitelistTerms::check`] when an entry
//! is added; evaluation applies `max_life` again, so that a shorter life takes effect on old entries.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::{DurationMs, TimestampMs};

/// The `[whitelist]` table of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhitelistTerms {
    /// The time between adding an entry and its first use.
    pub cooling_off: DurationMs,
    /// The longest time between `not_before` and `expires_at`.
    pub max_life: DurationMs,
    /// How long an entry may go unused before it expires; `None` is for ever.
    pub dormancy: Option<DurationMs>,
    /// The most entries of one customer that are not over.
    pub max_per_customer: u32,
    /// The most requests of one client that wait for their customers.
    pub max_open_requests: u32,
}

/// Times of an entry that the policy does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WhitelistTermsError {
    /// The entry would be active before its cooling-off is over.
    #[error("`not_before` is before the end of the cooling-off; the earliest is {earliest}")]
    CoolingOffTooShort {
        /// The earliest time accepted.
        earliest: TimestampMs,
    },
    /// The entry would never be active.
    #[error("`expires_at` must be after `not_before`")]
    NeverActive,
    /// The entry would live too long.
    #[error("`expires_at` is beyond the longest life; the latest is {latest}")]
    LifeTooLong {
        /// The latest time accepted.
        latest: TimestampMs,
    },
    /// The times do not fit.
    #[error("the entry's times are out of range")]
    OutOfRange,
}

impl WhitelistTermsError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CoolingOffTooShort { .. } => "WHITELIST_COOLING_OFF_TOO_SHORT",
            Self::NeverActive => "WHITELIST_ENTRY_NEVER_ACTIVE",
            Self::LifeTooLong { .. } => "WHITELIST_LIFE_TOO_LONG",
            Self::OutOfRange => "WHITELIST_TIMES_OUT_OF_RANGE",
        }
    }
}

impl WhitelistTerms {
    /// What holds where a policy does not say how many entries a customer may have.
    pub const DEFAULT_MAX_PER_CUSTOMER: u32 = 64;
    /// What holds where a policy does not say how many requests of a client may wait.
    pub const DEFAULT_MAX_OPEN_REQUESTS: u32 = 1_000;

    /// Terms without a dormancy limit and with the usual bounds.
    pub const fn new(cooling_off: DurationMs, max_life: DurationMs) -> Self {
        let (max_per_customer, max_open_requests) =
            (Self::DEFAULT_MAX_PER_CUSTOMER, Self::DEFAULT_MAX_OPEN_REQUESTS);
        Self { cooling_off, max_life, dormancy: None, max_per_customer, max_open_requests }
    }

    /// Checks the times of an entry that is added at `added_at`.
    pub fn check(
        &self,
        added_at: TimestampMs,
        not_before: TimestampMs,
        expires_at: TimestampMs,
    ) -> Result<(), WhitelistTermsError> {
        let earliest = added_at.checked_add(self.cooling_off).ok_or(WhitelistTermsError::OutOfRange)?;
        let latest = not_before.checked_add(self.max_life).ok_or(WhitelistTermsError::OutOfRange)?;
        if not_before < earliest {
            Err(WhitelistTermsError::CoolingOffTooShort { earliest })
        } else if expires_at <= not_before {
            Err(WhitelistTermsError::NeverActive)
        } else if expires_at > latest {
            Err(WhitelistTermsError::LifeTooLong { latest })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: WhitelistTerms = WhitelistTerms::new(DurationMs(100), DurationMs(1_000));

    fn check(not_before: u64, expires_at: u64) -> Result<(), WhitelistTermsError> {
        TERMS.check(TimestampMs(5_000), TimestampMs(not_before), TimestampMs(expires_at))
    }

    #[test]
    fn cooling_off_is_exact_to_the_millisecond() {
        let earliest = TimestampMs(5_100);
        assert_eq!(check(5_099, 6_000), Err(WhitelistTermsError::CoolingOffTooShort { earliest }));
        assert_eq!(check(5_100, 6_000), Ok(()));
    }

    #[test]
    fn longest_life_is_exact_to_the_millisecond() {
        assert_eq!(check(5_100, 6_100), Ok(()));
        assert_eq!(check(5_100, 6_101), Err(WhitelistTermsError::LifeTooLong { latest: TimestampMs(6_100) }));
    }

    #[test]
    fn entry_that_is_never_active_is_refused() {
        assert_eq!(check(5_100, 5_100), Err(WhitelistTermsError::NeverActive));
        assert_eq!(check(5_100, 5_101), Ok(()));
    }

    #[test]
    fn times_that_overflow_are_refused_and_do_not_wrap() {
        assert_eq!(check(u64::MAX, u64::MAX), Err(WhitelistTermsError::OutOfRange));
        let late = TERMS.check(TimestampMs(u64::MAX), TimestampMs(1), TimestampMs(2));
        assert_eq!(late, Err(WhitelistTermsError::OutOfRange));
    }
}
