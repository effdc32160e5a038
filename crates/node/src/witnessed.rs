//! When this node held what the log says: protective delays and validity limits count from there.
//!
//! Owns the record of moments. An entry's own time is the coordinator's word; a delay that counts from it could be spent
//! before anybody saw the entry. It must never believe a moment that neither this node's clock nor one honest node vouches
//! for (ADR 7).

use std::collections::BTreeMap;

use holdfast_ledger::{Ceremony, CeremonyId, State, WithdrawalId};
use holdfast_policy::{NodeId, TimestampMs, WhitelistEntryId};
use holdfast_store::{Batch, StoreError, StoreHandle};

use crate::tables::WITNESSED;

/// Moments closer together than this are one: far below any skew, and it bounds how many there are.
const GRAIN_MS: u64 = 1_000;
/// Moments that other nodes vouch for: no honest coordinator ever gives that many that are not implied by others.
const MAX_VOUCHED: usize = 65_536;
const OWN: u8 = 0;
const VOUCHED: u8 = 1;
const PAGE: usize = 4_096;

/// Moments by log position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witnessed {
    /// First index that came, to when it came, by this node's clock.
    own: BTreeMap<u64, u64>,
    /// Size of the log, to a moment at which one honest node held that much. Both grow together.
    vouched: BTreeMap<u64, u64>,
}

/// A moment to be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    kind: u8,
    position: u64,
    at: TimestampMs,
}

/// Why something that the log says has no force here, now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WitnessedRefusal {
    /// The cooling-off of every whitelist entry that covers the destination still runs, from when it was seen.
    #[error(
        "whitelist entry `{entry}` was first held here at {held_at}: its cooling-off runs until {until} by this node's clock"
    )]
    CoolingOff { entry: WhitelistEntryId, held_at: TimestampMs, until: TimestampMs },
    /// An officer's statement had expired when it came.
    #[error(
        "entry {index} of ceremony `{ceremony}` came at {held_at}, after its statement had expired: send evidence of when the log had it"
    )]
    CameTooLate { ceremony: CeremonyId, index: u64, held_at: TimestampMs },
}

impl Witnessed {
    /// Everything recorded so far. Blocks.
    pub(crate) fn load(store: &StoreHandle) -> Result<Self, StoreError> {
        let mut witnessed = Self::default();
        let mut from = Vec::new();
        loop {
            let page = store.scan(WITNESSED, &from, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(witnessed) };
            from = [last.as_slice(), &[0]].concat();
            for (key, value) in &page {
                // A record that does not read vouches for nothing: what it would have allowed waits.
                if let Some(moment) = Moment::from_record(key, value) {
                    witnessed.add(moment);
                }
            }
        }
    }

    /// The moment to record when entries from `first` on come now; none if one so near is recorded already.
    ///
    /// A clock that went back makes nothing look older: moments never go back.
    pub(crate) fn coming(&self, first: u64, now: TimestampMs) -> Option<Moment> {
        let newest = self.own.values().next_back().copied();
        let near = newest.is_some_and(|newest| now.0.saturating_sub(newest) < GRAIN_MS);
        let at = TimestampMs(now.0.max(newest.unwrap_or_default()));
        (!near).then_some(Moment { kind: OWN, position: first, at })
    }

    /// The moment to record when one honest node is known to have held `size` entries by then; none if it says nothing new.
    pub(crate) fn vouching(&self, size: u64, at: TimestampMs) -> Option<Moment> {
        let last = size.checked_sub(1)?;
        let new = at < self.held_since(last) && self.vouched.len() < MAX_VOUCHED;
        new.then_some(Moment { kind: VOUCHED, position: size, at })
    }

    pub(crate) fn add(&mut self, moment: Moment) {
        let Moment { kind, position, at } = moment;
        if kind == OWN {
            self.own.insert(position, at.0);
            return;
        }
        // Who held more by then held this much too.
        self.vouched.retain(|size, then| *size > position || *then < at.0);
        if !self.vouched.range(position..).any(|(_, then)| *then <= at.0) {
            self.vouched.insert(position, at.0);
        }
    }

    /// When this node, or one honest node, first held the entry; the end of time if nobody is known to.
    pub(crate) fn held_since(&self, index: u64) -> TimestampMs {
        let own = self.own.range(..=index).next_back().map_or(u64::MAX, |(_, at)| *at);
        let after = index.saturating_add(1);
        let vouched = self.vouched.range(after..).next().map_or(u64::MAX, |(_, at)| *at);
        TimestampMs(own.min(vouched))
    }

    /// Whether everything on which this withdrawal rests was held here long and early enough.
    // INVARIANT (G2): of the honest signers each counts from its own clock: back-dating an entry, or keeping it back,
    // shortens no cooling-off and revives no expired statement by more than the skew.
    pub(crate) fn check_withdrawal(
        &self,
        state: &State,
        id: &WithdrawalId,
        own: &NodeId,
        now: TimestampMs,
    ) -> Result<(), WitnessedRefusal> {
        let Some(withdrawal) = state.withdrawal(id) else { return Ok(()) };
        state.authority_ceremonies().try_for_each(|ceremony| self.check_ceremony(state, ceremony, own))?;
        // The newest resume is a quorum's word that the wallet may pay, whatever came late before it.
        if let Some(newest) = state.resumes(&withdrawal.request.wallet).last() {
            self.check_ceremony(state, newest, own)?;
        }
        self.check_cooling_off(state, id, now)
    }

    /// Whether a ceremony's statements came while they were valid.
    ///
    /// What lies before the checkpoint with which the officers enrolled this node again, they have vouched for.
    pub(crate) fn check_ceremony(
        &self,
        state: &State,
        ceremony: &Ceremony,
        own: &NodeId,
    ) -> Result<(), WitnessedRefusal> {
        let skew_ms = state.genesis().document.max_clock_skew_ms;
        let minimum = state.roster().node(own).and_then(|node| node.minimum.as_ref());
        let vouched_for = minimum.map_or(0, |minimum| minimum.size);
        let proposal = (ceremony.index, ceremony.expires_at);
        let approvals = ceremony.approvals.iter().map(|approval| (approval.index, approval.expires_at));
        for (index, expires_at) in std::iter::once(proposal).chain(approvals) {
            let held_at = self.held_since(index);
            if index >= vouched_for && held_at.0 > expires_at.0.saturating_add(skew_ms) {
                return Err(WitnessedRefusal::CameTooLate { ceremony: ceremony.id, index, held_at });
            }
        }
        Ok(())
    }

    /// Any one of the entries that cover the destination will do.
    fn check_cooling_off(
        &self,
        state: &State,
        id: &WithdrawalId,
        now: TimestampMs,
    ) -> Result<(), WitnessedRefusal> {
        let skew_ms = state.genesis().document.max_clock_skew_ms;
        let cooling_off = state.policy().whitelist().cooling_off;
        let mut refusal = None;
        for entry in state.covering_entries(id, now.max(state.last_time())) {
            let index = state.whitelist_ceremony(&entry.id).and_then(|ceremony| ceremony.quorum_met);
            let held_at = index.map_or(TimestampMs(u64::MAX), |met| self.held_since(met.index));
            let until = TimestampMs(held_at.0.saturating_add(cooling_off.0));
            if now.0.saturating_add(skew_ms) >= until.0 {
                return Ok(());
            }
            refusal.get_or_insert(WitnessedRefusal::CoolingOff { entry: entry.id.clone(), held_at, until });
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl Moment {
    /// Adds the record of this moment to a batch.
    pub(crate) fn put(self, batch: Batch) -> Batch {
        let key = [&[self.kind][..], &self.position.to_be_bytes()].concat();
        batch.put(WITNESSED, key, self.at.0.to_be_bytes())
    }

    fn from_record(key: &[u8], value: &[u8]) -> Option<Self> {
        let (kind, position) = key.split_first()?;
        let position = u64::from_be_bytes(position.try_into().ok()?);
        let at = TimestampMs(u64::from_be_bytes(value.try_into().ok()?));
        matches!(*kind, OWN | VOUCHED).then_some(Self { kind: *kind, position, at })
    }
}

impl WitnessedRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::CoolingOff { .. } => "COOLING_OFF_NOT_WITNESSED",
            Self::CameTooLate { .. } => "STATEMENT_CAME_TOO_LATE",
        }
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
