//! The border between a node and a threshold protocol: which engines exist, and what each must be able to do.
//!
//! Owns the engines' names and the traits that an engine implements. It must never guess: an unknown engine name is
//! refused, so that a share or an offer of another protocol, or of another generation of this one, is never fed to this
//! one.
//!
//! What is the same for every engine is done once, around these traits, and never by an engine: sealed channel, order
//! and idempotence of rounds, echo confirmation of the key, bans, and the verification of every signature by another
//! implementation ([`crate::keygen`], [`crate::sign`]). An engine sees plaintexts with authenticated senders, each round
//! whole, and answers with plaintexts.
//!
//! | an engine | through |
//! |---|---|
//! | generates a key | [`Engine::begin_keygen`], [`KeygenProtocol`], [`MadeKey`] |
//! | gives a key away | [`SecretShare::contribution`] |
//! | takes a key over, if it can | [`Engine::begin_resharing`], [`KeygenProtocol`], [`MadeKey`] |
//! | exports what verifies it | [`MadeKey`], [`SecretShare`] |
//! | keeps and opens a share | [`SecretShare::to_bytes`], [`Engine::open_share`] |
//! | derives a child | [`SecretShare::child`] |
//! | signs | [`SecretShare::begin_signing`], [`SignProtocol`] |

use std::collections::BTreeMap;
use std::sync::Arc;

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::channel::{Incoming, Outgoing, Purpose, Seat};
use crate::keygen::{KeygenError, Resharing};
use crate::party::{Participants, PartyIndex, Round, SetupError, Threshold};
use crate::share::ShareError;
use crate::sign::{SignBrief, SignError, Signature};

/// No engine's sessions have more rounds.
pub const MAX_ROUNDS: Round = Round(16);

/// A threshold protocol and the generation of its implementation. It is part of every offer and of all public key
/// data, so that two nodes never mix engines. That it has a name here does not mean that this program has it: see
/// [`Engines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum EngineId {
    /// DKLs23 threshold ECDSA over secp256k1, implementation `dkls23` 0.6.
    Dkls23EcdsaSecp256k1V06,
    /// GG20 threshold ECDSA over secp256k1, implementation `multi-party-ecdsa` 0.8: unmaintained, see the crate
    /// `holdfast-gg20`.
    Gg20EcdsaSecp256k1V08,
}

impl EngineId {
    /// Every engine that has a name.
    pub const ALL: [Self; 2] = [Self::Dkls23EcdsaSecp256k1V06, Self::Gg20EcdsaSecp256k1V08];

    /// The name as it stands in statements, offers and public key data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dkls23EcdsaSecp256k1V06 => "dkls23-ecdsa-secp256k1/0.6",
            Self::Gg20EcdsaSecp256k1V08 => "gg20-ecdsa-secp256k1/0.8",
        }
    }

    /// The engine of that name; `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
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

/// A threshold protocol. Engines are values without state that live as long as the program.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Which one it is.
    fn id(&self) -> EngineId;

    /// The last round of a session: the one that yields the key, which is the one after the protocol's own last (it takes
    /// the confirmations), or the signature. Round 1 takes the offers. It is 0 if the engine has no such sessions.
    fn last_round(&self, purpose: Purpose) -> Round;

    /// Starts a key generation; the messages are those of round 1.
    ///
    /// # Errors
    /// A [`KeygenError`].
    fn begin_keygen(&self, seat: &Seat) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError>;

    /// Starts to take over a key; the messages are those of round 1. Only a giver has a `contribution`
    /// ([`SecretShare::contribution`] of its old share): the protocol deals it out and forgets it.
    ///
    /// Whom a wrong message is held against rests on the verifying shares of [`Resharing::from`]. The key made must have its
    /// public key, and the chain code that [`Resharing::carried`] says.
    ///
    /// # Errors
    /// A [`KeygenError`]; an engine that takes over no keys has only [`SetupError::EngineCannotReceive`].
    fn begin_resharing(
        &self,
        _seat: &Seat,
        _resharing: &Resharing,
        _contribution: Option<&Zeroizing<[u8; 32]>>,
    ) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
        Err(SetupError::EngineCannotReceive { engine: self.id() }.into())
    }

    /// The key generation or resharing whose state [`KeygenProtocol::to_bytes`] encoded; `None` for anything else.
    fn resume_keygen(&self, state: &[u8]) -> Option<Box<dyn KeygenProtocol>>;

    /// The share that [`SecretShare::to_bytes`] encoded, checked to be whole.
    ///
    /// # Errors
    /// A [`ShareError`]; a damaged share never signs.
    fn open_share(&self, bytes: &[u8]) -> Result<Arc<dyn SecretShare>, ShareError>;
}

/// A key generation or resharing between two rounds. Its secrets wipe themselves on drop as far as the engine's library lets them.
pub trait KeygenProtocol: Send {
    /// Takes every peer's message of the last round. The state is consumed: there is no second try with other messages.
    ///
    /// # Errors
    /// A [`KeygenError`] that names the sender whose message is wrong, where that is proven.
    fn handle(self: Box<Self>, seat: &Seat, incoming: &Incoming) -> Result<KeygenProgress, KeygenError>;

    /// The state, in exactly one encoding, wiped on drop.
    ///
    /// # Errors
    /// [`KeygenError::StateUnencodable`].
    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError>;
}

/// How far a round brought a key generation.
pub enum KeygenProgress {
    /// On to the next round, with messages to send.
    Continue(Box<dyn KeygenProtocol>, Outgoing),
    /// The key is made; what all must agree on is not confirmed yet.
    Made(MadeKey),
}

/// A key as one party sees it, with what verifies it.
pub struct MadeKey {
    /// This party's secret.
    pub share: Arc<dyn SecretShare>,
    /// Share times generator of every party, 33-byte SEC1 each.
    pub verifying_shares: BTreeMap<PartyIndex, [u8; 33]>,
    /// Hash of the offers ([`Seat::offers`]) and of everything that was broadcast, in party order.
    pub transcript: [u8; 32],
}

/// One party's secret half of a key, as the engine needs it to sign. It is never cloned, printed or compared.
pub trait SecretShare: Send + Sync {
    /// Whose share it is.
    fn party(&self) -> PartyIndex;

    /// t of n.
    fn threshold(&self) -> Threshold;

    /// The public key, 33-byte SEC1.
    fn public_key(&self) -> [u8; 33];

    /// The BIP-32 chain code.
    fn chain_code(&self) -> [u8; 32];

    /// The share times generator, 33-byte SEC1.
    fn verifying_share(&self) -> [u8; 33];

    /// The share of the child key at a BIP-32 path without hardened indices: the same child for every party.
    ///
    /// # Errors
    /// [`ShareError::NoSuchChild`].
    fn child(&self, path: &[u32]) -> Result<Arc<dyn SecretShare>, ShareError>;

    /// What this party gives when it hands the key on together with the other `givers`: the share times its weight among them
    /// (Lagrange, at zero), 32 bytes big-endian. The contributions of all givers add up to the secret key, so it is as secret as
    /// the share. `None` if this party is not one of them.
    fn contribution(&self, givers: &Participants) -> Option<Zeroizing<[u8; 32]>>;

    /// The share, in exactly one encoding, wiped on drop. Children are never encoded.
    ///
    /// # Errors
    /// [`ShareError::Unencodable`].
    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ShareError>;

    /// Starts a signing; the messages are those of round 1.
    ///
    /// # Errors
    /// A [`SignError`].
    fn begin_signing(
        self: Arc<Self>,
        brief: SignBrief,
    ) -> Result<(Box<dyn SignProtocol>, Outgoing), SignError>;
}

/// A signing between two rounds. It has no encoding: what is gone after a crash cannot be used twice.
// INVARIANT (G5): no method of an engine stores, clones or exports the state of a signing.
pub trait SignProtocol: Send {
    /// Takes every other signer's message of the last round. The state is gone either way.
    ///
    /// # Errors
    /// A [`SignError`] that names the sender whose message is wrong, where that is proven.
    fn handle(self: Box<Self>, incoming: &Incoming) -> Result<SignProgress, SignError>;
}

/// How far a round brought a signing.
pub enum SignProgress {
    /// On to the next round, with messages to send.
    Continue(Box<dyn SignProtocol>, Outgoing),
    /// The assembled signature; whoever drives the session verifies it.
    Signed(Signature),
}

/// The engines that this program has.
#[derive(Clone, Debug, Default)]
pub struct Engines(BTreeMap<EngineId, &'static dyn Engine>);

impl Engines {
    /// These engines.
    #[must_use]
    pub fn new(engines: impl IntoIterator<Item = &'static dyn Engine>) -> Self {
        Self(engines.into_iter().map(|engine| (engine.id(), engine)).collect())
    }

    /// This engine and no other.
    #[must_use]
    pub fn only(engine: &'static dyn Engine) -> Self {
        Self::new([engine])
    }

    /// The engine, if this program has it.
    #[must_use]
    pub fn engine(&self, id: EngineId) -> Option<&'static dyn Engine> {
        self.0.get(&id).copied()
    }

    /// The engine of that name, if this program has it.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Option<&'static dyn Engine> {
        EngineId::from_name(name).and_then(|id| self.engine(id))
    }

    /// Which ones they are.
    pub fn ids(&self) -> impl Iterator<Item = EngineId> + '_ {
        self.0.keys().copied()
    }
}

impl fmt::Debug for KeygenProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continue(..) => "Continue(<redacted>)",
            Self::Made(_) => "Made(<redacted>)",
        })
    }
}

impl fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeKey").field("share", &format_args!("<redacted>")).finish_non_exhaustive()
    }
}

impl fmt::Debug for SignProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue(..) => f.write_str("Continue(<redacted>)"),
            Self::Signed(signature) => f.debug_tuple("Signed").field(signature).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dkls23::DKLS23;

    #[test]
    fn engine_names_round_trip_and_other_generations_are_unknown() {
        for engine in EngineId::ALL {
            assert_eq!(EngineId::from_name(engine.name()), Some(engine));
        }
        for name in
            ["", "dkls23-ecdsa-secp256k1/0.5", "dkls23-ecdsa-secp256k1/0.6 ", "frost-secp256k1-tr/3.0"]
        {
            assert_eq!(EngineId::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_alone_does_not_put_an_engine_into_a_program() {
        let engines = Engines::only(&DKLS23);
        assert_eq!(engines.of_name("dkls23-ecdsa-secp256k1/0.6").map(Engine::id), Some(DKLS23.id()));
        assert!(engines.of_name("gg20-ecdsa-secp256k1/0.8").is_none());
        assert_eq!(engines.ids().collect::<Vec<_>>(), [DKLS23.id()]);
    }
}
