//! Who takes part: threshold, parties, signer sets, and the names of clusters, sessions, epochs and rounds.
//!
//! Owns the facts that every session of this crate rests on, each checked in its only constructor. It must never let a
//! threshold through that a minority could meet (2t > n) or a set that is not sorted and distinct.

use core::fmt;
use core::num::NonZeroU8;

use serde::{Deserialize, Serialize};

mod error;

pub use error::SetupError;

/// The largest committee this crate runs.
pub const MAX_PARTIES: u8 = 16;
/// The longest cluster name, in bytes.
const MAX_CLUSTER_LEN: usize = 64;

/// A party's place in the committee, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PartyIndex(NonZeroU8);

impl PartyIndex {
    /// The index, if it is in 1 ..= 16.
    ///
    /// # Errors
    /// [`SetupError::PartyOutOfRange`] otherwise.
    pub fn new(index: u8) -> Result<Self, SetupError> {
        NonZeroU8::new(index)
            .filter(|checked| checked.get() <= MAX_PARTIES)
            .map(Self)
            .ok_or(SetupError::PartyOutOfRange { index, n: MAX_PARTIES })
    }

    /// The index as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for PartyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<PartyIndex> for u8 {
    fn from(party: PartyIndex) -> Self {
        party.get()
    }
}

impl TryFrom<u8> for PartyIndex {
    type Error = SetupError;

    fn try_from(index: u8) -> Result<Self, Self::Error> {
        Self::new(index)
    }
}

/// t of n, with t >= 2, n <= 16 and 2t > n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct Threshold {
    t: u8,
    n: u8,
}

impl Threshold {
    /// `t` signers of `n` share holders.
    ///
    /// # Errors
    /// A [`SetupError`] if t or n is out of range or 2t <= n.
    // INVARIANT (G3, G1): any two signer sets overlap, so any t signers include an honest node while f <= t - 1.
    pub fn new(t: u8, n: u8) -> Result<Self, SetupError> {
        if n > MAX_PARTIES {
            return Err(SetupError::TooManyParties { n });
        }
        if t < 2 || t > n {
            return Err(SetupError::ThresholdOutOfRange { t, n });
        }
        if u16::from(t).saturating_mul(2) <= u16::from(n) {
            return Err(SetupError::NoHonestOverlap { t, n });
        }
        Ok(Self { t, n })
    }

    /// How many sign.
    #[must_use]
    pub const fn t(self) -> u8 {
        self.t
    }

    /// How many hold a share.
    #[must_use]
    pub const fn n(self) -> u8 {
        self.n
    }

    /// All n parties.
    #[must_use]
    pub fn committee(self) -> Participants {
        Participants((1..=self.n).filter_map(|index| PartyIndex::new(index).ok()).collect())
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.t, self.n)
    }
}

impl From<Threshold> for (u8, u8) {
    fn from(threshold: Threshold) -> Self {
        (threshold.t, threshold.n)
    }
}

impl TryFrom<(u8, u8)> for Threshold {
    type Error = SetupError;

    fn try_from((t, n): (u8, u8)) -> Result<Self, Self::Error> {
        Self::new(t, n)
    }
}

/// The parties of one session: sorted and distinct.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<PartyIndex>", into = "Vec<PartyIndex>")]
pub struct Participants(Vec<PartyIndex>);

impl Participants {
    /// Sorts the parties.
    ///
    /// # Errors
    /// [`SetupError::DuplicateParty`] if one is named twice.
    pub fn new(parties: impl IntoIterator<Item = PartyIndex>) -> Result<Self, SetupError> {
        let mut sorted: Vec<PartyIndex> = parties.into_iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[PartyIndex]>::first) {
            Some(&party) => Err(SetupError::DuplicateParty { party }),
            None => Ok(Self(sorted)),
        }
    }

    /// The parties in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = PartyIndex> + '_ {
        self.0.iter().copied()
    }

    /// Everybody but `me`, in ascending order.
    pub fn others(&self, me: PartyIndex) -> impl Iterator<Item = PartyIndex> + '_ {
        self.iter().filter(move |party| *party != me)
    }

    /// Whether `party` takes part.
    #[must_use]
    pub fn contains(&self, party: PartyIndex) -> bool {
        self.0.binary_search(&party).is_ok()
    }

    /// How many take part.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl From<Participants> for Vec<PartyIndex> {
    fn from(participants: Participants) -> Self {
        participants.0
    }
}

impl TryFrom<Vec<PartyIndex>> for Participants {
    type Error = SetupError;

    fn try_from(parties: Vec<PartyIndex>) -> Result<Self, Self::Error> {
        Self::new(parties)
    }
}

/// The parties of a signing session: sorted, distinct, exactly t, all of the committee.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignerSet {
    threshold: Threshold,
    participants: Participants,
}

impl SignerSet {
    /// Exactly `threshold.t()` distinct parties of the committee, in any order.
    ///
    /// # Errors
    /// A [`SetupError`] naming what is wrong with the set.
    pub fn new(
        threshold: Threshold,
        parties: impl IntoIterator<Item = PartyIndex>,
    ) -> Result<Self, SetupError> {
        let participants = Participants::new(parties)?;
        if participants.count() != usize::from(threshold.t()) {
            return Err(SetupError::WrongSignerCount { expected: threshold.t(), got: participants.count() });
        }
        if let Some(party) = participants.iter().find(|party| party.get() > threshold.n()) {
            return Err(SetupError::PartyOutOfRange { index: party.get(), n: threshold.n() });
        }
        Ok(Self { threshold, participants })
    }

    /// The threshold the set was checked against.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The signers.
    #[must_use]
    pub const fn participants(&self) -> &Participants {
        &self.participants
    }
}

/// The cell's name: 1 to 64 printable ASCII characters without spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(String);

impl ClusterId {
    /// The checked name.
    ///
    /// # Errors
    /// [`SetupError::InvalidCluster`].
    pub fn new(name: impl Into<String>) -> Result<Self, SetupError> {
        let name = name.into();
        let printable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && name.len() <= MAX_CLUSTER_LEN {
            Ok(Self(name))
        } else {
            Err(SetupError::InvalidCluster)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ClusterId> for String {
    fn from(cluster: ClusterId) -> Self {
        cluster.0
    }
}

impl TryFrom<String> for ClusterId {
    type Error = SetupError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

/// One key generation attempt or one signing attempt. The caller draws it afresh for each attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub [u8; 32]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", hex::encode(self.0))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The generation of a key's shares; a refresh or a new committee starts the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

/// A round of a session, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round(pub u8);

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(index: u8) -> PartyIndex {
        PartyIndex::new(index).unwrap()
    }

    #[test]
    fn thresholds_that_a_minority_could_meet_are_refused() {
        assert_eq!(Threshold::new(2, 4), Err(SetupError::NoHonestOverlap { t: 2, n: 4 }));
        assert_eq!(Threshold::new(8, 16), Err(SetupError::NoHonestOverlap { t: 8, n: 16 }));
        assert_eq!(Threshold::new(1, 1), Err(SetupError::ThresholdOutOfRange { t: 1, n: 1 }));
        assert_eq!(Threshold::new(0, 0), Err(SetupError::ThresholdOutOfRange { t: 0, n: 0 }));
        assert_eq!(Threshold::new(4, 3), Err(SetupError::ThresholdOutOfRange { t: 4, n: 3 }));
        assert_eq!(Threshold::new(9, 17), Err(SetupError::TooManyParties { n: 17 }));
        for (t, n) in [(2, 2), (2, 3), (3, 5), (9, 16), (16, 16)] {
            assert!(Threshold::new(t, n).is_ok(), "{t} of {n}");
        }
    }

    #[test]
    fn a_threshold_decoded_from_bytes_is_checked_too() {
        assert!(postcard::from_bytes::<Threshold>(&[2, 3]).is_ok());
        assert!(postcard::from_bytes::<Threshold>(&[2, 4]).is_err());
        assert!(postcard::from_bytes::<PartyIndex>(&[0]).is_err());
        assert!(postcard::from_bytes::<PartyIndex>(&[17]).is_err());
        assert!(postcard::from_bytes::<Participants>(&[2, 1, 1]).is_err());
    }

    #[test]
    fn a_signer_set_is_exactly_t_distinct_members_in_order() {
        let threshold = Threshold::new(2, 3).unwrap();
        let set = SignerSet::new(threshold, [party(3), party(1)]).unwrap();
        assert_eq!(set.participants().iter().collect::<Vec<_>>(), [party(1), party(3)]);
        assert_eq!(
            SignerSet::new(threshold, [party(1), party(1)]),
            Err(SetupError::DuplicateParty { party: party(1) })
        );
        assert_eq!(
            SignerSet::new(threshold, [party(1), party(2), party(3)]),
            Err(SetupError::WrongSignerCount { expected: 2, got: 3 })
        );
        assert_eq!(
            SignerSet::new(threshold, [party(1), party(4)]),
            Err(SetupError::PartyOutOfRange { index: 4, n: 3 })
        );
    }

    #[test]
    fn cluster_names_are_bounded_printable_ascii() {
        assert!(ClusterId::new("demo-1").is_ok());
        for bad in ["", "a b", "caf\u{e9}", "x\n", &"a".repeat(65)] {
            assert_eq!(ClusterId::new(bad), Err(SetupError::InvalidCluster), "{bad:?}");
        }
    }
}
