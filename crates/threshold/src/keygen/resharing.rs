//! A key that changes hands: which one, who gives, and what must come out.
//!
//! Owns the description on which all parties of a resharing agree, and its checks. It must never let a resharing begin with
//! other than exactly t givers, or end with another key.
//!
//! A resharing is a key generation whose polynomial starts at a key that exists. Every giver deals a fresh polynomial that
//! starts at its contribution: its share of the old key, weighted so that the contributions of all givers add up to that
//! key. Nobody adds them up. What the shares of the new epoch are, an engine's protocol says ([`Engine::begin_resharing`]);
//! that they are shares of the old key, the echo confirmation checks for every engine.
//!
//! An import is the same with a key that another deployment holds: its t, n and party numbers are its own, and nothing of it but
//! points and one number a giver comes in.
//!
//! [`Engine::begin_resharing`]: crate::Engine::begin_resharing

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::KeygenError;
use super::machine::KeygenTask;
use crate::encoding::tagged_hash;
use crate::foreign::{ForeignError, ForeignKey, ForeignShare};
use crate::party::{Participants, PartyIndex, SetupError, SignerSet};
use crate::public::KeyPublic;
use crate::share::{KeyShare, ShareError};

/// What happens to the chain code, and so to every child of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainCode {
    /// It stays: children, and deposit addresses with them, are the same as before.
    Carried,
    /// The parties agree on a new one: for a key that had none of its own.
    Fresh,
}

/// The key to hand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Resharing {
    from: OldKey,
    givers: Participants,
    /// The same givers by their places in the committee that holds the key.
    places: Participants,
}

/// Who holds the key that is handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OldKey {
    /// This committee, in the epoch before.
    Ours(KeyPublic, ChainCode),
    /// Another deployment. For each giver, its place there.
    Foreign(ForeignKey, BTreeMap<PartyIndex, PartyIndex>),
}

impl OldKey {
    /// The epoch of the shares that there are. Those of another deployment count as the ones before the first here, so that
    /// attempts at the first ones, which all make one key, are kept apart as later ones are.
    const fn epoch(&self) -> u32 {
        match self {
            Self::Ours(key, _) => key.epoch().0,
            Self::Foreign(..) => 0,
        }
    }
}

/// As it is encoded. The order of the variants is part of the format.
#[derive(Serialize, Deserialize)]
enum Parts {
    Ours(KeyPublic, Participants, ChainCode),
    Foreign(ForeignKey, Vec<(PartyIndex, PartyIndex)>),
}

impl Resharing {
    /// Hands on the key of `from`, whose verifying shares are those that the log has of it. Givers have the same index in
    /// the committee of the next epoch.
    ///
    /// # Errors
    /// A [`SetupError`] unless the givers are exactly t parties of the committee that holds the key.
    // INVARIANT (G3): t - 1 parties cannot hand a key on, and what they would deal is refused before anything is sent.
    pub fn new(
        from: KeyPublic,
        givers: impl IntoIterator<Item = PartyIndex>,
        chain_code: ChainCode,
    ) -> Result<Self, SetupError> {
        let givers = SignerSet::new(from.threshold(), givers)?.participants().clone();
        Ok(Self { from: OldKey::Ours(from, chain_code), places: givers.clone(), givers })
    }

    /// Takes over a key that another deployment holds. Each giver is named by its index here and by the one that it has there,
    /// and brings that party's share. Such a key has no chain code: the parties agree on one.
    ///
    /// # Errors
    /// A [`SetupError`] unless the givers are exactly t parties of the old committee, each at another party here.
    pub fn import(
        from: ForeignKey,
        givers: impl IntoIterator<Item = (PartyIndex, PartyIndex)>,
    ) -> Result<Self, SetupError> {
        let pairs: Vec<(PartyIndex, PartyIndex)> = givers.into_iter().collect();
        let givers = Participants::new(pairs.iter().map(|(here, _)| *here))?;
        let places = Participants::new(pairs.iter().map(|(_, there)| *there))?;
        if places.count() != usize::from(from.t()) {
            return Err(SetupError::WrongSignerCount { expected: from.t(), got: places.count() });
        }
        if let Some(there) = places.iter().find(|there| there.get() > from.n()) {
            return Err(SetupError::PartyOutOfRange { index: there.get(), n: from.n() });
        }
        Ok(Self { from: OldKey::Foreign(from, pairs.into_iter().collect()), givers, places })
    }

    /// The public key, 33-byte SEC1.
    #[must_use]
    pub const fn public_key(&self) -> [u8; 33] {
        match &self.from {
            OldKey::Ours(key, _) => key.public_key(),
            OldKey::Foreign(key, _) => key.public_key(),
        }
    }

    /// Who gives.
    #[must_use]
    pub const fn givers(&self) -> &Participants {
        &self.givers
    }

    /// The same by their places in the committee that holds the key: what a giver gives is weighted among these.
    #[must_use]
    pub const fn places(&self) -> &Participants {
        &self.places
    }

    /// A giver's place in the committee that holds the key, and its verifying share there; `None` for those who only receive.
    #[must_use]
    pub fn place_of(&self, giver: PartyIndex) -> Option<(PartyIndex, [u8; 33])> {
        if !self.givers.contains(giver) {
            return None;
        }
        match &self.from {
            OldKey::Ours(key, _) => Some((giver, *key.verifying_shares().get(&giver)?)),
            OldKey::Foreign(key, places) => {
                let place = *places.get(&giver)?;
                Some((place, key.verifying_share(place)?))
            }
        }
    }

    /// The chain code that the key keeps; `None` if the parties agree on another.
    #[must_use]
    pub const fn carried(&self) -> Option<[u8; 32]> {
        match &self.from {
            OldKey::Ours(key, ChainCode::Carried) => Some(key.chain_code()),
            OldKey::Ours(_, ChainCode::Fresh) | OldKey::Foreign(..) => None,
        }
    }

    /// Whether the task is one that this key can be handed on by.
    pub(super) fn check(&self, task: &KeygenTask) -> Result<(), SetupError> {
        let (old, new) = (self.from.epoch(), task.epoch.0);
        if old.checked_add(1) != Some(new) {
            return Err(SetupError::EpochOutOfOrder { old, new });
        }
        let committee = task.threshold.committee();
        match self.givers.iter().find(|giver| !committee.contains(*giver)) {
            Some(giver) => Err(SetupError::PartyOutOfRange { index: giver.get(), n: task.threshold.n() }),
            None => Ok(()),
        }
    }

    /// What `party` gives of its share; `None` for those who only receive.
    pub(super) fn contribution(
        &self,
        party: PartyIndex,
        share: Option<&KeyShare>,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeygenError> {
        if !self.givers.contains(party) {
            return Ok(None);
        }
        let share = share.ok_or(SetupError::NothingToGive { party })?;
        let OldKey::Ours(from, _) = &self.from else { return Err(ShareError::OtherKey.into()) };
        if share.party() != party || !share.matches(from) {
            return Err(ShareError::OtherKey.into());
        }
        Ok(Some(share.contribution(&self.givers)?))
    }

    /// The same of a share that another deployment made.
    pub(super) fn foreign_contribution(
        &self,
        party: PartyIndex,
        share: Option<&ForeignShare>,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeygenError> {
        let OldKey::Foreign(from, places) = &self.from else { return Err(ShareError::OtherKey.into()) };
        let Some(place) = places.get(&party) else { return Ok(None) };
        let share = share.ok_or(SetupError::NothingToGive { party })?;
        share.check(from, *place)?;
        Ok(Some(share.contribution(&self.places).ok_or(ForeignError::ShareInvalid)?))
    }

    /// What the parties' offers are bound to.
    pub(super) fn binding(&self, ceremony: &[u8; 32]) -> [u8; 32] {
        let indices = |parties: &Participants| -> Vec<u8> { parties.iter().map(PartyIndex::get).collect() };
        match &self.from {
            OldKey::Ours(key, chain_code) => {
                let chain_code: &[u8] = match chain_code {
                    ChainCode::Carried => b"carried",
                    ChainCode::Fresh => b"fresh",
                };
                let parts = [ceremony.as_slice(), &key.digest(), &indices(&self.givers), chain_code];
                tagged_hash("holdfast/threshold/resharing-binding/v1", &parts)
            }
            OldKey::Foreign(key, places) => {
                let places: Vec<u8> =
                    places.iter().flat_map(|(here, there)| [here.get(), there.get()]).collect();
                let parts = [ceremony.as_slice(), &key.digest(), &places];
                tagged_hash("holdfast/threshold/import-binding/v1", &parts)
            }
        }
    }

    /// Whether what came out is the key that went in.
    // INVARIANT (G6): addresses do not change hands by a change of shares: the public key is the old one, and the chain code
    // too unless the officers wanted another.
    pub(super) fn check_result(&self, made: &KeyPublic) -> Result<(), KeygenError> {
        if made.public_key() != self.public_key() {
            return Err(KeygenError::KeyChanged { part: "public key" });
        }
        match self.carried() {
            Some(chain_code) if made.chain_code() != chain_code => {
                Err(KeygenError::KeyChanged { part: "chain code" })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl From<Resharing> for Parts {
    fn from(resharing: Resharing) -> Self {
        match resharing.from {
            OldKey::Ours(key, chain_code) => Self::Ours(key, resharing.givers, chain_code),
            OldKey::Foreign(key, places) => Self::Foreign(key, places.into_iter().collect()),
        }
    }
}

impl TryFrom<Parts> for Resharing {
    type Error = SetupError;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        match parts {
            Parts::Ours(from, givers, chain_code) => Self::new(from, givers.iter(), chain_code),
            Parts::Foreign(from, places) => Self::import(from, places),
        }
    }
}
