//! Officers' SSH keys and the SSHSIG signatures they make (`ssh-keygen -Y sign`).
//!
//! Format: <https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig>. Ed25519 and hardware-backed
//! `sk-ssh-ed25519@openssh.com` keys are accepted; everything else is refused.

use ssh_key::{Algorithm, HashAlg, PrivateKey, PublicKey, SshSig};

/// SSHSIG namespace of officers' statements.
pub const OFFICER_NAMESPACE: &str = "holdfast-statement";
/// SSHSIG namespace of the genesis document.
pub const GENESIS_NAMESPACE: &str = "holdfast-genesis";

const MAX_SIGNATURE_BYTES: usize = 4096;

/// An officer's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficerKey(PublicKey);

/// A key or signature that is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum OfficerKeyError {
    /// Not an OpenSSH public key.
    #[error("not an OpenSSH public key")]
    Malformed(#[source] ssh_key::Error),
    /// Another algorithm.
    #[error("`{0}` keys are not accepted: use ssh-ed25519 or sk-ssh-ed25519")]
    Algorithm(String),
    /// The signature is not a well-formed SSHSIG.
    #[error("not an armored SSH signature")]
    SignatureMalformed,
    /// The signature does not verify.
    #[error("the SSH signature does not verify")]
    SignatureInvalid,
    /// A private key could not sign.
    #[error("the key cannot sign: is it encrypted or on a security key? use `ssh-keygen -Y sign`")]
    CannotSign(#[source] ssh_key::Error),
}

impl OfficerKey {
    /// Parses one line of an OpenSSH `.pub` file.
    ///
    /// # Errors
    /// [`OfficerKeyError::Malformed`] or [`OfficerKeyError::Algorithm`].
    pub fn parse(line: &str) -> Result<Self, OfficerKeyError> {
        let key = PublicKey::from_openssh(line).map_err(OfficerKeyError::Malformed)?;
        let algorithm = key.algorithm();
        if matches!(algorithm, Algorithm::Ed25519 | Algorithm::SkEd25519) {
            Ok(Self(key))
        } else {
            Err(OfficerKeyError::Algorithm(algorithm.to_string()))
        }
    }

    /// `SHA256:...`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Verifies an armored SSHSIG over the exact `message` in `namespace`.
    ///
    /// # Errors
    /// [`OfficerKeyError::SignatureMalformed`] or [`OfficerKeyError::SignatureInvalid`].
    pub fn verify(&self, namespace: &str, message: &[u8], armored: &[u8]) -> Result<(), OfficerKeyError> {
        if armored.len() > MAX_SIGNATURE_BYTES {
            return Err(OfficerKeyError::SignatureMalformed);
        }
        let signature = SshSig::from_pem(armored).map_err(|_| OfficerKeyError::SignatureMalformed)?;
        // `verify` compares key and namespace too; the hash is pinned to what ssh-keygen uses.
        if signature.hash_alg() != HashAlg::Sha512 {
            return Err(OfficerKeyError::SignatureMalformed);
        }
        self.0.verify(namespace, message, &signature).map_err(|_| OfficerKeyError::SignatureInvalid)
    }

    /// Signs as `ssh-keygen -Y sign` would and returns the armored SSHSIG. For officers' tools.
    ///
    /// # Errors
    /// [`OfficerKeyError::CannotSign`] for encrypted and hardware keys.
    pub fn sign(key: &PrivateKey, namespace: &str, message: &[u8]) -> Result<Vec<u8>, OfficerKeyError> {
        let signature = key.sign(namespace, HashAlg::Sha512, message).map_err(OfficerKeyError::CannotSign)?;
        let armored = signature.to_pem(ssh_key::LineEnding::LF).map_err(OfficerKeyError::CannotSign)?;
        Ok(armored.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::random(&mut rand::rngs::OsRng, Algorithm::Ed25519).unwrap()
    }

    fn public(key: &PrivateKey) -> OfficerKey {
        OfficerKey::parse(&key.public_key().to_openssh().unwrap()).unwrap()
    }

    #[test]
    fn signature_verifies_only_for_its_key_namespace_and_message() {
        let (alice, bob) = (key(), key());
        let signature = OfficerKey::sign(&alice, OFFICER_NAMESPACE, b"pause").unwrap();
        public(&alice).verify(OFFICER_NAMESPACE, b"pause", &signature).unwrap();
        assert!(public(&bob).verify(OFFICER_NAMESPACE, b"pause", &signature).is_err());
        assert!(public(&alice).verify(GENESIS_NAMESPACE, b"pause", &signature).is_err());
        assert!(public(&alice).verify(OFFICER_NAMESPACE, b"pausf", &signature).is_err());
    }

    #[test]
    fn signature_with_another_hash_is_refused() {
        let alice = key();
        let signature = alice.sign(OFFICER_NAMESPACE, HashAlg::Sha256, b"pause").unwrap();
        let armored = signature.to_pem(ssh_key::LineEnding::LF).unwrap();
        assert!(public(&alice).verify(OFFICER_NAMESPACE, b"pause", armored.as_bytes()).is_err());
    }

    #[test]
    fn rsa_and_garbage_keys_are_refused() {
        assert!(OfficerKey::parse("ssh-rsa AAAA").is_err());
        assert!(OfficerKey::parse("").is_err());
    }
}
