//! `FactService`: signed reports about customers and prices. Who calls does not matter, who signed does.

use holdfast_ledger::{PayloadKind, Rejection, RejectionCode};
use holdfast_proto::v1;
use holdfast_proto::v1::fact_service_server::FactService;
use tonic::{Request, Response, Status};

use super::envelope;
use crate::coordinator::Coordinator;
use crate::sequencer::Proposed;
use crate::status::RequestError;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct FactApi(pub(crate) Coordinator);

#[tonic::async_trait]
impl FactService for FactApi {
    async fn report(
        &self,
        request: Request<v1::ReportFactRequest>,
    ) -> Result<Response<v1::ReportFactResponse>, Status> {
        let position = self.reported(&request.into_inner().envelope).await?;
        Ok(Response::new(v1::ReportFactResponse { position: Some(position) }))
    }
}

impl FactApi {
    async fn reported(&self, bytes: &[u8]) -> Result<v1::LogPosition, RequestError> {
        let report = envelope::of_kinds(
            bytes,
            &[
                PayloadKind::SessionReport,
                PayloadKind::CustomerReport,
                PayloadKind::PriceReport,
                PayloadKind::IdentityAttestation,
                PayloadKind::ExposureReport,
                PayloadKind::TravelRuleReport,
            ],
            "a report of a session, a customer, a price, an identity, an exposure or a Travel Rule exchange",
        )?;
        let index = match self.0.log(report.clone()).await? {
            Proposed::Logged(logged) => logged.index,
            // The sequence number is taken: by this very report, or by another one.
            Proposed::Repeated => self.0.book.position_of(&report)?.ok_or_else(|| {
                let detail = "another report with this sequence is logged already";
                Rejection::new(RejectionCode::AlreadyRecorded, detail).with_field("sequence")
            })?,
        };
        Ok(self.0.book.read().await?.times().position(index))
    }
}
