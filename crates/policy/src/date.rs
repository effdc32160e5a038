//! Owns calendar dates: on which day somebody published a list. It knows no time zones and never compares with a clock.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A day as `YYYY-MM-DD`, years 1970 to 9999.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarDate(String);

/// Text that is not a day.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("date must be a day that exists, written `YYYY-MM-DD`")]
pub struct CalendarDateError;

impl CalendarDateError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        "INVALID_DATE"
    }
}

impl CalendarDate {
    /// Reads `YYYY-MM-DD` and refuses days that no calendar has.
    pub fn parse(text: &str) -> Result<Self, CalendarDateError> {
        if exists(text).unwrap_or(false) { Ok(Self(text.to_owned())) } else { Err(CalendarDateError) }
    }

    /// The day as `YYYY-MM-DD`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CalendarDate {
    type Error = CalendarDateError;
    fn try_from(text: String) -> Result<Self, CalendarDateError> {
        Self::parse(&text)
    }
}

impl From<CalendarDate> for String {
    fn from(date: CalendarDate) -> Self {
        date.0
    }
}

impl fmt::Display for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn exists(text: &str) -> Option<bool> {
    let bytes = text.as_bytes();
    let shape = bytes.iter().enumerate().all(|(at, b)| match at {
        4 | 7 => *b == b'-',
        _ => b.is_ascii_digit(),
    });
    if bytes.len() != 10 || !shape {
        return None;
    }
    let year: u16 = text.get(0..4)?.parse().ok()?;
    let month: u8 = text.get(5..7)?.parse().ok()?;
    let day: u8 = text.get(8..10)?.parse().ok()?;
    Some(year >= 1970 && day >= 1 && day <= days_in(year, month)?)
}

fn days_in(year: u16, month: u8) -> Option<u8> {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_exist_are_accepted() {
        for day in ["1970-01-01", "2025-11-21", "2024-02-29", "2000-02-29", "9999-12-31"] {
            assert_eq!(CalendarDate::parse(day).unwrap().as_str(), day);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for day in [
            "",
            "2025-02-29",
            "1900-02-29",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "2025-04-31",
            "2025-1-01",
            "25-01-01",
            "2025/01/01",
            "2025-01-01Z",
            "2025-01-010",
            "+025-01-01",
            "1969-12-31",
            "２025-01-1",
        ] {
            assert_eq!(CalendarDate::parse(day), Err(CalendarDateError), "{day}");
        }
    }
}
