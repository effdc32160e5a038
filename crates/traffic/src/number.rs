//! Owns the conversions between floats and integers: the one file of this crate in which `as` is written. Floats are
//! allowed in this crate because nothing decides with them: what leaves it are integers.

/// The integer part; negative numbers and not-a-number give zero, what is too large gives the maximum.
#[expect(clippy::as_conversions, reason = "a cast from float to integer saturates, which is what is wanted")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// The nearest float.
#[expect(clippy::as_conversions, reason = "rounding above 2^53 is harmless here")]
pub(crate) fn real(number: u64) -> f64 {
    number as f64
}

/// Whether `number` cut to an integer is what a length or index can hold.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A length as an integer of fixed width.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// `a * b / divisor` without overflow in between; saturates.
pub(crate) fn scaled(a: u128, b: u128, divisor: u128) -> u128 {
    a.checked_mul(b).and_then(|product| product.checked_div(divisor)).unwrap_or(u128::MAX)
}

/// The share `part` of `of`, rounded down.
pub(crate) fn share(of: u64, part: f64) -> u64 {
    whole(real(of) * part)
}
