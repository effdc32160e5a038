//! Owns how spans of time and fees are written for people. What a decision records stays in milliseconds and wei: it is part of
//! the state's digest, and other programs read it.

use holdfast_chains::Amount;

use crate::time::DurationMs;

/// A sentence of a decision with its milliseconds and wei as people read them: `90000 ms` as `1 minute 30 seconds`, `10000000000 wei`
/// as `0.00000001 ETH`. Nothing is rounded: what is above a limit never looks equal to it.
pub fn readable(sentence: &str) -> String {
    let mut words = sentence.split(' ').peekable();
    let mut shown = Vec::new();
    while let Some(word) = words.next() {
        match words.peek().and_then(|unit| quantity(word, unit)) {
            Some(quantity) => {
                words.next();
                shown.push(quantity);
            }
            None => shown.push(word.to_owned()),
        }
    }
    shown.join(" ")
}

/// The number and its unit, with what stands behind that: a comma, a bracket.
fn quantity(number: &str, unit: &str) -> Option<String> {
    let end = unit.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(unit.len());
    let (unit, rest) = unit.split_at_checked(end)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match unit {
        "ms" => Some(format!("{}{rest}", span(DurationMs(number.parse().ok()?)))),
        "wei" => Some(format!("{} ETH{rest}", Amount::parse(number).ok()?.format_units(18))),
        _ => None,
    }
}

/// `1 day 12 hours`, `1 minute 30.5 seconds`, `250 ms`: exact, without units of which there are none.
pub(super) fn span(span: DurationMs) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute")];
    let mut parts = Vec::new();
    let mut left = span.0;
    for (unit, name) in UNITS {
        let count = left.checked_div(unit).unwrap_or_default();
        left = left.checked_rem(unit).unwrap_or_default();
        if count > 0 {
            parts.push(counted(&count.to_string(), name));
        }
    }
    match left {
        0 if !parts.is_empty() => {}
        0..=999 if parts.is_empty() => parts.push(format!("{left} ms")),
        _ => parts.push(counted(&Amount::from_u128(left.into()).format_units(3), "second")),
    }
    parts.join(" ")
}

fn counted(count: &str, name: &str) -> String {
    format!("{count} {name}{}", if count == "1" { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_and_leave_out_what_they_have_none_of() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 second"),
            (1_500, "1.5 seconds"),
            (60_000, "1 minute"),
            (60_005, "1 minute 0.005 seconds"),
            (5_400_000, "1 hour 30 minutes"),
            (7_200_000, "2 hours"),
            (86_400_000, "1 day"),
            (86_400_001, "1 day 0.001 seconds"),
            (129_661_000, "1 day 12 hours 1 minute 1 second"),
            (7_776_000_000, "90 days"),
        ] {
            assert_eq!(span(DurationMs(ms)), text);
        }
        assert!(span(DurationMs(u64::MAX)).starts_with("213503982334 days 14 hours"));
    }

    #[test]
    fn milliseconds_and_wei_in_a_sentence_are_written_for_people_and_nothing_else_is() {
        for (sentence, shown) in [
            (
                "the report of `crm` is 90001 ms old, at most 86400000 ms count",
                "the report of `crm` is 1 minute 30.001 seconds old, at most 1 day count",
            ),
            ("1250 USDT within 3600000 ms, of tier hot", "1250 USDT within 1 hour, of tier hot"),
            ("fee cap 1950000000000000 wei is not above 0 wei", "fee cap 0.00195 ETH is not above 0 ETH"),
            ("-5 ms, 1.5 ms, 5ms, 5 msec, ms ms, 5", "-5 ms, 1.5 ms, 5ms, 5 msec, ms ms, 5"),
            ("99999999999999999999999 ms", "99999999999999999999999 ms"),
            ("", ""),
        ] {
            assert_eq!(readable(sentence), shown);
        }
    }
}
