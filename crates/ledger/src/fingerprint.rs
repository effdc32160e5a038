//! Four words that let people on two screens, or on the phone, compare a statement.

use bip39::Language;
use sha2::{Digest as _, Sha256};

/// Four words of the BIP-39 English list from the first 44 bits of SHA-256: enough to notice a swapped screen, not a
/// substitute for the byte-for-byte comparison that nodes make.
pub fn fingerprint(statement: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(statement).into();
    let words = Language::English.word_list();
    let mut bits = digest.iter().take(6).fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte)) >> 4;
    let mut picked = Vec::with_capacity(4);
    for _ in 0..4 {
        let index = usize::try_from(bits & 0x7ff).unwrap_or_default();
        picked.push(words.get(index).copied().unwrap_or_default());
        bits >>= 11;
    }
    picked.reverse();
    picked.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_character_changes_the_words() {
        let words = fingerprint(b"amount: 1250 USDT");
        assert_eq!(words.split(' ').count(), 4);
        assert_ne!(words, fingerprint(b"amount: 1251 USDT"));
    }
}
