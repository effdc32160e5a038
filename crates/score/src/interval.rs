//! Owns shares with the interval that chance alone leaves open: Wilson's, 95 in 100.

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// These.
    pub part: u64,
    /// Of all of these.
    pub of: u64,
}

/// 97.5 % of the normal distribution lies below.
const Z: f64 = 1.959_963_984_540_054;

impl Share {
    /// In percent; zero of nothing is zero.
    pub fn percent(self) -> f64 {
        if self.of == 0 { 0.0 } else { 100.0 * real(self.part) / real(self.of) }
    }

    /// Wilson's interval for 95 in 100, in percent: everything when nothing was seen.
    pub fn interval(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 100.0);
        }
        let (n, p) = (real(self.of), real(self.part) / real(self.of));
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        (100.0 * (centre - half).max(0.0), 100.0 * (centre + half).min(1.0))
    }

    pub(crate) fn add(&mut self, counted: bool) {
        self.of = self.of.saturating_add(1);
        self.part = self.part.saturating_add(u64::from(counted));
    }
}

/// Counts are far below 2^52.
pub(crate) fn real(number: u64) -> f64 {
    let (high, low) = (number >> 32, number & 0xffff_ffff);
    let part = |half: u64| f64::from(u32::try_from(half).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_the_one_in_the_books() {
        // Newcombe 1998, table I: 81 of 263 and 1 of 29, score method without continuity correction.
        for (part, of, low, high) in [(81, 263, 25.53, 36.62), (1, 29, 0.61, 17.18), (0, 20, 0.0, 16.11)] {
            let (found_low, found_high) = Share { part, of }.interval();
            assert!(
                (found_low - low).abs() < 0.01 && (found_high - high).abs() < 0.01,
                "{found_low} {found_high}"
            );
        }
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert_eq!(Share::default().interval(), (0.0, 100.0));
        assert!((Share { part: 1, of: 8 }.percent() - 12.5).abs() < 1e-9);
    }
}
