//! Owns whitelist entries and the look-up of a destination among them. It never decides by itself that an entry may be
//! added: the ledger does, with [`WhitelistTerms::check`] and the approvals it needs.

mod terms;

use std::collections::BTreeSet;

use holdfast_chains::{Address, AssetSymbol, ChainId};
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ids::{CustomerRef, WhitelistEntryId},
    reason::ReasonCode,
    time::TimestampMs,
};

pub use terms::{WhitelistTerms, WhitelistTermsError};

/// One allowed destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhitelistEntry {
    /// The entry's id, unique for ever.
    pub id: WhitelistEntryId,
    /// The chain of the address.
    pub chain_id: ChainId,
    /// The destination.
    pub address: Address,
    /// The assets that may be sent there; at least one.
    pub assets: BTreeSet<AssetSymbol>,
    /// Whose entry it is.
    pub owner: EntryOwner,
    /// The first millisecond at which the entry is active.
    #[serde(rename = "not_before_ms")]
    pub not_before: TimestampMs,
    /// The first millisecond at which the entry is no longer active.
    #[serde(rename = "expires_at_ms")]
    pub expires_at: TimestampMs,
    /// When it was revoked. Any value makes the entry unusable at every time.
    #[serde(rename = "revoked_at_ms", default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<TimestampMs>,
    /// When a withdrawal that it covers was last signed.
    #[serde(rename = "last_used_at_ms", default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<TimestampMs>,
}

/// Whose whitelist entry it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EntryOwner {
    /// Added by officers: usable by every withdrawal.
    House,
    /// Confirmed by one customer: usable by that customer's withdrawals only.
    Customer(CustomerRef),
}

/// What an entry is at one point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryStatus {
    /// Still cooling off.
    Pending,
    /// Usable.
    Active,
    /// Its life is over.
    Expired,
    /// Nobody used it for so long that its life is over.
    Dormant,
    /// Revoked, for ever.
    Revoked,
}

impl WhitelistEntry {
    /// Active from `not_before` (inclusive) to `expires_at` (exclusive), unless revoked.
    pub fn status_at(&self, now: TimestampMs) -> EntryStatus {
        self.status_until(self.expires_at, now)
    }

    /// Like [`status_at`](Self::status_at), with a life of at most `terms.max_life` and at most `terms.dormancy` without use: a
    /// policy that shortens lives shortens those of existing entries too.
    pub fn status_under(&self, terms: &WhitelistTerms, now: TimestampMs) -> EntryStatus {
        let lives_until = self.lives_until(terms);
        let status = self.status_until(self.ends_at(terms), now);
        if status == EntryStatus::Expired && now < lives_until { EntryStatus::Dormant } else { status }
    }

    /// The first millisecond at which it is no longer active under these terms, unless it is used or revoked before.
    pub fn ends_at(&self, terms: &WhitelistTerms) -> TimestampMs {
        let lives_until = self.lives_until(terms);
        // INVARIANT (G4): before its first use an unused entry counts from when it became active.
        let used = self.last_used.map_or(self.not_before, |at| at.max(self.not_before));
        let dormant_from = terms.dormancy.and_then(|dormancy| used.checked_add(dormancy));
        dormant_from.map_or(lives_until, |from| from.min(lives_until))
    }

    fn lives_until(&self, terms: &WhitelistTerms) -> TimestampMs {
        let longest = self.not_before.checked_add(terms.max_life).unwrap_or(self.expires_at);
        self.expires_at.min(longest)
    }

    fn status_until(&self, end: TimestampMs, now: TimestampMs) -> EntryStatus {
        // INVARIANT (G4, G9): a revocation wins over every time, also over a clock that is behind it.
        if self.revoked_at.is_some() {
            EntryStatus::Revoked
        } else if now >= end {
            EntryStatus::Expired
        } else if now < self.not_before {
            EntryStatus::Pending
        } else {
            EntryStatus::Active
        }
    }
}

/// A change of the whitelist that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WhitelistError {
    /// The id is taken, also by an entry that is expired or revoked.
    #[error("whitelist entry `{0}` exists already; choose another id")]
    DuplicateId(WhitelistEntryId),
    /// The entry would cover nothing.
    #[error("whitelist entry `{0}` has no assets; name at least one")]
    NoAssets(WhitelistEntryId),
    /// The entry would never be active.
    #[error("whitelist entry `{0}` would expire before it becomes active")]
    NeverActive(WhitelistEntryId),
    /// There is no such entry.
    #[error("no whitelist entry `{0}`")]
    Unknown(WhitelistEntryId),
    /// The entry is revoked already; the first revocation stands.
    #[error("whitelist entry `{0}` is revoked already")]
    AlreadyRevoked(WhitelistEntryId),
}

impl WhitelistError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DuplicateId(_) => "WHITELIST_ENTRY_EXISTS",
            Self::NoAssets(_) => "WHITELIST_ENTRY_NO_ASSETS",
            Self::NeverActive(_) => "WHITELIST_ENTRY_NEVER_ACTIVE",
            Self::Unknown(_) => "WHITELIST_ENTRY_UNKNOWN",
            Self::AlreadyRevoked(_) => "WHITELIST_ENTRY_ALREADY_REVOKED",
        }
    }
}

/// All entries ever added, found by destination or by id in logarithmic time. A clone shares everything with its original.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whitelist {
    places: OrdMap<Place, Vec<WhitelistEntry>>,
    ids: OrdMap<WhitelistEntryId, Place>,
    owned: OrdMap<CustomerRef, OrdSet<WhitelistEntryId>>,
}

// The owner is part of the key, so that one customer's entries never slow down another's look-up.
type Place = (ChainId, Address, EntryOwner);

/// Why no entry covers a withdrawal, and the entry that came closest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhitelistRefusal<'a> {
    /// One of the whitelist's reasons.
    pub code: ReasonCode,
    /// The entry that came closest, if any names the destination.
    pub entry: Option<&'a WhitelistEntry>,
}

impl Whitelist {
    /// An empty whitelist.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry.
    pub fn insert(&mut self, entry: WhitelistEntry) -> Result<(), WhitelistError> {
        if self.ids.contains_key(&entry.id) {
            return Err(WhitelistError::DuplicateId(entry.id));
        }
        if entry.assets.is_empty() {
            return Err(WhitelistError::NoAssets(entry.id));
        }
        if entry.expires_at <= entry.not_before {
            return Err(WhitelistError::NeverActive(entry.id));
        }
        if let EntryOwner::Customer(customer) = &entry.owner {
            self.owned.entry(customer.clone()).or_default().insert(entry.id.clone());
        }
        let place = (entry.chain_id, entry.address, entry.owner.clone());
        self.ids.insert(entry.id.clone(), place.clone());
        self.places.entry(place).or_default().push(entry);
        Ok(())
    }

    /// Revokes an entry, at once and for ever, and returns it.
    pub fn revoke(
        &mut self,
        id: &WhitelistEntryId,
        at: TimestampMs,
    ) -> Result<&WhitelistEntry, WhitelistError> {
        let entry = self.entry_mut(id).ok_or_else(|| WhitelistError::Unknown(id.clone()))?;
        if entry.revoked_at.is_some() {
            return Err(WhitelistError::AlreadyRevoked(id.clone()));
        }
        entry.revoked_at = Some(at);
        Ok(entry)
    }

    /// Notes that a withdrawal which this entry covers was signed; nothing happens if there is no such entry.
    pub fn mark_used(&mut self, id: &WhitelistEntryId, at: TimestampMs) {
        if let Some(entry) = self.entry_mut(id) {
            entry.last_used = entry.last_used.max(Some(at));
        }
    }

    fn entry_mut(&mut self, id: &WhitelistEntryId) -> Option<&mut WhitelistEntry> {
        let place = self.ids.get(id)?;
        self.places.get_mut(place)?.iter_mut().find(|entry| entry.id == *id)
    }

    /// Every entry of a customer, whatever its status.
    pub fn of_customer(&self, customer: &CustomerRef) -> impl Iterator<Item = &WhitelistEntry> {
        let ids = self.owned.get(customer).into_iter().flatten();
        ids.filter_map(|id| self.entry(id))
    }

    /// Every entry of one owner for this destination, whatever its status.
    pub fn at(
        &self,
        (chain_id, address): (ChainId, Address),
        owner: &EntryOwner,
    ) -> impl Iterator<Item = &WhitelistEntry> {
        self.places.get(&(chain_id, address, owner.clone())).into_iter().flatten()
    }

    /// The entry with this id.
    pub fn entry(&self, id: &WhitelistEntryId) -> Option<&WhitelistEntry> {
        let place = self.ids.get(id)?;
        self.places.get(place)?.iter().find(|entry| entry.id == *id)
    }

    /// All entries, by id.
    pub fn iter(&self) -> impl Iterator<Item = &WhitelistEntry> {
        self.ids.keys().filter_map(|id| self.entry(id))
    }

    /// All entries, by destination and owner, and there in the order in which they were added: added again in this order, they
    /// make an equal whitelist.
    pub fn iter_in_order(&self) -> impl Iterator<Item = &WhitelistEntry> {
        self.places.values().flatten()
    }

    /// Every entry that names this destination, whatever its owner and status; in logarithmic time.
    pub fn naming(&self, (chain_id, address): (ChainId, Address)) -> impl Iterator<Item = &WhitelistEntry> {
        let first = (chain_id, address, EntryOwner::House);
        let places = self.places.range(first..);
        places
            .take_while(move |((chain, at, _), _)| *chain == chain_id && *at == address)
            .flat_map(|(_, entries)| entries)
    }

    /// How many entries there are, whatever their status.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no entry was ever added.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The entry that lets `customer` send `asset` to this destination at `now`, or why there is none.
    ///
    /// House entries serve everybody. An entry of a customer serves that customer only; a withdrawal without a customer
    /// can use house entries only.
    pub fn covering(
        &self,
        terms: &WhitelistTerms,
        destination: (ChainId, Address),
        asset: &AssetSymbol,
        customer: Option<&CustomerRef>,
        now: TimestampMs,
    ) -> Result<&WhitelistEntry, WhitelistRefusal<'_>> {
        let mut closest: Option<(Gap, &WhitelistEntry)> = None;
        for entry in self.usable_by(destination, customer) {
            let Some(gap) = Gap::of(entry, terms, asset, now) else { return Ok(entry) };
            if closest.is_none_or(|(smallest, _)| gap < smallest) {
                closest = Some((gap, entry));
            }
        }
        Err(match closest {
            Some((gap, entry)) => WhitelistRefusal { code: gap.code(), entry: Some(entry) },
            None => self.refusal_without_own_entry(destination),
        })
    }

    /// Every entry that lets `customer` send `asset` to this destination at `now`.
    pub fn all_covering(
        &self,
        terms: &WhitelistTerms,
        destination: (ChainId, Address),
        asset: &AssetSymbol,
        customer: Option<&CustomerRef>,
        now: TimestampMs,
    ) -> impl Iterator<Item = &WhitelistEntry> {
        self.usable_by(destination, customer).filter(move |entry| Gap::of(entry, terms, asset, now).is_none())
    }

    fn usable_by(
        &self,
        (chain_id, address): (ChainId, Address),
        customer: Option<&CustomerRef>,
    ) -> impl Iterator<Item = &WhitelistEntry> {
        let own = customer.cloned().map(EntryOwner::Customer);
        let owners = [Some(EntryOwner::House), own].into_iter().flatten();
        // Newest first: after a renewal the older entries need not be looked at.
        owners.flat_map(move |owner| self.places.get(&(chain_id, address, owner)).into_iter().flatten().rev())
    }

    fn refusal_without_own_entry(&self, destination: (ChainId, Address)) -> WhitelistRefusal<'_> {
        match self.naming(destination).next() {
            Some(entry) => WhitelistRefusal { code: ReasonCode::WhitelistOwnerMismatch, entry: Some(entry) },
            None => WhitelistRefusal { code: ReasonCode::DestinationNotWhitelisted, entry: None },
        }
    }
}

/// What keeps an entry from covering a withdrawal, the smallest gap first: the closest entry explains the refusal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Pending,
    Dormant,
    Expired,
    Revoked,
    OtherAsset,
}

impl Gap {
    fn of(
        entry: &WhitelistEntry,
        terms: &WhitelistTerms,
        asset: &AssetSymbol,
        now: TimestampMs,
    ) -> Option<Self> {
        if !entry.assets.contains(asset) {
            return Some(Self::OtherAsset);
        }
        match entry.status_under(terms, now) {
            EntryStatus::Revoked => Some(Self::Revoked),
            EntryStatus::Expired => Some(Self::Expired),
            EntryStatus::Dormant => Some(Self::Dormant),
            EntryStatus::Pending => Some(Self::Pending),
            EntryStatus::Active => None,
        }
    }

    fn code(self) -> ReasonCode {
        match self {
            Self::OtherAsset => ReasonCode::WhitelistAssetNotCovered,
            Self::Revoked => ReasonCode::WhitelistEntryRevoked,
            Self::Expired => ReasonCode::WhitelistEntryExpired,
            Self::Dormant => ReasonCode::WhitelistEntryDormant,
            Self::Pending => ReasonCode::WhitelistEntryPending,
        }
    }
}

#[cfg(test)]
mod tests;
