//! Keys of other deployments: the public half of one, and one party's share of it as its own program stored it.
//!
//! Owns what is believed of such a key and such a file: nothing that does not agree with itself. Of a file it takes the share and
//! the points that verify it; the other keys of the protocol that made it are skipped unread. It must never print a secret, nor
//! hand one on but as a contribution to new shares ([`crate::Resharing`]).

use core::fmt;

use k256_engine::{AffinePoint, NonZeroScalar, ProjectivePoint, PublicKey};
use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::dkls23::polynomial;
use crate::encoding::tagged_hash;
use crate::party::{MAX_PARTIES, Participants, PartyIndex};
use crate::public::PointBytes;

mod json;
mod local_key;

/// No file of 16 parties is as long, however widely it is spaced.
pub const MAX_FOREIGN_FILE_LEN: usize = 1024 * 1024;

/// Why a key or a share of another deployment is not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Beyond the size limit.
    #[error("a file of {len} bytes is longer than {MAX_FOREIGN_FILE_LEN}")]
    TooLarge {
        /// Its size.
        len: usize,
    },
    /// Not the file of a GG20 `LocalKey`.
    #[error("not a `LocalKey` file of GG20: expected {expected} at byte {at}")]
    Malformed {
        /// Where.
        at: usize,
        /// What should stand there. Never what does.
        expected: &'static str,
    },
    /// The public data cannot be that of one key.
    #[error("the old key's public data is not that of one key: `{field}` does not fit")]
    KeyInvalid {
        /// What is wrong.
        field: &'static str,
    },
    /// The secret is not the one of its party.
    #[error("the file's secret is not the one that its party's verifying share belongs to")]
    ShareInvalid,
    /// A share of another key, or the same key with other verifying shares.
    #[error("the file is of another key than the one that the officers approved")]
    OtherKey,
    /// A share of this key, of another party.
    #[error(
        "the file is that of old party {found}: the officers approved that this node gives as old party {approved}"
    )]
    OtherParty {
        /// Whose the file is.
        found: PartyIndex,
        /// Whose it should be.
        approved: PartyIndex,
    },
}

impl ForeignError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "IMPORT_FILE_TOO_LARGE",
            Self::Malformed { .. } => "IMPORT_FILE_MALFORMED",
            Self::KeyInvalid { .. } => "IMPORT_KEY_INVALID",
            Self::ShareInvalid => "IMPORT_SHARE_INVALID",
            Self::OtherKey => "IMPORT_OF_OTHER_KEY",
            Self::OtherParty { .. } => "IMPORT_OF_OTHER_PARTY",
        }
    }
}

/// The public half of a key that others made: t of n (2t > n is asked only of new shares), public key and verifying shares.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct ForeignKey {
    t: u8,
    public_key: PointBytes,
    /// In party order; as many as there are parties.
    verifying_shares: Vec<PointBytes>,
}

/// As it is encoded: t, the public key, and then the verifying shares.
type Parts = (u8, Vec<Vec<u8>>);

impl ForeignKey {
    /// The key of which any `t` of the holders of these shares had the secret. Points are 33-byte SEC1.
    ///
    /// # Errors
    /// [`ForeignError::KeyInvalid`] unless all the verifying shares lie on one polynomial of degree t - 1 that gives the key.
    // INVARIANT (G6): what t givers hold of this key adds up to its secret key, whichever t they are.
    pub fn new(
        t: u8,
        public_key: PointBytes,
        verifying_shares: Vec<PointBytes>,
    ) -> Result<Self, ForeignError> {
        let invalid = |field| ForeignError::KeyInvalid { field };
        let n = u8::try_from(verifying_shares.len()).unwrap_or(u8::MAX);
        if n > MAX_PARTIES {
            return Err(invalid("parties"));
        }
        // One share alone would be the whole key.
        if t < 2 || t > n {
            return Err(invalid("threshold"));
        }
        let point = PublicKey::from_sec1_bytes(&public_key).map_err(|_| invalid("public key"))?;
        let key = Self { t, public_key, verifying_shares };
        match key.are_shares_of(*point.as_affine()) {
            Some(true) => Ok(key),
            Some(false) | None => Err(invalid("verifying shares")),
        }
    }

    /// Whether the first t - 1 shares with any one of the others give the key. Then all of them are on one polynomial.
    fn are_shares_of(&self, key: AffinePoint) -> Option<bool> {
        let parties = self.parties()?;
        let (fixed, others) = parties.split_at_checked(usize::from(self.t).checked_sub(1)?)?;
        for last in others {
            let set = Participants::new(fixed.iter().chain([last]).copied()).ok()?;
            let mut sum = ProjectivePoint::IDENTITY;
            for party in set.iter() {
                let share = self.verifying_share(party)?;
                sum = plus(sum, polynomial::contribution_point(party, &set, &share)?);
            }
            if sum.to_affine() != key {
                return Some(false);
            }
        }
        Some(true)
    }

    fn parties(&self) -> Option<Vec<PartyIndex>> {
        (1..=self.n()).map(|index| PartyIndex::new(index).ok()).collect()
    }

    /// How many had to sign.
    #[must_use]
    pub const fn t(&self) -> u8 {
        self.t
    }

    /// How many held a share.
    #[must_use]
    pub fn n(&self) -> u8 {
        u8::try_from(self.verifying_shares.len()).unwrap_or(u8::MAX)
    }

    /// The public key, 33-byte SEC1.
    #[must_use]
    pub const fn public_key(&self) -> [u8; 33] {
        self.public_key
    }

    /// Share times generator of every party in order, 33-byte SEC1 each.
    #[must_use]
    pub fn verifying_shares(&self) -> &[[u8; 33]] {
        &self.verifying_shares
    }

    pub(crate) fn verifying_share(&self, party: PartyIndex) -> Option<PointBytes> {
        self.verifying_shares.get(usize::from(party.get()).checked_sub(1)?).copied()
    }

    /// A hash of all of it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let front = [&[self.t, self.n()][..], &self.public_key];
        let shares = self.verifying_shares.iter().map(<PointBytes>::as_slice);
        let parts: Vec<&[u8]> = front.into_iter().chain(shares).collect();
        tagged_hash("holdfast/threshold/foreign-key/v1", &parts)
    }
}

impl From<ForeignKey> for Parts {
    fn from(key: ForeignKey) -> Self {
        let points = [key.public_key].into_iter().chain(key.verifying_shares);
        (key.t, points.map(|point| point.to_vec()).collect())
    }
}

impl TryFrom<Parts> for ForeignKey {
    type Error = ForeignError;

    fn try_from((t, points): Parts) -> Result<Self, Self::Error> {
        let invalid = |_| ForeignError::KeyInvalid { field: "points" };
        let points = points.into_iter().map(|point| PointBytes::try_from(point).map_err(invalid));
        let mut points = points.collect::<Result<Vec<_>, _>>()?.into_iter();
        let public_key = points.next().ok_or(ForeignError::KeyInvalid { field: "points" })?;
        Self::new(t, public_key, points.collect())
    }
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignKey")
            .field("threshold", &format_args!("{}-of-{}", self.t, self.n()))
            .field("public_key", &hex::encode(self.public_key))
            .finish_non_exhaustive()
    }
}

/// One party's share of such a key, checked against its verifying share.
///
/// ```compile_fail,E0277
/// fn copies<T: Clone>() {}
/// copies::<holdfast_threshold::ForeignShare>();
/// ```
pub struct ForeignShare {
    key: ForeignKey,
    party: PartyIndex,
    secret: Zeroizing<[u8; 32]>,
}

impl ForeignShare {
    /// Reads a `LocalKey` of GG20 as `multi-party-ecdsa` 0.8 writes it to a file. The caller wipes `file`.
    ///
    /// # Errors
    /// A [`ForeignError`]; it shows nothing of the file but places in it.
    pub fn from_local_key(file: &[u8]) -> Result<Self, ForeignError> {
        if file.len() > MAX_FOREIGN_FILE_LEN {
            return Err(ForeignError::TooLarge { len: file.len() });
        }
        local_key::read(file)
    }

    /// INVARIANT (G3): a share that is not its party's is found before anything is made of it.
    fn new(key: ForeignKey, party: PartyIndex, secret: Zeroizing<[u8; 32]>) -> Result<Self, ForeignError> {
        let share = Self { key, party, secret };
        let scalar = share.scalar().ok_or(ForeignError::ShareInvalid)?;
        let point = ProjectivePoint::mul_by_generator(&scalar).to_affine();
        let known = share.key.verifying_share(party).ok_or(ForeignError::KeyInvalid { field: "party" })?;
        match PublicKey::from_sec1_bytes(&known) {
            Ok(known) if *known.as_affine() == point => Ok(share),
            Ok(_) | Err(_) => Err(ForeignError::ShareInvalid),
        }
    }

    /// The key of which it is.
    #[must_use]
    pub const fn key(&self) -> &ForeignKey {
        &self.key
    }

    /// Whose share it was.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.party
    }

    /// Whether it is that party's share of this key.
    ///
    /// # Errors
    /// [`ForeignError::OtherKey`], [`ForeignError::OtherParty`].
    pub fn check(&self, key: &ForeignKey, party: PartyIndex) -> Result<(), ForeignError> {
        if self.key != *key {
            return Err(ForeignError::OtherKey);
        }
        if self.party != party {
            return Err(ForeignError::OtherParty { found: self.party, approved: party });
        }
        Ok(())
    }

    /// What it is worth among the givers, by their places in the old committee.
    pub(crate) fn contribution(&self, places: &Participants) -> Option<Zeroizing<[u8; 32]>> {
        polynomial::contribution(self.party, places, &**self.scalar()?)
    }

    /// The secret, if it is in 1 .. order.
    fn scalar(&self) -> Option<Zeroizing<NonZeroScalar>> {
        NonZeroScalar::from_repr((*self.secret).into()).into_option().map(Zeroizing::new)
    }
}

impl ZeroizeOnDrop for ForeignShare {}

impl fmt::Debug for ForeignShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignShare")
            .field("key", &self.key)
            .field("party", &self.party.get())
            .field("share", &format_args!("<redacted>"))
            .finish_non_exhaustive()
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "addition in the group")]
fn plus(sum: ProjectivePoint, point: AffinePoint) -> ProjectivePoint {
    sum + point
}

#[cfg(test)]
mod tests;
