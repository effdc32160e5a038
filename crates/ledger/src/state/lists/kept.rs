//! Lists in snapshots: versions and log indices, never addresses. A million addresses are entries of the log already, and whoever
//! restores a snapshot has the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_chains::Address;
use holdfast_log::Entry;
use holdfast_policy::{CalendarDate, DeltaHash, ListId, ScreeningDelta, ScreeningList};

use super::{ListRecord, ListVersion, Lists, Part, WaitingUpdate};
use crate::codec::{Decode, Encode, Input, Malformed, put_count, record};
use crate::payload::{ScreeningPart, ScreeningUpdate, parse};

record!(ListRecord { versions, urgent, parts });

/// An update that waits, its log index, and its parts by index and hash.
type KeptUpdate = (ScreeningUpdate, u64, Vec<(u64, DeltaHash)>);

/// What a snapshot says about lists.
pub(in crate::state) struct KeptLists {
    records: Vec<(ListId, ListRecord)>,
    waiting: Vec<KeptUpdate>,
}

impl Encode for Lists {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { index: _, records, waiting } = self;
        put_count(records.len(), out);
        for (list, record) in records {
            list.encode(out);
            record.encode(out);
        }
        put_count(waiting.len(), out);
        for waiting in waiting {
            let WaitingUpdate { update, index, parts } = waiting.as_ref();
            update.encode(out);
            index.encode(out);
            let parts: Vec<_> = parts.iter().map(|part| (part.index, part.content.hash())).collect();
            parts.encode(out);
        }
    }
}

impl Decode for KeptLists {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let records: Vec<(ListId, ListRecord)> = Decode::decode(input)?;
        if !records.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(Malformed::new("lists are not in order"));
        }
        Ok(Self { records, waiting: Decode::decode(input)? })
    }
}

impl KeptLists {
    /// Reads the addresses from the log again, and compares every list with the hash that officers approved.
    pub(in crate::state) fn restored(
        self,
        genesis: &Lists,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
    ) -> Result<Lists, Malformed> {
        let mut lists = Lists::default();
        for (id, record) in self.records {
            let list = list_of(&id, &record, genesis, entries)?;
            Arc::make_mut(&mut lists.index).insert(list);
            lists.records.insert(id, Arc::new(record));
        }
        for (update, index, kept) in self.waiting {
            let mut parts = Vec::new();
            for (index, hash) in kept {
                let content = Arc::new(part_at(index, entries)?);
                if content.hash() != hash {
                    return Err(Malformed::new("a part of a list is another one than was kept"));
                }
                parts.push(Part { index, content });
            }
            lists.waiting.push_back(Arc::new(WaitingUpdate { update, index, parts }));
        }
        Ok(lists)
    }
}

fn list_of(
    id: &ListId,
    record: &ListRecord,
    genesis: &Lists,
    entries: &mut dyn FnMut(u64) -> Option<Entry>,
) -> Result<ScreeningList, Malformed> {
    let version = record.versions.last().ok_or_else(|| Malformed::new("a list has no version"))?;
    let urgent: std::collections::BTreeSet<Address> = record.urgent.keys().copied().collect();
    let as_of = CalendarDate::parse(&version.as_of).map_err(Malformed::new)?;
    let first = match genesis.index.list(id) {
        Some(list) => list.clone(),
        None => ScreeningList::nobody(id.clone(), &version.source, as_of.clone()).map_err(Malformed::new)?,
    };
    // One merge for all parts together: the last word about an address counts.
    let (mut ethereum, mut others) = (BTreeMap::new(), BTreeMap::new());
    for index in &record.parts {
        let ScreeningDelta { added, removed, other_added, other_removed } = part_at(*index, entries)?;
        ethereum.extend(added.into_iter().map(|address| (address, true)));
        ethereum.extend(removed.into_iter().map(|address| (address, false)));
        others.extend(other_added.into_iter().map(|address| (address, true)));
        others.extend(other_removed.into_iter().map(|address| (address, false)));
    }
    let list = first.overlaid(&ethereum, &others, &version.source, as_of).map_err(Malformed::new)?;
    checked(list.with_urgent(urgent), version)
}

fn checked(list: ScreeningList, version: &ListVersion) -> Result<ScreeningList, Malformed> {
    // INVARIANT (G9): a list that is not the one in force screens nobody.
    if list.hash() == version.sha256 {
        Ok(list)
    } else {
        Err(Malformed::new("a list does not come out as kept"))
    }
}

fn part_at(index: u64, entries: &mut dyn FnMut(u64) -> Option<Entry>) -> Result<ScreeningDelta, Malformed> {
    let missing = || Malformed::new(format!("entry {index} with a part of a screening list is not at hand"));
    let entry = entries(index).ok_or_else(missing)?;
    let part: ScreeningPart = parse(&entry.envelope().payload).map_err(Malformed::new)?;
    part.content().map_err(Malformed::new)
}
