//! Owns spans of time, and the hours and weekdays at which people are awake. It knows no clock.

use crate::{
    draw::Draws,
    event::TimeMs,
    number::{real, whole},
};

/// Milliseconds in an hour.
pub(crate) const HOUR_MS: u64 = 3_600_000;
/// Milliseconds in a day.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// Milliseconds in so many minutes.
pub(crate) fn minutes(number: f64) -> u64 {
    whole(number * 60_000.0)
}

/// Milliseconds in so many hours.
pub(crate) fn hours(number: f64) -> u64 {
    whole(number * 3_600_000.0)
}

/// Milliseconds in so many days.
pub(crate) fn days(number: f64) -> u64 {
    whole(number * 86_400_000.0)
}

/// A span as days.
pub(crate) fn in_days(ms: u64) -> f64 {
    real(ms) / 86_400_000.0
}

/// When somebody is awake.
///
/// On chain, activity follows the working hours of the regions that use an asset (Coin Metrics, State of the Network 165,
/// 2022); weekends have about a fifth fewer transactions than weekdays (organofcorti, 2014, for bitcoin). The spread of
/// one person's hours is assumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// East of Greenwich.
    pub offset_minutes: i32,
    /// The middle of the active hours, local time.
    pub centre: f64,
    /// Standard deviation, in hours. Programs have none: `None`.
    pub spread: Option<f64>,
    /// Activity on Saturdays and Sundays, against 1 on other days.
    pub weekend: f64,
}

impl Rhythm {
    /// The local time of `at`, as if it were UTC.
    fn local(&self, at: TimeMs) -> TimeMs {
        let offset = u64::from(self.offset_minutes.unsigned_abs()).saturating_mul(60_000);
        if self.offset_minutes < 0 { at.minus(offset) } else { at.plus(offset) }
    }

    /// From 0 to 24.
    pub(crate) fn local_hour(&self, at: TimeMs) -> f64 {
        real(self.local(at).0.checked_rem(DAY_MS).unwrap_or(0)) / 3_600_000.0
    }

    /// Whether it is Saturday or Sunday there.
    pub(crate) fn is_weekend(&self, at: TimeMs) -> bool {
        // 1970-01-01 was a Thursday.
        let weekday = self.local(at).0.checked_div(DAY_MS).unwrap_or(0).wrapping_add(3).checked_rem(7);
        weekday >= Some(5)
    }

    /// A moment at this person's hours, on the day of `at` or, if that is past, the day after; `moved` hours later than
    /// usual. Never before `at`.
    pub(crate) fn around(&self, at: TimeMs, moved: f64, draws: &mut Draws) -> TimeMs {
        let Some(spread) = self.spread else {
            return at.plus(minutes(draws.between(0.0, 30.0)));
        };
        // One in twelve at any hour: people who cannot sleep.
        let hour = if draws.chance(1.0 / 12.0) {
            draws.between(0.0, 24.0)
        } else {
            self.centre + moved + spread * draws.normal()
        };
        self.next_local_hour(at, hour)
    }

    /// The next moment at which it is `hour` there.
    pub(crate) fn next_local_hour(&self, at: TimeMs, hour: f64) -> TimeMs {
        let wait = hour - self.local_hour(at);
        let wait = wait - 24.0 * libm::floor(wait / 24.0);
        at.plus(hours(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Domain, Seed};

    const LAGOS: Rhythm = Rhythm { offset_minutes: 60, centre: 20.0, spread: Some(3.0), weekend: 0.8 };

    #[test]
    fn local_hours_and_weekends_follow_the_offset() {
        // 2026-01-02T23:30Z is a Friday; in Lagos it is Saturday 00:30.
        let friday = TimeMs(1_767_396_600_000);
        assert!((LAGOS.local_hour(friday) - 0.5).abs() < 1e-9);
        assert!(LAGOS.is_weekend(friday));
        assert!(!Rhythm { offset_minutes: 0, ..LAGOS }.is_weekend(friday));
        assert!((LAGOS.local_hour(LAGOS.next_local_hour(friday, 3.0)) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn moments_are_around_the_centre_and_never_in_the_past() {
        let mut draws = Seed(1).draws(Domain::Customer, 0, 0);
        let now = TimeMs(1_767_225_600_000);
        let all: Vec<TimeMs> = (0..2_000).map(|_| LAGOS.around(now, 0.0, &mut draws)).collect();
        assert!(all.iter().all(|at| *at >= now && at.since(now) <= DAY_MS));
        let near = all.iter().filter(|at| (LAGOS.local_hour(**at) - 20.0).abs() < 3.0).count();
        assert!((1_150..1_500).contains(&near), "{near}");
    }
}
