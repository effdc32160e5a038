//! Where in the log things are: what lists, watches and the drivers need beside the state. Derived by replaying, in
//! memory only, a few bytes for each entry. It decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_ledger::{Admission, CeremonyId, Outcome, RequestedEntry, State, WithdrawalId, WithdrawalState};
use holdfast_policy::{HoldRequirement, TimestampMs, WhitelistEntryId};

mod kept;

pub(crate) use kept::{IndexError, IndexPicture};

/// What an entry changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Withdrawal(WithdrawalId),
    Ceremony(CeremonyId),
    Other,
}

/// Log indices of a whitelist entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WhitelistPositions {
    /// `None` if its customer confirmed it.
    pub(crate) ceremony: Option<CeremonyId>,
    pub(crate) added: u64,
    pub(crate) revoked: Option<u64>,
}

/// A withdrawal that ran out of time, which no entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) withdrawal: WithdrawalId,
    pub(crate) at: TimestampMs,
}

/// Everything that is looked up by position.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LogIndex {
    times: Vec<u64>,
    subjects: Vec<Subject>,
    // Withdrawals that the authorization at this index replaced.
    replaced: BTreeMap<u64, WithdrawalId>,
    newest: BTreeMap<WithdrawalId, (u64, WithdrawalState)>,
    requests: BTreeMap<u64, WithdrawalId>,
    proposals: BTreeMap<u64, CeremonyId>,
    whitelist: BTreeMap<WhitelistEntryId, WhitelistPositions>,
    whitelist_by_age: BTreeMap<u64, WhitelistEntryId>,
    open: BTreeMap<WithdrawalId, WithdrawalState>,
    deadlines: BTreeSet<(TimestampMs, WithdrawalId)>,
    expiries: Vec<Expiry>,
    ended: BTreeMap<WithdrawalState, u64>,
}

impl LogIndex {
    /// Notes what the entry at the end of the log did; `state` is the state after it.
    pub(crate) fn note(&mut self, index: u64, time_ms: u64, outcome: &Outcome, state: &State) {
        self.times.push(time_ms);
        let subject = match outcome {
            Outcome::Rejected(_) => Subject::Other,
            Outcome::Admitted(admission) => {
                self.note_whitelist(index, TimestampMs(time_ms), admission, state);
                self.note_subject(index, admission, state)
            }
        };
        self.subjects.push(subject);
    }

    fn note_subject(&mut self, index: u64, admission: &Admission, state: &State) -> Subject {
        if let Some(id) = admission.withdrawal {
            if let Some(replaced) = admission.replaced {
                self.note_withdrawal(replaced, index, state);
                self.replaced.insert(index, replaced);
            }
            self.note_withdrawal(id, index, state);
            return Subject::Withdrawal(id);
        }
        let Some(id) = admission.ceremony else { return Subject::Other };
        if state.ceremony(&id).is_some_and(|ceremony| ceremony.index == index) {
            self.proposals.insert(index, id);
        }
        Subject::Ceremony(id)
    }

    fn note_withdrawal(&mut self, id: WithdrawalId, index: u64, state: &State) {
        let Some(withdrawal) = state.withdrawal(&id) else { return };
        if withdrawal.positions.request == index {
            self.requests.insert(index, id);
        }
        let logged = withdrawal.logged_state();
        let before = self.newest.insert(id, (index, logged)).map(|(_, state)| state);
        if is_final(logged) {
            self.open.remove(&id);
            // A signed one may still be replaced, and be reported about after its end.
            if let Some(count) =
                before.filter(|state| is_final(*state)).and_then(|state| self.ended.get_mut(&state))
            {
                *count = count.saturating_sub(1);
            }
            self.count_end(logged);
            return;
        }
        self.open.insert(id, logged);
        self.deadlines.insert((withdrawal.request.expires_at_ms, id));
        let lapses_at = withdrawal.decision.hold().and_then(HoldRequirement::lapses_at);
        self.deadlines.extend(lapses_at.map(|at| (at, id)));
    }

    fn note_whitelist(&mut self, index: u64, time: TimestampMs, admission: &Admission, state: &State) {
        if let Some(ceremony) = admission.ceremony.and_then(|id| state.ceremony(&id))
            && let Some(entry) = &ceremony.whitelist_entry
        {
            self.add_entry(entry, Some(ceremony.id), index);
        }
        let Some(entry) = &admission.whitelist_entry else { return };
        let requested = state.requested_entry(entry).and_then(RequestedEntry::confirmation);
        if requested.is_some_and(|confirmed| confirmed.index == index) {
            self.add_entry(entry, None, index);
        }
        // A client takes back all entries of a destination at once.
        let revoked = state.entries_beside(entry).filter(|entry| entry.revoked_at == Some(time));
        for entry in revoked {
            if let Some(positions) = self.whitelist.get_mut(&entry.id) {
                positions.revoked.get_or_insert(index);
            }
        }
    }

    fn add_entry(&mut self, entry: &WhitelistEntryId, ceremony: Option<CeremonyId>, added: u64) {
        self.whitelist.insert(entry.clone(), WhitelistPositions { ceremony, added, revoked: None });
        self.whitelist_by_age.insert(added, entry.clone());
    }

    /// The withdrawal that the entry at this index replaced, beside the one that it is about.
    pub(crate) fn replaced_at(&self, index: u64) -> Option<WithdrawalId> {
        self.replaced.get(&index).copied()
    }

    /// Index of the newest entry about a withdrawal.
    pub(crate) fn newest_of(&self, id: &WithdrawalId) -> u64 {
        self.newest.get(id).map(|(index, _)| *index).unwrap_or_default()
    }

    /// Moves withdrawals whose time is over at `now` from the open ones to the expired ones.
    pub(crate) fn expire(&mut self, now: TimestampMs, state: &State) {
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, id));
            let over =
                state.withdrawal(&id).is_some_and(|found| found.state_at(now) == WithdrawalState::Expired);
            if over && self.open.remove(&id).is_some() {
                self.expiries.push(Expiry { withdrawal: id, at });
                self.count_end(WithdrawalState::Expired);
            }
        }
    }

    fn count_end(&mut self, state: WithdrawalState) {
        let count = self.ended.entry(state).or_default();
        *count = count.saturating_add(1);
    }

    /// Whether [`LogIndex::expire`] has something to do.
    pub(crate) fn is_due(&self, now: TimestampMs) -> bool {
        self.deadlines.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Times of all entries.
    pub(crate) fn times(&self) -> &[u64] {
        &self.times
    }

    /// What the entry at this index changed.
    pub(crate) fn subject(&self, index: u64) -> Option<Subject> {
        usize::try_from(index).ok().and_then(|index| self.subjects.get(index)).copied()
    }

    /// Withdrawals by their request's index.
    pub(crate) fn requests(&self) -> &BTreeMap<u64, WithdrawalId> {
        &self.requests
    }

    /// Ceremonies by their proposal's index.
    pub(crate) fn proposals(&self) -> &BTreeMap<u64, CeremonyId> {
        &self.proposals
    }

    /// Whitelist entries by the index of what added them.
    pub(crate) fn whitelist_by_age(&self) -> &BTreeMap<u64, WhitelistEntryId> {
        &self.whitelist_by_age
    }

    /// Where a whitelist entry is.
    pub(crate) fn whitelist_positions(&self, entry: &WhitelistEntryId) -> Option<WhitelistPositions> {
        self.whitelist.get(entry).copied()
    }

    /// Withdrawals that can still change, with the state that the log gave them.
    pub(crate) fn open(&self) -> &BTreeMap<WithdrawalId, WithdrawalState> {
        &self.open
    }

    /// Withdrawals that ran out of time, in the order in which that was noticed.
    pub(crate) fn expiries(&self) -> &[Expiry] {
        &self.expiries
    }

    /// How many withdrawals are in each state.
    pub(crate) fn counts(&self) -> BTreeMap<WithdrawalState, u64> {
        let mut counts = self.ended.clone();
        for state in self.open.values() {
            let count = counts.entry(*state).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }
}

/// Whether the log can no longer change a withdrawal in this state.
pub(crate) fn is_final(state: WithdrawalState) -> bool {
    match state {
        WithdrawalState::Received
        | WithdrawalState::Held
        | WithdrawalState::Allowed
        | WithdrawalState::Bound
        | WithdrawalState::Authorized => false,
        WithdrawalState::Signed
        | WithdrawalState::Denied
        | WithdrawalState::Cancelled
        | WithdrawalState::Expired
        | WithdrawalState::Replaced
        | WithdrawalState::Tombstoned => true,
    }
}
