//! The border to the library: its types, bytes in and out, and its panics.
//!
//! Owns encoding (CBOR in exactly one form, because the library's types need field names) and the bounds on numbers. It
//! must never decode more than a message of its round can hold, and never hand a modulus on that GMP cannot divide by.

use std::panic::{AssertUnwindSafe, catch_unwind};

use curv::BigInt;
use curv::arithmetic::{BitManipulation, Integer, NumberTests, One};
use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::channel::Plaintext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub(crate) type Point = curv::elliptic::curves::Point<Secp256k1>;
pub(crate) type Scalar = curv::elliptic::curves::Scalar<Secp256k1>;
pub(crate) type Hash = sha2_curv::Sha256;

/// What the library accepts as a Paillier or ring-Pedersen modulus.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2047..=2048;

/// Runs the library; `None` if it panicked. Its assertions are checks of peers' messages, so whoever calls this with one
/// peer's message knows whose doing it was.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The encoding, in one buffer that was sized first and is wiped on drop; `None` only if it cannot be written.
pub(crate) fn encode<T: Serialize>(value: &T) -> Option<Zeroizing<Vec<u8>>> {
    let mut size = Count(0);
    ciborium::into_writer(value, &mut size).ok()?;
    let mut out = Zeroizing::new(Vec::with_capacity(size.0));
    ciborium::into_writer(value, &mut *out).ok()?;
    Some(out)
}

/// The value that `bytes` encode, if they are exactly its one encoding.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    guarded(|| {
        let mut rest = bytes;
        let value: T = ciborium::from_reader(&mut rest).ok()?;
        (rest.is_empty() && *encode(&value)? == bytes).then_some(value)
    })
    .flatten()
}

/// A message of at most `max` bytes, decoded.
pub(crate) fn message<T: Serialize + DeserializeOwned>(plaintext: &Plaintext, max: usize) -> Option<T> {
    if plaintext.as_bytes().len() > max {
        return None;
    }
    decode(plaintext.as_bytes())
}

/// A number that GMP can divide by and that is as long as the library demands: odd, positive, 2047 or 2048 bits.
pub(crate) fn is_modulus(number: &BigInt) -> bool {
    !BigInt::is_negative(number) && number.is_odd() && MODULUS_BITS.contains(&number.bit_length())
}

/// Whether the number is in 1 .. modulus and has no factor in common with it.
pub(crate) fn is_unit(number: &BigInt, modulus: &BigInt) -> bool {
    is_residue(number, modulus) && number.gcd(modulus) == BigInt::one()
}

/// Whether the number is in 1 .. modulus.
pub(crate) fn is_residue(number: &BigInt, modulus: &BigInt) -> bool {
    !BigInt::is_negative(number) && !BigInt::is_zero(number) && number < modulus
}

/// A point as 33-byte SEC1; `None` for the neutral element.
pub(crate) fn sec1(point: &Point) -> Option<[u8; 33]> {
    if point.is_zero() {
        return None;
    }
    <[u8; 33]>::try_from(&*point.to_bytes(true)).ok()
}

struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use curv::arithmetic::Zero;

    use super::*;

    #[test]
    fn numbers_that_gmp_cannot_divide_by_are_no_moduli() {
        let two_to = |bits: usize| BigInt::one() << bits;
        assert!(is_modulus(&(two_to(2047) + BigInt::one())));
        for bad in [
            BigInt::zero(),
            BigInt::one(),
            two_to(2047),
            two_to(2048) + BigInt::one(),
            -(two_to(2047) + BigInt::one()),
        ] {
            assert!(!is_modulus(&bad), "{} bits", bad.bit_length());
        }
    }

    #[test]
    fn a_unit_is_positive_smaller_and_coprime() {
        let modulus = BigInt::from(15);
        for (number, unit) in
            [(0, false), (1, true), (3, false), (14, true), (15, false), (16, false), (-1, false)]
        {
            assert_eq!(is_unit(&BigInt::from(number), &modulus), unit, "{number}");
        }
    }

    #[test]
    fn only_the_one_encoding_is_accepted() {
        let bytes = encode(&(BigInt::from(300), Point::generator().to_point())).unwrap();
        assert!(decode::<(BigInt, Point)>(&bytes).is_some());
        assert!(decode::<(BigInt, Point)>(&[&bytes[..], &[0]].concat()).is_none());
        assert!(decode::<(BigInt, Point)>(&bytes[..bytes.len() - 1]).is_none());
        // A number with a leading zero byte: 0x43 (three bytes) for 0x42 (two bytes).
        assert!(decode::<BigInt>(&[0x42, 1, 44]).is_some());
        assert!(decode::<BigInt>(&[0x43, 0, 1, 44]).is_none());
        // The same length in a longer form.
        assert!(decode::<BigInt>(&[0x58, 2, 1, 44]).is_none());
    }

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(guarded(|| -> u8 { panic!("of the library") }), None);
        assert_eq!(guarded(|| 7), Some(7));
    }
}
