//! The name of a threshold engine, and the border to `dkls23`'s index type.
//!
//! Owns which engines exist. It must never guess: an unknown engine name is refused, so that a share or an offer of
//! another protocol, or of another generation of this one, is never fed to this one.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::party::PartyIndex;

/// `dkls23`'s curve for every session of this crate.
pub(crate) type Curve = k256_engine::Secp256k1;
/// `dkls23`'s party state: the key share with its multiplication set-up.
pub(crate) type EngineParty = dkls23::protocols::Party<Curve>;
/// `dkls23`'s one-based index.
pub(crate) type EngineIndex = dkls23::protocols::PartyIndex;

/// A threshold protocol and the generation of its implementation. It is part of every offer and of all public key
/// data, so that two nodes never mix engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum EngineId {
    /// DKLs23 threshold ECDSA over secp256k1, implementation `dkls23` 0.6.
    Dkls23EcdsaSecp256k1V06,
}

impl EngineId {
    /// The name as it stands in offers and public key data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dkls23EcdsaSecp256k1V06 => "dkls23-ecdsa-secp256k1/0.6",
        }
    }

    /// The engine of that name; `None` if this build has no such engine.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::Dkls23EcdsaSecp256k1V06.name()).then_some(Self::Dkls23EcdsaSecp256k1V06)
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<EngineId> for String {
    fn from(engine: EngineId) -> Self {
        engine.name().to_owned()
    }
}

impl TryFrom<String> for EngineId {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_name(&name).ok_or_else(|| format!("unknown threshold engine `{name}`"))
    }
}

/// The engine's index of a party. Party indices start at one, so this cannot fail; `None` keeps it free of panics.
pub(crate) fn engine_index(party: PartyIndex) -> Option<EngineIndex> {
    EngineIndex::new(party.get()).ok()
}

/// The party of an engine's index, if it is one that a committee can have.
pub(crate) fn party_of(index: EngineIndex) -> Option<PartyIndex> {
    PartyIndex::new(index.as_u8()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_name_round_trips_and_other_generations_are_unknown() {
        let engine = EngineId::Dkls23EcdsaSecp256k1V06;
        assert_eq!(EngineId::from_name(engine.name()), Some(engine));
        for name in
            ["", "dkls23-ecdsa-secp256k1/0.5", "dkls23-ecdsa-secp256k1/0.6 ", "frost-secp256k1-tr/3.0"]
        {
            assert_eq!(EngineId::from_name(name), None, "{name}");
        }
    }
}
