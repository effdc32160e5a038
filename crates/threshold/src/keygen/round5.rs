//! Round 5: compare what everybody saw.
//!
//! Owns the library's second open duty, the echo of the broadcasts. It must never yield a key on less than n equal
//! confirmations.

use super::error::KeygenError;
use super::machine::KeygenOutput;
use super::messages::{Confirmation, decode_all};
use super::state::Round4;
use crate::channel::Incoming;
use crate::party::{PartyIndex, Round};
use crate::share::KeyShare;

// INVARIANT (G3): two honest parties that saw different broadcasts, keys, chain codes or verifying shares hash
// different confirmations, so both stop here, whoever equivocated.
pub(super) fn handle(state: &Round4, incoming: &Incoming) -> Result<KeygenOutput, KeygenError> {
    let differing: Vec<PartyIndex> = decode_all::<Confirmation>(Round(4), incoming)?
        .into_iter()
        .filter(|(_, confirmation)| confirmation.hash != state.confirmation)
        .map(|(sender, _)| sender)
        .collect();
    if !differing.is_empty() {
        return Err(KeygenError::Unconfirmed { differing });
    }
    Ok(KeygenOutput { public: state.public.clone(), share: KeyShare::from_bytes(&state.share)? })
}
