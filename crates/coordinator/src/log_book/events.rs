//! What watchers see: withdrawals and ceremonies as they were after each entry. Written in the same commit as the entry,
//! so that a watch skips nothing and costs no replay; derived, so that nothing rests on it.

use holdfast_ledger::{CeremonyId, WithdrawalId};
use holdfast_policy::TimestampMs;
use holdfast_proto::convert::{CeremonyView, EntryTimes, WithdrawalView};
use holdfast_proto::v1;
use holdfast_store::{StoreError, StoreHandle, Table};
use prost::Message;

use crate::views::registered_asset;

use super::schema::{CEREMONY_EVENTS, WITHDRAWAL_EVENTS, index_key};
use super::{Inner, LogBook, ReadError, Subject};

/// The event of the entry at `index`, which must be the last one applied.
pub(super) fn of(inner: &Inner, index: u64) -> Option<(Table, Vec<u8>)> {
    match inner.index.subject(index)? {
        Subject::Withdrawal(id) => {
            withdrawal(inner, index, &id).map(|event| (WITHDRAWAL_EVENTS, event.encode_to_vec()))
        }
        Subject::Ceremony(id) => {
            ceremony(inner, index, &id).map(|event| (CEREMONY_EVENTS, event.encode_to_vec()))
        }
        Subject::Other => None,
    }
}

fn withdrawal(inner: &Inner, index: u64, id: &WithdrawalId) -> Option<v1::WithdrawalEvent> {
    let (state, times) = (inner.replica.state(), EntryTimes(inner.index.times()));
    let withdrawal = state.withdrawal(id)?;
    let asset = registered_asset(state, &withdrawal.request);
    let view = WithdrawalView { withdrawal, asset, at: TimestampMs(times.at(index)), times, waiting: None };
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
        let bytes =
            self.store.read(WITHDRAWAL_EVENTS, &index_key(index))?.ok_or(ReadError::Missing { index })?;
        v1::WithdrawalEvent::decode(bytes.as_slice()).map_err(|_| ReadError::Missing { index })
    }

    /// The ceremony event of an entry.
    pub(crate) fn ceremony_event(&self, index: u64) -> Result<v1::CeremonyEvent, ReadError> {
        let bytes =
            self.store.read(CEREMONY_EVENTS, &index_key(index))?.ok_or(ReadError::Missing { index })?;
        v1::CeremonyEvent::decode(bytes.as_slice()).map_err(|_| ReadError::Missing { index })
    }
}

/// The event of the last entry, if what is stored as such is anything else.
pub(super) fn to_mend(
    store: &StoreHandle,
    inner: &Inner,
    index: u64,
) -> Result<Option<(Table, Vec<u8>)>, StoreError> {
    let Some((table, event)) = of(inner, index) else { return Ok(None) };
    let stored = store.read(table, &index_key(index))?;
    Ok((stored.as_deref() != Some(event.as_slice())).then_some((table, event)))
}
