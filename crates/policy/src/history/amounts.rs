//! Owns what a customer's withdrawals are usually worth: mean and spread of logarithms, in integers. Amounts are log-normal: a
//! factor means the same for everybody, a difference does not.

/// A logarithm to base 2 in 256ths. Zero is also the logarithm of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Log2(pub u16);

const ONE: u64 = 256;
/// Past so many amounts, all sums are halved: the newest weigh most.
const MAX_AMOUNTS: u32 = 64;
/// What is assumed of the spread before anything is known: 1.4 doublings, which counts as much as three amounts.
const ASSUMED_SPREAD: i64 = 358;
const ASSUMED_AMOUNTS: i64 = 3;

impl Log2 {
    /// Of a positive number, rounded down.
    pub fn of(number: u64) -> Self {
        let Some(whole) = number.checked_ilog2() else { return Self(0) };
        // 32 bits after the point: squaring fits in 128 bits.
        let mut mantissa = u128::from(number).wrapping_shl(63_u32.saturating_sub(whole)) >> 31;
        let mut result = whole;
        for _ in 0..8 {
            mantissa = mantissa.saturating_mul(mantissa) >> 32;
            let carry = mantissa >> 33;
            result = result.wrapping_shl(1) | u32::from(carry > 0);
            mantissa >>= carry.min(1);
        }
        Self(u16::try_from(result).unwrap_or(u16::MAX))
    }
}

/// Sums over the logarithms of amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AmountStats {
    pub(super) count: u32,
    pub(super) sum: u64,
    pub(super) squares: u64,
}

/// How far an amount is above a customer's usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deviation {
    /// In hundredths of the customer's usual spread; zero when not above.
    pub spreads_hundredths: u64,
    /// The amount divided by the usual one, in tenths.
    pub times_tenths: u64,
    /// How many earlier amounts that rests on.
    pub of: u32,
}

impl AmountStats {
    pub(super) fn add(&mut self, amount: Log2) {
        if self.count >= MAX_AMOUNTS {
            *self = Self { count: self.count / 2, sum: self.sum / 2, squares: self.squares / 2 };
        }
        let amount = u64::from(amount.0);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(amount);
        self.squares = self.squares.saturating_add(amount.saturating_mul(amount));
    }

    /// How many amounts are counted; old ones fade.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How far above the usual an amount is; `None` before the first one.
    pub fn deviation(&self, amount: Log2) -> Option<Deviation> {
        let mean = self.sum.checked_div(u64::from(self.count))?;
        let variance =
            self.squares.checked_div(u64::from(self.count))?.saturating_sub(mean.saturating_mul(mean));
        let (count, variance) = (i64::from(self.count), i64::try_from(variance).unwrap_or(i64::MAX / 64));
        let assumed = ASSUMED_SPREAD.saturating_mul(ASSUMED_SPREAD).saturating_mul(ASSUMED_AMOUNTS);
        let known = variance.min(i64::MAX / 64).saturating_mul(count).saturating_add(assumed);
        let spread = known.checked_div(count.saturating_add(ASSUMED_AMOUNTS))?;
        // The mean of few is uncertain itself.
        let spread = spread.saturating_add(spread.checked_div(count)?);
        let root = u64::try_from(spread).unwrap_or(0).isqrt().max(1);
        let above = u64::from(amount.0).saturating_sub(mean);
        let spreads_hundredths = above.saturating_mul(100).checked_div(root)?;
        Some(Deviation { spreads_hundredths, times_tenths: times_tenths(above), of: self.count })
    }
}

/// Ten times two to the power of so many 256ths, rounded down; linear between powers of two is close enough for people.
fn times_tenths(above: u64) -> u64 {
    let (whole, rest) = (above / ONE, above % ONE);
    let base = 10_u64
        .saturating_mul(1_u64.checked_shl(u32::try_from(whole).unwrap_or(63).min(40)).unwrap_or(u64::MAX));
    base.saturating_add(base.saturating_mul(rest) / ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_exact_at_powers_of_two_and_close_between() {
        for power in 0..64 {
            assert_eq!(Log2::of(1 << power), Log2(u16::try_from(power * 256).unwrap()));
        }
        for number in [3_u64, 10, 999, 1_000, 1_001, 123_456_789, u64::MAX] {
            let float = number.to_string().parse::<f64>().unwrap();
            assert!((f64::from(Log2::of(number).0) - float.log2() * 256.0).abs() <= 1.01, "{number}");
        }
        assert_eq!(Log2::of(0), Log2(0));
    }

    #[test]
    fn usual_amounts_do_not_stand_out_and_a_hundredfold_does() {
        let mut stats = AmountStats::default();
        assert_eq!(stats.deviation(Log2::of(1_000)), None);
        (0..20).for_each(|n| stats.add(Log2::of(90_000 + 1_000 * n)));
        assert!(stats.deviation(Log2::of(120_000)).unwrap().spreads_hundredths < 100);
        let far = stats.deviation(Log2::of(10_000_000)).unwrap();
        assert!(far.spreads_hundredths > 400 && (900..1_100).contains(&far.times_tenths), "{far:?}");
        assert_eq!(stats.deviation(Log2::of(1)).unwrap().spreads_hundredths, 0);
    }

    #[test]
    fn the_newest_amounts_weigh_most_and_counts_stay_small() {
        let mut stats = AmountStats::default();
        (0..500).for_each(|_| stats.add(Log2::of(100)));
        (0..200).for_each(|_| stats.add(Log2::of(1_000_000)));
        assert!(stats.count() <= MAX_AMOUNTS);
        assert_eq!(stats.deviation(Log2::of(1_000_000)).unwrap().times_tenths / 10, 1);
    }
}
