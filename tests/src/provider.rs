//! The provider of session signals and prices.

use holdfast_ledger::{PayloadKind, key_id};
use holdfast_log::Envelope;
use holdfast_policy::ProviderId;
use holdfast_proto::v1;
use holdfast_proto::v1::fact_service_client::FactServiceClient;
use holdfast_transport::Role;
use serde_json::{Value, json};
use tonic::Status;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::now_ms;

const NAME: &str = "sessions";

/// A provider with a connection.
#[derive(Debug)]
pub struct Provider<'a> {
    cluster: &'a Cluster,
    facts: FactServiceClient<Channel>,
}

impl Cluster {
    /// The provider, connected to the coordinator.
    pub async fn provider(&self) -> Provider<'_> {
        let channel = self.to_coordinator(Role::Provider, NAME).await;
        Provider { cluster: self, facts: FactServiceClient::new(channel) }
    }
}

impl Provider<'_> {
    /// Reports on a customer's session, now, with the next sequence number.
    pub async fn report(&self, customer: &str, new_device: bool, second_factor_reset: bool) {
        // Sequence numbers have no gaps, so one test at a time takes the next one.
        let _turn = self.cluster.reporting.lock().await;
        let log = self.cluster.download().await;
        let sequence = log.state().next_sequence(&ProviderId::new(NAME).unwrap());
        let reported = self.report_as(sequence, customer, new_device, second_factor_reset).await;
        reported.unwrap_or_else(|status| panic!("{status:?}"));
    }

    /// Reports what a whole unit of an asset is worth, in millionths of a dollar.
    pub async fn price(&self, asset: &str, micro_usd: u64) {
        let _turn = self.cluster.reporting.lock().await;
        let log = self.cluster.download().await;
        let sequence = log.state().next_sequence(&ProviderId::new(NAME).unwrap());
        let payload = json!({"cluster": self.cluster.name(), "provider": NAME, "sequence": sequence,
            "asset": asset, "price_micro_usd": micro_usd, "observed_at_ms": now_ms()});
        self.say(PayloadKind::PriceReport, &payload).await.unwrap_or_else(|status| panic!("{status:?}"));
    }

    /// Reports under a sequence number of the test's choice.
    pub async fn report_as(
        &self,
        sequence: u64,
        customer: &str,
        new_device: bool,
        second_factor_reset: bool,
    ) -> Result<v1::ReportFactResponse, Status> {
        let payload = json!({"cluster": self.cluster.name(), "provider": NAME, "sequence": sequence,
            "customer": customer, "observed_at_ms": now_ms(), "new_device": new_device,
            "second_factor_reset": second_factor_reset});
        self.say(PayloadKind::SessionReport, &payload).await
    }

    async fn say(&self, kind: PayloadKind, payload: &Value) -> Result<v1::ReportFactResponse, Status> {
        let payload = serde_json::to_vec(payload).unwrap();
        let key = self.cluster.ed25519_key("provider/sessions.key");
        let envelope =
            Envelope::sign_ed25519(kind.payload_type(), payload, &key_id("provider", NAME), &key).unwrap();
        let request = v1::ReportFactRequest { envelope: envelope.to_json() };
        Ok(self.facts.clone().report(request).await?.into_inner())
    }
}
