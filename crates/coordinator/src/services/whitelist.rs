//! `WhitelistService`: which destinations may be paid.

use std::collections::BTreeMap;

use holdfast_ledger::{CeremonyId, StatementBody, StatementDigest};
use holdfast_policy::{TimestampMs, WhitelistEntry, WhitelistEntryId};
use holdfast_proto::convert::{self, WhitelistView};
use holdfast_proto::v1;
use holdfast_proto::v1::whitelist_service_server::WhitelistService;
use tonic::{Request, Response, Status};

use super::caller::Caller;
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
        let id = convert::whitelist_entry_id("entry_id", &request.into_inner().entry_id)
            .map_err(RequestError::from)?;
        Ok(Response::new(self.found(&id).await?))
    }

    async fn list(
        &self,
        request: Request<v1::ListWhitelistEntriesRequest>,
    ) -> Result<Response<v1::ListWhitelistEntriesResponse>, Status> {
        Ok(Response::new(self.listed(&request.into_inner()).await?))
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

    async fn revoked(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::WhitelistEntry, RequestError> {
        let (envelope, body) = self.statement(caller, bytes).await?;
        let StatementBody::RevokeWhitelistEntry(entry) = body else {
            return Err(RequestError::OtherPayload { expected: "a statement `revoke a whitelist entry`" });
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
        let unknown = || RequestError::Unknown { kind: Object::WhitelistEntry, id: id.to_string() };
        let entry = reader.state().whitelist().find(|entry| entry.id == *id).ok_or_else(unknown)?;
        view(&reader, entry, self.0.clock.now()).map(|view| view.to_wire()).ok_or_else(unknown)
    }

    async fn listed(
        &self,
        request: &v1::ListWhitelistEntriesRequest,
    ) -> Result<v1::ListWhitelistEntriesResponse, RequestError> {
        let (size, before) = (paging::size(request.page_size)?, paging::before(&request.page_token)?);
        let state = convert::whitelist_state("state", request.state)?;
        let reader = self.0.book.read().await?;
        let now = self.0.clock.now();
        let entries: BTreeMap<_, _> = reader.state().whitelist().map(|entry| (&entry.id, entry)).collect();
        let newest = reader.index().whitelist_by_age().range(..before).rev();
        let (entries, next) = paging::page(newest.map(|(index, id)| (*index, id)), size, |id| {
            let view = view(&reader, entries.get(id)?, now)?;
            let wanted = (request.chain_id == 0 || view.entry.chain_id.0 == request.chain_id)
                && (request.address.is_empty() || view.entry.address.to_string() == request.address)
                && state.is_none_or(|state| view.status == state);
            wanted.then(|| view.to_wire())
        });
        Ok(v1::ListWhitelistEntriesResponse {
            entries,
            next_page_token: next.map(paging::token).unwrap_or_default(),
        })
    }
}

fn view<'a>(
    reader: &'a Reader<'_>,
    entry: &'a WhitelistEntry,
    now: TimestampMs,
) -> Option<WhitelistView<'a>> {
    let state = reader.state();
    let positions = reader.index().whitelist_positions(&entry.id)?;
    // What is over is over, even if no entry was logged since.
    let status = entry.status_under(state.policy().whitelist(), now.max(state.last_time()));
    let (ceremony, added, revoked) = (positions.ceremony, positions.added, positions.revoked);
    Some(WhitelistView { entry, status, ceremony, added, revoked, times: reader.times() })
}
