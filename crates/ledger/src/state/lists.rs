//! Screening lists: updates that wait in the log, the ceremony that puts one in force, and what one officer may add at once.
//!
//! INVARIANT (G10): every replica has an update's addresses before officers can approve it, because they are entries of the log.
//! INVARIANT (G4): a version never goes back. Going back to what a list was takes another version, and whatever takes an address
//! off a list takes the larger quorum.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_chains::Address;
use holdfast_policy::{
    CalendarDate, ListHash, ListId, OfficerId, ScreeningDelta, ScreeningIndex, ScreeningList, TimestampMs,
};
use imbl::OrdMap;
use serde::Serialize;

use super::{Change, State};
use crate::ceremony::{CeremonyKind, CeremonyPhase, ScreeningProposal};
use crate::codec::{Encode, record};
use crate::genesis::Genesis;
use crate::ids::{CeremonyId, StatementDigest};
use crate::payload::{ScreeningPart, ScreeningUpdate};
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::Statement;

mod kept;

pub(super) use kept::KeptLists;

/// Most updates that wait; the oldest goes when another comes.
const MAX_WAITING: usize = 4;
/// Most parts of one update: two million addresses and then some.
const MAX_PARTS: u32 = 2_048;
/// Most lists.
const MAX_LISTS: usize = 64;
/// Most addresses that single officers have on one list, all together and each.
const MAX_URGENT: usize = 512;
const MAX_URGENT_OF_ONE: usize = 64;
/// Most addresses that one statement takes off.
pub(crate) const MAX_LIFTED: usize = 32;

/// The lists in force, where they come from, and what waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    index: Arc<ScreeningIndex>,
    records: OrdMap<ListId, Arc<ListRecord>>,
    waiting: imbl::Vector<Arc<WaitingUpdate>>,
}

/// A list's versions, and what single officers added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListRecord {
    /// Every version, the one in force last.
    pub versions: Vec<ListVersion>,
    /// What officers added on top of it, one by one.
    pub urgent: BTreeMap<Address, UrgentAddition>,
    /// Log indices of the parts that made it what it is, in order, after the list of genesis.
    pub(super) parts: Vec<u64>,
}

/// A version of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListVersion {
    /// 1 for the first, then one more each time.
    pub version: u64,
    /// SHA-256 of the list in its one form.
    pub sha256: ListHash,
    /// Who published it.
    pub source: String,
    /// The day it was published.
    pub as_of: String,
    /// How many addresses it names.
    pub addresses: u64,
    /// How many came with it.
    pub added: u64,
    /// How many went with it.
    pub removed: u64,
    /// The smallest tree size at which it is in force.
    pub in_force_from: u64,
    /// The ceremony that brought it; `None` for a list of genesis.
    pub ceremony: Option<CeremonyId>,
}

/// An address that one officer added at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UrgentAddition {
    /// Who added it.
    pub officer: OfficerId,
    /// The statement.
    pub statement: StatementDigest,
    /// Since when, by the entry's time.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// An update in the log that waits for its parts or for officers.
#[derive(Clone, Debug)]
pub struct WaitingUpdate {
    /// What it is.
    pub update: ScreeningUpdate,
    /// Log index of the entry that announced it.
    pub index: u64,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    index: u64,
    content: Arc<ScreeningDelta>,
}

/// A part that comes to the updates that lack it; at least one.
#[derive(Debug)]
pub(crate) struct NextPart {
    updates: Vec<ScreeningUpdate>,
    part: Part,
}

/// A version that takes effect.
#[derive(Debug)]
pub(crate) struct NextList {
    list: ScreeningList,
    version: ListVersion,
    update: ScreeningUpdate,
}

/// What single officers' additions to a list become.
#[derive(Debug)]
pub(crate) struct Urgent {
    list: ListId,
    additions: BTreeMap<Address, UrgentAddition>,
}

record!(ListVersion { version, sha256, source, as_of, addresses, added, removed, in_force_from, ceremony });
record!(UrgentAddition { officer, statement, time, index });
record!(Urgent { list, additions });

/// The content is known by its hash.
impl Encode for NextPart {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { updates, part: Part { index, content } } = self;
        updates.encode(out);
        index.encode(out);
        content.hash().encode(out);
    }
}

impl Encode for NextList {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { list, version, update } = self;
        list.id().encode(out);
        version.encode(out);
        update.encode(out);
    }
}

impl WaitingUpdate {
    /// Whether all its parts are in the log.
    pub fn is_complete(&self) -> bool {
        u32::try_from(self.parts.len()).is_ok_and(|parts| parts == self.update.parts)
    }

    /// How many parts are in the log.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    fn check_next(&self, number: u32) -> Result<(), Rejection> {
        let (number, have) = (u64::from(number), u64::try_from(self.parts.len()).unwrap_or(u64::MAX));
        if number < have {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "this part is in the log already"));
        }
        if number > have || self.is_complete() {
            let detail = format!("the next part is {have} of {}", self.update.parts);
            return Err(Rejection::new(RejectionCode::ScreeningUpdateInvalid, detail).with_field("part"));
        }
        Ok(())
    }

    pub(super) fn delta(&self) -> ScreeningDelta {
        ScreeningDelta::join(self.parts.iter().map(|part| part.content.as_ref()))
    }
}

impl Lists {
    pub(super) fn from_genesis(genesis: &Genesis) -> Self {
        let mut lists = Self::default();
        for list in &genesis.screening {
            let record = ListRecord { versions: vec![first_version(list)], ..ListRecord::default() };
            lists.records.insert(list.id().clone(), Arc::new(record));
            Arc::make_mut(&mut lists.index).insert(list.clone());
        }
        lists
    }

    pub(super) fn index(&self) -> &ScreeningIndex {
        &self.index
    }
}

fn first_version(list: &ScreeningList) -> ListVersion {
    let addresses = u64::try_from(list.len()).unwrap_or(u64::MAX);
    ListVersion {
        version: 1,
        sha256: list.hash(),
        source: list.source().to_owned(),
        as_of: list.as_of().to_string(),
        addresses,
        added: addresses,
        removed: 0,
        in_force_from: 1,
        ceremony: None,
    }
}

impl State {
    /// A list and its versions.
    pub fn screening_list(&self, id: &ListId) -> Option<(&ScreeningList, &ListRecord)> {
        Some((self.lists.index.list(id)?, self.lists.records.get(id)?))
    }

    /// All lists, by name.
    pub fn screening_lists(&self) -> impl Iterator<Item = (&ScreeningList, &ListRecord)> {
        self.lists.index.iter().filter_map(|list| Some((list, self.lists.records.get(list.id())?.as_ref())))
    }

    /// Updates that are in the log and wait, the oldest first.
    pub fn waiting_screening_updates(&self) -> impl Iterator<Item = &WaitingUpdate> {
        self.lists.waiting.iter().map(Arc::as_ref)
    }

    /// Whether a list, or an officer on top of it, names an address.
    pub fn is_listed(&self, list: &ListId, address: &Address) -> bool {
        self.lists.index.list(list).is_some_and(|list| list.contains(address))
    }

    /// An update means nothing by itself: officers approve its hashes.
    pub(super) fn admit_screening_update(
        &self,
        update: &ScreeningUpdate,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&update.cluster)?;
        let refuse = |field: &str, detail: &str| {
            Rejection::new(RejectionCode::ScreeningUpdateInvalid, detail).with_field(field)
        };
        self.check_list_version(&update.list, update.version, update.replaces)?;
        CalendarDate::parse(&update.as_of).map_err(|error| refuse("as_of", &error.to_string()))?;
        // It is quoted in statements.
        if update.source.contains(['"', '\\']) {
            return Err(refuse("source", "must not have quotes or backslashes"));
        }
        let empty = update.added == 0 && update.removed == 0;
        if empty || !(1..=MAX_PARTS).contains(&update.parts) {
            return Err(refuse("parts", "must be 1 to 2048, for at least one address"));
        }
        if update.replaces.is_none() && self.lists.records.len() >= MAX_LISTS {
            return Err(refuse("list", "there are 64 lists already"));
        }
        if self.waiting_update(|waiting| waiting.update == *update).is_some() {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "this update is in the log already"));
        }
        Ok(Change { screening_update: Some((update.clone(), index)), ..Change::default() })
    }

    /// Updates whose addresses are the same share their parts: each takes the ones that it lacks.
    ///
    /// INVARIANT (G9): the last part comes to an update only if all of them together are exactly what the update says, and lead from
    /// the version in force to the version that officers will sign.
    pub(super) fn admit_screening_part(&self, part: &ScreeningPart, index: u64) -> Result<Change, Rejection> {
        self.check_cluster(&part.cluster)?;
        let part_of = |waiting: &&WaitingUpdate| waiting.update.delta == part.delta;
        let next = Part { index, content: Arc::new(part.content()?) };
        let (mut updates, mut refusals) = (Vec::new(), Vec::new());
        for waiting in self.waiting_screening_updates().filter(part_of) {
            match waiting.check_next(part.part).and_then(|()| self.check_last_part(waiting, &next)) {
                Ok(()) => updates.push(waiting.update.clone()),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !updates.is_empty() {
            let next = NextPart { updates, part: next };
            return Ok(Change { screening_part: Some(next), ..Change::default() });
        }
        // Whoever repeats a part must hear that it is there, whatever is wrong with another update of the same addresses.
        refusals.sort_by_key(|refusal| refusal.code() != RejectionCode::AlreadyRecorded);
        Err(refusals.into_iter().next().unwrap_or_else(|| {
            let detail = format!("no update with delta {} waits in the log: announce it first", part.delta);
            Rejection::new(RejectionCode::UnknownScreeningUpdate, detail).with_field("delta")
        }))
    }

    fn check_last_part(&self, waiting: &WaitingUpdate, next: &Part) -> Result<(), Rejection> {
        let mut all = waiting.clone();
        all.parts.push(next.clone());
        if all.is_complete() { self.result_of(&all).map(|_| ()) } else { Ok(()) }
    }

    fn waiting_update(&self, is: impl Fn(&WaitingUpdate) -> bool) -> Option<&WaitingUpdate> {
        self.waiting_screening_updates().find(|waiting| is(waiting))
    }

    /// The list that comes out of a complete update.
    fn result_of(&self, waiting: &WaitingUpdate) -> Result<ScreeningList, Rejection> {
        let refuse = |detail: String| Rejection::new(RejectionCode::ScreeningUpdateInvalid, detail);
        let (update, delta) = (&waiting.update, waiting.delta());
        self.check_list_version(&update.list, update.version, update.replaces)?;
        if delta.hash() != update.delta {
            return Err(refuse("the parts are not what the update announced".to_owned()).with_field("delta"));
        }
        if (delta.count_added(), delta.count_removed()) != (update.added, update.removed) {
            return Err(refuse("the parts have other numbers than announced".to_owned()).with_field("added"));
        }
        let as_of = CalendarDate::parse(&update.as_of).map_err(|error| refuse(error.to_string()))?;
        let nobody = match self.lists.index.list(&update.list) {
            Some(_) => None,
            None => Some(ScreeningList::nobody(update.list.clone(), &update.source, as_of.clone())),
        };
        let nobody = nobody.transpose().map_err(|error| refuse(error.to_string()))?;
        let base = self.lists.index.list(&update.list).or(nobody.as_ref());
        let base = base.ok_or_else(|| refuse("there is no list".to_owned()))?;
        let next = base.updated(&delta, &update.source, as_of).map_err(|error| refuse(error.to_string()))?;
        if next.hash() != update.result {
            return Err(refuse(format!("the version that comes out is {}", next.hash())).with_field("result"));
        }
        if next.is_empty() {
            return Err(refuse("the version that comes out names nobody".to_owned()).with_field("result"));
        }
        Ok(next)
    }

    /// INVARIANT (G4): an update names the version that it replaces by number and hash, so that an older version cannot be put
    /// back by replaying what officers once signed.
    pub(super) fn check_list_version(
        &self,
        list: &ListId,
        version: u64,
        replaces: Option<ListHash>,
    ) -> Result<(), Rejection> {
        let record = self.lists.records.get(list);
        let in_force = record.and_then(|record| record.versions.last());
        let found = in_force.map_or((0, None), |known| (known.version, Some(known.sha256)));
        if (version, replaces) == found {
            return Ok(());
        }
        let detail = format!("made for version {version} of `{list}`, version {} is in force", found.0);
        Err(Rejection::new(RejectionCode::VersionSuperseded, detail).with_field("list version"))
    }

    /// The complete update that a proposal is about.
    ///
    /// # Errors
    /// `UNKNOWN_SCREENING_UPDATE` if none waits, or not all of it.
    pub(super) fn proposed_update(&self, proposal: &ScreeningProposal) -> Result<&WaitingUpdate, Rejection> {
        let ScreeningProposal { list, version, replaces, result, delta, added, removed } = proposal;
        let is = |waiting: &WaitingUpdate| {
            let update = &waiting.update;
            waiting.is_complete()
                && (&update.list, update.version, update.replaces) == (list, *version, *replaces)
                && (update.result, update.delta) == (*result, *delta)
                && (update.added, update.removed) == (*added, *removed)
        };
        self.waiting_update(is).ok_or_else(|| {
            let detail =
                format!("no complete update of `{list}` to {result} waits in the log: upload it first");
            Rejection::new(RejectionCode::UnknownScreeningUpdate, detail).with_field("new list")
        })
    }

    pub(super) fn propose_screening(
        &self,
        statement: &Statement,
        proposal: &ScreeningProposal,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        // Version and update were found when its text was compared.
        self.propose(statement, CeremonyKind::UpdateScreeningList(proposal.clone()), text, index)
    }

    /// The quorum is met.
    pub(super) fn update_list(
        &self,
        proposal: &ScreeningProposal,
        ceremony: CeremonyId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let waiting = self.proposed_update(proposal)?;
        let list = self.result_of(waiting)?;
        let version = ListVersion {
            version: proposal.version.saturating_add(1),
            added: proposal.added,
            removed: proposal.removed,
            in_force_from: index.saturating_add(1),
            ceremony: Some(ceremony),
            ..first_version(&list)
        };
        let others = self.ceremonies().filter(|other| {
            let same = |kind: &CeremonyKind| {
                matches!(kind, CeremonyKind::UpdateScreeningList(other) if other.list == proposal.list)
            };
            other.id != ceremony && other.is_open_at(time) && same(&other.kind)
        });
        let superseded = others.cloned().map(|mut other| {
            other.phase = CeremonyPhase::Superseded;
            other
        });
        Ok(Change {
            screening_list: Some(NextList { list, version, update: waiting.update.clone() }),
            other_ceremonies: superseded.collect(),
            ..Change::default()
        })
    }

    /// One officer is enough to add: it can only refuse.
    pub(super) fn add_to_list(
        &self,
        statement: &Statement,
        list: &ListId,
        address: &Address,
        digest: StatementDigest,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let (known, record) = self.screening_list(list).ok_or_else(|| unknown_list(list))?;
        if known.contains(address) {
            return Err(Rejection::new(
                RejectionCode::AlreadyRecorded,
                "the list names this address already",
            ));
        }
        let officer = &statement.officer;
        let own = record.urgent.values().filter(|addition| addition.officer == *officer).count();
        if own >= MAX_URGENT_OF_ONE || record.urgent.len() >= MAX_URGENT {
            let detail = format!(
                "{own} additions by `{officer}` and {} altogether are on `{list}`: put them into its next version first",
                record.urgent.len()
            );
            return Err(
                Rejection::new(RejectionCode::ScreeningUpdateInvalid, detail).with_field("screening list")
            );
        }
        let mut additions = record.urgent.clone();
        additions
            .insert(*address, UrgentAddition { officer: officer.clone(), statement: digest, time, index });
        Ok(Change { urgent: Some(Urgent { list: list.clone(), additions }), ..Change::default() })
    }

    pub(super) fn propose_lift(
        &self,
        statement: &Statement,
        list: &ListId,
        addresses: &[Address],
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.additions_left(list, addresses)?;
        let kind = CeremonyKind::LiftScreeningAdditions { list: list.clone(), addresses: addresses.to_vec() };
        self.propose(statement, kind, text, index)
    }

    /// The quorum is met.
    pub(super) fn lift_additions(&self, list: &ListId, addresses: &[Address]) -> Result<Change, Rejection> {
        let additions = self.additions_left(list, addresses)?;
        Ok(Change { urgent: Some(Urgent { list: list.clone(), additions }), ..Change::default() })
    }

    /// What is left on top of a list without these.
    fn additions_left(
        &self,
        list: &ListId,
        addresses: &[Address],
    ) -> Result<BTreeMap<Address, UrgentAddition>, Rejection> {
        let (_, record) = self.screening_list(list).ok_or_else(|| unknown_list(list))?;
        let ordered = addresses.is_sorted_by(|one, next| one < next);
        if addresses.is_empty()
            || !ordered
            || !addresses.iter().all(|address| record.urgent.contains_key(address))
        {
            let detail = "must name addresses that single officers added, in order; what the list itself names goes with its \
                          next version";
            return Err(Rejection::new(RejectionCode::ScreeningUpdateInvalid, detail).with_field("address"));
        }
        let mut left = record.urgent.clone();
        left.retain(|address, _| !addresses.contains(address));
        Ok(left)
    }

    pub(super) fn write_screening_update(&mut self, update: ScreeningUpdate, index: u64) {
        let waiting = &mut self.lists.waiting;
        if waiting.len() >= MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(Arc::new(WaitingUpdate { update, index, parts: Vec::new() }));
    }

    pub(super) fn write_screening_part(&mut self, next: NextPart) {
        for waiting in self.lists.waiting.iter_mut().filter(|waiting| next.updates.contains(&waiting.update))
        {
            Arc::make_mut(waiting).parts.push(next.part.clone());
        }
    }

    pub(super) fn write_list(&mut self, next: NextList) {
        let NextList { list, version, update } = next;
        let done = self.lists.waiting.iter().position(|waiting| waiting.update == update);
        let parts = done.map(|at| self.lists.waiting.remove(at)).map(|waiting| waiting.parts.clone());
        let record = Arc::make_mut(self.lists.records.entry(list.id().clone()).or_default());
        record.versions.push(version);
        record.parts.extend(parts.unwrap_or_default().iter().map(|part| part.index));
        let kept: BTreeSet<Address> = list.urgent().copied().collect();
        record.urgent.retain(|address, _| kept.contains(address));
        Arc::make_mut(&mut self.lists.index).insert(list);
    }

    pub(super) fn write_urgent(&mut self, next: Urgent) {
        let Some(list) = self.lists.index.list(&next.list) else { return };
        let list = list.with_urgent(next.additions.keys().copied().collect());
        Arc::make_mut(&mut self.lists.index).insert(list);
        let record = self.lists.records.entry(next.list).or_default();
        Arc::make_mut(record).urgent = next.additions;
    }
}

pub(super) fn unknown_list(list: &ListId) -> Rejection {
    let detail = format!("no screening list `{list}` is in force");
    Rejection::new(RejectionCode::UnknownScreeningList, detail).with_field("screening list")
}
