//! Owns the difference between two versions of a list: what officers sign when they update one. It adds only what was not
//! there and removes only what was, so that the numbers that officers read are the numbers that count.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::Address;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{ScreeningError, ScreeningList, is_other_address};
use crate::{date::CalendarDate, digest::DeltaHash};

const DOMAIN: &[u8] = b"holdfast/screening-delta/v1\n";

/// Addresses added and removed between two versions: each sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreeningDelta {
    /// Ethereum addresses that come.
    pub added: Vec<Address>,
    /// Ethereum addresses that go.
    pub removed: Vec<Address>,
    /// Addresses of other chains that come.
    pub other_added: Vec<String>,
    /// Addresses of other chains that go.
    pub other_removed: Vec<String>,
}

/// A difference that is none, or not from this list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeltaError {
    /// It is not sorted, or names an address twice.
    #[error("the addresses must be in ascending order, each once")]
    Unordered,
    /// It holds something that is no address.
    #[error("an address of another chain is malformed")]
    InvalidAddress,
    /// It adds what is there.
    #[error("it adds an address that the list names already")]
    AddsListed,
    /// It removes what is not there.
    #[error("it removes an address that the list does not name")]
    RemovesUnlisted,
    /// The list that comes out is refused.
    #[error(transparent)]
    List(#[from] ScreeningError),
}

impl ScreeningDelta {
    /// What leads from one version to another.
    pub fn between(old: &ScreeningList, new: &ScreeningList) -> Self {
        Self {
            added: missing(&new.ethereum, &old.ethereum),
            removed: missing(&old.ethereum, &new.ethereum),
            other_added: missing(&new.other_chains, &old.other_chains),
            other_removed: missing(&old.other_chains, &new.other_chains),
        }
    }

    /// How many addresses it adds, of all chains.
    pub fn count_added(&self) -> u64 {
        count(&self.added, &self.other_added)
    }

    /// How many addresses it removes, of all chains.
    pub fn count_removed(&self) -> u64 {
        count(&self.removed, &self.other_removed)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.count_added() == 0 && self.count_removed() == 0
    }

    /// SHA-256 over all of it.
    pub fn hash(&self) -> DeltaHash {
        let Self { added, removed, other_added, other_removed } = self;
        let mut hasher = Sha256::new().chain_update(DOMAIN);
        for addresses in [added, removed] {
            hasher.update(length(addresses.len()));
            addresses.iter().for_each(|address| hasher.update(address.as_bytes()));
        }
        for addresses in [other_added, other_removed] {
            hasher.update(length(addresses.len()));
            for address in addresses {
                hasher.update(length(address.len()));
                hasher.update(address);
            }
        }
        DeltaHash::from_bytes(hasher.finalize().into())
    }

    /// In parts of at most `most` addresses, in order: [`ScreeningDelta::join`] puts them together again.
    pub fn split(&self, most: usize) -> Vec<Self> {
        let most = most.max(1);
        let mut parts = Vec::new();
        parts.extend(self.added.chunks(most).map(|added| Self { added: added.to_vec(), ..Self::default() }));
        parts.extend(
            self.removed.chunks(most).map(|removed| Self { removed: removed.to_vec(), ..Self::default() }),
        );
        let texts = self.other_added.chunks(most);
        parts.extend(texts.map(|other_added| Self { other_added: other_added.to_vec(), ..Self::default() }));
        let texts = self.other_removed.chunks(most);
        parts.extend(
            texts.map(|other_removed| Self { other_removed: other_removed.to_vec(), ..Self::default() }),
        );
        parts
    }

    /// The parts in order, as one.
    pub fn join<'p>(parts: impl IntoIterator<Item = &'p Self>) -> Self {
        let mut whole = Self::default();
        for part in parts {
            whole.added.extend_from_slice(&part.added);
            whole.removed.extend_from_slice(&part.removed);
            whole.other_added.extend_from_slice(&part.other_added);
            whole.other_removed.extend_from_slice(&part.other_removed);
        }
        whole
    }

    /// Refuses what is not in its one form.
    pub fn check(&self) -> Result<(), DeltaError> {
        let Self { added, removed, other_added, other_removed } = self;
        let ordered =
            is_ordered(added) && is_ordered(removed) && is_ordered(other_added) && is_ordered(other_removed);
        if !ordered {
            return Err(DeltaError::Unordered);
        }
        let mut others = other_added.iter().chain(other_removed);
        if others.all(|address| is_other_address(address)) { Ok(()) } else { Err(DeltaError::InvalidAddress) }
    }
}

impl ScreeningList {
    /// The next version: this one with a difference applied. What single officers added stays, except what the new version names
    /// itself.
    pub fn updated(
        &self,
        delta: &ScreeningDelta,
        source: &str,
        as_of: CalendarDate,
    ) -> Result<Self, DeltaError> {
        delta.check()?;
        let ethereum = merged(&self.ethereum, &delta.added, &delta.removed)?;
        let other_chains = merged(&self.other_chains, &delta.other_added, &delta.other_removed)?;
        let next = Self::of(self.id.clone(), source, as_of, ethereum, other_chains)?;
        let urgent: BTreeSet<Address> =
            self.urgent.iter().filter(|address| !next.names(address)).copied().collect();
        Ok(next.with_urgent(urgent))
    }
}

impl ScreeningList {
    /// What comes out of many updates at once: `true` names an address, `false` does not, whatever this version says.
    pub fn overlaid(
        &self,
        ethereum: &BTreeMap<Address, bool>,
        other_chains: &BTreeMap<String, bool>,
        source: &str,
        as_of: CalendarDate,
    ) -> Result<Self, ScreeningError> {
        let (ethereum, other_chains) =
            (overlay(&self.ethereum, ethereum), overlay(&self.other_chains, other_chains));
        Self::of(self.id.clone(), source, as_of, ethereum, other_chains)
    }
}

fn overlay<T: Ord + Clone>(base: &[T], changes: &BTreeMap<T, bool>) -> Vec<T> {
    let mut next = Vec::with_capacity(base.len().saturating_add(changes.len()));
    let mut base = base.iter().peekable();
    for (item, named) in changes {
        next.extend(std::iter::from_fn(|| base.next_if(|known| *known < item)).cloned());
        let _ = base.next_if(|known| *known == item);
        if *named {
            next.push(item.clone());
        }
    }
    next.extend(base.cloned());
    next
}

fn count<A, B>(one: &[A], other: &[B]) -> u64 {
    u64::try_from(one.len().saturating_add(other.len())).unwrap_or(u64::MAX)
}

fn length(bytes: usize) -> [u8; 8] {
    u64::try_from(bytes).unwrap_or(u64::MAX).to_be_bytes()
}

fn is_ordered<T: Ord>(items: &[T]) -> bool {
    items.is_sorted_by(|one, next| one < next)
}

/// What is in `all` and not in `others`; both are sorted.
fn missing<T: Ord + Clone>(all: &[T], others: &[T]) -> Vec<T> {
    let mut others = others.iter().peekable();
    let mut found = Vec::new();
    for item in all {
        while others.next_if(|other| *other < item).is_some() {}
        if others.peek() != Some(&item) {
            found.push(item.clone());
        }
    }
    found
}

/// One pass over what is there and one over what changes.
fn merged<T: Ord + Clone>(base: &[T], added: &[T], removed: &[T]) -> Result<Vec<T>, DeltaError> {
    let mut next = Vec::with_capacity(base.len().saturating_add(added.len()));
    let (mut added, mut removed) = (added.iter().peekable(), removed.iter().peekable());
    for item in base {
        while let Some(new) = added.next_if(|new| *new < item) {
            next.push(new.clone());
        }
        if added.peek() == Some(&item) {
            return Err(DeltaError::AddsListed);
        }
        if removed.next_if(|gone| *gone == item).is_none() {
            next.push(item.clone());
        }
    }
    next.extend(added.cloned());
    // An address that is not there was never passed.
    if removed.peek().is_some() { Err(DeltaError::RemovesUnlisted) } else { Ok(next) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ListId;

    fn day() -> CalendarDate {
        CalendarDate::parse("2026-11-21").unwrap()
    }

    fn address(byte: u8) -> Address {
        Address::from_bytes([byte; 20])
    }

    fn list(bytes: &[u8], others: &[&str]) -> ScreeningList {
        let empty = ScreeningList::nobody(ListId::new("x").unwrap(), "a test", day()).unwrap();
        let added = bytes.iter().copied().map(address).collect();
        let other_added = others.iter().map(|text| (*text).to_owned()).collect();
        empty
            .updated(&ScreeningDelta { added, other_added, ..ScreeningDelta::default() }, "a test", day())
            .unwrap()
    }

    #[test]
    fn difference_of_two_lists_leads_from_one_to_the_other() {
        for (old, new) in [
            (list(&[], &[]), list(&[1, 5], &["b"])),
            (list(&[1, 2, 3], &["a", "b"]), list(&[2, 4], &["b", "c"])),
            (list(&[9], &[]), list(&[1, 2], &[])),
            (list(&[1, 2], &["z"]), list(&[1, 2], &["z"])),
        ] {
            let delta = ScreeningDelta::between(&old, &new);
            let updated = old.updated(&delta, "a test", day()).unwrap();
            assert_eq!((updated.hash(), &updated), (new.hash(), &new));
            assert_eq!(delta.is_empty(), old == new);
        }
    }

    #[test]
    fn overlay_is_what_the_updates_one_by_one_lead_to() {
        let (first, then, last) =
            (list(&[1, 3, 5], &["a"]), list(&[0, 3, 4, 9], &["b"]), list(&[1, 4, 8], &["a", "c"]));
        let (mut ethereum, mut others) = (BTreeMap::new(), BTreeMap::new());
        for delta in [ScreeningDelta::between(&first, &then), ScreeningDelta::between(&then, &last)] {
            ethereum.extend(delta.added.into_iter().map(|a| (a, true)));
            ethereum.extend(delta.removed.into_iter().map(|a| (a, false)));
            others.extend(delta.other_added.into_iter().map(|a| (a, true)));
            others.extend(delta.other_removed.into_iter().map(|a| (a, false)));
        }
        assert_eq!(first.overlaid(&ethereum, &others, "a test", day()).unwrap(), last);
    }

    #[test]
    fn parts_in_order_are_the_whole_and_out_of_order_are_refused() {
        let delta = ScreeningDelta::between(&list(&[1, 2], &["a"]), &list(&[3, 4, 5], &["b", "c"]));
        let parts = delta.split(2);
        assert_eq!(parts.len(), 5);
        assert_eq!(ScreeningDelta::join(&parts), delta);
        let reversed = ScreeningDelta::join(parts.iter().rev());
        assert_eq!(reversed.check(), Err(DeltaError::Unordered));
        assert_ne!(reversed.hash(), delta.hash());
    }

    #[test]
    fn difference_that_adds_what_is_there_or_removes_what_is_not_is_refused() {
        let base = list(&[1, 2], &["a"]);
        let apply = |delta: ScreeningDelta| base.updated(&delta, "a test", day()).unwrap_err();
        let empty = ScreeningDelta::default;
        assert_eq!(apply(ScreeningDelta { added: vec![address(2)], ..empty() }), DeltaError::AddsListed);
        assert_eq!(
            apply(ScreeningDelta { removed: vec![address(3)], ..empty() }),
            DeltaError::RemovesUnlisted
        );
        assert_eq!(
            apply(ScreeningDelta { removed: vec![address(0)], ..empty() }),
            DeltaError::RemovesUnlisted
        );
        let other = |text: &str| ScreeningDelta { other_added: vec![text.to_owned()], ..empty() };
        assert_eq!(apply(other("a")), DeltaError::AddsListed);
        assert_eq!(apply(other("two words")), DeltaError::InvalidAddress);
        assert_eq!(apply(other("")), DeltaError::InvalidAddress);
        let twice = ScreeningDelta { added: vec![address(7), address(7)], ..empty() };
        assert_eq!(apply(twice), DeltaError::Unordered);
    }

    #[test]
    fn hash_tells_what_is_added_from_what_is_removed() {
        let added = ScreeningDelta { added: vec![address(1)], ..ScreeningDelta::default() };
        let removed = ScreeningDelta { removed: vec![address(1)], ..ScreeningDelta::default() };
        assert_ne!(added.hash(), removed.hash());
        let one = ScreeningDelta { other_added: vec!["ab".into(), "c".into()], ..ScreeningDelta::default() };
        let other =
            ScreeningDelta { other_added: vec!["a".into(), "bc".into()], ..ScreeningDelta::default() };
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn urgent_addition_outlives_an_update_until_the_list_names_it_itself() {
        let base = list(&[1], &[]).with_urgent(BTreeSet::from([address(8), address(9)]));
        let delta = ScreeningDelta { added: vec![address(8)], ..ScreeningDelta::default() };
        let next = base.updated(&delta, "a test", day()).unwrap();
        assert_eq!(next.urgent().collect::<Vec<_>>(), [&address(9)]);
        assert!(next.contains(&address(8)) && next.contains(&address(9)));
    }
}
