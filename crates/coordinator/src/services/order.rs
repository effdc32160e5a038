//! `LegalOrderService`: what officers and agencies' contacts say about legal orders. A contact has no account here: an officer hands
//! in what the contact signed, and who signed is what matters.

use holdfast_ledger::{PayloadKind, Rejection, RejectionCode, StatementBody};
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_proto::v1::legal_order_service_server::LegalOrderService;
use tonic::{Request, Response, Status};

use super::caller::Caller;
use super::envelope;
use crate::coordinator::Coordinator;
use crate::sequencer::Proposed;
use crate::status::RequestError;

const EXPECTED: &str =
    "a statement `open a legal order` or `approve a legal order`, or an `order-confirmation`";

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct LegalOrderApi(pub(crate) Coordinator);

#[tonic::async_trait]
impl LegalOrderService for LegalOrderApi {
    async fn submit(
        &self,
        request: Request<v1::SubmitLegalOrderRequest>,
    ) -> Result<Response<v1::SubmitLegalOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let position = self.submitted(&caller, &request.into_inner().envelope).await?;
        Ok(Response::new(v1::SubmitLegalOrderResponse { position: Some(position) }))
    }
}

impl LegalOrderApi {
    async fn submitted(&self, caller: &Caller, bytes: &[u8]) -> Result<v1::LogPosition, RequestError> {
        let kinds = [PayloadKind::Statement, PayloadKind::OrderConfirmation];
        let given = envelope::of_kinds(bytes, &kinds, EXPECTED)?;
        let said = match given.payload_type == PayloadKind::Statement.payload_type() {
            true => self.statement(caller, bytes).await?,
            false => given,
        };
        let index = match self.0.log(said.clone()).await? {
            Proposed::Logged(logged) => logged.index,
            Proposed::Repeated => self.0.book.position_of(&said)?.ok_or_else(|| {
                Rejection::new(RejectionCode::AlreadyRecorded, "the same is logged already")
            })?,
        };
        Ok(self.0.book.read().await?.times().position(index))
    }

    async fn statement(&self, caller: &Caller, bytes: &[u8]) -> Result<Envelope, RequestError> {
        let reader = self.0.book.read().await?;
        let (envelope, body) = envelope::statement(bytes, caller, reader.state().roster())?;
        if !matches!(body, StatementBody::OpenOrder(_) | StatementBody::ApproveOrder(_)) {
            return Err(RequestError::OtherPayload { expected: EXPECTED });
        }
        Ok(envelope)
    }
}
