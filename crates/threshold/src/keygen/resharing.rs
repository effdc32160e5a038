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
//! [`Engine::begin_resharing`]: crate::Engine::begin_resharing

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::KeygenError;
use super::machine::KeygenTask;
use crate::encoding::tagged_hash;
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
    from: KeyPublic,
    givers: Participants,
    chain_code: ChainCode,
}

/// As it is encoded.
type Parts = (KeyPublic, Participants, ChainCode);

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
        Ok(Self { from, givers, chain_code })
    }

    /// The key, as the committee that holds it confirmed it.
    #[must_use]
    pub const fn from(&self) -> &KeyPublic {
        &self.from
    }

    /// Who gives.
    #[must_use]
    pub const fn givers(&self) -> &Participants {
        &self.givers
    }

    /// The chain code that the key keeps; `None` if the parties agree on another.
    #[must_use]
    pub const fn carried(&self) -> Option<[u8; 32]> {
        match self.chain_code {
            ChainCode::Carried => Some(self.from.chain_code()),
            ChainCode::Fresh => None,
        }
    }

    /// Whether the task is one that this key can be handed on by.
    pub(super) fn check(&self, task: &KeygenTask) -> Result<(), SetupError> {
        let (old, new) = (self.from.epoch().0, task.epoch.0);
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
        if share.party() != party || !share.matches(&self.from) {
            return Err(ShareError::OtherKey.into());
        }
        Ok(Some(share.contribution(&self.givers)?))
    }

    /// What the parties' offers are bound to.
    pub(super) fn binding(&self, ceremony: &[u8; 32]) -> [u8; 32] {
        let givers: Vec<u8> = self.givers.iter().map(PartyIndex::get).collect();
        let chain_code: &[u8] = match self.chain_code {
            ChainCode::Carried => b"carried",
            ChainCode::Fresh => b"fresh",
        };
        let parts = [ceremony.as_slice(), &self.from.digest(), &givers, chain_code];
        tagged_hash("holdfast/threshold/resharing-binding/v1", &parts)
    }

    /// Whether what came out is the key that went in.
    // INVARIANT (G6): addresses do not change hands by a change of shares: the public key is the old one, and the chain code
    // too unless the officers wanted another.
    pub(super) fn check_result(&self, made: &KeyPublic) -> Result<(), KeygenError> {
        if made.public_key() != self.from.public_key() {
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
        (resharing.from, resharing.givers, resharing.chain_code)
    }
}

impl TryFrom<Parts> for Resharing {
    type Error = SetupError;

    fn try_from((from, givers, chain_code): Parts) -> Result<Self, Self::Error> {
        Self::new(from, givers.iter(), chain_code)
    }
}
