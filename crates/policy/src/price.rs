//! Owns prices: what one whole unit of an asset is worth, and what an amount is worth then. Rounds up, never down: a limit in
//! US dollars must not be passed by rounding.

use holdfast_chains::Amount;
use serde::{Deserialize, Serialize};

use crate::time::{DurationMs, TimestampMs};

/// The oldest price that any policy may accept: a day.
pub const MAX_PRICE_AGE: DurationMs = DurationMs(24 * 60 * 60 * 1000);

/// What one whole unit of an asset is worth, in millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

/// The price that counts: the highest of those that are young enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsdPrice {
    /// Of one whole unit.
    pub price: MicroUsd,
    /// When the provider looked.
    #[serde(rename = "observed_at_ms")]
    pub observed_at: TimestampMs,
}

impl MicroUsd {
    /// What an amount of base units is worth, in US cents, rounded up; `None` when it does not fit.
    pub fn cents(self, amount: Amount, decimals: u8) -> Option<u64> {
        // 10^4 millionths are a cent.
        let unit = u32::from(decimals).checked_add(4)?;
        amount.checked_mul_u64(self.0)?.checked_div_pow10_up(unit)?.to_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(price: u64, amount: u128, decimals: u8) -> Option<u64> {
        MicroUsd(price).cents(Amount::from_u128(amount), decimals)
    }

    #[test]
    fn a_dollar_is_a_hundred_cents() {
        assert_eq!(cents(1_000_000, 1_000_000, 6), Some(100));
        assert_eq!(cents(3_000_000_000, 1_000_000_000_000_000_000, 18), Some(300_000));
    }

    #[test]
    fn parts_of_a_cent_are_rounded_up() {
        assert_eq!(cents(1_000_000, 1, 6), Some(1));
        assert_eq!(cents(1_000_000, 10_000, 6), Some(1));
        assert_eq!(cents(1_000_000, 10_001, 6), Some(2));
        assert_eq!(cents(1_000_000, 0, 6), Some(0));
    }

    #[test]
    fn worth_that_does_not_fit_is_unknown_and_does_not_wrap() {
        assert_eq!(MicroUsd(u64::MAX).cents(Amount::MAX, 0), None);
        assert_eq!(MicroUsd(1).cents(Amount::MAX, 6), None);
        assert_eq!(MicroUsd(1).cents(Amount::from_u128(1), u8::MAX), Some(1), "more decimals than digits");
    }
}
