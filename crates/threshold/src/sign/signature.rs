//! The signature: what leaves the threshold engine.
//!
//! Owns its verification within this crate: by k256, whatever the engine. The coordinator verifies it again with another generation of k256.

use k256_engine::ecdsa::signature::hazmat::PrehashVerifier;
use k256_engine::ecdsa::{RecoveryId, Signature as Ecdsa, VerifyingKey};

/// An ECDSA signature over secp256k1 with low s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// r, big-endian.
    pub r: [u8; 32],
    /// s, big-endian, in the lower half.
    pub s: [u8; 32],
    /// Bit 0: y of the nonce point is odd. Bit 1: its x was reduced. Ethereum's `y_parity` is bit 0.
    pub recovery_id: u8,
}

impl Signature {
    /// Whether this is a low-s signature of `digest` by `public_key` (33-byte SEC1), and the recovery id leads back to
    /// that key.
    #[must_use]
    pub fn verifies(&self, public_key: &[u8; 33], digest: &[u8; 32]) -> bool {
        self.check(public_key, digest).is_some()
    }

    fn check(&self, public_key: &[u8; 33], digest: &[u8; 32]) -> Option<()> {
        let key = VerifyingKey::from_sec1_bytes(public_key).ok()?;
        let signature = Ecdsa::from_scalars(self.r, self.s).ok()?;
        key.verify_prehash(digest, &signature).ok()?;
        let recovery_id = RecoveryId::from_byte(self.recovery_id)?;
        let recovered = VerifyingKey::recover_from_prehash(digest, &signature, recovery_id).ok()?;
        (signature.normalize_s() == signature && recovered == key).then_some(())
    }
}
