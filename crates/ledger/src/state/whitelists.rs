//! Customers' whitelist entries: asked for by a client, confirmed by an attestation, used, revoked.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    AttestedIntent, ClientId, CustomerRef, EntryOwner, EntryStatus, IntentDigest, TimestampMs,
    WhitelistEntry, WhitelistEntryId,
};
use imbl::{OrdMap, OrdSet};

use super::statements::unknown_entry;
use super::{Admission, Change, State, identities};
use crate::codec::{Decode, Encode, Input, Malformed};
use crate::ids::requested_entry_id;
use crate::payload::{IdentityReport, WhitelistRequest, WhitelistRevocation};
use crate::rejection::{Rejection, RejectionCode};
use crate::whitelist::{RequestPhase, RequestedEntry, WhitelistConfirmation};
use crate::withdrawal::Withdrawal;

/// Longest time in which a customer may confirm: 7 days.
const MAX_CONFIRMATION_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Requests by the entry's id. Those that nobody confirmed are forgotten once they are void: no copy of one is accepted then.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    records: OrdMap<WhitelistEntryId, Arc<RequestedEntry>>,
    /// Not confirmed, by when they are void.
    void_at: OrdSet<(TimestampMs, WhitelistEntryId)>,
    /// Not confirmed, by client.
    open: OrdMap<ClientId, OrdSet<WhitelistEntryId>>,
}

impl Requests {
    pub(super) fn get(&self, id: &WhitelistEntryId) -> Option<&RequestedEntry> {
        self.records.get(id).map(Arc::as_ref)
    }

    /// Puts a record in the place of the one with its id.
    pub(super) fn put(&mut self, record: RequestedEntry) {
        let (id, client, void_at) =
            (record.id.clone(), record.request.client.clone(), record.request.confirm_by_ms);
        match record.phase {
            RequestPhase::Open => {
                self.void_at.insert((void_at, id.clone()));
                self.open.entry(client).or_default().insert(id.clone());
            }
            RequestPhase::Ended => {
                self.void_at.insert((void_at, id.clone()));
                self.close(&client, &id);
            }
            RequestPhase::Confirmed(_) => {
                self.void_at.remove(&(void_at, id.clone()));
                self.close(&client, &id);
            }
        }
        self.records.insert(id, Arc::new(record));
    }

    fn close(&mut self, client: &ClientId, id: &WhitelistEntryId) {
        if let Some(open) = self.open.get_mut(client) {
            open.remove(id);
        }
    }

    /// Forgets what nobody confirmed in time.
    pub(super) fn forget_void(&mut self, now: TimestampMs) {
        while let Some((at, id)) = self.void_at.get_min().filter(|(at, _)| *at <= now).cloned() {
            self.void_at.remove(&(at, id.clone()));
            if let Some(record) = self.records.remove(&id) {
                self.close(&record.request.client, &id);
            }
        }
    }

    fn open_of(&self, client: &ClientId, now: TimestampMs) -> impl Iterator<Item = &RequestedEntry> {
        let ids = self.open.get(client).into_iter().flatten();
        ids.filter_map(|id| self.get(id)).filter(move |record| record.is_open_at(now))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RequestedEntry> {
        self.records.values().map(Arc::as_ref)
    }
}

impl State {
    pub(super) fn admit_whitelist_request(
        &self,
        request: &WhitelistRequest,
        digest: [u8; 32],
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&request.cluster)?;
        self.check_asking_client(&request.client, index, time)?;
        let id = requested_entry_id(&digest)
            .ok_or_else(|| Rejection::new(RejectionCode::FieldInvalid, "the entry has no id"))?;
        if self.whitelist_requests.get(&id).is_some() {
            let detail = "this request is logged already";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        self.check_request_times(request, time)?;
        let registered = |symbol| {
            let assets = &self.genesis.document.assets;
            assets.iter().any(|asset| asset.chain_id == request.chain_id && asset.symbol == symbol)
        };
        if let Some(asset) = request.assets.iter().find(|symbol| !registered((*symbol).clone())) {
            let detail = format!("`{asset}` is not registered on chain {}", request.chain_id);
            return Err(Rejection::new(RejectionCode::UnknownAsset, detail).with_field("assets"));
        }
        if self.policy().identity().is_none() {
            let detail = "the policy lets nobody attest identities, so that no customer can confirm an entry";
            return Err(Rejection::new(RejectionCode::PolicyBound, detail).with_field("customer"));
        }
        self.check_entry_terms(request, time)?;
        self.check_request_room(&request.client, &request.customer, time)?;
        let record = RequestedEntry {
            id,
            request: request.clone(),
            intent: IntentDigest::from_bytes(digest),
            time,
            index,
            phase: RequestPhase::Open,
        };
        Ok(Change { requested_entries: vec![record], ..Change::default() })
    }

    /// INVARIANT (G1, G4): the customer confirmed exactly what the client asked for, while the client that asked may still speak;
    /// the cooling-off begins here and not when the client asked.
    pub(super) fn confirm_whitelist_entry(
        &self,
        report: &IdentityReport,
        id: &WhitelistEntryId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let known = self.whitelist_requests.get(id).ok_or_else(|| unknown_entry(id).with_field("subject"))?;
        if !known.is_open_at(time) {
            let detail = "the request is confirmed, taken back or void";
            return Err(Rejection::new(RejectionCode::WhitelistRequestClosed, detail).with_field("subject"));
        }
        let request = &known.request;
        self.check_not_revoked(&request.client)?;
        self.check_asking_client(&request.client, known.index, time)?;
        let about = AttestedIntent {
            client: &request.client,
            customer: Some(&request.customer),
            intent: known.intent,
        };
        let attestation =
            self.attested(report, &about, time).map_err(|(code, _)| identities::refusal(code))?;
        let not_before = self.check_entry_terms(request, time)?;
        self.check_entries(&request.customer, time, 0)?;
        let max_age = self.policy().identity().map_or(0, |terms| terms.max_age.0);
        let good_until = TimestampMs(attestation.observed_at.0.saturating_add(max_age));
        let confirmation = WhitelistConfirmation { attestation, good_until, time, index };
        let entry = WhitelistEntry {
            id: id.clone(),
            chain_id: request.chain_id,
            address: request.address,
            assets: request.assets.clone(),
            owner: EntryOwner::Customer(request.customer.clone()),
            not_before,
            expires_at: request.expires_at_ms,
            revoked_at: None,
            last_used: None,
        };
        let phase = RequestPhase::Confirmed(Box::new(confirmation));
        let record = RequestedEntry { phase, ..known.clone() };
        Ok(Change { whitelist_entry: Some(entry), requested_entries: vec![record], ..Change::default() })
    }

    /// INVARIANT (G4): a client takes back everything that it asked for at the destination, so that no renewal of the entry
    /// survives; what officers added, they revoke.
    pub(super) fn admit_whitelist_revocation(
        &self,
        revocation: &WhitelistRevocation,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&revocation.cluster)?;
        // Another client's entry is as unknown as one that does not exist.
        let known = self.whitelist_requests.get(&revocation.entry);
        let named = known
            .filter(|record| record.request.client == revocation.client)
            .ok_or_else(|| unknown_entry(&revocation.entry).with_field("entry"))?;
        let asked = &named.request;
        let same = |request: &WhitelistRequest| {
            request.customer == asked.customer
                && (request.chain_id, request.address) == (asked.chain_id, asked.address)
        };
        let ended = self.whitelist_requests.open_of(&revocation.client, time);
        let ended: Vec<_> = ended
            .filter(|record| same(&record.request))
            .map(|record| RequestedEntry { phase: RequestPhase::Ended, ..record.clone() })
            .collect();
        let owner = EntryOwner::Customer(asked.customer.clone());
        let entries = self.whitelist.at((asked.chain_id, asked.address), &owner);
        let own = |entry: &&WhitelistEntry| {
            let record = self.whitelist_requests.get(&entry.id);
            record.is_some_and(|record| record.request.client == revocation.client)
        };
        let revoked: Vec<_> = entries
            .filter(|entry| entry.revoked_at.is_none())
            .filter(own)
            .map(|entry| (entry.id.clone(), time))
            .collect();
        if ended.is_empty() && revoked.is_empty() {
            let detail = "everything that this client asked for there is revoked or void already";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        Ok(Change { requested_entries: ended, revoked, ..Change::default() })
    }

    /// An officer revokes what a client asked for before its customer confirms it.
    pub(super) fn end_request(&self, id: &WhitelistEntryId, time: TimestampMs) -> Result<Change, Rejection> {
        let known = self.whitelist_requests.get(id).ok_or_else(|| unknown_entry(id))?;
        if !known.is_open_at(time) {
            let detail = "the request for the entry is taken back or void already";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        let ended = RequestedEntry { phase: RequestPhase::Ended, ..known.clone() };
        Ok(Change { requested_entries: vec![ended], ..Change::default() })
    }

    /// The address that an entry, or a request for one, is about.
    pub fn entry_place(&self, id: &WhitelistEntryId) -> Option<(ChainId, Address)> {
        let entry = self.whitelist.entry(id).map(|entry| (entry.chain_id, entry.address));
        let asked =
            || self.whitelist_requests.get(id).map(|known| (known.request.chain_id, known.request.address));
        entry.or_else(asked)
    }

    /// The entries that a signed payment used: those that let it pass at this time, also for an argument of a call.
    pub(super) fn used_entries(
        &self,
        withdrawal: &Withdrawal,
        time: TimestampMs,
    ) -> Vec<(WhitelistEntryId, TimestampMs)> {
        let footings = self.whitelist_footings(&withdrawal.id, time);
        let used: BTreeSet<_> = footings.into_iter().flatten().flatten().collect();
        used.into_iter().map(|entry| (entry, time)).collect()
    }

    pub(super) fn write_requested_entries(
        &mut self,
        records: Vec<RequestedEntry>,
        time: TimestampMs,
        admission: &mut Admission,
    ) {
        self.whitelist_requests.forget_void(time);
        for record in records {
            admission.whitelist_entry = Some(record.id.clone());
            self.whitelist_requests.put(record);
        }
    }

    /// The entry with this id, by a look-up.
    pub fn whitelist_entry(&self, id: &WhitelistEntryId) -> Option<&WhitelistEntry> {
        self.whitelist.entry(id)
    }

    /// Every entry of the same owner for the same destination, the one with this id included.
    pub fn entries_beside(&self, id: &WhitelistEntryId) -> impl Iterator<Item = &WhitelistEntry> {
        let entry = self.whitelist.entry(id);
        entry.into_iter().flat_map(|entry| self.whitelist.at((entry.chain_id, entry.address), &entry.owner))
    }

    /// The request for an entry that a client asked for, also once it is confirmed.
    pub fn requested_entry(&self, id: &WhitelistEntryId) -> Option<&RequestedEntry> {
        self.whitelist_requests.get(id)
    }

    /// All requests for entries that are not forgotten, by id.
    pub fn requested_entries(&self) -> impl Iterator<Item = &RequestedEntry> {
        self.whitelist_requests.iter()
    }

    /// Log index at which an entry was added: where its ceremony's quorum was met or its customer confirmed it. The cooling-off
    /// began there.
    pub fn whitelist_added(&self, id: &WhitelistEntryId) -> Option<u64> {
        let confirmed = self.requested_entry(id).and_then(|record| Some(record.confirmation()?.index));
        confirmed.or_else(|| Some(self.whitelist_ceremony(id)?.quorum_met?.index))
    }

    /// Whoever asks for a customer need not name a wallet; otherwise as for withdrawals.
    fn check_asking_client(&self, client: &ClientId, asked: u64, at: TimestampMs) -> Result<(), Rejection> {
        let known = self.roster().client(client);
        if known.is_some_and(|known| at < known.expires_at && known.since < asked) {
            return Ok(());
        }
        let detail =
            format!("client `{client}` asked with another key than its present one, or the key has expired");
        Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("client"))
    }

    fn check_request_times(&self, request: &WhitelistRequest, time: TimestampMs) -> Result<(), Rejection> {
        let refuse = |code, field: &str, detail: &str| Err(Rejection::new(code, detail).with_field(field));
        if time >= request.confirm_by_ms {
            let detail = "the request is void: sign it again with a later time";
            return refuse(RejectionCode::IntentExpired, "confirm_by_ms", detail);
        }
        if request.confirm_by_ms.0.saturating_sub(request.created_at_ms.0) > MAX_CONFIRMATION_MS {
            let detail = "more than 7 days after `created_at_ms`";
            return refuse(RejectionCode::FieldInvalid, "confirm_by_ms", detail);
        }
        if request.created_at_ms.0 > time.0.saturating_add(self.genesis.document.max_clock_skew_ms) {
            let detail = "made in the future: check the client's clock";
            return refuse(RejectionCode::IntentFromTheFuture, "created_at_ms", detail);
        }
        Ok(())
    }

    /// When the entry becomes valid if its customer confirms it at `time`.
    fn check_entry_terms(
        &self,
        request: &WhitelistRequest,
        time: TimestampMs,
    ) -> Result<TimestampMs, Rejection> {
        let refuse =
            |detail: String| Rejection::new(RejectionCode::PolicyBound, detail).with_field("expires_at_ms");
        let terms = self.policy().whitelist();
        let cooled = time.checked_add(terms.cooling_off).ok_or_else(|| refuse("too late".to_owned()))?;
        let not_before = request.not_before_ms.map_or(cooled, |asked| asked.max(cooled));
        terms.check(time, not_before, request.expires_at_ms).map_err(|error| refuse(error.to_string()))?;
        Ok(not_before)
    }

    /// What was asked with a key that is gone takes no room: a thief's requests lapse and keep nobody out.
    fn check_request_room(
        &self,
        client: &ClientId,
        customer: &CustomerRef,
        time: TimestampMs,
    ) -> Result<(), Rejection> {
        let since = self.present_key_since(client);
        let open: Vec<_> =
            self.whitelist_requests.open_of(client, time).filter(|record| since < record.index).collect();
        let most = self.policy().whitelist().max_open_requests;
        if open.len() >= bound(most) {
            let detail = format!("{most} requests of `{client}` wait for their customers already");
            return Err(Rejection::new(RejectionCode::TooManyWhitelistEntries, detail).with_field("client"));
        }
        let asked = open.iter().filter(|record| record.request.customer == *customer).count();
        self.check_entries(customer, time, asked)
    }

    fn check_entries(
        &self,
        customer: &CustomerRef,
        time: TimestampMs,
        asked: usize,
    ) -> Result<(), Rejection> {
        let terms = self.policy().whitelist();
        let lives = |entry: &&WhitelistEntry| match entry.status_under(terms, time) {
            EntryStatus::Pending | EntryStatus::Active => true,
            EntryStatus::Expired | EntryStatus::Dormant | EntryStatus::Revoked => false,
        };
        let living = self.whitelist.of_customer(customer).filter(lives).count();
        if living.saturating_add(asked) < bound(terms.max_per_customer) {
            return Ok(());
        }
        let detail = format!("a customer has at most {} entries that are not over", terms.max_per_customer);
        Err(Rejection::new(RejectionCode::TooManyWhitelistEntries, detail).with_field("customer"))
    }
}

fn bound(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// The records; the rest is made from them.
impl Encode for Requests {
    fn encode(&self, out: &mut Vec<u8>) {
        self.records.encode(out);
    }
}

impl Decode for Requests {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let records: OrdMap<WhitelistEntryId, Arc<RequestedEntry>> = Decode::decode(input)?;
        let mut requests = Self::default();
        for (id, record) in records {
            if id != record.id {
                return Err(Malformed::new("a request is not in its place"));
            }
            requests.put(Arc::unwrap_or_clone(record));
        }
        Ok(requests)
    }
}
