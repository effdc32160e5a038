//! The `dkls23` key generation (Protocol 9.1 of <https://eprint.iacr.org/2023/602>, with the initialisations of
//! <https://eprint.iacr.org/2023/765>).
//!
//! Owns four of its five rounds; the fifth, the confirmation, is every engine's ([`crate::keygen`]). Of the duties that the
//! library leaves to its user it fulfils one: the proof of a party's point is held back until every party's commitment
//! has arrived.
//!
//! Resharings ([`super::reshare`]) differ in the first round and in what they check afterwards.
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all parties | a fragment of this party's polynomial to each peer |
//! | 2 | fragments | commitments: to the proof, to the chain code (broadcast), to a zero-share seed |
//! | 3 | all commitments | proof, chain code contribution (broadcast), seed, multiplication set-up |
//! | 4 | the openings | the key, for the confirmation |

pub(crate) mod messages;
pub(crate) mod round1;
pub(crate) mod round2;
pub(crate) mod round3;
pub(crate) mod round4;
pub(crate) mod state;

use zeroize::Zeroizing;

use super::reshare;
use crate::channel::{Incoming, Outgoing, Seat};
use crate::encoding::{decode_exact, encode_secret};
use crate::engine::{KeygenProgress, KeygenProtocol};
use crate::keygen::KeygenError;
use state::Session;

pub(crate) fn begin(seat: &Seat) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
    let (state, outgoing) = round1::start(seat)?;
    Ok((Box::new(Session::Round1(state)), outgoing))
}

pub(crate) fn resume(state: &[u8]) -> Option<Box<dyn KeygenProtocol>> {
    Some(Box::new(decode_exact::<Session>(&[], state)?))
}

impl KeygenProtocol for Session {
    fn handle(self: Box<Self>, seat: &Seat, incoming: &Incoming) -> Result<KeygenProgress, KeygenError> {
        let (next, outgoing) = match *self {
            Self::Round1(state) => {
                round2::handle(seat, state, incoming).map(|(next, out)| (Self::Round2(next), out))
            }
            Self::Round2(state) => {
                round3::handle(seat, state, incoming).map(|(next, out)| (Self::Round3(next), out))
            }
            Self::Round3(state) => {
                return round4::handle(seat, &state, incoming).map(KeygenProgress::Made);
            }
            Self::Dealt(state) => {
                reshare::second(seat, *state, incoming).map(|(next, out)| (Self::Committed(next), out))
            }
            Self::Committed(state) => {
                reshare::third(seat, *state, incoming).map(|(next, out)| (Self::Opened(next), out))
            }
            Self::Opened(state) => {
                return reshare::fourth(seat, &state, incoming).map(KeygenProgress::Made);
            }
        }?;
        Ok(KeygenProgress::Continue(Box::new(next), outgoing))
    }

    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError> {
        encode_secret(&[], self).map_err(|_| KeygenError::StateUnencodable)
    }
}
