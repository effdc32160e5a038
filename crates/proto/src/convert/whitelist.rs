//! Whitelist entries towards the wire.

use holdfast_ledger::{CeremonyId, RequestedEntry, WhitelistConfirmation};
use holdfast_policy::{EntryOwner, EntryStatus, TimestampMs, WhitelistEntry};

use super::{EntryTimes, FieldError};
use crate::v1;

/// A whitelist entry and what else its wire form needs.
#[derive(Clone, Copy, Debug)]
pub struct WhitelistView<'a> {
    /// The entry.
    pub entry: &'a WhitelistEntry,
    /// Whether it counts.
    pub status: EntryStatus,
    /// When it stops to count, as things are.
    pub ends_at: TimestampMs,
    /// The ceremony that added it, if officers did.
    pub ceremony: Option<CeremonyId>,
    /// The request that its customer confirmed, if a client asked for it.
    pub requested: Option<&'a RequestedEntry>,
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
            ceremony_id: self.ceremony.map(|id| id.to_string()).unwrap_or_default(),
            added: Some(self.times.position(self.added)),
            revoked: self.revoked.map(|index| self.times.position(index)),
            ends_at_ms: self.ends_at.0,
            last_used_ms: entry.last_used.map(|at| at.0),
            client: self.requested.map(|record| record.request.client.to_string()).unwrap_or_default(),
            intent_digest: self.requested.map(|record| record.intent.as_bytes().to_vec()).unwrap_or_default(),
            confirm_by_ms: None,
            confirmation: self.requested.and_then(RequestedEntry::confirmation).map(confirmation),
        }
    }
}

fn confirmation(confirmed: &WhitelistConfirmation) -> v1::EntryConfirmation {
    let attestation = &confirmed.attestation;
    v1::EntryConfirmation {
        provider: attestation.provider.to_string(),
        method: attestation.method.to_string(),
        score: attestation.score.into(),
        observed_at_ms: attestation.observed_at.0,
    }
}

/// A request that its customer has not confirmed.
pub fn requested_entry(record: &RequestedEntry, times: EntryTimes<'_>) -> v1::WhitelistEntry {
    let request = &record.request;
    v1::WhitelistEntry {
        id: record.id.to_string(),
        chain_id: request.chain_id.0,
        address: request.address.to_string(),
        assets: request.assets.iter().map(ToString::to_string).collect(),
        customer: request.customer.to_string(),
        not_before_ms: request.not_before_ms.map(|at| at.0).unwrap_or_default(),
        expires_at_ms: request.expires_at_ms.0,
        state: v1::WhitelistEntryState::Requested.into(),
        added: Some(times.position(record.index)),
        ends_at_ms: request.expires_at_ms.0,
        client: request.client.to_string(),
        intent_digest: record.intent.as_bytes().to_vec(),
        confirm_by_ms: Some(request.confirm_by_ms.0),
        ..v1::WhitelistEntry::default()
    }
}

fn wire_state(status: EntryStatus) -> v1::WhitelistEntryState {
    match status {
        EntryStatus::Pending => v1::WhitelistEntryState::Pending,
        EntryStatus::Active => v1::WhitelistEntryState::Active,
        EntryStatus::Expired => v1::WhitelistEntryState::Expired,
        EntryStatus::Dormant => v1::WhitelistEntryState::Dormant,
        EntryStatus::Revoked => v1::WhitelistEntryState::Revoked,
    }
}

/// The states that a filter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhitelistFilter {
    /// Entries in any state; no requests.
    Any,
    /// Entries in this state.
    Entry(EntryStatus),
    /// Requests that wait for their customers.
    Requested,
}

/// The state that a filter names.
///
/// # Errors
/// [`FieldError`] for a number that no state has.
pub fn whitelist_state(field: &'static str, wire: i32) -> Result<WhitelistFilter, FieldError> {
    let state = v1::WhitelistEntryState::try_from(wire).map_err(|_| FieldError::new(field, "is no state"))?;
    Ok(match state {
        v1::WhitelistEntryState::Unspecified => WhitelistFilter::Any,
        v1::WhitelistEntryState::Requested => WhitelistFilter::Requested,
        v1::WhitelistEntryState::Pending => WhitelistFilter::Entry(EntryStatus::Pending),
        v1::WhitelistEntryState::Active => WhitelistFilter::Entry(EntryStatus::Active),
        v1::WhitelistEntryState::Expired => WhitelistFilter::Entry(EntryStatus::Expired),
        v1::WhitelistEntryState::Dormant => WhitelistFilter::Entry(EntryStatus::Dormant),
        v1::WhitelistEntryState::Revoked => WhitelistFilter::Entry(EntryStatus::Revoked),
    })
}
