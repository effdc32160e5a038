//! Owns look-alike addresses: same beginning and end as another, different between. It never finds a key for one.

use crate::{draw::Draws, event::Address};

/// An address that shares the first `prefix` and the last `suffix` hexadecimal digits with `original`, and neither one more.
pub(super) fn lookalike(original: Address, prefix: usize, suffix: usize, draws: &mut Draws) -> Address {
    let fresh = draws.twenty_bytes();
    let mut digits = Vec::with_capacity(40);
    for (at, (own, other)) in nibbles(fresh).into_iter().zip(nibbles(original.0)).enumerate() {
        let from_end = 39_usize.saturating_sub(at);
        digits.push(if at < prefix || from_end < suffix {
            other
        } else if at == prefix || from_end == suffix {
            // One digit that differs for certain.
            other ^ own.clamp(1, 15)
        } else {
            own
        });
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |sum, digit| sum << 4 | digit);
    }
    Address(bytes)
}

fn nibbles(bytes: [u8; 20]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Domain, Seed};

    #[test]
    fn lookalikes_share_exactly_the_digits_asked_for() {
        let mut draws = Seed(9).draws(Domain::Incident, 0, 0);
        for (prefix, suffix) in [(3, 3), (4, 4), (5, 6), (0, 4), (7, 8)] {
            let original = Address(draws.twenty_bytes());
            let other = lookalike(original, prefix, suffix, &mut draws);
            let (a, b) = (nibbles(original.0), nibbles(other.0));
            let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
            assert_eq!((head, tail), (prefix, suffix));
        }
    }
}
