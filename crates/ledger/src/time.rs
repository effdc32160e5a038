//! Time as people read it. The ledger never reads a clock: it is given times.

use holdfast_policy::TimestampMs;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const RFC3339_MS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// `2026-11-21T01:02:03.004Z`: UTC with exactly three decimals, the one form used in statements.
/// Times past year 9999 are printed as plain milliseconds.
pub fn format_rfc3339_ms(at: TimestampMs) -> String {
    let nanoseconds = i128::from(at.0).saturating_mul(1_000_000);
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .ok()
        .and_then(|at| at.format(RFC3339_MS).ok())
        .unwrap_or_else(|| format!("{} ms", at.0))
}

/// The inverse of [`format_rfc3339_ms`], strict: any other form is `None`.
pub(crate) fn parse_rfc3339_ms(text: &str) -> Option<TimestampMs> {
    let at = time::PrimitiveDateTime::parse(text, RFC3339_MS).ok()?.assume_utc();
    let ms = u64::try_from(at.unix_timestamp_nanos().checked_div(1_000_000)?).ok()?;
    let at = TimestampMs(ms);
    (format_rfc3339_ms(at) == text).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_in_exactly_one_form() {
        let at = TimestampMs(1_763_700_000_004);
        let text = format_rfc3339_ms(at);
        assert_eq!(text, "2025-11-21T04:40:00.004Z");
        assert_eq!(parse_rfc3339_ms(&text), Some(at));
        assert_eq!(parse_rfc3339_ms("2025-11-21T04:40:00Z"), None);
        assert_eq!(parse_rfc3339_ms("2025-11-21T04:40:00.0040Z"), None);
    }
}
