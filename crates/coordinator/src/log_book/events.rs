//! What watchers see: withdrawals and ceremonies as they were after each entry. Written in the same commit as the entry,
//! so that a watch skips nothing and costs no replay; derived, so that nothing rests on it.

use holdfast_ledger::{Applied, CeremonyId, WithdrawalId};
use holdfast_log::Entry;
use holdfast_policy::TimestampMs;
use holdfast_proto::convert::{CeremonyView, EntryTimes, WithdrawalView};
use holdfast_proto::v1;
use holdfast_store::{StoreError, StoreHandle, Table};
use prost::Message;

use crate::views::registered_asset;

use super::schema::{CEREMONY_EVENTS, FOUND, WITHDRAWAL_EVENTS, index_key};
use super::{Found, Inner, LogBook, ReadError, Subject};

/// A derived record: where it is kept, and what it is.
pub(super) type Derived = (Table, Vec<u8>, Vec<u8>);

/// What is derived from an entry, which must be the last one applied.
pub(super) fn of(inner: &Inner, entry: &Entry, applied: &Applied) -> Vec<Derived> {
    let index = applied.index;
    let key = index_key(index).to_vec();
    let found = (FOUND, key.clone(), Found::of(entry, applied, inner.replica.state()).encode_to_vec());
    let replaced = inner.index.replaced_at(index).and_then(|id| withdrawal(inner, index, &id));
    let replaced =
        replaced.map(|event| (WITHDRAWAL_EVENTS, replaced_key(index).to_vec(), event.encode_to_vec()));
    let own = match inner.index.subject(index) {
        Some(Subject::Withdrawal(id)) => {
            withdrawal(inner, index, &id).map(|event| (WITHDRAWAL_EVENTS, key, event.encode_to_vec()))
        }
        Some(Subject::Ceremony(id)) => {
            ceremony(inner, index, &id).map(|event| (CEREMONY_EVENTS, key, event.encode_to_vec()))
        }
        Some(Subject::Other) | None => None,
    };
    replaced.into_iter().chain(own).chain([found]).collect()
}

/// Beside the event of the entry's own withdrawal: that of the withdrawal that it replaced.
fn replaced_key(index: u64) -> [u8; 9] {
    let mut key = [1; 9];
    let (position, _) = key.split_at_mut(8);
    position.copy_from_slice(&index_key(index));
    key
}

fn withdrawal(inner: &Inner, index: u64, id: &WithdrawalId) -> Option<v1::WithdrawalEvent> {
    let (state, times) = (inner.replica.state(), EntryTimes(inner.index.times()));
    let withdrawal = state.withdrawal(id)?;
    let asset = registered_asset(state, &withdrawal.request);
    let (at, tombstones_needed) = (TimestampMs(times.at(index)), state.tombstones_needed());
    let view = WithdrawalView { withdrawal, asset, at, times, waiting: None, tombstones_needed };
    Some(v1::WithdrawalEvent { position: Some(times.position(index)), withdrawal: Some(view.full()) })
}

fn ceremony(inner: &Inner, index: u64, id: &CeremonyId) -> Option<v1::CeremonyEvent> {
    let times = EntryTimes(inner.index.times());
    let ceremony = inner.replica.state().ceremony(id)?;
    let view = CeremonyView { ceremony, at: TimestampMs(times.at(index)), times, live: None };
    Some(v1::CeremonyEvent { position: Some(times.position(index)), ceremony: Some(view.full()) })
}

impl LogBook {
    /// The withdrawal event of an entry.
    pub(crate) fn withdrawal_event(&self, index: u64) -> Result<v1::WithdrawalEvent, ReadError> {
        self.withdrawal_event_at(&index_key(index), index)
    }

    /// The event of the withdrawal that an entry replaced.
    pub(crate) fn replaced_event(&self, index: u64) -> Result<v1::WithdrawalEvent, ReadError> {
        self.withdrawal_event_at(&replaced_key(index), index)
    }

    fn withdrawal_event_at(&self, key: &[u8], index: u64) -> Result<v1::WithdrawalEvent, ReadError> {
        let bytes = self.store.read(WITHDRAWAL_EVENTS, key)?.ok_or(ReadError::Missing { index })?;
        v1::WithdrawalEvent::decode(bytes.as_slice()).map_err(|_| ReadError::Missing { index })
    }

    /// The ceremony event of an entry.
    pub(crate) fn ceremony_event(&self, index: u64) -> Result<v1::CeremonyEvent, ReadError> {
        let bytes =
            self.store.read(CEREMONY_EVENTS, &index_key(index))?.ok_or(ReadError::Missing { index })?;
        v1::CeremonyEvent::decode(bytes.as_slice()).map_err(|_| ReadError::Missing { index })
    }
}

/// Those records derived from the last entry that are not what is stored as such.
pub(super) fn to_mend(
    store: &StoreHandle,
    inner: &Inner,
    entry: &Entry,
    applied: &Applied,
) -> Result<Vec<Derived>, StoreError> {
    let mut wrong = Vec::new();
    for (table, key, event) in of(inner, entry, applied) {
        if store.read(table, &key)?.as_deref() != Some(event.as_slice()) {
            wrong.push((table, key, event));
        }
    }
    Ok(wrong)
}
