//! The record and backup file of a share, version 1: public data in the clear, the share sealed.
//!
//! Owns the layout only. It must never hold an unsealed share.
//!
//! ```text
//! "HFSHARE" | version 1 | length of the public data u16 | public key data | sealed share
//! ```

use holdfast_threshold::KeyPublic;

const MAGIC: &[u8; 8] = b"HFSHARE\x01";

/// A share at rest.
#[derive(Debug)]
pub(super) struct SealedShare {
    /// Whose share it is: public key, epoch, threshold, verifying shares. Not authenticated here: the share is checked
    /// against it after opening.
    pub(super) public: KeyPublic,
    /// The sealed share.
    pub(super) sealed: Vec<u8>,
}

impl SealedShare {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let public = self.public.to_bytes();
        let length = u16::try_from(public.len()).unwrap_or(u16::MAX).to_be_bytes();
        [MAGIC.as_slice(), &length, &public, &self.sealed].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (public, sealed) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        Some(Self { public: KeyPublic::from_bytes(public).ok()?, sealed: sealed.to_vec() })
    }
}
