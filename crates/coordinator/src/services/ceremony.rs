//! `CeremonyService`: what officers propose and approve together.

use holdfast_ledger::{CeremonyId, PayloadKind, ScreeningPart, StatementBody, StatementDigest};
use holdfast_log::Envelope;
use holdfast_policy::MAX_DOCUMENT_BYTES;
use holdfast_proto::convert::{self, CeremonyView, FieldError};
use holdfast_proto::v1;
use holdfast_proto::v1::ceremony_service_server::CeremonyService;
use sha2::{Digest as _, Sha256};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::caller::Caller;
use super::streams::Streams;
use super::{envelope, paging};
use crate::coordinator::Coordinator;
use crate::sequencer::Proposed;
use crate::status::RequestError;

mod watch;

/// The largest part of a screening list: base64 in an envelope takes a third more.
const SCREENING_BYTES: usize = 48_000;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct CeremonyApi {
    pub(crate) parts: Coordinator,
    pub(crate) streams: Streams,
}

#[tonic::async_trait]
impl CeremonyService for CeremonyApi {
    type WatchStream = ReceiverStream<Result<v1::CeremonyEvent, Status>>;

    async fn propose(
        &self,
        request: Request<v1::ProposeCeremonyRequest>,
    ) -> Result<Response<v1::Ceremony>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.proposed(&caller, &request.into_inner().envelope).await?))
    }

    async fn approve(
        &self,
        request: Request<v1::ApproveCeremonyRequest>,
    ) -> Result<Response<v1::Ceremony>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.approved(&caller, &request.into_inner().envelope).await?))
    }

    async fn get(&self, request: Request<v1::GetCeremonyRequest>) -> Result<Response<v1::Ceremony>, Status> {
        let id = convert::ceremony_id("ceremony_id", &request.into_inner().ceremony_id)
            .map_err(RequestError::from)?;
        Ok(Response::new(self.parts.ceremony_view(&id).await?))
    }

    async fn list(
        &self,
        request: Request<v1::ListCeremoniesRequest>,
    ) -> Result<Response<v1::ListCeremoniesResponse>, Status> {
        Ok(Response::new(self.listed(&request.into_inner()).await?))
    }

    async fn upload_policy(
        &self,
        request: Request<v1::UploadPolicyRequest>,
    ) -> Result<Response<v1::UploadPolicyResponse>, Status> {
        Ok(Response::new(self.uploaded(request.into_inner().toml).await?))
    }

    async fn upload_screening(
        &self,
        request: Request<v1::UploadScreeningRequest>,
    ) -> Result<Response<v1::UploadScreeningResponse>, Status> {
        Ok(Response::new(self.uploaded_screening(request.into_inner().payload).await?))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchCeremoniesRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(self.watched(&request.into_inner()).await?))
    }
}

impl CeremonyApi {
    async fn proposed(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::Ceremony, RequestError> {
        let (envelope, body) = self.statement(caller, bytes).await?;
        match body {
            StatementBody::ProposeWallet(_)
            | StatementBody::ProposeMigration(_)
            | StatementBody::ProposeImport(_)
            | StatementBody::ProposeResume { .. }
            | StatementBody::ProposeRosterChange(_)
            | StatementBody::ProposePolicy(_)
            | StatementBody::ProposeScreening(_)
            | StatementBody::ProposeScreeningLift { .. } => {}
            StatementBody::ProposeWhitelistEntry(_)
            | StatementBody::ApproveCeremony(_)
            | StatementBody::ApproveHold(_)
            | StatementBody::RejectHold(_)
            | StatementBody::WithdrawApproval(_)
            | StatementBody::RevokeWhitelistEntry(_)
            | StatementBody::PauseWallet(_)
            | StatementBody::AddToScreeningList { .. }
            | StatementBody::OpenOrder(_)
            | StatementBody::ApproveOrder(_)
            | StatementBody::RevokeClient(_) => {
                let expected = "a statement that proposes to create, migrate or resume a wallet, or to change roster, policy or a screening list";
                return Err(RequestError::OtherPayload { expected });
            }
        }
        let id = CeremonyId::of(&StatementDigest::of(&envelope.payload));
        self.act(&id, envelope).await
    }

    async fn approved(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::Ceremony, RequestError> {
        let (envelope, body) = self.statement(caller, bytes).await?;
        let StatementBody::ApproveCeremony(id) = body else {
            return Err(RequestError::OtherPayload { expected: "a statement `approve a ceremony`" });
        };
        self.act(&id, envelope).await
    }

    /// Puts a document into the log. It means nothing there until officers name its hash.
    async fn uploaded(&self, toml: String) -> Result<v1::UploadPolicyResponse, RequestError> {
        if toml.len() > MAX_DOCUMENT_BYTES {
            return Err(
                FieldError::new("toml", format!("must have at most {MAX_DOCUMENT_BYTES} bytes")).into()
            );
        }
        let document: [u8; 32] = Sha256::digest(&toml).into();
        let envelope = self.parts.voice().await?.policy(toml)?;
        let logged = self.parts.log(envelope).await?;
        let reader = self.parts.book.read().await?;
        let state = reader.state();
        let waiting = state.uploaded_policies().iter();
        let index = match logged {
            Proposed::Logged(logged) => Some(logged.index),
            Proposed::Repeated => waiting
                .filter(|uploaded| uploaded.document.hash().as_bytes() == &document)
                .map(|uploaded| uploaded.index)
                .next(),
        };
        Ok(v1::UploadPolicyResponse {
            policy_hash: document.to_vec(),
            position: index.map(|index| reader.times().position(index)),
            version_in_force: state.policy_version().0,
            hash_in_force: state.policy_digest().as_bytes().to_vec(),
        })
    }

    /// Puts an update of a screening list, or some of its addresses, into the log. Officers name the hashes of what comes out.
    async fn uploaded_screening(
        &self,
        payload: Vec<u8>,
    ) -> Result<v1::UploadScreeningResponse, RequestError> {
        if payload.len() > SCREENING_BYTES {
            return Err(
                FieldError::new("payload", format!("must have at most {SCREENING_BYTES} bytes")).into()
            );
        }
        let kind = if serde_json::from_slice::<ScreeningPart>(&payload).is_ok() {
            PayloadKind::ScreeningPart
        } else {
            PayloadKind::ScreeningUpdate
        };
        let envelope = self.parts.voice().await?.screening(kind, payload)?;
        let index = match self.parts.log(envelope).await? {
            Proposed::Logged(logged) => Some(logged.index),
            Proposed::Repeated => None,
        };
        let reader = self.parts.book.read().await?;
        Ok(v1::UploadScreeningResponse { position: index.map(|index| reader.times().position(index)) })
    }

    async fn act(&self, id: &CeremonyId, envelope: Envelope) -> Result<v1::Ceremony, RequestError> {
        let (Proposed::Logged(_) | Proposed::Repeated) = self.parts.log(envelope).await?;
        self.parts.ceremony_view(id).await
    }

    async fn statement(
        &self,
        caller: &Caller,
        bytes: &[u8],
    ) -> Result<(Envelope, StatementBody), RequestError> {
        let reader = self.parts.book.read().await?;
        envelope::statement(bytes, caller, reader.state().roster())
    }

    async fn listed(
        &self,
        request: &v1::ListCeremoniesRequest,
    ) -> Result<v1::ListCeremoniesResponse, RequestError> {
        let (size, before) = (paging::size(request.page_size)?, paging::before(&request.page_token)?);
        let phase = convert::ceremony_phase("phase", request.phase)?;
        let live = self.parts.progress.ceremonies();
        let reader = self.parts.book.read().await?;
        let (at, times) = (self.parts.clock.now(), reader.times());
        let newest = reader.index().proposals().range(..before).rev().map(|(index, id)| (*index, *id));
        let (ceremonies, next) = paging::page(newest, size, |id| {
            let ceremony = reader.state().ceremony(&id)?;
            let summary = CeremonyView { ceremony, at, times, live: live.get(&id) }.summary();
            let passes = (request.kind.is_empty() || summary.kind == request.kind)
                && phase.is_none_or(|phase| summary.phase() == phase);
            passes.then_some(summary)
        });
        Ok(v1::ListCeremoniesResponse {
            ceremonies,
            next_page_token: next.map(paging::token).unwrap_or_default(),
        })
    }
}
