//! Time as people read it. The ledger never reads a clock: it is given times.

use holdfast_policy::TimestampMs;
use time::format_description::FormatItem;
use time::macros::format_description;

const RFC3339_MS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The inverse of [`TimestampMs`]'s text form, strict: any other form is `None`.
pub(crate) fn parse_rfc3339_ms(text: &str) -> Option<TimestampMs> {
    let at = time::PrimitiveDateTime::parse(text, RFC3339_MS).ok()?.assume_utc();
    let ms = u64::try_from(at.unix_timestamp_nanos().checked_div(1_000_000)?).ok()?;
    let at = TimestampMs(ms);
    (at.to_string() == text).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_in_exactly_one_form() {
        let at = TimestampMs(1_763_700_000_004);
        let text = at.to_string();
        assert_eq!(text, "2025-11-21T04:40:00.004Z");
        assert_eq!(parse_rfc3339_ms(&text), Some(at));
        assert_eq!(parse_rfc3339_ms("2025-11-21T04:40:00Z"), None);
        assert_eq!(parse_rfc3339_ms("2025-11-21T04:40:00.0040Z"), None);
        let signed = "+2025-11-21T04:40:00.004Z";
        assert!(time::PrimitiveDateTime::parse(signed, RFC3339_MS).is_ok(), "the library reads it");
        assert_eq!(parse_rfc3339_ms(signed), None);
    }
}
