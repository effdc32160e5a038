//! `WithdrawalService`: what a withdrawal pipeline calls, and officers who decide about held withdrawals.

use std::time::Duration;

use holdfast_chains::UnsignedTransaction;
use holdfast_ledger::{
    BindTransaction, CancelWithdrawal, OutcomeReport, PayloadKind, Rejection, RejectionCode,
    ReplacementRequest, StatementBody, SweepRequest, WithdrawalId, WithdrawalRequest, WithdrawalState,
};
use holdfast_log::Envelope;
use holdfast_proto::convert::{self, FieldError, Waiting};
use holdfast_proto::v1;
use holdfast_proto::v1::withdrawal_service_server::WithdrawalService;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::caller::{Caller, Scope};
use super::streams::Streams;
use super::{deadline, envelope, paging};
use crate::coordinator::Coordinator;
use crate::log_book::is_final;
use crate::sequencer::{ProposeError, Proposed};
use crate::status::{Object, RequestError};
use crate::views::{registered_asset, view_of};

mod give_up;
mod watch;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct WithdrawalApi {
    pub(crate) parts: Coordinator,
    pub(crate) streams: Streams,
}

#[tonic::async_trait]
impl WithdrawalService for WithdrawalApi {
    type WatchStream = ReceiverStream<Result<v1::WithdrawalEvent, Status>>;

    async fn evaluate(
        &self,
        request: Request<v1::EvaluateWithdrawalRequest>,
    ) -> Result<Response<v1::EvaluateWithdrawalResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.evaluated(&caller, &request.into_inner().envelope).await?))
    }

    async fn submit(
        &self,
        request: Request<v1::SubmitWithdrawalRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let (caller, wait) = (Caller::of(&request)?, deadline::wait(&request, request.get_ref().wait_ms)?);
        let id = self.submitted(&caller, &request.into_inner().envelope).await?;
        Ok(Response::new(self.settled(&id, wait).await?))
    }

    async fn bind_transaction(
        &self,
        request: Request<v1::BindTransactionRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let (caller, wait) = (Caller::of(&request)?, deadline::wait(&request, request.get_ref().wait_ms)?);
        let id = self.bound(&caller, &request.into_inner().envelope).await?;
        Ok(Response::new(self.settled(&id, wait).await?))
    }

    async fn get(
        &self,
        request: Request<v1::GetWithdrawalRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let scope = Caller::of(&request)?.scope()?;
        let id = convert::withdrawal_id("withdrawal_id", &request.into_inner().withdrawal_id)
            .map_err(RequestError::from)?;
        Ok(Response::new(self.found(&scope, &id).await?))
    }

    async fn get_by_idempotency_key(
        &self,
        request: Request<v1::GetWithdrawalByIdempotencyKeyRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let client = Caller::of(&request)?.client()?;
        let key = request.into_inner().idempotency_key;
        let id = {
            let reader = self.parts.book.read().await.map_err(RequestError::from)?;
            WithdrawalId::of(reader.state().cluster().as_str(), client.as_str(), &key)
        };
        Ok(Response::new(self.found(&Scope::Own(client), &id).await?))
    }

    async fn list(
        &self,
        request: Request<v1::ListWithdrawalsRequest>,
    ) -> Result<Response<v1::ListWithdrawalsResponse>, Status> {
        let scope = Caller::of(&request)?.scope()?;
        Ok(Response::new(self.listed(&scope, &request.into_inner()).await?))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelWithdrawalRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let caller = Caller::of(&request)?;
        let id = self.cancelled(&caller, &request.into_inner().envelope).await?;
        Ok(Response::new(self.parts.withdrawal_view(&id).await?))
    }

    async fn report_outcome(
        &self,
        request: Request<v1::ReportOutcomeRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let caller = Caller::of(&request)?;
        let id = self.reported(&caller, &request.into_inner().envelope).await?;
        Ok(Response::new(self.parts.withdrawal_view(&id).await?))
    }

    async fn give_up(&self, request: Request<v1::GiveUpRequest>) -> Result<Response<v1::Withdrawal>, Status> {
        let scope = Caller::of(&request)?.scope()?;
        let id = convert::withdrawal_id("withdrawal_id", &request.into_inner().withdrawal_id)
            .map_err(RequestError::from)?;
        Ok(Response::new(self.given_up(&scope, &id).await?))
    }

    async fn approve_hold(
        &self,
        request: Request<v1::ApproveHoldRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let caller = Caller::of(&request)?;
        let (envelope, body) = self.statement(&caller, &request.into_inner().envelope).await?;
        let StatementBody::ApproveHold(id) = body else {
            return Err(
                RequestError::OtherPayload { expected: "a statement `approve a held withdrawal`" }.into()
            );
        };
        Ok(Response::new(self.answered_hold(&id, envelope).await?))
    }

    async fn reject_hold(
        &self,
        request: Request<v1::RejectHoldRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let caller = Caller::of(&request)?;
        let (envelope, body) = self.statement(&caller, &request.into_inner().envelope).await?;
        let StatementBody::RejectHold(id) = body else {
            return Err(
                RequestError::OtherPayload { expected: "a statement `reject a held withdrawal`" }.into()
            );
        };
        Ok(Response::new(self.answered_hold(&id, envelope).await?))
    }

    async fn withdraw_approval(
        &self,
        request: Request<v1::WithdrawApprovalRequest>,
    ) -> Result<Response<v1::Withdrawal>, Status> {
        let caller = Caller::of(&request)?;
        let (envelope, body) = self.statement(&caller, &request.into_inner().envelope).await?;
        let StatementBody::WithdrawApproval(id) = body else {
            let expected = "a statement `withdraw my approval of a withdrawal`";
            return Err(RequestError::OtherPayload { expected }.into());
        };
        Ok(Response::new(self.answered_hold(&id, envelope).await?))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchWithdrawalsRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let scope = Caller::of(&request)?.scope()?;
        Ok(Response::new(self.watched(scope, &request.into_inner()).await?))
    }
}

impl WithdrawalApi {
    /// A dry run: nothing is logged.
    async fn evaluated(
        &self,
        caller: &Caller,
        bytes: &[u8],
    ) -> Result<v1::EvaluateWithdrawalResponse, RequestError> {
        let envelope = envelope::by_caller(bytes, PayloadKind::WithdrawalRequest, caller)?;
        let reader = self.parts.book.read().await?;
        let state = reader.state();
        let now = self.parts.clock.now().max(state.last_time());
        match state.check(&envelope, now)? {
            // What was submitted before can still be evaluated anew.
            Err(rejection) if rejection.code() != RejectionCode::AlreadyRecorded => {
                return Err(rejection.into());
            }
            Ok(()) | Err(_) => {}
        }
        let request = WithdrawalRequest::parse(&envelope.payload)?;
        let transaction =
            request.transaction.as_deref().and_then(|hex| UnsignedTransaction::parse_hex(hex).ok());
        let effects = transaction.map(|transaction| transaction.effects());
        Ok(v1::EvaluateWithdrawalResponse {
            decision: Some(convert::decision(&state.evaluate_request(&request, now))),
            effects: Some(convert::effects(&request, registered_asset(state, &request), effects.as_ref())),
        })
    }

    async fn submitted(&self, caller: &Caller, bytes: &[u8]) -> Result<WithdrawalId, RequestError> {
        const KINDS: [PayloadKind; 3] =
            [PayloadKind::WithdrawalRequest, PayloadKind::ReplacementRequest, PayloadKind::SweepRequest];
        let (envelope, kind) = envelope::by_caller_of(bytes, &KINDS, "a request for a withdrawal", caller)?;
        let id = requested(kind, &envelope.payload);
        self.ask_providers(kind, &envelope).await?;
        match self.parts.log(envelope).await {
            Ok(Proposed::Logged(_) | Proposed::Repeated) => Ok(id?),
            Err(ProposeError::Rejected { rejection, logged })
                if rejection.code() == RejectionCode::IdempotencyKeyReused =>
            {
                Err(RequestError::KeyReused { withdrawal: id?, rejection, logged })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Providers are asked before the decision, and only about a request that will be decided.
    async fn ask_providers(&self, kind: PayloadKind, envelope: &Envelope) -> Result<(), RequestError> {
        if kind != PayloadKind::WithdrawalRequest {
            return Ok(());
        }
        let Ok(request) = WithdrawalRequest::parse(&envelope.payload) else { return Ok(()) };
        {
            let reader = self.parts.book.read().await?;
            let state = reader.state();
            let asks = state.policy().exposure().is_some();
            if !asks || !matches!(state.check(envelope, self.parts.clock.now()), Ok(Ok(()))) {
                return Ok(());
            }
        }
        self.parts.ask_about(request.chain_id, request.destination).await;
        Ok(())
    }

    async fn bound(&self, caller: &Caller, bytes: &[u8]) -> Result<WithdrawalId, RequestError> {
        let envelope = envelope::by_caller(bytes, PayloadKind::BindTransaction, caller)?;
        let bind: Option<BindTransaction> = serde_json::from_slice(&envelope.payload).ok();
        // What the withdrawal waited for with its earlier transaction says nothing about this one. Nobody drives a withdrawal
        // that waits for another account nonce, so nothing newer is forgotten here.
        let waited = bind.as_ref().and_then(|bind| self.waits_for_another_nonce(&bind.withdrawal));
        if let (Some(bind), Some(_)) = (&bind, &waited) {
            self.parts.progress.set_withdrawal(bind.withdrawal, None);
        }
        let proposed = self.parts.log(envelope).await;
        if let (Some(bind), Some(_), Err(_)) = (&bind, &waited, &proposed) {
            self.parts.progress.set_withdrawal(bind.withdrawal, waited);
        }
        match (proposed, bind) {
            (Ok(Proposed::Logged(_) | Proposed::Repeated), Some(bind)) => Ok(bind.withdrawal),
            // Too late to bind anything else, but what was asked for is the case.
            (Err(ProposeError::Rejected { rejection, .. }), Some(bind))
                if rejection.code() == RejectionCode::TransactionAlreadyBound
                    && self.is_bound(&bind).await? =>
            {
                Ok(bind.withdrawal)
            }
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(unreadable()),
        }
    }

    fn waits_for_another_nonce(&self, id: &WithdrawalId) -> Option<Waiting> {
        let waiting = self.parts.progress.withdrawal(id);
        waiting.filter(|waiting| waiting.code == RejectionCode::AccountNonceUsed.as_str())
    }

    async fn is_bound(&self, bind: &BindTransaction) -> Result<bool, RequestError> {
        let reader = self.parts.book.read().await?;
        let bound = reader.state().withdrawal(&bind.withdrawal).and_then(|found| found.transaction.as_ref());
        Ok(bound.is_some_and(|bound| bound.transaction.to_hex() == bind.transaction))
    }

    async fn cancelled(&self, caller: &Caller, bytes: &[u8]) -> Result<WithdrawalId, RequestError> {
        let envelope = envelope::by_caller(bytes, PayloadKind::CancelWithdrawal, caller)?;
        let cancel: Option<CancelWithdrawal> = serde_json::from_slice(&envelope.payload).ok();
        let (Proposed::Logged(_) | Proposed::Repeated) = self.parts.log(envelope).await?;
        cancel.map(|cancel| cancel.withdrawal).ok_or_else(unreadable)
    }

    async fn reported(&self, caller: &Caller, bytes: &[u8]) -> Result<WithdrawalId, RequestError> {
        let envelope = envelope::by_caller(bytes, PayloadKind::OutcomeReport, caller)?;
        let report: Option<OutcomeReport> = serde_json::from_slice(&envelope.payload).ok();
        let (Proposed::Logged(_) | Proposed::Repeated) = self.parts.log(envelope).await?;
        report.map(|report| report.withdrawal).ok_or_else(unreadable)
    }

    async fn answered_hold(
        &self,
        id: &WithdrawalId,
        envelope: Envelope,
    ) -> Result<v1::Withdrawal, RequestError> {
        let (Proposed::Logged(_) | Proposed::Repeated) = self.parts.log(envelope).await?;
        self.parts.withdrawal_view(id).await
    }

    async fn statement(
        &self,
        caller: &Caller,
        bytes: &[u8],
    ) -> Result<(Envelope, StatementBody), RequestError> {
        let reader = self.parts.book.read().await?;
        envelope::statement(bytes, caller, reader.state().roster())
    }

    async fn found(&self, scope: &Scope, id: &WithdrawalId) -> Result<v1::Withdrawal, RequestError> {
        let visible = {
            let reader = self.parts.book.read().await?;
            reader.state().withdrawal(id).is_some_and(|withdrawal| scope.covers(withdrawal))
        };
        if visible { self.parts.withdrawal_view(id).await } else { Err(unknown(id)) }
    }

    async fn listed(
        &self,
        scope: &Scope,
        request: &v1::ListWithdrawalsRequest,
    ) -> Result<v1::ListWithdrawalsResponse, RequestError> {
        let (size, before) = (paging::size(request.page_size)?, paging::before(&request.page_token)?);
        let wanted = convert::withdrawal_state("state", request.state)?;
        let waiting = self.parts.progress.withdrawals();
        let now = self.parts.clock.now();
        let reader = self.parts.book.read().await?;
        let newest = reader.index().requests().range(..before).rev().map(|(index, id)| (*index, *id));
        let (withdrawals, next) = paging::page(newest, size, |id| {
            let withdrawal = reader.state().withdrawal(&id)?;
            let passes = scope.covers(withdrawal)
                && (request.wallet.is_empty() || withdrawal.request.wallet.as_str() == request.wallet)
                && wanted.is_none_or(|wanted| withdrawal.state_at(now) == wanted);
            passes.then(|| view_of(&reader, withdrawal, now, waiting.get(&id)).summary())
        });
        Ok(v1::ListWithdrawalsResponse {
            withdrawals,
            next_page_token: next.map(paging::token).unwrap_or_default(),
        })
    }

    /// Waits until there is nothing more to wait for, or the time is up; returns the withdrawal as it stands then.
    async fn settled(&self, id: &WithdrawalId, wait: Duration) -> Result<v1::Withdrawal, RequestError> {
        let (mut tip, mut version) = (self.parts.book.tip(), self.parts.progress.version());
        let now = Instant::now();
        let until = now.checked_add(wait).unwrap_or(now);
        while !self.is_settled(id).await? {
            tokio::select! {
                // The senders live in `parts`.
                _ = tip.changed() => {}
                _ = version.changed() => {}
                () = tokio::time::sleep_until(until) => break,
            }
        }
        self.parts.withdrawal_view(id).await
    }

    /// Whether it has reached a final state, a hold, or the need of a transaction.
    async fn is_settled(&self, id: &WithdrawalId) -> Result<bool, RequestError> {
        let reader = self.parts.book.read().await?;
        let withdrawal = reader.state().withdrawal(id).ok_or_else(|| unknown(id))?;
        let state = withdrawal.state_at(self.parts.clock.now());
        let needs_another_transaction = || self.waits_for_another_nonce(id).is_some();
        Ok(match state {
            WithdrawalState::Held | WithdrawalState::Allowed => true,
            WithdrawalState::Bound => needs_another_transaction(),
            WithdrawalState::Received
            | WithdrawalState::Authorized
            | WithdrawalState::Signed
            | WithdrawalState::Denied
            | WithdrawalState::Cancelled
            | WithdrawalState::Expired
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => is_final(state),
        })
    }
}

fn unknown(id: &WithdrawalId) -> RequestError {
    RequestError::Unknown { kind: Object::Withdrawal, id: id.to_string() }
}

/// The id that a request gets. The state machine parses it again and is the one who judges.
fn requested(kind: PayloadKind, payload: &[u8]) -> Result<WithdrawalId, Rejection> {
    if kind == PayloadKind::ReplacementRequest {
        return ReplacementRequest::parse(payload).map(|request| request.withdrawal_id());
    }
    if kind == PayloadKind::SweepRequest {
        return SweepRequest::parse(payload).map(|request| request.withdrawal_id());
    }
    WithdrawalRequest::parse(payload).map(|request| request.withdrawal_id())
}

/// The state machine took a payload that does not read here: it would not have.
fn unreadable() -> RequestError {
    Rejection::new(
        RejectionCode::FieldInvalid,
        FieldError::new("envelope", "has an unreadable payload").to_string(),
    )
    .into()
}

#[cfg(test)]
mod tests;
