//! Names and public keys of signed notes, in the `<name>+<key id>+<key>` form that C2SP tools exchange.
//!
//! Owns the key id and the two key types in use: Ed25519 note signatures (logs) and Ed25519 cosignatures. Never
//! holds a secret key.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use thiserror::Error;

use crate::encoding;

/// Largest name of a key or a log, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// What a key signs: the type byte of C2SP signed-note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// 0x01: Ed25519 over the note's text.
    Log,
    /// 0x04: Ed25519 cosignature v1 with a timestamp.
    Cosigner,
}

/// The name of a log's or a cosigner's key: printable ASCII, without spaces and without `+`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a key name or a verifier key string was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteKeyError {
    /// Not a name.
    #[error("a key name must be 1 to 255 printable ASCII characters without spaces and without `+`")]
    NameInvalid,
    /// A part of a name contains a separator, so two different parties could get the same name.
    #[error("`{part}` must not be empty and must not contain `/`")]
    PartInvalid {
        /// The cluster's or node's name.
        part: String,
    },
    /// Not of the form `<name>+<8 hex digits>+<base64>`.
    #[error("a verifier key must have the form `<name>+<key id in 8 hex digits>+<base64 of type and key>`")]
    VkeyMalformed,
    /// The key id is not the one of this name and key: mistyped, or put together from two keys.
    #[error("the key id does not belong to this name and key: copy the whole verifier key string again")]
    KeyIdMismatch,
    /// A key for something else.
    #[error(
        "the key has type {found:#04x}, expected {expected:#04x} (0x01 is a log's key, 0x04 a cosigner's)"
    )]
    WrongKind {
        /// The type byte this key should have.
        expected: u8,
        /// The type byte it has.
        found: u8,
    },
    /// Not a point that anyone holds a secret key of.
    #[error("the public key is not a usable Ed25519 key")]
    KeyUnusable,
}

impl KeyName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, NoteKeyError> {
        let ok = (1..=MAX_NAME_BYTES).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && signed_note::is_key_name_valid(name);
        if ok { Ok(Self(name.to_owned())) } else { Err(NoteKeyError::NameInvalid) }
    }

    /// The name of a node's cosigning key: `holdfast/<cluster>/<node>`.
    pub fn of_node(cluster: &str, node: &str) -> Result<Self, NoteKeyError> {
        Self::new(&format!("holdfast/{}/{}", part(cluster)?, part(node)?))
    }

    /// The name of a cluster's log: `holdfast/<cluster>`.
    pub(crate) fn of_cluster(cluster: &str) -> Result<Self, NoteKeyError> {
        Self::new(&format!("holdfast/{}", part(cluster)?))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn part(text: &str) -> Result<&str, NoteKeyError> {
    if text.is_empty() || text.contains('/') {
        return Err(NoteKeyError::PartInvalid { part: text.chars().take(64).collect() });
    }
    Ok(text)
}

impl KeyKind {
    fn type_byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Cosigner => 0x04,
        }
    }

    /// The type byte and the key: what a verifier key string carries and a key id hashes.
    fn typed_key(self, key: &VerifyingKey) -> Vec<u8> {
        [&[self.type_byte()], key.as_bytes().as_slice()].concat()
    }

    /// The first 32 bits of `SHA-256(name || "\n" || type || key)`.
    pub(crate) fn key_id(self, name: &KeyName, key: &VerifyingKey) -> u32 {
        signed_note::key_id(name.as_str(), &self.typed_key(key))
    }

    /// The verifier key string.
    pub(crate) fn render_vkey(self, name: &KeyName, key: &VerifyingKey) -> String {
        let key_id = self.key_id(name, key);
        format!("{name}+{key_id:08x}+{}", encoding::to_base64(&self.typed_key(key)))
    }

    /// Reads a verifier key string of this kind in its one canonical form.
    pub(crate) fn parse_vkey(self, vkey: &str) -> Result<(KeyName, VerifyingKey), NoteKeyError> {
        let (name, key_id, typed_key) = split_vkey(vkey).ok_or(NoteKeyError::VkeyMalformed)?;
        let name = KeyName::new(name)?;
        let typed_key = encoding::from_base64(typed_key).ok_or(NoteKeyError::VkeyMalformed)?;
        let (found, key) = typed_key.split_first().ok_or(NoteKeyError::VkeyMalformed)?;
        if *found != self.type_byte() {
            return Err(NoteKeyError::WrongKind { expected: self.type_byte(), found: *found });
        }
        let key = key.try_into().map_err(|_| NoteKeyError::VkeyMalformed)?;
        let key = usable_key(&key)?;
        if key_id != format!("{:08x}", self.key_id(&name, &key)) {
            return Err(NoteKeyError::KeyIdMismatch);
        }
        Ok((name, key))
    }
}

fn split_vkey(vkey: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = vkey.split_once('+')?;
    let (key_id, typed_key) = rest.split_once('+')?;
    Some((name, key_id, typed_key))
}

/// Refuses the points of small order, whose signatures anyone can make.
fn usable_key(bytes: &[u8; 32]) -> Result<VerifyingKey, NoteKeyError> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| NoteKeyError::KeyUnusable)?;
    if key.is_weak() { Err(NoteKeyError::KeyUnusable) } else { Ok(key) }
}

impl NoteKeyError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameInvalid | Self::PartInvalid { .. } => "KEY_NAME_INVALID",
            Self::VkeyMalformed => "VKEY_MALFORMED",
            Self::KeyIdMismatch => "VKEY_ID_MISMATCH",
            Self::WrongKind { .. } => "VKEY_WRONG_KIND",
            Self::KeyUnusable => "VKEY_UNUSABLE",
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verifier key of the Go module `sumdb/note`'s documentation.
    const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    /// A public witness's verifier key.
    const WITNESS_VKEY: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";

    fn code(kind: KeyKind, vkey: &str) -> &'static str {
        kind.parse_vkey(vkey).unwrap_err().code()
    }

    #[test]
    fn published_verifier_keys_round_trip() {
        for (kind, vkey) in [(KeyKind::Log, GO_VKEY), (KeyKind::Cosigner, WITNESS_VKEY)] {
            let (name, key) = kind.parse_vkey(vkey).unwrap();
            assert_eq!(kind.render_vkey(&name, &key), vkey);
        }
    }

    #[test]
    fn log_keys_and_cosigner_keys_are_not_taken_for_each_other() {
        assert_eq!(code(KeyKind::Cosigner, GO_VKEY), "VKEY_WRONG_KIND");
        assert_eq!(code(KeyKind::Log, WITNESS_VKEY), "VKEY_WRONG_KIND");
    }

    #[test]
    fn altered_verifier_keys_are_refused() {
        assert_eq!(code(KeyKind::Log, &GO_VKEY.replace("Peter", "Petra")), "VKEY_ID_MISMATCH");
        assert_eq!(code(KeyKind::Log, &GO_VKEY.replace("c74f", "C74F")), "VKEY_ID_MISMATCH");
        assert_eq!(code(KeyKind::Log, &GO_VKEY.replace("c74f", "c74e")), "VKEY_ID_MISMATCH");
        assert_eq!(code(KeyKind::Log, &GO_VKEY.replace("10TW", "10Tg")), "VKEY_ID_MISMATCH");
        assert_eq!(code(KeyKind::Log, &GO_VKEY.replace("10TW", "10TW\n")), "VKEY_MALFORMED");
        assert_eq!(code(KeyKind::Log, &GO_VKEY.replace("10TW", "")), "VKEY_MALFORMED");
        assert_eq!(code(KeyKind::Log, "PeterNeumann"), "VKEY_MALFORMED");
        assert_eq!(code(KeyKind::Log, ""), "VKEY_MALFORMED");
        assert_eq!(code(KeyKind::Log, "+c74f20a3+AQ=="), "KEY_NAME_INVALID");
        assert_eq!(code(KeyKind::Log, "a+c74f20a3+"), "VKEY_MALFORMED");
    }

    #[test]
    fn key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let weak = VerifyingKey::from_bytes(&identity).unwrap();
        let vkey = KeyKind::Log.render_vkey(&KeyName::new("a").unwrap(), &weak);
        assert_eq!(code(KeyKind::Log, &vkey), "VKEY_UNUSABLE");
    }

    #[test]
    fn names_that_could_be_read_in_two_ways_are_refused() {
        for bad in ["", "a b", "a+b", "a\n", "\u{e9}", "a\u{a0}b", &"n".repeat(256)] {
            assert_eq!(KeyName::new(bad).unwrap_err().code(), "KEY_NAME_INVALID", "{bad:?}");
        }
        assert_eq!(KeyName::of_node("east", "n1").unwrap().as_str(), "holdfast/east/n1");
        for (cluster, node) in [("east/n1", "x"), ("east", "n1/x"), ("", "x"), ("east", "")] {
            assert_eq!(KeyName::of_node(cluster, node).unwrap_err().code(), "KEY_NAME_INVALID");
        }
    }
}
