//! ECDSA signatures on secp256k1, checked with plain k256.
//!
//! The threshold engine's result is not believed: a [`Signature`] made from it exists only after it verified and
//! its recovery parity was found. Must never hold a private key or a nonce.

use std::fmt;
use std::ops::{Add, Mul};

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, Signature as K256Signature, VerifyingKey};
use k256::elliptic_curve::ops::{Invert as _, MulByGenerator as _, Reduce};
use k256::elliptic_curve::point::AffineCoordinates as _;
use k256::{AffinePoint, ProjectivePoint, Scalar, U256};
use thiserror::Error;

use crate::digest::Digest;
use crate::fixed_hex::{self, HexError};
use crate::public_key::PublicKey;
use crate::serde_text::text_value;

/// A signature with low s and its recovery parity. Text and JSON form: `0x` and 65 bytes, `r || s || v` with v 0 or
/// 1, in lower-case digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    r: [u8; 32],
    // INVARIANT: at most half the group's order, so that a signature has no second valid form (G5).
    s: [u8; 32],
    y_parity: bool,
}

impl Signature {
    /// Checks `r` and `s` (big-endian) against the digest and the public key.
    ///
    /// A high `s` is replaced by its low equivalent first; the parity is found by recovering the public key.
    pub fn from_scalars(
        r: [u8; 32],
        s: [u8; 32],
        digest: &Digest,
        public_key: &PublicKey,
    ) -> Result<Self, SignatureError> {
        let given = K256Signature::from_scalars(r, s).map_err(|_| SignatureError::ScalarOutOfRange)?;
        let low = given.normalize_s().unwrap_or(given);
        public_key
            .verifying_key()
            .verify_prehash(digest.as_bytes(), &low)
            .map_err(|_| SignatureError::Invalid)?;
        let (r, s) = low.split_bytes();
        [false, true]
            .into_iter()
            .map(|y_parity| Self { r: r.into(), s: s.into(), y_parity })
            .find(|signature| signature.recovers(&low, digest, public_key))
            .ok_or(SignatureError::ParityMismatch)
    }

    /// Reads `0x` and 130 lower-case digits; a high `s` is refused, not replaced.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        Self::from_bytes(&fixed_hex::parse_prefixed::<65>(text)?)
    }

    /// Reads `r || s || v`. Says nothing about who signed what: see [`Signature::verify`].
    pub fn from_bytes(bytes: &[u8; 65]) -> Result<Self, SignatureError> {
        let (scalars, v) = bytes.split_at(64);
        let y_parity = match v {
            [0] => false,
            [1] => true,
            _ => return Err(SignatureError::Parity),
        };
        let parsed = K256Signature::from_slice(scalars).map_err(|_| SignatureError::ScalarOutOfRange)?;
        if parsed.normalize_s().is_some() {
            return Err(SignatureError::HighS);
        }
        let (r, s) = parsed.split_bytes();
        Ok(Self { r: r.into(), s: s.into(), y_parity })
    }

    /// Writes `r || s || v`.
    pub fn to_bytes(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        let source = self.r.iter().chain(&self.s).copied().chain([u8::from(self.y_parity)]);
        for (target, byte) in bytes.iter_mut().zip(source) {
            *target = byte;
        }
        bytes
    }

    /// Checks that the public key signed the digest and that the parity recovers exactly that key.
    ///
    /// One computation of the nonce point answers both: verifying needs its x coordinate, recovering starts from x and the
    /// parity of y. Ethereum cannot express a nonce point whose x was reduced, so that is a parity that does not recover.
    // INVARIANT (G1): accepts exactly what k256's `verify_prehash` and `recover_from_prehash` accept together; a test
    // compares them.
    pub fn verify(&self, digest: &Digest, public_key: &PublicKey) -> Result<(), SignatureError> {
        let signature =
            K256Signature::from_scalars(self.r, self.s).map_err(|_| SignatureError::ScalarOutOfRange)?;
        let point = nonce_point(&signature, digest, public_key);
        let x = point.x();
        if <Scalar as Reduce<U256>>::reduce_bytes(&x) != *signature.r() {
            Err(SignatureError::Invalid)
        } else if x.as_slice() != self.r || bool::from(point.y_is_odd()) != self.y_parity {
            Err(SignatureError::ParityMismatch)
        } else {
            Ok(())
        }
    }

    /// The x coordinate of the nonce point, modulo the group's order, big-endian.
    pub fn r(&self) -> &[u8; 32] {
        &self.r
    }

    /// The low s, big-endian.
    pub fn s(&self) -> &[u8; 32] {
        &self.s
    }

    /// Whether the nonce point's y coordinate is odd (`v` = 1).
    pub fn y_parity(&self) -> bool {
        self.y_parity
    }

    /// Whether this parity leads back to the key. Ethereum cannot express a nonce point whose x was reduced, so the
    /// two recovery ids for that are not tried.
    fn recovers(&self, signature: &K256Signature, digest: &Digest, public_key: &PublicKey) -> bool {
        let id = RecoveryId::new(self.y_parity, false);
        VerifyingKey::recover_from_prehash(digest.as_bytes(), signature, id)
            .is_ok_and(|recovered| recovered == *public_key.verifying_key())
    }
}

/// `(z / s) G + (r / s) Q`: the nonce's point, if the signature is one (SEC 1 version 2, section 4.1.4).
fn nonce_point(signature: &K256Signature, digest: &Digest, public_key: &PublicKey) -> AffinePoint {
    let z = <Scalar as Reduce<U256>>::reduce_bytes(&(*digest.as_bytes()).into());
    let (r, s) = signature.split_scalars();
    let s_inverse: Scalar = *s.invert_vartime();
    let key = ProjectivePoint::from(*public_key.verifying_key().as_affine());
    // Two multiplications are faster than one linear combination: k256 has a table for the generator.
    let of_base = ProjectivePoint::mul_by_generator(&z.mul(&s_inverse));
    let of_key = Mul::mul(key, &(*r).mul(&s_inverse));
    Add::add(of_base, of_key).to_affine()
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

text_value!(Signature, SignatureError, "a signature as `0x` and 130 lower-case digits");

/// Why a signature is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The text is not `0x` and 130 lower-case digits.
    #[error(transparent)]
    Hex(#[from] HexError),
    /// `r` or `s` is zero or not below the group's order.
    #[error("signature's `r` or `s` is zero or not below the order of secp256k1")]
    ScalarOutOfRange,
    /// The second form of a signature, which we never write.
    #[error("signature has a high `s`: the low form is the only one accepted")]
    HighS,
    /// `v` is neither 0 nor 1.
    #[error("signature's last byte must be 0 or 1")]
    Parity,
    /// The public key did not sign this digest.
    #[error("signature does not verify against the public key and digest")]
    Invalid,
    /// The parity recovers another key.
    #[error("signature's parity does not recover the public key")]
    ParityMismatch,
}

impl SignatureError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hex(_) | Self::Parity => "SIGNATURE_MALFORMED",
            Self::ScalarOutOfRange => "SIGNATURE_SCALAR_OUT_OF_RANGE",
            Self::HighS => "SIGNATURE_HIGH_S",
            Self::Invalid => "SIGNATURE_INVALID",
            Self::ParityMismatch => "SIGNATURE_PARITY_MISMATCH",
        }
    }
}

#[cfg(test)]
mod tests;
