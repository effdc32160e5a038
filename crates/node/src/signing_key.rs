//! Ed25519 secret keys in files: PKCS#8 PEM, mode 0600.
//!
//! Must never read a key that others can access, nor replace one.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use holdfast_transport::files::{self, FileError};
use rand::rngs::OsRng;

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds no key.
    #[error("`{0}` is not an Ed25519 key in PKCS#8 PEM")]
    Malformed(String),
}

/// Makes a new key in a new file.
pub(crate) fn generate(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let key = SigningKey::generate(&mut OsRng);
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| malformed(path))?;
    files::create_secret(path, pem.as_bytes())?;
    Ok(key)
}

/// Loads a key.
pub(crate) fn load(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let bytes = files::read_secret(path)?;
    let pem = std::str::from_utf8(&bytes).map_err(|_| malformed(path))?;
    SigningKey::from_pkcs8_pem(pem).map_err(|_| malformed(path))
}

fn malformed(path: &Path) -> SigningKeyError {
    SigningKeyError::Malformed(path.display().to_string())
}
