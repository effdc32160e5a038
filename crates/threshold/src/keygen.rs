//! Distributed key generation: no party, and fewer than t together, ever know the key.
//!
//! Owns the five rounds of the `dkls23` generation (Protocol 9.1 of <https://eprint.iacr.org/2023/602>, with the
//! initialisations of <https://eprint.iacr.org/2023/765>) and the duties that the library leaves to its user:
//!
//! - the proof of a party's point is held back until every party's commitment to its proof has arrived;
//! - every party's view of all broadcasts, of the public key, the chain code and all verifying shares is hashed and
//!   compared between all n parties before anybody has a key (round 5);
//! - the own share is checked against its verifying share.
//!
//! It must never finish on less than n equal confirmations, and must never answer a round twice with different bytes.
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all parties | a fragment of this party's polynomial to each peer |
//! | 2 | fragments | commitments: to the proof, to the chain code (broadcast), to a zero-share seed |
//! | 3 | all commitments | proof, chain code contribution (broadcast), seed, multiplication set-up |
//! | 4 | the openings | hash of everything that must be equal |
//! | 5 | confirmations | nothing: [`KeygenOutput`] |
//!
//! The state is serialisable: the node stores it, sealed, before it sends a round's messages.

mod error;
mod machine;
mod messages;
mod round1;
mod round2;
mod round3;
mod round4;
mod round5;
mod state;

pub use error::KeygenError;
pub use machine::{HeldReply, KeygenMachine, KeygenOutput, KeygenReply, KeygenStep, KeygenTask};

use crate::channel::{Incoming, Outgoing, Seat};
use state::Session;

/// The last round: it takes the confirmations and yields the key.
pub const LAST_ROUND: crate::party::Round = crate::party::Round(5);

/// How far a round brought the session.
enum Progress {
    /// On to the next round, with messages to send.
    Continue(Session, Outgoing),
    /// All confirmations are equal.
    Finished(Box<KeygenOutput>),
}

impl Session {
    /// Takes the messages of the round this session waits for. The state is consumed: there is no second try with
    /// other messages.
    fn handle(self, seat: &Seat, incoming: &Incoming) -> Result<Progress, KeygenError> {
        let (next, outgoing) = match self {
            Self::Round1(state) => {
                round2::handle(seat, state, incoming).map(|(next, out)| (Self::Round2(next), out))
            }
            Self::Round2(state) => {
                round3::handle(seat, state, incoming).map(|(next, out)| (Self::Round3(next), out))
            }
            Self::Round3(state) => {
                round4::handle(seat, state, incoming).map(|(next, out)| (Self::Round4(next), out))
            }
            Self::Round4(state) => {
                return round5::handle(&state, incoming).map(|output| Progress::Finished(Box::new(output)));
            }
        }?;
        Ok(Progress::Continue(next, outgoing))
    }
}

#[cfg(test)]
mod tests;
