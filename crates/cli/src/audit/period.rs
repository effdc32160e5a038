//! Points in time as people write them on a command line.

use clap::Args;
use holdfast_policy::TimestampMs;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

/// A period. Both ends are optional.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct PeriodArgs {
    /// From this time on: `2026-11-01` (midnight UTC), `2026-11-01T09:30:00Z`, or milliseconds since the epoch
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) from: Option<TimestampMs>,
    /// Until just before this time
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) to: Option<TimestampMs>,
}

impl PeriodArgs {
    pub(crate) fn start(&self) -> TimestampMs {
        self.from.unwrap_or(TimestampMs(0))
    }

    pub(crate) fn end(&self) -> TimestampMs {
        self.to.unwrap_or(TimestampMs(u64::MAX))
    }
}

/// Reads a point in time.
pub(crate) fn parse(text: &str) -> Result<TimestampMs, String> {
    let refuse = || {
        format!(
            "`{text}` is no time: write 2026-11-01, 2026-11-01T09:30:00Z, or milliseconds since the epoch"
        )
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(TimestampMs).map_err(|_| refuse());
    }
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let at = match date {
        Ok(date) => date.with_time(Time::MIDNIGHT).assume_utc(),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refuse())?,
    };
    let ms = at.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(ms).map(TimestampMs).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_milliseconds_are_read() {
        for (text, ms) in [
            ("2026-11-01", 1_793_491_200_000),
            ("2026-11-01T00:00:00Z", 1_793_491_200_000),
            ("2026-11-01T01:00:00.250+01:00", 1_793_491_200_250),
            ("1793491200000", 1_793_491_200_000),
        ] {
            assert_eq!(parse(text).unwrap(), TimestampMs(ms), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_an_example() {
        for text in
            ["", "yesterday", "2026-13-01", "2026-11-01 09:30", "-5", "1969-12-31", "99999999999999999999"]
        {
            assert!(parse(text).unwrap_err().contains("2026-11-01"), "{text}");
        }
    }
}
