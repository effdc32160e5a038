//! The index as bytes, for the snapshot of the log.
//!
//! Owns the stored form. It holds what cannot be asked of the state, in less than 30 bytes for each entry; the rest is derived
//! again when it is read. It must never give an index that speaks of entries or withdrawals that there are not.

use std::collections::BTreeMap;

use holdfast_ledger::{CeremonyId, State, WithdrawalId, WithdrawalState};
use holdfast_policy::{HoldRequirement, WhitelistEntryId};
use prost::Message;

use super::{LogIndex, Subject, WhitelistPositions, is_final};

/// A state's number in the file is its place here: never change the order, only append.
const STATES: [WithdrawalState; 11] = [
    WithdrawalState::Received,
    WithdrawalState::Held,
    WithdrawalState::Allowed,
    WithdrawalState::Bound,
    WithdrawalState::Authorized,
    WithdrawalState::Signed,
    WithdrawalState::Denied,
    WithdrawalState::Cancelled,
    WithdrawalState::Expired,
    WithdrawalState::Replaced,
    WithdrawalState::Tombstoned,
];

/// The bytes are not an index of this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its index does not read or is not the state's")]
pub(crate) struct IndexError;

/// What the index holds at one moment, taken without encoding anything: the log waits meanwhile.
#[derive(Debug)]
pub(crate) struct IndexPicture {
    times: Vec<u64>,
    subjects: Vec<Subject>,
    replaced: Vec<(u64, WithdrawalId)>,
    newest: Vec<(WithdrawalId, u64, WithdrawalState)>,
    requests: Vec<(u64, WithdrawalId)>,
    proposals: Vec<(u64, CeremonyId)>,
    whitelist: Vec<(WhitelistEntryId, WhitelistPositions)>,
}

/// The stored form.
#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(uint64, repeated, tag = "1")]
    times: Vec<u64>,
    /// For each entry 0, or the place of its withdrawal counted from 1, or beyond those that of its ceremony.
    #[prost(uint32, repeated, tag = "2")]
    subjects: Vec<u32>,
    /// By id.
    #[prost(message, repeated, tag = "3")]
    withdrawals: Vec<StoredWithdrawal>,
    /// By position.
    #[prost(message, repeated, tag = "4")]
    ceremonies: Vec<StoredPosition>,
    #[prost(message, repeated, tag = "5")]
    replaced: Vec<StoredPosition>,
    #[prost(message, repeated, tag = "6")]
    whitelist: Vec<StoredWhitelistEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredWithdrawal {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint64, tag = "2")]
    request: u64,
    #[prost(uint64, tag = "3")]
    newest: u64,
    #[prost(uint32, tag = "4")]
    state: u32,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPosition {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(string, tag = "2")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredWhitelistEntry {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    ceremony: String,
    #[prost(uint64, tag = "3")]
    added: u64,
    #[prost(uint64, optional, tag = "4")]
    revoked: Option<u64>,
}

impl LogIndex {
    /// What there is to keep.
    pub(crate) fn picture(&self) -> IndexPicture {
        IndexPicture {
            times: self.times.clone(),
            subjects: self.subjects.clone(),
            replaced: self.replaced.iter().map(|(index, id)| (*index, *id)).collect(),
            newest: self.newest.iter().map(|(id, (index, state))| (*id, *index, *state)).collect(),
            requests: self.requests.iter().map(|(index, id)| (*index, *id)).collect(),
            proposals: self.proposals.iter().map(|(index, id)| (*index, *id)).collect(),
            whitelist: self.whitelist.iter().map(|(id, positions)| (id.clone(), *positions)).collect(),
        }
    }

    /// The index of exactly this state, as replaying its entries would have given it.
    pub(crate) fn from_kept(bytes: &[u8], state: &State) -> Result<Self, IndexError> {
        let stored = Stored::decode(bytes).map_err(|_| IndexError)?;
        let entries = u64::try_from(stored.times.len()).map_err(|_| IndexError)?;
        if entries != state.size() || stored.subjects.len() != stored.times.len() {
            return Err(IndexError);
        }
        let within = |index: u64| if index < entries { Ok(index) } else { Err(IndexError) };
        let mut index = Self { times: stored.times, ..Self::default() };
        let mut withdrawals = Vec::with_capacity(stored.withdrawals.len());
        let mut requests = Vec::with_capacity(stored.withdrawals.len());
        for stored in &stored.withdrawals {
            let id: WithdrawalId = stored.id.parse().map_err(|_| IndexError)?;
            withdrawals.push((id, (within(stored.newest)?, state_of(stored.state)?)));
            requests.push((within(stored.request)?, id));
        }
        let ceremonies = positions(&stored.ceremonies, entries)?;
        index.subjects = stored
            .subjects
            .iter()
            .map(|place| subject(*place, &withdrawals, &ceremonies))
            .collect::<Result<_, _>>()?;
        index.replaced = positions(&stored.replaced, entries)?.into_iter().collect();
        index.proposals = ceremonies.into_iter().collect();
        index.requests = requests.into_iter().collect();
        index.newest = withdrawals.into_iter().collect();
        if index.newest.len() != stored.withdrawals.len() || index.requests.len() != stored.withdrawals.len()
        {
            return Err(IndexError);
        }
        for stored in stored.whitelist {
            let id = WhitelistEntryId::new(stored.id).map_err(|_| IndexError)?;
            let ceremony = match stored.ceremony.as_str() {
                "" => None,
                ceremony => Some(ceremony.parse().map_err(|_| IndexError)?),
            };
            let revoked = stored.revoked.map(within).transpose()?;
            let positions = WhitelistPositions { ceremony, added: within(stored.added)?, revoked };
            index.whitelist_by_age.insert(positions.added, id.clone());
            index.whitelist.insert(id, positions);
        }
        index.derive(state)?;
        Ok(index)
    }

    /// What follows from how the withdrawals stand.
    fn derive(&mut self, state: &State) -> Result<(), IndexError> {
        let mut ended: BTreeMap<WithdrawalState, u64> = BTreeMap::new();
        for (id, (_, logged)) in &self.newest {
            if is_final(*logged) {
                let count = ended.entry(*logged).or_default();
                *count = count.saturating_add(1);
                continue;
            }
            let withdrawal = state.withdrawal(id).filter(|found| found.logged_state() == *logged);
            let withdrawal = withdrawal.ok_or(IndexError)?;
            self.open.insert(*id, *logged);
            self.deadlines.insert((withdrawal.request.expires_at_ms, *id));
            let lapses_at = withdrawal.decision.hold().and_then(HoldRequirement::lapses_at);
            self.deadlines.extend(lapses_at.map(|at| (at, *id)));
        }
        self.ended = ended;
        Ok(())
    }
}

impl IndexPicture {
    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, IndexError> {
        let requests: BTreeMap<WithdrawalId, u64> =
            self.requests.iter().map(|(index, id)| (*id, *index)).collect();
        let withdrawals = self.newest.iter().map(|(id, newest, state)| {
            let state =
                STATES.iter().position(|known| known == state).and_then(|place| u32::try_from(place).ok());
            Ok(StoredWithdrawal {
                id: id.to_string(),
                request: *requests.get(id).ok_or(IndexError)?,
                newest: *newest,
                state: state.ok_or(IndexError)?,
            })
        });
        let whitelist = self.whitelist.iter().map(|(id, positions)| StoredWhitelistEntry {
            id: id.to_string(),
            ceremony: positions.ceremony.map(|id| id.to_string()).unwrap_or_default(),
            added: positions.added,
            revoked: positions.revoked,
        });
        let stored = Stored {
            times: self.times.clone(),
            subjects: self.places()?,
            withdrawals: withdrawals.collect::<Result<_, IndexError>>()?,
            ceremonies: self.proposals.iter().map(|(index, id)| position(*index, id)).collect(),
            replaced: self.replaced.iter().map(|(index, id)| position(*index, id)).collect(),
            whitelist: whitelist.collect(),
        };
        Ok(stored.encode_to_vec())
    }

    fn places(&self) -> Result<Vec<u32>, IndexError> {
        let ceremonies: BTreeMap<CeremonyId, usize> =
            self.proposals.iter().enumerate().map(|(place, (_, id))| (*id, place)).collect();
        let place_of = |subject: &Subject| {
            let place = match subject {
                Subject::Other => return Ok(0),
                Subject::Withdrawal(id) => self.newest.binary_search_by_key(id, |(id, ..)| *id).ok(),
                Subject::Ceremony(id) => {
                    ceremonies.get(id).map(|place| self.newest.len().saturating_add(*place))
                }
            };
            let place = place.and_then(|place| u32::try_from(place).ok()?.checked_add(1));
            place.ok_or(IndexError)
        };
        self.subjects.iter().map(place_of).collect()
    }
}

fn position(index: u64, id: &impl ToString) -> StoredPosition {
    StoredPosition { index, id: id.to_string() }
}

fn positions<I: std::str::FromStr>(
    stored: &[StoredPosition],
    entries: u64,
) -> Result<Vec<(u64, I)>, IndexError> {
    let position = |stored: &StoredPosition| {
        let id = stored.id.parse().ok().filter(|_| stored.index < entries);
        id.map(|id| (stored.index, id)).ok_or(IndexError)
    };
    stored.iter().map(position).collect()
}

fn state_of(place: u32) -> Result<WithdrawalState, IndexError> {
    usize::try_from(place).ok().and_then(|place| STATES.get(place)).copied().ok_or(IndexError)
}

fn subject<T>(
    place: u32,
    withdrawals: &[(WithdrawalId, T)],
    ceremonies: &[(u64, CeremonyId)],
) -> Result<Subject, IndexError> {
    let Some(place) = usize::try_from(place).map_err(|_| IndexError)?.checked_sub(1) else {
        return Ok(Subject::Other);
    };
    if let Some((id, _)) = withdrawals.get(place) {
        return Ok(Subject::Withdrawal(*id));
    }
    let ceremony = place.checked_sub(withdrawals.len()).and_then(|place| ceremonies.get(place));
    ceremony.map(|(_, id)| Subject::Ceremony(*id)).ok_or(IndexError)
}
