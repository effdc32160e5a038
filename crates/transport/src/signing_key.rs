//! Ed25519 secret keys in files: PKCS#8 PEM, mode 0600.
//!
//! Must never read a key that others can access, nor replace one.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use rand::rngs::OsRng;

use crate::files::{self, FileError};

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
///
/// # Errors
/// [`SigningKeyError::File`], also when the file exists: a key is never replaced.
pub fn generate(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let key = SigningKey::generate(&mut OsRng);
    // Version 1 of the format, without the public key: OpenSSL and Python's `cryptography` refuse version 2.
    let version_1 = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    let pem = version_1.to_pkcs8_pem(LineEnding::LF).map_err(|_| malformed(path))?;
    files::create_secret(path, pem.as_bytes())?;
    Ok(key)
}

/// Loads a key.
///
/// # Errors
/// [`SigningKeyError`]; a file that others can access is refused.
pub fn load(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let bytes = files::read_secret(path)?;
    let pem = std::str::from_utf8(&bytes).map_err(|_| malformed(path))?;
    SigningKey::from_pkcs8_pem(pem).map_err(|_| malformed(path))
}

fn malformed(path: &Path) -> SigningKeyError {
    SigningKeyError::Malformed(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_comes_back_from_its_file_and_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.key");
        let key = generate(&path).unwrap();
        assert_eq!(load(&path).unwrap().to_bytes(), key.to_bytes());
        assert!(matches!(generate(&path), Err(SigningKeyError::File(_))));
    }

    #[test]
    fn key_file_is_pkcs8_version_1_as_other_libraries_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.key");
        let key = generate(&path).unwrap();
        let pem = std::fs::read_to_string(&path).unwrap();
        let read = KeypairBytes::from_pkcs8_pem(&pem).unwrap();
        assert_eq!(read.secret_key, key.to_bytes());
        assert!(read.public_key.is_none());
    }

    #[test]
    fn key_that_others_can_read_and_files_without_a_key_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.key");
        generate(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(&path), Err(SigningKeyError::File(_))));
        let other = directory.path().join("b.key");
        files::write_secret(&other, b"not a key").unwrap();
        assert!(matches!(load(&other), Err(SigningKeyError::Malformed(_))));
    }
}
