//! Public keys below a wallet's key: [BIP-32](https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki) public derivation.
//!
//! Only what the public key and the chain code give. Must never derive hardened children: they need the private key,
//! which nobody has.

use bip32::{ChildNumber, ExtendedKeyAttrs, ExtendedPublicKey};
use k256::ecdsa::VerifyingKey;
use thiserror::Error;

use crate::digest::Digest;
use crate::public_key::PublicKey;

/// The first index that would be hardened.
const HARDENED: u32 = 1 << 31;

impl PublicKey {
    /// The key at `path` below this one.
    ///
    /// # Errors
    /// [`DerivationError`] if an index is hardened, or belongs to no key (about one in 2^127).
    // INVARIANT: a child is determined by key, chain code and path alone, so that nobody chooses where a sweep is from (G1).
    pub fn derive(&self, chain_code: &Digest, path: &[u32]) -> Result<Self, DerivationError> {
        let attributes = ExtendedKeyAttrs {
            depth: 0,
            parent_fingerprint: [0; 4],
            child_number: ChildNumber::default(),
            chain_code: *chain_code.as_bytes(),
        };
        let mut key = ExtendedPublicKey::<VerifyingKey>::new(*self.verifying_key(), attributes);
        for index in path {
            if *index >= HARDENED {
                return Err(DerivationError::Hardened { index: *index });
            }
            key = key
                .derive_child(ChildNumber(*index))
                .map_err(|_| DerivationError::NoSuchKey { index: *index })?;
        }
        Self::from_sec1(&key.to_bytes()).map_err(|_| DerivationError::NoSuchKey { index: 0 })
    }
}

/// Why a path leads to no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DerivationError {
    /// Hardened children need the private key.
    #[error("derivation index {index} is hardened: it must be below 2147483648")]
    Hardened {
        /// The index.
        index: u32,
    },
    /// BIP-32 gives no key for this index.
    #[error("derivation index {index} belongs to no key: take the next one")]
    NoSuchKey {
        /// The index.
        index: u32,
    },
}

impl DerivationError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hardened { .. } => "DERIVATION_HARDENED",
            Self::NoSuchKey { .. } => "DERIVATION_NO_SUCH_KEY",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP-32, test vector 2: `m` and `m/0`, both public.
    const MASTER: &str = "03cbcaa9c98c877a26977d00825c956a238e8dddfbd322cce4f74b0b5bd6ace4a7";
    const MASTER_CHAIN_CODE: &str = "60499f801b896d83179a4374aeb7822aaeaceaa0db1f85ee3e904c4defbd9689";
    const CHILD: &str = "02fc9e5af0ac8d9b3cecfe2a888e2117ba3d089d8585886c9c826b6b22a98d12ea";

    fn master() -> (PublicKey, Digest) {
        let chain_code = Digest::parse(&format!("0x{MASTER_CHAIN_CODE}")).unwrap();
        (PublicKey::parse(MASTER).unwrap(), chain_code)
    }

    #[test]
    fn published_child_is_derived() {
        let (key, chain_code) = master();
        assert_eq!(key.derive(&chain_code, &[0]).unwrap().to_string(), CHILD);
        assert_eq!(key.derive(&chain_code, &[]).unwrap(), key);
    }

    #[test]
    fn index_order_and_chain_code_all_matter() {
        let (key, chain_code) = master();
        let child = |code: &Digest, path: &[u32]| key.derive(code, path).unwrap();
        assert_ne!(child(&chain_code, &[0, 1]), child(&chain_code, &[1, 0]));
        assert_ne!(child(&chain_code, &[0, 1]), child(&chain_code, &[0, 2]));
        assert_ne!(child(&chain_code, &[0, 1]), child(&Digest([0; 32]), &[0, 1]));
    }

    #[test]
    fn hardened_index_is_refused_wherever_it_stands() {
        let (key, chain_code) = master();
        for path in [vec![HARDENED], vec![0, HARDENED], vec![u32::MAX, 0]] {
            assert_eq!(key.derive(&chain_code, &path).unwrap_err().code(), "DERIVATION_HARDENED");
        }
        assert!(key.derive(&chain_code, &[0, HARDENED - 1]).is_ok());
    }
}
