//! When this node held what the log says: protective delays and validity limits count from there.
//!
//! Owns the record of moments. An entry's own time is the coordinator's word; a delay that counts from it could be spent
//! before anybody saw the entry. It must never believe a moment that neither this node's clock nor one honest node vouches
//! for (ADR 7).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_ledger::{
    Ceremony, CeremonyId, CeremonyKind, CeremonyPhase, RequestedEntry, State, StatementDigest, Waited,
    WithdrawalId,
};
use holdfast_policy::{NodeId, TimestampMs, WalletId, WhitelistEntryId};
use holdfast_store::{Batch, StoreError, StoreHandle};

use crate::tables::WITNESSED;

/// Moments closer together than this are one: far below any skew, and it bounds how many there are.
const GRAIN_MS: u64 = 1_000;
/// Records beyond twice those that are worth keeping, before the others are forgotten.
const SPARE: usize = 1_024;
// 0 was the first index that came, which cannot be forgotten piece by piece.
const VOUCHED: u8 = 1;
const OWN: u8 = 2;
const PAGE: usize = 4_096;

/// When how much of the log was held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witnessed {
    /// By this node's clock.
    own: Moments,
    /// Moments at which one honest node held that much.
    vouched: Moments,
    /// Records on disk, also those that say nothing any more.
    records: usize,
    /// Of those, how many were worth keeping last time.
    kept: usize,
}

/// Size of the log, to a moment by which all of it was held. Both grow together.
// INVARIANT (G2): leaving a moment out only makes what it covers look younger.
#[derive(Clone, Debug, Default)]
struct Moments(BTreeMap<u64, u64>);

/// A moment to be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    kind: u8,
    size: u64,
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
    /// The attestation that confirmed a whitelist entry was too old when it came.
    #[error(
        "the attestation that confirmed whitelist entry `{entry}` came at {held_at}, when it was too old: ask for the entry again"
    )]
    ConfirmedTooLate { entry: WhitelistEntryId, held_at: TimestampMs },
    /// The time that the policy wants to pass since the request still runs, from when it was seen.
    #[error(
        "the request (entry {index}) was first held here at {held_at}: the policy's time runs until {until} by this node's clock"
    )]
    StillWaiting { index: u64, held_at: TimestampMs, until: TimestampMs },
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
        // A record that does not read vouches for nothing: what it would have allowed waits.
        records(store, |key, value| {
            Moment::from_record(key, value).into_iter().for_each(|moment| witnessed.add(moment));
        })?;
        Ok(witnessed)
    }

    /// The moment to record when the log has grown to `size` now.
    ///
    /// A clock that went back makes nothing look older than what came before it, nor than this node's last cosignature.
    pub(crate) fn coming(&self, size: u64, now: TimestampMs, cosigned_at: TimestampMs) -> Moment {
        let newest = self.own.newest();
        let at = now.0.max(newest).max(cosigned_at.0);
        let near = at.saturating_sub(newest) < GRAIN_MS;
        Moment { kind: OWN, size, at: TimestampMs(if near { newest } else { at }) }
    }

    /// The moment to record when one honest node is known to have held `size` entries by then; none if no rule asks for what
    /// it says.
    pub(crate) fn vouching(&self, size: u64, at: TimestampMs, asked: &BTreeSet<u64>) -> Option<Moment> {
        let mut covered = asked.range(..size);
        let new = covered.any(|index| at < self.held_since(*index));
        new.then_some(Moment { kind: VOUCHED, size, at })
    }

    pub(crate) fn add(&mut self, moment: Moment) {
        self.records = self.records.saturating_add(1);
        let moments = if moment.kind == OWN { &mut self.own } else { &mut self.vouched };
        moments.add(moment.size, moment.at.0);
    }

    /// When this node, or one honest node, first held the entry; the end of time if nobody is known to.
    pub(crate) fn held_since(&self, index: u64) -> TimestampMs {
        let held = |moments: &Moments| moments.covering(index).map_or(u64::MAX, |(_, at)| at);
        TimestampMs(held(&self.own).min(held(&self.vouched)))
    }

    /// What is left when all is forgotten that no rule can ask for any more; `None` while that is not worth a write.
    pub(crate) fn condensed(&self, state: &State) -> Option<Self> {
        let crowded = self.records > self.kept.saturating_mul(2).saturating_add(SPARE);
        crowded.then(|| self.condensed_to(&asked(state)))
    }

    fn condensed_to(&self, asked: &BTreeSet<u64>) -> Self {
        // The newest stays: no later moment is before it, see `coming`.
        let newest = self.own.0.last_key_value().map(|(size, at)| (*size, *at));
        let own = Moments(self.own.covering_all(asked).chain(newest).collect());
        let vouched = Moments(self.vouched.covering_all(asked).collect());
        let kept = own.0.len().saturating_add(vouched.0.len());
        Self { own, vouched, records: kept, kept }
    }

    /// The keys of the records on disk that say nothing of this. Blocks.
    pub(crate) fn superfluous(&self, store: &StoreHandle) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut superfluous = Vec::new();
        records(store, |key, value| {
            let kept = Moment::from_record(key, value).is_some_and(|moment| self.contains(moment));
            if !kept {
                superfluous.push(key.to_vec());
            }
        })?;
        Ok(superfluous)
    }

    fn contains(&self, moment: Moment) -> bool {
        let moments = if moment.kind == OWN { &self.own } else { &self.vouched };
        moments.0.get(&moment.size) == Some(&moment.at.0)
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
        self.check_resumes(state, &withdrawal.request.wallet, own)?;
        self.check_cooling_off(state, id, own, now)
    }

    /// Whether for each pause that was lifted officers said in time that it may go.
    // INVARIANT (G2, G4): a resume names the oldest pauses in force and leaves none out. One that was proposed after a late one
    // had lifted its pauses was therefore made by officers who saw that they are gone; one proposed before it speaks for those
    // that it names only. Of pauses that only nodes have nobody sees that they are gone: they must be named in time.
    fn check_resumes(&self, state: &State, wallet: &WalletId, own: &NodeId) -> Result<(), WitnessedRefusal> {
        let (mut named, mut late, mut seen) = (BTreeSet::<StatementDigest>::new(), Vec::new(), 0);
        for resume in state.resumes(wallet) {
            match self.check_ceremony(state, resume, own) {
                Ok(()) => {
                    named.extend(lifts(resume));
                    if lifts(resume).iter().any(|pause| state.statement_acted(pause)) {
                        seen = seen.max(resume.index);
                    }
                }
                Err(refusal) => late.push((resume, refusal)),
            }
        }
        for (resume, refusal) in late {
            let gone_since = resume.quorum_met.map_or(u64::MAX, |met| met.index);
            let made_good = |pause: &StatementDigest| {
                named.contains(pause) || (gone_since < seen && state.statement_acted(pause))
            };
            if !lifts(resume).iter().all(made_good) {
                return Err(refusal);
            }
        }
        Ok(())
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
        for (index, expires_at) in said(ceremony) {
            let held_at = self.held_since(index);
            if index >= vouched_for && held_at.0 > expires_at.0.saturating_add(skew_ms) {
                return Err(WitnessedRefusal::CameTooLate { ceremony: ceremony.id, index, held_at });
            }
        }
        Ok(())
    }

    /// Whether the attestation by which a customer confirmed an entry came while it was young enough.
    // INVARIANT (G2, G4): what was kept back until it was too old, and logged under an earlier time, confirms nothing here.
    fn check_confirmation(
        &self,
        state: &State,
        entry: &WhitelistEntryId,
        own: &NodeId,
    ) -> Result<(), WitnessedRefusal> {
        let Some(confirmed) = state.requested_entry(entry).and_then(RequestedEntry::confirmation) else {
            return Ok(());
        };
        let skew_ms = state.genesis().document.max_clock_skew_ms;
        let minimum = state.roster().node(own).and_then(|node| node.minimum.as_ref());
        let vouched_for = minimum.map_or(0, |minimum| minimum.size);
        let held_at = self.held_since(confirmed.index);
        if confirmed.index >= vouched_for && held_at.0 > confirmed.good_until.0.saturating_add(skew_ms) {
            return Err(WitnessedRefusal::ConfirmedTooLate { entry: entry.clone(), held_at });
        }
        Ok(())
    }

    /// Whether the time that released a withdrawal has passed since this node, or one honest node, held its request.
    // INVARIANT (G2): a request that was logged with an early time, or kept back, waits all the same.
    pub(crate) fn check_waited(
        &self,
        state: &State,
        waited: Option<Waited>,
        now: TimestampMs,
    ) -> Result<(), WitnessedRefusal> {
        let Some(Waited { since: index, at_least }) = waited else { return Ok(()) };
        let skew_ms = state.genesis().document.max_clock_skew_ms;
        let held_at = self.held_since(index);
        let until = TimestampMs(held_at.0.saturating_add(at_least.0));
        if now.0.saturating_add(skew_ms) >= until.0 {
            return Ok(());
        }
        Err(WitnessedRefusal::StillWaiting { index, held_at, until })
    }

    /// Any one grant that gives the withdrawal will do, if for each address that it wants on the whitelist any one entry will.
    // INVARIANT (G4): for a grant that wants entries of the house an old entry of a customer says nothing about how long they cooled
    // off, and one of the destination nothing about the address that a call names.
    fn check_cooling_off(
        &self,
        state: &State,
        id: &WithdrawalId,
        own: &NodeId,
        now: TimestampMs,
    ) -> Result<(), WitnessedRefusal> {
        let mut refusal = None;
        for places in state.whitelist_footings(id, now.max(state.last_time())) {
            match places.iter().try_for_each(|entries| self.check_cooled_off(state, entries, own, now)) {
                Ok(()) => return Ok(()),
                Err(refused) => refusal.get_or_insert(refused),
            };
        }
        // Without a grant the policy itself refuses.
        refusal.map_or(Ok(()), Err)
    }

    fn check_cooled_off(
        &self,
        state: &State,
        entries: &[WhitelistEntryId],
        own: &NodeId,
        now: TimestampMs,
    ) -> Result<(), WitnessedRefusal> {
        let skew_ms = state.genesis().document.max_clock_skew_ms;
        let cooling_off = state.policy().whitelist().cooling_off;
        let mut refusal = None;
        for entry in entries {
            let held_at =
                state.whitelist_added(entry).map_or(TimestampMs(u64::MAX), |index| self.held_since(index));
            let until = TimestampMs(held_at.0.saturating_add(cooling_off.0));
            let in_time = self.check_confirmation(state, entry, own);
            if in_time.is_ok() && now.0.saturating_add(skew_ms) >= until.0 {
                return Ok(());
            }
            let cooling = WitnessedRefusal::CoolingOff { entry: entry.clone(), held_at, until };
            refusal.get_or_insert(in_time.err().unwrap_or(cooling));
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl Moments {
    /// Who held more by then held this much too.
    fn add(&mut self, size: u64, at: u64) {
        if self.0.range(size..).next().is_some_and(|(_, then)| *then <= at) {
            return;
        }
        while let Some(less) = self.0.range(..=size).next_back().filter(|(_, then)| **then >= at) {
            let less = *less.0;
            self.0.remove(&less);
        }
        self.0.insert(size, at);
    }

    /// The first moment by which the entry was held.
    fn covering(&self, index: u64) -> Option<(u64, u64)> {
        self.0.range(index.checked_add(1)?..).next().map(|(size, at)| (*size, *at))
    }

    fn covering_all<'a>(&'a self, asked: &'a BTreeSet<u64>) -> impl Iterator<Item = (u64, u64)> + 'a {
        asked.iter().filter_map(|index| self.covering(*index))
    }

    fn newest(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, at)| *at)
    }
}

/// Every index about which a rule can still ask when it was held.
// INVARIANT (G2, G9): whatever `check_withdrawal`, `check_waited` and `check_ceremony` ask now or later is here, or looks too young
// for ever.
pub(crate) fn asked(state: &State) -> BTreeSet<u64> {
    let now = state.last_time();
    let open = state.ceremonies().filter(|ceremony| match ceremony.phase_at(now) {
        CeremonyPhase::Proposed | CeremonyPhase::Approved | CeremonyPhase::Confirmed => true,
        CeremonyPhase::Activated
        | CeremonyPhase::Expired
        | CeremonyPhase::Failed
        | CeremonyPhase::Superseded => false,
    });
    let entries = state.whitelist().filter(|entry| entry.revoked_at.is_none() && entry.expires_at > now);
    let (entries, confirmed): (Vec<_>, Vec<_>) =
        entries.map(|entry| (state.whitelist_ceremony(&entry.id), state.requested_entry(&entry.id))).unzip();
    let entries = entries.into_iter().flatten();
    let confirmed = confirmed.into_iter().flatten();
    let confirmed = confirmed.filter_map(|record| record.confirmation().map(|confirmed| confirmed.index));
    let resumes = state.wallets().flat_map(|wallet| state.resumes(&wallet.id));
    let ceremonies = open.chain(entries).chain(resumes).chain(state.authority_ceremonies());
    let said = ceremonies.flat_map(|ceremony| said(ceremony).map(|(index, _)| index));
    said.chain(confirmed).chain(state.waits_since()).collect()
}

/// The pauses that a resume names.
fn lifts(ceremony: &Ceremony) -> &[StatementDigest] {
    match &ceremony.kind {
        CeremonyKind::ResumeWallet { lifts, .. } => lifts,
        CeremonyKind::CreateWallet(_)
        | CeremonyKind::MigrateWallet(_)
        | CeremonyKind::ImportWallet(_)
        | CeremonyKind::AddWhitelistEntry(_)
        | CeremonyKind::ChangeRoster(_)
        | CeremonyKind::ChangePolicy(_)
        | CeremonyKind::UpdateScreeningList(_)
        | CeremonyKind::LiftScreeningAdditions { .. } => &[],
    }
}

/// The statements of a ceremony: where they are in the log, and from when on they are void.
fn said(ceremony: &Ceremony) -> impl Iterator<Item = (u64, TimestampMs)> + '_ {
    let approvals = ceremony.approvals.iter().map(|approval| (approval.index, approval.expires_at));
    std::iter::once((ceremony.index, ceremony.expires_at)).chain(approvals)
}

/// Goes through the records.
fn records(store: &StoreHandle, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
    let mut from = Vec::new();
    loop {
        let page = store.scan(WITNESSED, &from, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        page.iter().for_each(|(key, value)| each(key, value));
    }
}

impl Moment {
    /// Adds the record of this moment to a batch.
    pub(crate) fn put(self, batch: Batch) -> Batch {
        let key = [&[self.kind][..], &self.size.to_be_bytes()].concat();
        batch.put(WITNESSED, key, self.at.0.to_be_bytes())
    }

    fn from_record(key: &[u8], value: &[u8]) -> Option<Self> {
        let (kind, size) = key.split_first()?;
        let size = u64::from_be_bytes(size.try_into().ok()?);
        let at = TimestampMs(u64::from_be_bytes(value.try_into().ok()?));
        matches!(*kind, OWN | VOUCHED).then_some(Self { kind: *kind, size, at })
    }
}

impl WitnessedRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::CoolingOff { .. } => "COOLING_OFF_NOT_WITNESSED",
            Self::ConfirmedTooLate { .. } => "ATTESTATION_CAME_TOO_LATE",
            Self::StillWaiting { .. } => "RELEASE_NOT_WITNESSED",
            Self::CameTooLate { .. } => "STATEMENT_CAME_TOO_LATE",
        }
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
pub(crate) mod calls;
#[cfg(test)]
mod house;
#[cfg(test)]
mod tests;
