//! Officers' SSH keys and the SSHSIG signatures they make (`ssh-keygen -Y sign`).
//!
//! Format: <https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig>. Ed25519 and hardware-backed
//! `sk-ssh-ed25519@openssh.com` keys are accepted; everything else is refused.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssh_key::{Algorithm, HashAlg, PrivateKey, PublicKey, SshSig};

/// SSHSIG namespace of officers' statements.
pub const OFFICER_NAMESPACE: &str = "holdfast-statement";
/// SSHSIG namespace of an agency's confirmations of legal orders.
pub const ORDER_NAMESPACE: &str = "holdfast-order";
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
    /// The security key signed without being touched.
    #[error("the security key signed without a touch")]
    UserNotPresent,
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
            // The comment is no part of the key: two spellings of one key are one key.
            Ok(Self(PublicKey::new(key.key_data().clone(), "")))
        } else {
            Err(OfficerKeyError::Algorithm(algorithm.to_string()))
        }
    }

    /// The key as one line in OpenSSH format, without a comment.
    pub fn to_openssh(&self) -> String {
        // Only keys that were read from this form exist here, so writing it cannot fail.
        self.0.to_openssh().unwrap_or_default()
    }

    /// `SHA256:...`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The Ed25519 point of the key.
    pub(crate) fn ed25519(&self) -> Option<[u8; 32]> {
        let key = self.0.key_data();
        key.ed25519().map(|key| key.0).or_else(|| key.sk_ed25519().map(|key| key.public_key().0))
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
        self.0.verify(namespace, message, &signature).map_err(|_| OfficerKeyError::SignatureInvalid)?;
        if self.0.algorithm() == Algorithm::SkEd25519 && !user_was_present(signature.signature_bytes()) {
            return Err(OfficerKeyError::UserNotPresent);
        }
        Ok(())
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

impl Serialize for OfficerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_openssh())
    }
}

impl<'de> Deserialize<'de> for OfficerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = String::deserialize(deserializer)?;
        Self::parse(&line).map_err(serde::de::Error::custom)
    }
}

/// A security key's signature is 64 bytes, one byte of flags and a counter; bit 0 says that somebody touched it. OpenSSH
/// refuses signatures without it, too: malware on an officer's machine can ask for them.
fn user_was_present(signature: &[u8]) -> bool {
    signature.get(64).is_some_and(|flags| flags & 1 == 1)
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

    /// A security key's signature as OpenSSH makes it: over application hash, flags, counter and message hash.
    fn sk_signature(flags: u8) -> (OfficerKey, Vec<u8>) {
        use ed25519_dalek::Signer as _;
        let point = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let public = ssh_key::public::SkEd25519::new(
            ssh_key::public::Ed25519PublicKey(point.verifying_key().to_bytes()),
            "ssh:".to_owned(),
        );
        let public = PublicKey::from(ssh_key::public::KeyData::SkEd25519(public));
        let to_sign = SshSig::signed_data(OFFICER_NAMESPACE, HashAlg::Sha512, b"pause").unwrap();
        let hash = |bytes: &[u8]| <sha2::Sha256 as sha2::Digest>::digest(bytes).to_vec();
        let message = [hash(b"ssh:"), vec![flags, 0, 0, 0, 7], hash(&to_sign)].concat();
        let data = [point.sign(&message).to_vec(), vec![flags, 0, 0, 0, 7]].concat();
        let signature = ssh_key::Signature::new(Algorithm::SkEd25519, data).unwrap();
        let signature =
            SshSig::new(public.key_data().clone(), OFFICER_NAMESPACE, HashAlg::Sha512, signature).unwrap();
        let armored = signature.to_pem(ssh_key::LineEnding::LF).unwrap();
        (OfficerKey::parse(&public.to_openssh().unwrap()).unwrap(), armored.into_bytes())
    }

    #[test]
    fn security_key_that_nobody_touched_is_refused() {
        let (key, touched) = sk_signature(1);
        key.verify(OFFICER_NAMESPACE, b"pause", &touched).unwrap();
        let (key, untouched) = sk_signature(0);
        let refused = key.verify(OFFICER_NAMESPACE, b"pause", &untouched).unwrap_err();
        assert!(matches!(refused, OfficerKeyError::UserNotPresent), "{refused:?}");
    }

    #[test]
    fn comment_is_no_part_of_a_key() {
        let line = key().public_key().to_openssh().unwrap();
        let (bare, commented) =
            (OfficerKey::parse(&line).unwrap(), OfficerKey::parse(&format!("{line} a@b")).unwrap());
        assert_eq!(bare, commented);
        assert_eq!(bare.to_openssh(), commented.to_openssh());
    }

    #[test]
    fn rsa_and_garbage_keys_are_refused() {
        assert!(OfficerKey::parse("ssh-rsa AAAA").is_err());
        assert!(OfficerKey::parse("").is_err());
        let number = |bytes: &[u8]| ssh_key::Mpint::from_positive_bytes(bytes).unwrap();
        let rsa = ssh_key::public::RsaPublicKey { e: number(&[1, 0, 1]), n: number(&[0xC5; 256]) };
        let line = PublicKey::from(ssh_key::public::KeyData::Rsa(rsa)).to_openssh().unwrap();
        let refused = OfficerKey::parse(&line).unwrap_err();
        assert!(matches!(refused, OfficerKeyError::Algorithm(_)), "a well-formed RSA key: {refused:?}");
    }

    #[test]
    fn padded_signature_is_not_read_beyond_its_bound() {
        // Given a good signature with so much text before it that it is as long as it may be
        let alice = key();
        let signature = OfficerKey::sign(&alice, OFFICER_NAMESPACE, b"pause").unwrap();
        let padded = |length: usize| {
            let mut padded = vec![b'x'; length - signature.len() - 1];
            padded.push(b'\n');
            padded.extend(&signature);
            padded
        };
        public(&alice).verify(OFFICER_NAMESPACE, b"pause", &padded(MAX_SIGNATURE_BYTES)).unwrap();
        // When it is one byte longer, then it is refused unread
        let refused = public(&alice).verify(OFFICER_NAMESPACE, b"pause", &padded(MAX_SIGNATURE_BYTES + 1));
        assert!(matches!(refused, Err(OfficerKeyError::SignatureMalformed)), "{refused:?}");
    }
}
