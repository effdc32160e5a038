//! Owns days and hours: when withdrawals go by themselves, in UTC and to the millisecond. It never knows a time zone: a clock that
//! jumps twice a year has no place in a rule.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{document::RequiredApprovals, time::TimestampMs};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Days and hours in which withdrawals go by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeWindow {
    /// The days, from midnight to midnight UTC.
    pub days: BTreeSet<Weekday>,
    /// The hours of each of these days.
    pub hours: BTreeSet<Hours>,
    /// What happens at other times.
    pub outside: Outside,
}

/// What happens outside the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// It is held for these people.
    Hold(RequiredApprovals),
    /// It is denied.
    Deny,
}

/// A day of the week, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weekday {
    /// `mon`.
    Monday,
    /// `tue`.
    Tuesday,
    /// `wed`.
    Wednesday,
    /// `thu`.
    Thursday,
    /// `fri`.
    Friday,
    /// `sat`.
    Saturday,
    /// `sun`.
    Sunday,
}

/// A part of a day: from its first minute on, up to and without its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours {
    from: u16,
    until: u16,
}

impl TimeWindow {
    /// Whether a time is in it: from the first millisecond of a part of a day up to and without its last moment.
    pub fn contains(&self, at: TimestampMs) -> bool {
        let minute = at.0.checked_rem(DAY_MS).and_then(|of_day| of_day.checked_div(MINUTE_MS));
        let within = |hours: &Hours| {
            minute.is_some_and(|minute| u64::from(hours.from) <= minute && minute < u64::from(hours.until))
        };
        self.days.contains(&Weekday::of(at)) && self.hours.iter().any(within)
    }
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    fn of(at: TimestampMs) -> Self {
        // The epoch was a Thursday.
        match (at.0 / DAY_MS).checked_rem(7).unwrap_or_default() {
            0 => Self::Thursday,
            1 => Self::Friday,
            2 => Self::Saturday,
            3 => Self::Sunday,
            4 => Self::Monday,
            5 => Self::Tuesday,
            _ => Self::Wednesday,
        }
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monday => "mon",
            Self::Tuesday => "tue",
            Self::Wednesday => "wed",
            Self::Thursday => "thu",
            Self::Friday => "fri",
            Self::Saturday => "sat",
            Self::Sunday => "sun",
        })
    }
}

impl FromStr for Weekday {
    type Err = &'static str;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|day| day.to_string() == name);
        found.ok_or("use `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`")
    }
}

impl Hours {
    /// The whole day.
    pub const ALL_DAY: Self = Self { from: 0, until: 24 * 60 };
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

impl FromStr for Hours {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "write `08:00-18:30`: from before until, at most `24:00`; what passes midnight is two of them";
        let (from, until) = text.split_once('-').ok_or(FORM)?;
        let (from, until) = (minute(from).ok_or(FORM)?, minute(until).ok_or(FORM)?);
        if from < until { Ok(Self { from, until }) } else { Err(FORM) }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && of_day <= 24 * 60).then_some(of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_could_be_misread_are_refused() {
        for text in [
            "8:00-18:00",
            "08:00",
            "08:00-08:00",
            "18:00-08:00",
            "08:60-09:00",
            "08:00-24:01",
            "+8:00-09:00",
            "08:00-18:00 ",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
        for text in ["00:00-24:00", "08:00-18:30", "23:59-24:00"] {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
        assert_eq!("00:00-24:00".parse(), Ok(Hours::ALL_DAY));
    }

    #[test]
    fn days_of_the_week_are_those_of_the_calendar() {
        // 2026-11-21 was a Saturday, 1970-01-01 a Thursday, 2000-02-29 a Tuesday.
        for (ms, day) in [
            (1_795_219_200_000, Weekday::Saturday),
            (0, Weekday::Thursday),
            (951_782_400_000, Weekday::Tuesday),
        ] {
            assert_eq!(Weekday::of(TimestampMs(ms)), day);
            assert_eq!(Weekday::of(TimestampMs(ms + DAY_MS - 1)), day);
            assert_ne!(Weekday::of(TimestampMs(ms + DAY_MS)), day);
        }
    }
}
