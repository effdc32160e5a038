//! A banned pair: two parties that must never again run the multiplication of one key family with each other.
//!
//! Owns the value and its encoding, version 1. Storing it durably is the node's duty. Children of a key share the
//! parent's oblivious-transfer state, so a ban covers the whole family; only a complete refresh lifts it.

use crate::encoding::{Reader, Writer};
use crate::party::{Participants, PartyIndex};

const VERSION: u8 = 1;

/// `by` found `against` attacking their common state of the key `key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BannedPair {
    /// The public key whose shares are concerned, 33-byte SEC1.
    pub key: [u8; 33],
    /// Who found it.
    pub by: PartyIndex,
    /// Who did it.
    pub against: PartyIndex,
}

/// Bytes that are not a banned pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a banned pair of a version that this node knows")]
pub struct InvalidBan;

impl BannedPair {
    /// Whether the pair keeps `signers` from signing together with `key`.
    #[must_use]
    pub fn forbids(&self, key: [u8; 33], signers: &Participants) -> bool {
        self.key == key && signers.contains(self.by) && signers.contains(self.against)
    }

    /// The encoding: version, key, finder, offender.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::default().byte(VERSION).raw(&self.key).byte(self.by.get()).byte(self.against.get()).finish()
    }

    /// Parses the encoding.
    ///
    /// # Errors
    /// [`InvalidBan`]. A node that cannot read its bans must not sign.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidBan> {
        parse(bytes).ok_or(InvalidBan)
    }
}

fn parse(bytes: &[u8]) -> Option<BannedPair> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return None;
    }
    let key = reader.array()?;
    let by = PartyIndex::new(reader.byte()?).ok()?;
    let against = PartyIndex::new(reader.byte()?).ok()?;
    reader.finish()?;
    Some(BannedPair { key, by, against })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_forbids_the_pair_of_its_key_family_only() {
        let party = |index| PartyIndex::new(index).unwrap();
        let set = |parties: &[u8]| Participants::new(parties.iter().map(|i| party(*i))).unwrap();
        let ban = BannedPair { key: [2; 33], by: party(1), against: party(2) };
        assert!(ban.forbids([2; 33], &set(&[1, 2])));
        assert!(ban.forbids([2; 33], &set(&[1, 2, 3])));
        assert!(!ban.forbids([2; 33], &set(&[1, 3])));
        assert!(!ban.forbids([3; 33], &set(&[1, 2])));
    }

    #[test]
    fn a_ban_round_trips_and_nothing_else_parses() {
        let ban = BannedPair {
            key: [2; 33],
            by: PartyIndex::new(1).unwrap(),
            against: PartyIndex::new(2).unwrap(),
        };
        let bytes = ban.to_bytes();
        assert_eq!(BannedPair::from_bytes(&bytes), Ok(ban));
        for length in 0..bytes.len() {
            assert_eq!(BannedPair::from_bytes(&bytes[..length]), Err(InvalidBan));
        }
        assert_eq!(BannedPair::from_bytes(&[bytes.as_slice(), &[0]].concat()), Err(InvalidBan));
    }
}
