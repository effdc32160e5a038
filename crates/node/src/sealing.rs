//! Sealing at rest: a passphrase file, Argon2id, XChaCha20-Poly1305.
//!
//! Owns the format of everything secret on disk, version 1, and the key that opens it. It must never write a secret
//! that is not bound to its cluster, node, kind and subject, and never open one that is bound to anything else.
//!
//! ```text
//! "HFSEAL" | version 1 | Argon2id memory KiB u32 | iterations u32 | lanes u32 | salt (16) | nonce (24) | ciphertext, tag
//! ```
//!
//! Everything before the ciphertext, and the [`SealedContext`], is authenticated. A sealed blob and the passphrase are
//! all that a restore needs.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use holdfast_policy::{ClusterId, NodeId};
use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

const MAGIC: &[u8; 7] = b"HFSEAL\x01";
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
/// Shorter passphrases are refused: `holdfast-node enroll` draws one of 64 characters.
const MIN_PASSPHRASE_BYTES: usize = 16;

/// How the sealing key is made from the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KdfParameters {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

impl KdfParameters {
    /// 64 MiB, 3 iterations, 1 lane: above what RFC 9106 recommends for constrained machines.
    pub(crate) const PRODUCTION: Self = Self { memory_kib: 64 * 1024, iterations: 3, lanes: 1 };
    /// What a blob may ask of this machine before it is authenticated.
    const MAXIMUM: Self = Self { memory_kib: 1024 * 1024, iterations: 16, lanes: 8 };

    #[cfg(test)]
    pub(crate) const FAST_FOR_TESTS: Self = Self { memory_kib: 8, iterations: 1, lanes: 1 };

    fn is_bearable(&self) -> bool {
        self.memory_kib <= Self::MAXIMUM.memory_kib
            && self.iterations <= Self::MAXIMUM.iterations
            && self.lanes <= Self::MAXIMUM.lanes
    }
}

/// The part of a blob that says how its key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KdfHeader {
    parameters: KdfParameters,
    salt: [u8; SALT_BYTES],
}

/// What a sealed secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedKind {
    /// A constant, to tell a wrong passphrase.
    PassphraseCheck,
    /// A key share.
    KeyShare,
    /// The state of an unfinished key generation.
    KeygenState,
    /// What vouches for a snapshot of the replica: no secret, but nobody else's to make.
    Snapshot,
}

impl SealedKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::PassphraseCheck => "passphrase-check",
            Self::KeyShare => "key-share",
            Self::KeygenState => "keygen-state",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What a sealed secret belongs to: all of it must be the same when it is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedContext<'a> {
    /// The cell.
    pub(crate) cluster: &'a ClusterId,
    /// This node.
    pub(crate) node: &'a NodeId,
    /// What it is.
    pub(crate) kind: SealedKind,
    /// Whose it is: a wallet, or a ceremony.
    pub(crate) subject: &'a str,
    /// The key epoch.
    pub(crate) epoch: u32,
}

/// Why a secret was not opened, or could not be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealingError {
    /// Not a sealed blob of a version that this program knows.
    #[error("not a sealed secret of a version that this program knows")]
    Malformed,
    /// It asks for more work or memory than this program does for a blob.
    #[error("the sealed secret asks for unreasonable key derivation parameters")]
    Unbearable,
    /// It was sealed under another salt, hence another key.
    #[error("the secret was sealed under another salt: it is from another installation of this node")]
    OtherSalt,
    /// Wrong passphrase, another node's or wallet's secret, or damage.
    #[error("the secret does not open: wrong passphrase, another node's or key's secret, or damage")]
    NotAuthentic,
    /// The passphrase is too short.
    #[error("the passphrase has fewer than {MIN_PASSPHRASE_BYTES} bytes")]
    PassphraseTooShort,
    /// The key derivation or the cipher refused its arguments.
    #[error("the secret cannot be sealed")]
    Unsealable,
}

impl SealingError {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "SEALED_MALFORMED",
            Self::Unbearable => "SEALED_PARAMETERS_UNREASONABLE",
            Self::OtherSalt => "SEALED_UNDER_OTHER_SALT",
            Self::NotAuthentic => "SEALED_NOT_AUTHENTIC",
            Self::PassphraseTooShort => "PASSPHRASE_TOO_SHORT",
            Self::Unsealable => "SEALING_FAILED",
        }
    }
}

/// Seals and opens. Wiped on drop, never printed.
pub(crate) struct SealingKey {
    header: KdfHeader,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("header", &self.header).field("key", &"<redacted>").finish()
    }
}

impl SealingKey {
    /// A key under a fresh salt.
    pub(crate) fn create(passphrase: &[u8], parameters: KdfParameters) -> Result<Self, SealingError> {
        let mut salt = [0; SALT_BYTES];
        OsRng.fill_bytes(&mut salt);
        Self::derive(passphrase, KdfHeader { parameters, salt })
    }

    /// The key that sealed this blob, if the passphrase is right.
    pub(crate) fn of_blob(passphrase: &[u8], blob: &[u8]) -> Result<Self, SealingError> {
        let (header, _) = KdfHeader::read(blob)?;
        Self::derive(passphrase, header)
    }

    fn derive(passphrase: &[u8], header: KdfHeader) -> Result<Self, SealingError> {
        if passphrase.len() < MIN_PASSPHRASE_BYTES {
            return Err(SealingError::PassphraseTooShort);
        }
        let KdfParameters { memory_kib, iterations, lanes } = header.parameters;
        let parameters = Params::new(memory_kib, iterations, lanes, Some(KEY_BYTES))
            .map_err(|_| SealingError::Unbearable)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase, &header.salt, key.as_mut_slice())
            .map_err(|_| SealingError::Unsealable)?;
        Ok(Self { header, key })
    }

    /// Seals a secret for its context under a fresh random nonce.
    pub(crate) fn seal(&self, context: &SealedContext<'_>, secret: &[u8]) -> Result<Vec<u8>, SealingError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut nonce);
        let front = [self.header.to_bytes().as_slice(), &nonce].concat();
        let aad = associated_data(&front, context);
        let ciphertext = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: secret, aad: &aad })
            .map_err(|_| SealingError::Unsealable)?;
        Ok([front, ciphertext].concat())
    }

    /// Opens a blob that was sealed by this key for exactly this context.
    pub(crate) fn open(
        &self,
        context: &SealedContext<'_>,
        blob: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let (header, rest) = KdfHeader::read(blob)?;
        if header != self.header {
            return Err(SealingError::OtherSalt);
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealingError::Malformed)?;
        let front = [header.to_bytes().as_slice(), nonce].concat();
        let aad = associated_data(&front, context);
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| SealingError::NotAuthentic)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(self.key.as_slice()))
    }
}

impl KdfHeader {
    fn to_bytes(self) -> Vec<u8> {
        let KdfParameters { memory_kib, iterations, lanes } = self.parameters;
        let numbers = [memory_kib, iterations, lanes].map(u32::to_be_bytes).concat();
        [MAGIC.as_slice(), &numbers, &self.salt].concat()
    }

    /// The header and what follows it. Its numbers are bounded here, because they are used before they are authenticated.
    fn read(blob: &[u8]) -> Result<(Self, &[u8]), SealingError> {
        let rest = blob.strip_prefix(MAGIC).ok_or(SealingError::Malformed)?;
        let (memory_kib, rest) = read_u32(rest)?;
        let (iterations, rest) = read_u32(rest)?;
        let (lanes, rest) = read_u32(rest)?;
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>().ok_or(SealingError::Malformed)?;
        let parameters = KdfParameters { memory_kib, iterations, lanes };
        if !parameters.is_bearable() {
            return Err(SealingError::Unbearable);
        }
        Ok((Self { parameters, salt: *salt }, rest))
    }
}

fn read_u32(bytes: &[u8]) -> Result<(u32, &[u8]), SealingError> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(SealingError::Malformed)?;
    Ok((u32::from_be_bytes(*number), rest))
}

/// Every part is preceded by its length, so that no two contexts share an encoding.
fn associated_data(front: &[u8], context: &SealedContext<'_>) -> Vec<u8> {
    let epoch = context.epoch.to_be_bytes();
    let parts = [
        front,
        context.cluster.as_str().as_bytes(),
        context.node.as_str().as_bytes(),
        context.kind.as_str().as_bytes(),
        context.subject.as_bytes(),
        &epoch,
    ];
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests;
