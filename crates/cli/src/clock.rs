//! The one place that reads this machine's clock, and durations as people write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_policy::TimestampMs;

/// Now, by this machine.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rest of the program is given")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

/// Now, in milliseconds since the epoch.
pub(crate) fn now() -> TimestampMs {
    let since = system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `now` plus a span; the end of time if that is later.
pub(crate) fn after(now: TimestampMs, span: Duration) -> TimestampMs {
    TimestampMs(now.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

/// `now` less a span; the beginning of time if that is earlier.
pub(crate) fn before(now: TimestampMs, span: Duration) -> TimestampMs {
    TimestampMs(now.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

/// Reads `90s`, `15m`, `24h`, `30d`: a whole number and one unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse =
        || format!("`{text}` is not a duration: write a number and a unit, for example 90s, 15m, 24h or 30d");
    let unit = text.chars().last().ok_or_else(refuse)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(refuse()),
    };
    let digits = text.strip_suffix(unit).ok_or_else(refuse)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    let total = number.checked_mul(seconds).filter(|total| *total > 0).ok_or_else(refuse)?;
    Ok(Duration::from_secs(total))
}

/// A span as people read it: `1.5 s`, `12 min`, `3 h`, `2 d`.
pub(crate) fn show_ms(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=119_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        120_000..=7_199_999 => format!("{} min", ms / 60_000),
        7_200_000..=172_799_999 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("8s", 8), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000)] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_an_example() {
        for text in ["", "s", "5", "-5s", "+5s", "1.5h", "5 s", "5w", "0s", "99999999999999999999d", "5é"] {
            let refused = parse_duration(text).unwrap_err();
            assert!(refused.contains("for example"), "{text}: {refused}");
        }
    }

    #[test]
    fn spans_are_short_to_read() {
        let shown: Vec<_> = [7, 1_500, 119_999, 600_000, 90_000_000, 864_000_000].map(show_ms).into();
        assert_eq!(shown, ["7 ms", "1.5 s", "119.9 s", "10 min", "25 h", "10 d"]);
    }
}
