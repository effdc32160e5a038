//! Owns sums of amounts that never run over: an amount and how often it wrapped. What a sum is depends on what is in it and on
//! nothing else, so a replica that was restored adds up to the same as one that kept running (G10).

use holdfast_chains::Amount;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    // In units of 2^256. Nobody lives to see 2^64 of them.
    wraps: u64,
    rest: Amount,
}

impl Total {
    pub(super) const ZERO: Self = Self { wraps: 0, rest: Amount::ZERO };

    pub(super) fn of(amount: Amount) -> Self {
        Self { wraps: 0, rest: amount }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let (rest, wrapped) = match self.rest.checked_add(other.rest) {
            Some(sum) => (sum, 0),
            None => (wrapped_sum(self.rest, other.rest), 1),
        };
        Self { wraps: self.wraps.saturating_add(other.wraps).saturating_add(wrapped), rest }
    }

    /// Callers take out what they put in: the difference is never below zero.
    pub(super) fn minus(self, other: Self) -> Self {
        let (rest, borrowed) = match self.rest.checked_sub(other.rest) {
            Some(difference) => (difference, 0),
            None => (wrapped_difference(self.rest, other.rest), 1),
        };
        Self { wraps: self.wraps.saturating_sub(other.wraps).saturating_sub(borrowed), rest }
    }

    /// `None` above 2^256 - 1.
    pub(super) fn amount(self) -> Option<Amount> {
        (self.wraps == 0).then_some(self.rest)
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

/// `one + other - 2^256`, for two whose sum is at least that.
fn wrapped_sum(one: Amount, other: Amount) -> Amount {
    let missing = Amount::MAX.checked_sub(other);
    let above = missing.and_then(|missing| one.checked_sub(missing)?.checked_sub(Amount::from_u128(1)));
    above.unwrap_or(Amount::ZERO)
}

/// `one + 2^256 - other`, for a larger `other`.
fn wrapped_difference(one: Amount, other: Amount) -> Amount {
    let missing = Amount::MAX.checked_sub(other);
    let above = missing.and_then(|missing| one.checked_add(missing)?.checked_add(Amount::from_u128(1)));
    above.unwrap_or(Amount::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_256_bits_come_back_exactly() {
        let large = Total::of(Amount::MAX);
        let one = Total::of(Amount::from_u128(1));
        let both = large.plus(large).plus(one);
        assert_eq!(both.amount(), None);
        assert_eq!(both.minus(large), large.plus(one));
        assert_eq!(both.minus(large).amount(), None, "2^256");
        assert_eq!(both.minus(large).minus(one).amount(), Some(Amount::MAX));
        assert_eq!(both.minus(one).minus(large).minus(large), Total::ZERO);
    }
}
