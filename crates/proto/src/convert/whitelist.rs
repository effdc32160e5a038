//! Whitelist entries towards the wire.

use holdfast_ledger::CeremonyId;
use holdfast_policy::{EntryOwner, EntryStatus, WhitelistEntry};

use super::{EntryTimes, FieldError};
use crate::v1;

/// A whitelist entry and what else its wire form needs.
#[derive(Clone, Copy, Debug)]
pub struct WhitelistView<'a> {
    /// The entry.
    pub entry: &'a WhitelistEntry,
    /// Whether it counts.
    pub status: EntryStatus,
    /// The ceremony that added it.
    pub ceremony: CeremonyId,
    /// Log index of the entry that added it.
    pub added: u64,
    /// Log index of the entry that revoked it.
    pub revoked: Option<u64>,
    /// Times of log entries.
    pub times: EntryTimes<'a>,
}

impl WhitelistView<'_> {
    /// The wire form.
    pub fn to_wire(&self) -> v1::WhitelistEntry {
        let entry = self.entry;
        let customer = match &entry.owner {
            EntryOwner::House => String::new(),
            EntryOwner::Customer(customer) => customer.to_string(),
        };
        v1::WhitelistEntry {
            id: entry.id.to_string(),
            chain_id: entry.chain_id.0,
            address: entry.address.to_string(),
            assets: entry.assets.iter().map(ToString::to_string).collect(),
            customer,
            not_before_ms: entry.not_before.0,
            expires_at_ms: entry.expires_at.0,
            state: wire_state(self.status).into(),
            ceremony_id: self.ceremony.to_string(),
            added: Some(self.times.position(self.added)),
            revoked: self.revoked.map(|index| self.times.position(index)),
        }
    }
}

fn wire_state(status: EntryStatus) -> v1::WhitelistEntryState {
    match status {
        EntryStatus::Pending => v1::WhitelistEntryState::Pending,
        EntryStatus::Active => v1::WhitelistEntryState::Active,
        EntryStatus::Expired => v1::WhitelistEntryState::Expired,
        EntryStatus::Revoked => v1::WhitelistEntryState::Revoked,
    }
}

/// The status that a filter names; `None` for "any".
///
/// # Errors
/// [`FieldError`] for a number that no state has.
pub fn whitelist_state(field: &'static str, wire: i32) -> Result<Option<EntryStatus>, FieldError> {
    let state = v1::WhitelistEntryState::try_from(wire).map_err(|_| FieldError::new(field, "is no state"))?;
    Ok(match state {
        v1::WhitelistEntryState::Unspecified => None,
        v1::WhitelistEntryState::Pending => Some(EntryStatus::Pending),
        v1::WhitelistEntryState::Active => Some(EntryStatus::Active),
        v1::WhitelistEntryState::Expired => Some(EntryStatus::Expired),
        v1::WhitelistEntryState::Revoked => Some(EntryStatus::Revoked),
    })
}
