//! The one place where wire types and domain types meet: what lies behind a server or a client works on domain types.
//!
//! Towards the wire nothing is decided and nothing can fail; from the wire everything is checked, and what is refused
//! names its field. It must never make a domain value that the domain's own constructors would refuse.

mod ceremony;
mod cluster;
mod decision;
mod node;
mod receipt;
mod wallet;
mod whitelist;
mod withdrawal;

use holdfast_ledger::{CeremonyId, WithdrawalId};
use holdfast_log::Hash;
use holdfast_policy::{ClientId, WalletId, WhitelistEntryId};

pub use ceremony::{CeremonyLive, CeremonyView, ceremony_phase};
pub use cluster::{ClusterNodeView, latch};
pub use decision::decision;
pub use node::{LatchReport, NodeReport, RoutedMessage, Tip, scalars};
pub use receipt::SignedReceipt;
pub use wallet::{paused_wallet, wallet, wallet_in_creation};
pub use whitelist::{WhitelistFilter, WhitelistView, requested_entry, whitelist_state};
pub use withdrawal::{Waiting, WithdrawalView, effects, withdrawal_state};

use crate::limits::{ENVELOPE_BYTES, ID_BYTES};
use crate::v1;

/// A field of a message that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct FieldError {
    /// The field's name in the `.proto` file.
    pub field: &'static str,
    /// What it should be: lower case, no full stop.
    pub problem: String,
}

impl FieldError {
    /// An error at this field.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

/// The time of every log entry, by index; ms since the epoch.
#[derive(Clone, Copy)]
pub struct EntryTimes<'a>(pub &'a [u64]);

impl EntryTimes<'_> {
    /// The time of the entry at this index, 0 if there is none.
    pub fn at(&self, index: u64) -> u64 {
        usize::try_from(index).ok().and_then(|index| self.0.get(index)).copied().unwrap_or_default()
    }

    /// A place in the log.
    pub fn position(&self, index: u64) -> v1::LogPosition {
        v1::LogPosition { index, time_ms: self.at(index) }
    }
}

impl std::fmt::Debug for EntryTimes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EntryTimes({} entries)", self.0.len())
    }
}

/// A reason from its code and sentence.
pub fn reason(code: impl Into<String>, sentence: impl Into<String>) -> v1::Reason {
    v1::Reason { code: code.into(), sentence: sentence.into() }
}

/// The exact bytes of an envelope, bounded before anybody parses them.
pub fn bounded_envelope(bytes: &[u8]) -> Result<&[u8], usize> {
    if bytes.len() > ENVELOPE_BYTES { Err(bytes.len()) } else { Ok(bytes) }
}

/// The id of a withdrawal.
pub fn withdrawal_id(field: &'static str, text: &str) -> Result<WithdrawalId, FieldError> {
    id(field, text)
}

/// The id of a ceremony.
pub fn ceremony_id(field: &'static str, text: &str) -> Result<CeremonyId, FieldError> {
    id(field, text)
}

/// The id of a wallet.
pub fn wallet_id(field: &'static str, text: &str) -> Result<WalletId, FieldError> {
    id(field, text)
}

/// The id of a client.
pub fn client_id(field: &'static str, text: &str) -> Result<ClientId, FieldError> {
    id(field, text)
}

/// The id of a whitelist entry.
pub fn whitelist_entry_id(field: &'static str, text: &str) -> Result<WhitelistEntryId, FieldError> {
    id(field, text)
}

fn id<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, FieldError>
where
    T::Err: std::fmt::Display,
{
    if text.len() > ID_BYTES {
        return Err(FieldError::new(field, format!("must have at most {ID_BYTES} characters")));
    }
    text.parse().map_err(|error: T::Err| FieldError::new(field, error.to_string()))
}

/// Hashes as a proof carries them.
pub fn hashes(hashes: Vec<Hash>) -> Vec<Vec<u8>> {
    hashes.into_iter().map(|hash| hash.0.to_vec()).collect()
}

#[cfg(test)]
mod tests;
