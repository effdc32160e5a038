//! Key files: officers' OpenSSH keys, and the Ed25519 keys of clients and providers.
//!
//! Secrets are read here, used once and dropped; none is printed, and a file that others can read is refused.

use std::path::Path;

use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_ledger::{OfficerKey, key_id};
use holdfast_log::{Envelope, PayloadType};
use holdfast_transport::files;
use holdfast_transport::signing_key::{self, SigningKeyError};
use holdfast_transport::with_causes;
use rand::rngs::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use crate::failure::{Exit, Failure};
use crate::profile::{Profile, Who};

/// Loads an officer's OpenSSH private key.
pub(crate) fn ssh(path: &Path) -> Result<PrivateKey, Failure> {
    let pem = files::read_secret(path)?;
    let refuse = |message: &str| {
        Failure::new(Exit::Usage, "SSH_KEY_INVALID", format!("`{}`: {message}", path.display()))
    };
    let key = PrivateKey::from_openssh(pem.as_slice()).map_err(|_| {
        refuse("not an OpenSSH private key").next(
            "pass the private key file itself; for a key in an agent or on a token use `--write-statement`",
        )
    })?;
    if key.is_encrypted() {
        return Err(refuse("the key is protected by a passphrase")
            .next("use `--write-statement FILE`, sign it with `ssh-keygen -Y sign`, then pass `--signature FILE.sig`"));
    }
    Ok(key)
}

/// Signs as `ssh-keygen -Y sign` would.
pub(crate) fn ssh_sign(path: &Path, namespace: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
    OfficerKey::sign(&ssh(path)?, namespace, message).map_err(|error| {
        Failure::new(Exit::Usage, "SSH_KEY_INVALID", with_causes(&error))
            .next("use `--write-statement FILE` and `ssh-keygen -Y sign`")
    })
}

/// Makes an officer's key pair: `path` and `path.pub`, as `ssh-keygen -t ed25519` would. Returns the public line.
pub(crate) fn generate_ssh(path: &Path, comment: &str) -> Result<String, Failure> {
    let refuse = |error: ssh_key::Error| Failure::other("SSH_KEY_INVALID", error.to_string());
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(refuse)?;
    key.set_comment(comment);
    let pem = key.to_openssh(LineEnding::LF).map_err(refuse)?;
    files::create_secret(path, pem.as_bytes())?;
    let public = key.public_key().to_openssh().map_err(refuse)?;
    files::write_public(&path.with_extension("pub"), format!("{public}\n").as_bytes())?;
    Ok(public)
}

/// Makes an Ed25519 key in a new PKCS#8 PEM file.
pub(crate) fn generate_ed25519(path: &Path) -> Result<SigningKey, Failure> {
    signing_key::generate(path).map_err(unusable)
}

/// Loads an Ed25519 key in PKCS#8 PEM.
pub(crate) fn ed25519(path: &Path) -> Result<SigningKey, Failure> {
    signing_key::load(path).map_err(unusable)
}

fn unusable(error: SigningKeyError) -> Failure {
    match error {
        SigningKeyError::File(error) => error.into(),
        malformed @ SigningKeyError::Malformed(_) => {
            Failure::new(Exit::Usage, "SIGNING_KEY_INVALID", malformed.to_string())
                .next("make one with `holdfast init key FILE`")
        }
    }
}

/// An Ed25519 public key in 64 lower-case hexadecimal digits.
pub(crate) fn public_key(text: &str) -> Result<VerifyingKey, Failure> {
    let refuse = || Failure::usage(format!("`{text}` is no Ed25519 public key in 64 hexadecimal digits"));
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| refuse())?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| refuse())
}

/// Signs a payload as a client or a provider, into an envelope.
pub(crate) fn envelope(
    profile: &Profile,
    who: &Who,
    payload_type: PayloadType,
    payload: Vec<u8>,
) -> Result<Envelope, Failure> {
    let key = ed25519(&profile.signing_key(who)?)?;
    Envelope::sign_ed25519(payload_type, payload, &key_id(who.role.as_str(), &who.name), &key)
        .map_err(|error| Failure::new(Exit::Usage, error.code(), error.to_string()))
}
