//! When a provider that fails is left alone, and when it is tried again.
//!
//! Closed while it answers. After [`FAILURES`] failures in a row it is open: nobody asks for [`REST`]. Then it is half open: the next
//! one to ask is a probe, whose failure opens it for another rest and whose success closes it. It owns no clock, and it never makes
//! an answer up: what is not asked is absent, and the policy holds (G9).

use std::time::{Duration, Instant};

/// After so many failures in a row a provider is not asked for a while.
pub(super) const FAILURES: u32 = 3;
/// How long.
pub(super) const REST: Duration = Duration::from_secs(15);

/// Failures in a row, and until when the provider rests.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether nobody may ask at this time.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| now < until)
    }

    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// As if it had rested long enough.
    #[cfg(test)]
    pub(super) fn has_rested(&mut self) {
        self.open_until = Some(Instant::now());
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.open_until = now.checked_add(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(!breaker.is_open(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_and_not_one_sooner() {
        let now = Instant::now();
        assert!(opened(now).is_open(now));
    }

    #[test]
    fn answer_in_between_begins_the_count_anew() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(now);
            breaker.failed(now);
            breaker.answered();
        }
        assert!(!breaker.is_open(now));
    }

    #[test]
    fn rests_to_the_moment_and_is_half_open_then() {
        let now = Instant::now();
        let breaker = opened(now);
        assert!(breaker.is_open(now + REST - MOMENT));
        assert!(!breaker.is_open(now + REST));
    }

    #[test]
    fn probe_that_fails_opens_it_at_once_for_another_rest() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.failed(now + REST);
        assert!(breaker.is_open(now + REST));
        assert!(breaker.is_open(now + REST + REST - MOMENT));
        assert!(!breaker.is_open(now + REST + REST));
    }

    #[test]
    fn probe_that_is_answered_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.answered();
        breaker.failed(now + REST);
        breaker.failed(now + REST);
        assert!(!breaker.is_open(now + REST), "two failures after an answer are two");
    }
}
