//! GG20's key generation: Feldman's secret sharing, with a Paillier key and a ring-Pedersen modulus for every party.
//!
//! Owns five of its six rounds; the sixth, the confirmation, is every engine's. To the library's protocol it adds the chain
//! code, to which every party contributes, committed before it is opened.
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all parties | public keys with proofs, commitments to the point and the chain code (broadcast) |
//! | 2 | those | the openings (broadcast) |
//! | 3 | those | the polynomial's commitments (broadcast), its value for the receiver |
//! | 4 | those | proof of knowledge of the own share (broadcast) |
//! | 5 | the proofs | the key, for the confirmation |

mod check;
mod messages;
mod rounds;
mod state;

use holdfast_threshold::channel::{Incoming, Outgoing, Seat};
use holdfast_threshold::{KeygenError, KeygenProgress, KeygenProtocol};
use zeroize::Zeroizing;

use crate::library::{decode, encode};
use state::Session;

pub(crate) fn begin(seat: &Seat) -> Result<(Box<dyn KeygenProtocol>, Outgoing), KeygenError> {
    let (state, outgoing) = rounds::first(seat)?;
    Ok((Box::new(Session::Round1(state)), outgoing))
}

pub(crate) fn resume(state: &[u8]) -> Option<Box<dyn KeygenProtocol>> {
    Some(Box::new(decode::<Session>(state)?))
}

impl KeygenProtocol for Session {
    fn handle(self: Box<Self>, seat: &Seat, incoming: &Incoming) -> Result<KeygenProgress, KeygenError> {
        let (next, outgoing) = match *self {
            Self::Round1(state) => {
                rounds::second(seat, state, incoming).map(|(next, out)| (Self::Round2(next), out))
            }
            Self::Round2(state) => {
                rounds::third(seat, state, incoming).map(|(next, out)| (Self::Round3(next), out))
            }
            Self::Round3(state) => {
                rounds::fourth(seat, state, incoming).map(|(next, out)| (Self::Round4(next), out))
            }
            Self::Round4(state) => return rounds::fifth(seat, *state, incoming).map(KeygenProgress::Made),
        }?;
        Ok(KeygenProgress::Continue(Box::new(next), outgoing))
    }

    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError> {
        encode(self).ok_or(KeygenError::StateUnencodable)
    }
}

#[cfg(test)]
mod tests;
