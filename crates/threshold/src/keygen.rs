//! Distributed key generation, and the handing on of a key to new shares: no party, and fewer than t together, ever know
//! the key.
//!
//! Owns what is the same for every engine, and the duties that engines' libraries leave to their user:
//!
//! - every party's view of all broadcasts, of the public key, the chain code and all verifying shares is hashed and
//!   compared between all n parties before anybody has a key: the last round;
//! - the own share is checked against its verifying share;
//! - a round runs only on the messages of all other parties.
//!
//! It must never finish on less than n equal confirmations, and must never answer a round twice with different bytes.
//!
//! Round 1 takes the signed offers of all parties; the rounds after it are the engine's; the last takes the confirmations
//! and yields [`KeygenOutput`]. How many there are, [`Engine::last_round`](crate::Engine::last_round) says.
//!
//! A resharing ([`Resharing`]) is the same with a key that exists: new shares in the next epoch, perhaps of another engine.
//! It yields a key only if that is the one that was handed on.
//!
//! The state is serialisable: the node stores it, sealed, before it sends a round's messages.

mod confirm;
mod error;
mod machine;
mod resharing;
mod state;

pub use error::KeygenError;
pub use machine::{HeldReply, KeygenMachine, KeygenOutput, KeygenReply, KeygenStep, KeygenTask};
pub use resharing::{ChainCode, Resharing};

/// Exchanges the confirmations of all parties' keys; the shares, in party order.
#[cfg(feature = "conformance")]
pub(crate) fn confirmed_by_all(
    engine: &'static dyn crate::engine::Engine,
    round: crate::party::Round,
    keys: Vec<(&crate::channel::Seat, crate::engine::MadeKey)>,
) -> Result<Vec<crate::share::KeyShare>, KeygenError> {
    let said = keys.into_iter().map(|(seat, made)| Ok((seat.me, confirm::say(engine, seat, None, made)?)));
    let said = said.collect::<Result<Vec<_>, KeygenError>>()?;
    let compared = said.iter().map(|(me, (key, _))| {
        let heard = said.iter().filter_map(|(sender, (_, outgoing))| {
            let message = outgoing.get(me)?;
            Some((*sender, crate::channel::Plaintext::new(message.as_bytes().to_vec())))
        });
        Ok(confirm::compare(engine, round, key, &heard.collect())?.share)
    });
    compared.collect()
}

#[cfg(test)]
mod tests;
