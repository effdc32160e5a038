//! Ed25519 secret keys in files: PKCS#8 PEM, mode 0600. Must never read a key that others can access.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use holdfast_transport::files::{self, FileError};

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds no key.
    #[error("`{0}` is not an Ed25519 key in PKCS#8 PEM")]
    Malformed(String),
}

/// Loads a key.
pub(crate) fn load(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let malformed = || SigningKeyError::Malformed(path.display().to_string());
    let bytes = files::read_secret(path)?;
    let pem = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    SigningKey::from_pkcs8_pem(pem).map_err(|_| malformed())
}
