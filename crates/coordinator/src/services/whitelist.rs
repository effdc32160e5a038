//! `WhitelistService`: which destinations may be paid.

use std::collections::BTreeMap;

use holdfast_chains::Address;
use holdfast_ledger::{
    Act, CeremonyId, PayloadKind, StatementBody, StatementDigest, requested_entry_id, verify_act,
};
use holdfast_policy::{EntryStatus, TimestampMs, WhitelistEntry, WhitelistEntryId};
use holdfast_proto::convert::{self, WhitelistFilter, WhitelistView};
use holdfast_proto::v1;
use holdfast_proto::v1::whitelist_service_server::WhitelistService;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::caller::{Caller, Scope};
use super::{envelope, paging};
use crate::coordinator::Coordinator;
use crate::log_book::Reader;
use crate::sequencer::Proposed;
use crate::status::{Object, RequestError};

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct WhitelistApi(pub(crate) Coordinator);

#[tonic::async_trait]
impl WhitelistService for WhitelistApi {
    async fn add(
        &self,
        request: Request<v1::AddWhitelistEntryRequest>,
    ) -> Result<Response<v1::Ceremony>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.proposed(&caller, &request.into_inner().envelope).await?))
    }

    async fn request(
        &self,
        request: Request<v1::RequestWhitelistEntryRequest>,
    ) -> Result<Response<v1::WhitelistEntry>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.requested(&caller, &request.into_inner().envelope).await?))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeWhitelistEntryRequest>,
    ) -> Result<Response<v1::WhitelistEntry>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.revoked(&caller, &request.into_inner().envelope).await?))
    }

    async fn get(
        &self,
        request: Request<v1::GetWhitelistEntryRequest>,
    ) -> Result<Response<v1::WhitelistEntry>, Status> {
        let scope = Caller::of(&request)?.scope()?;
        let id = convert::whitelist_entry_id("entry_id", &request.into_inner().entry_id)
            .map_err(RequestError::from)?;
        let reader = self.0.book.read().await.map_err(RequestError::from)?;
        Ok(Response::new(self.view_of(&reader, &id, &scope)?))
    }

    async fn list(
        &self,
        request: Request<v1::ListWhitelistEntriesRequest>,
    ) -> Result<Response<v1::ListWhitelistEntriesResponse>, Status> {
        let scope = Caller::of(&request)?.scope()?;
        Ok(Response::new(self.listed(&request.into_inner(), &scope).await?))
    }
}

impl WhitelistApi {
    async fn proposed(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::Ceremony, RequestError> {
        let (envelope, body) = self.statement(caller, bytes).await?;
        let StatementBody::ProposeWhitelistEntry(_) = body else {
            return Err(RequestError::OtherPayload {
                expected: "a statement `propose to add a whitelist entry`",
            });
        };
        let id = CeremonyId::of(&StatementDigest::of(&envelope.payload));
        let (Proposed::Logged(_) | Proposed::Repeated) = self.0.log(envelope).await?;
        self.0.ceremony_view(&id).await
    }

    async fn requested(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::WhitelistEntry, RequestError> {
        let envelope = envelope::by_caller(bytes, PayloadKind::WhitelistRequest, caller)?;
        let intent: [u8; 32] = Sha256::digest(&envelope.payload).into();
        let (Proposed::Logged(_) | Proposed::Repeated) = self.0.log(envelope).await?;
        let reader = self.0.book.read().await?;
        let id = requested_entry_id(&intent).ok_or(RequestError::NoIdentity)?;
        self.view_of(&reader, &id, &Scope::All)
    }

    /// By an officer's statement, or by the client that asked for it.
    async fn revoked(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::WhitelistEntry, RequestError> {
        const KINDS: [PayloadKind; 2] = [PayloadKind::Statement, PayloadKind::WhitelistRevocation];
        let expected = "a statement `revoke a whitelist entry` or a `whitelist-revocation`";
        let (envelope, kind) = envelope::by_caller_of(bytes, &KINDS, expected, caller)?;
        let entry = if kind == PayloadKind::Statement {
            let (_, body) = self.statement(caller, bytes).await?;
            let StatementBody::RevokeWhitelistEntry(entry) = body else {
                return Err(RequestError::OtherPayload { expected });
            };
            entry
        } else {
            let reader = self.0.book.read().await?;
            let act = verify_act(reader.state().roster(), &envelope)?;
            let Act::TakeBackEntry(revocation) = act.act().map_err(Clone::clone)? else {
                return Err(RequestError::OtherPayload { expected });
            };
            revocation.entry.clone()
        };
        // An entry that is revoked already is as revoked as one can wish.
        let (Proposed::Logged(_) | Proposed::Repeated) = self.0.log(envelope).await?;
        self.found(&entry).await
    }

    async fn statement(
        &self,
        caller: &Caller,
        bytes: &[u8],
    ) -> Result<(holdfast_log::Envelope, StatementBody), RequestError> {
        let reader = self.0.book.read().await?;
        envelope::statement(bytes, caller, reader.state().roster())
    }

    async fn found(&self, id: &WhitelistEntryId) -> Result<v1::WhitelistEntry, RequestError> {
        let reader = self.0.book.read().await?;
        self.view_of(&reader, id, &Scope::All)
    }

    /// INVARIANT: an entry that a client did not ask for is as unknown to it as one that does not exist.
    fn view_of(
        &self,
        reader: &Reader<'_>,
        id: &WhitelistEntryId,
        scope: &Scope,
    ) -> Result<v1::WhitelistEntry, RequestError> {
        let state = reader.state();
        let entry = state.whitelist_entry(id).and_then(|entry| view(reader, entry, self.0.clock.now()));
        let found = entry
            .map(|view| view.to_wire())
            .or_else(|| Some(convert::requested_entry(state.requested_entry(id)?, reader.times())));
        found
            .filter(|entry| is_in(scope, entry))
            .ok_or_else(|| RequestError::Unknown { kind: Object::WhitelistEntry, id: id.to_string() })
    }

    async fn listed(
        &self,
        request: &v1::ListWhitelistEntriesRequest,
        scope: &Scope,
    ) -> Result<v1::ListWhitelistEntriesResponse, RequestError> {
        let (size, before) = (paging::size(request.page_size)?, paging::before(&request.page_token)?);
        let state = convert::whitelist_state("state", request.state)?;
        let reader = self.0.book.read().await?;
        let now = self.0.clock.now().max(reader.state().last_time());
        let (entries, next) = match state {
            WhitelistFilter::Requested => {
                let open = reader.state().requested_entries().filter(|record| record.is_open_at(now));
                let by_age: BTreeMap<_, _> = open.map(|record| (record.index, record)).collect();
                let newest = by_age.range(..before).rev();
                paging::page(newest.map(|(index, record)| (*index, record)), size, |record| {
                    let view = convert::requested_entry(record, reader.times());
                    (is_at(request, &view) && is_in(scope, &view)).then_some(view)
                })
            }
            WhitelistFilter::Any | WhitelistFilter::Entry(_) => {
                let newest = reader.index().whitelist_by_age().range(..before).rev();
                paging::page(newest.map(|(index, id)| (*index, id)), size, |id| {
                    let view = view(&reader, reader.state().whitelist_entry(id)?, now)?;
                    let living = matches!(view.status, EntryStatus::Pending | EntryStatus::Active);
                    let ending = request.ending_before_ms;
                    let wanted = (state == WhitelistFilter::Any
                        || state == WhitelistFilter::Entry(view.status))
                        && (ending == 0 || (living && view.ends_at.0 < ending));
                    let view = wanted.then(|| view.to_wire())?;
                    (is_at(request, &view) && is_in(scope, &view)).then_some(view)
                })
            }
        };
        Ok(v1::ListWhitelistEntriesResponse {
            entries,
            next_page_token: next.map(paging::token).unwrap_or_default(),
        })
    }
}

fn is_in(scope: &Scope, entry: &v1::WhitelistEntry) -> bool {
    match scope {
        Scope::Own(client) => entry.client == client.as_str(),
        Scope::All => true,
    }
}

fn is_at(request: &v1::ListWhitelistEntriesRequest, entry: &v1::WhitelistEntry) -> bool {
    // Any case is read; what is no address names no entry.
    let same = |text: &str| Address::parse_any_case(text).is_ok_and(|at| at.to_string() == entry.address);
    (request.chain_id == 0 || entry.chain_id == request.chain_id)
        && (request.address.is_empty() || same(&request.address))
}

fn view<'a>(
    reader: &'a Reader<'_>,
    entry: &'a WhitelistEntry,
    now: TimestampMs,
) -> Option<WhitelistView<'a>> {
    let state = reader.state();
    let positions = reader.index().whitelist_positions(&entry.id)?;
    // What is over is over, even if no entry was logged since.
    let terms = state.policy().whitelist();
    let status = entry.status_under(terms, now.max(state.last_time()));
    let (ceremony, added, revoked) = (positions.ceremony, positions.added, positions.revoked);
    let (ends_at, requested) = (entry.ends_at(terms), state.requested_entry(&entry.id));
    Some(WhitelistView { entry, status, ends_at, ceremony, requested, added, revoked, times: reader.times() })
}
