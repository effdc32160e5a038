//! DKLs23: threshold ECDSA from oblivious transfer (<https://eprint.iacr.org/2023/765>), by the crate `dkls23`.
//!
//! Owns everything that names a type of `dkls23` or of k256 0.14's arithmetic. None of it leaves: points, scalars and
//! digests cross as bytes.

mod fault;
pub(crate) mod keygen;
pub(crate) mod polynomial;
pub(crate) mod reshare;
pub(crate) mod share;
pub(crate) mod sign;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::channel::{Outgoing, Purpose, Seat};
use crate::engine::{Engine, EngineId, KeygenProtocol, SecretShare};
use crate::keygen::{KeygenError, Resharing};
use crate::party::{PartyIndex, Round};
use crate::share::ShareError;

/// The engine.
#[derive(Clone, Copy, Debug)]
pub struct Dkls23;

/// The engine, as [`crate::Engines`] takes it.
pub static DKLS23: Dkls23 = Dkls23;

/// The curve of every session.
pub(crate) type Curve = k256_engine::Secp256k1;
/// The library's party state: the key share with its multiplication set-up.
pub(crate) type EngineParty = dkls23::protocols::Party<Curve>;
/// The library's one-based index.
pub(crate) type EngineIndex = dkls23::protocols::PartyIndex;

impl Engine for Dkls23 {
    fn id(&self) -> EngineId {
        EngineId::Dkls23EcdsaSecp256k1V06
    }

    fn last_round(&self, purpose: Purpose) -> Round {
        match purpose {
            Purpose::Keygen | Purpose::Reshare => Round(5),
            Purpose::Sign => Round(4),
        }
    }

    fn begin_keygen(&self, seat: &Seat) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
        keygen::begin(seat)
    }

    fn begin_resharing(
        &self,
        seat: &Seat,
        resharing: &Resharing,
        contribution: Option<&Zeroizing<[u8; 32]>>,
    ) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
        reshare::begin(seat, resharing, contribution)
    }

    fn resume_keygen(&self, state: &[u8]) -> Option<Box<dyn KeygenProtocol>> {
        keygen::resume(state)
    }

    fn open_share(&self, bytes: &[u8]) -> Result<Arc<dyn SecretShare>, ShareError> {
        Ok(Arc::new(share::Dkls23Share::from_bytes(bytes)?))
    }
}

/// The library's index of a party. Party indices start at one, so this cannot fail; `None` keeps it free of panics.
pub(crate) fn engine_index(party: PartyIndex) -> Option<EngineIndex> {
    EngineIndex::new(party.get()).ok()
}

/// The party of a library's index, if it is one that a committee can have.
pub(crate) fn party_of(index: EngineIndex) -> Option<PartyIndex> {
    PartyIndex::new(index.as_u8()).ok()
}
