//! BIP-32 children without hardened indices, which the library does not know.
//!
//! Owns the sum of the tweaks on a path. It must never derive from anything but public data: every party gets the same.

use bip32::{ChildNumber, PublicKey as _};

use crate::library::{Point, Scalar};

/// Indices from here on are hardened.
const HARDENED: u32 = 1 << 31;

/// What to add to every share, and the chain code, of the child at `path`; `None` if there is no such child.
pub(crate) fn tweak(public_key: &[u8; 33], chain_code: [u8; 32], path: &[u32]) -> Option<(Scalar, [u8; 32])> {
    let mut key = bip32::secp256k1::ecdsa::VerifyingKey::from_sec1_bytes(public_key).ok()?;
    let (mut sum, mut chain_code) = (Scalar::zero(), chain_code);
    for index in path {
        if *index >= HARDENED {
            return None;
        }
        let (step, next) = key.derive_tweak(&chain_code, ChildNumber(*index)).ok()?;
        key = key.derive_child(step).ok()?;
        sum = plus(&sum, &Scalar::from_bytes(&step).ok()?);
        chain_code = next;
    }
    Some((sum, chain_code))
}

#[expect(clippy::arithmetic_side_effects, reason = "addition modulo the group's order")]
pub(crate) fn plus(left: &Scalar, right: &Scalar) -> Scalar {
    left + right
}

/// The point, moved by `tweak` times the generator.
#[expect(clippy::arithmetic_side_effects, reason = "addition in the group")]
pub(crate) fn shifted(point: &Point, tweak: &Scalar) -> Point {
    point + Point::generator() * tweak
}
