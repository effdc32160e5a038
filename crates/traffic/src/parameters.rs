//! Owns what may be varied: size, period, mix of skills, published limits, season, and shifts. It must never decide
//! anything about a single customer.

mod error;
mod shift;

pub use error::ParameterError;
pub use shift::{PRESETS, Preset, Shift};

use crate::{
    calendar::days,
    event::TimeMs,
    label::{AttackKind, Skill},
};

/// The most customers a stream may have.
pub const MAX_CUSTOMERS: u32 = 1_000_000;

/// What a stream is made from, besides its seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Honest customers, known at the start or arriving later. Mules come on top.
    pub customers: u32,
    /// First moment of the stream.
    pub start: TimeMs,
    /// Days in which only honest customers act.
    pub history_days: u32,
    /// Days after those, in which attackers act too.
    pub evaluation_days: u32,
    /// Incidents of each kind. Attacks are oversampled by design: rates must be measured within classes.
    pub attacks_per_kind: u32,
    /// How good attackers are.
    pub skills: SkillMix,
    /// What the exchange tells its customers, honest or not.
    pub published: Published,
    /// Moods of the market.
    pub season: Season,
    /// How the evaluation period differs from what the history teaches.
    pub shift: Shift,
}

/// Shares of attackers; they need not add up to 1. Assumed: no public figures exist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkillMix {
    /// In a hurry.
    pub careless: f64,
    /// Knows the usual alarms.
    pub average: f64,
    /// Patient and unobtrusive.
    pub careful: f64,
}

impl SkillMix {
    pub(crate) fn weights(self) -> [f64; 3] {
        [self.careless, self.average, self.careful]
    }

    pub(crate) fn skill(index: usize) -> Skill {
        Skill::ALL.get(index).copied().unwrap_or(Skill::Average)
    }
}

/// What the exchange publishes: customers and attackers both act on it. It is an input here and no part of any policy.
///
/// A day's wait for new addresses and after resets is common: help.crypto.com 9233923 and 3511430, Tiger Brokers' and
/// Yubit's help pages (24 hours), ProBit (72 hours). The amounts are assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Above this, a withdrawal is looked at by people.
    pub per_withdrawal_usd_cents: u64,
    /// The same, for the sum of a day.
    pub per_day_usd_cents: u64,
    /// A new whitelist entry can be used after this.
    pub whitelist_wait_hours: u32,
    /// No withdrawals so long after a reset, says the help page; the pipeline lets them through, so that the policy decides.
    pub reset_hold_hours: u32,
}

/// Moods of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// None.
    Calm,
    /// By seed: one bull run of 10 to 25 days and one panic of 2 to 4 days, anywhere in the period.
    Mixed,
    /// A bull run through the whole evaluation.
    Bull,
    /// A panic of four days in the evaluation.
    Panic,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            customers: 60_000,
            // 2026-01-01T00:00:00Z
            start: TimeMs(1_767_225_600_000),
            history_days: 120,
            evaluation_days: 30,
            attacks_per_kind: 1_000,
            skills: SkillMix { careless: 0.30, average: 0.45, careful: 0.25 },
            published: Published {
                per_withdrawal_usd_cents: 1_000_000,
                per_day_usd_cents: 5_000_000,
                whitelist_wait_hours: 24,
                reset_hold_hours: 24,
            },
            season: Season::Mixed,
            shift: Shift::default(),
        }
    }
}

impl Parameters {
    /// When attackers begin.
    #[must_use]
    pub fn evaluation_start(&self) -> TimeMs {
        self.start.plus(days(f64::from(self.history_days)))
    }

    /// When the stream ends.
    #[must_use]
    pub fn end(&self) -> TimeMs {
        self.evaluation_start().plus(days(f64::from(self.evaluation_days)))
    }

    /// The mix of skills, after the shift.
    pub(crate) fn effective_skills(&self) -> SkillMix {
        let Some(careful) = self.shift.careful else { return self.skills };
        let others = self.skills.careless + self.skills.average;
        let scale = if others > 0.0 { (1.0 - careful) / others } else { 0.0 };
        SkillMix { careless: self.skills.careless * scale, average: self.skills.average * scale, careful }
    }

    /// The season, after the shift.
    pub(crate) fn effective_season(&self) -> Season {
        self.shift.season.unwrap_or(self.season)
    }

    /// How many incidents there will be.
    #[must_use]
    pub fn incidents(&self) -> u64 {
        u64::from(self.attacks_per_kind).saturating_mul(crate::number::count(AttackKind::ALL.len()))
    }

    /// Refuses what cannot be generated.
    ///
    /// # Errors
    /// Names the field that is out of bounds.
    pub fn check(&self) -> Result<(), ParameterError> {
        within("customers", self.customers, 10, MAX_CUSTOMERS)?;
        within("history_days", self.history_days, 0, 1_000)?;
        within("evaluation_days", self.evaluation_days, 1, 366)?;
        within("attacks_per_kind", self.attacks_per_kind, 0, 100_000)?;
        let [careless, average, careful] = self.skills.weights();
        let sane = [careless, average, careful].iter().all(|share| share.is_finite() && *share >= 0.0);
        if !sane || careless + average + careful <= 0.0 {
            return Err(ParameterError::Skills);
        }
        Ok(())
    }
}

fn within(field: &'static str, value: u32, low: u32, high: u32) -> Result<(), ParameterError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(ParameterError::OutOfBounds { field, low, high, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_out_of_bounds_are_refused_by_field() {
        let too_many = Parameters { customers: MAX_CUSTOMERS + 1, ..Parameters::default() };
        assert!(too_many.check().unwrap_err().to_string().contains("`customers`"));
        let nobody = SkillMix { careless: 0.0, average: 0.0, careful: 0.0 };
        let idle = Parameters { skills: nobody, ..Parameters::default() };
        assert_eq!(idle.check(), Err(ParameterError::Skills));
        assert_eq!(Parameters::default().check(), Ok(()));
    }

    #[test]
    fn a_shift_of_careful_attackers_leaves_the_others_in_proportion() {
        let shift = Shift { careful: Some(0.7), ..Shift::default() };
        let mix = Parameters { shift, ..Parameters::default() }.effective_skills();
        assert!((mix.careful - 0.7).abs() < 1e-12);
        assert!((mix.careless / mix.average - 0.30 / 0.45).abs() < 1e-12);
        assert!((mix.careless + mix.average + mix.careful - 1.0).abs() < 1e-12);
    }
}
