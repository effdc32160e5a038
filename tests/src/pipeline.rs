//! The withdrawal pipeline: a client over gRPC, with the client's keys.

use std::time::Duration;

use holdfast_ledger::Wallet;
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_transport::Role;
use tonic::Status;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::request::Request;
use crate::{CLIENT, eventually};

/// The longest time that a server may be asked to wait.
const WAIT_MS: u32 = 30_000;

/// A client with a connection.
#[derive(Clone, Debug)]
pub struct Pipeline<'a> {
    cluster: &'a Cluster,
    withdrawals: WithdrawalServiceClient<Channel>,
}

/// Why a withdrawal is where it is: the reason code, empty if there is none.
pub fn reason_code(withdrawal: &v1::Withdrawal) -> String {
    withdrawal.reason.as_ref().map(|reason| reason.code.clone()).unwrap_or_default()
}

impl Cluster {
    /// The client, connected to the coordinator.
    pub async fn pipeline(&self) -> Pipeline<'_> {
        let channel = self.to_coordinator(Role::Client, CLIENT).await;
        Pipeline { cluster: self, withdrawals: WithdrawalServiceClient::new(channel) }
    }

    /// Pays, verifies the signature in the log with plain k256, and returns the wallet that paid.
    pub async fn pays(&self) -> Wallet {
        let paid = self.pipeline().await.submit(&self.request()).await.unwrap();
        assert_eq!(paid.state(), v1::WithdrawalState::Signed, "{:?}", paid.reason);
        let log = self.download().await;
        let known = log.state().withdrawal(&paid.id.parse().unwrap()).unwrap();
        let wallet = log.state().wallet(&known.request.wallet).unwrap();
        let digest = known.transaction.as_ref().unwrap().signing_hash;
        known.signature.unwrap().verify(&digest, &wallet.public_key).unwrap();
        wallet.clone()
    }
}

impl Pipeline<'_> {
    /// Submits and waits for the end.
    pub async fn submit(&self, request: &Request) -> Result<v1::Withdrawal, Status> {
        self.submit_envelope(&request.signed(self.cluster), WAIT_MS).await
    }

    /// Submits and returns once the request is durable.
    pub async fn submit_only(&self, request: &Request) -> Result<v1::Withdrawal, Status> {
        self.submit_envelope(&request.signed(self.cluster), 0).await
    }

    /// Submits an envelope as it is.
    pub async fn submit_envelope(&self, envelope: &Envelope, wait_ms: u32) -> Result<v1::Withdrawal, Status> {
        self.submit_bytes(envelope.to_json(), wait_ms).await
    }

    /// Submits any bytes.
    pub async fn submit_bytes(&self, envelope: Vec<u8>, wait_ms: u32) -> Result<v1::Withdrawal, Status> {
        let request = v1::SubmitWithdrawalRequest { envelope, wait_ms };
        Ok(self.withdrawals.clone().submit(request).await?.into_inner())
    }

    /// A dry run.
    pub async fn evaluate(&self, request: &Request) -> Result<v1::Decision, Status> {
        let envelope = request.signed(self.cluster).to_json();
        let request = v1::EvaluateWithdrawalRequest { envelope };
        Ok(self.withdrawals.clone().evaluate(request).await?.into_inner().decision.unwrap())
    }

    /// Binds a transaction and waits for the end.
    pub async fn bind(&self, bind: &Request) -> Result<v1::Withdrawal, Status> {
        self.bind_waiting(bind, WAIT_MS).await
    }

    /// Binds a transaction and waits so long.
    pub async fn bind_waiting(&self, bind: &Request, wait_ms: u32) -> Result<v1::Withdrawal, Status> {
        let envelope = bind.signed(self.cluster).to_json();
        let request = v1::BindTransactionRequest { envelope, wait_ms };
        Ok(self.withdrawals.clone().bind_transaction(request).await?.into_inner())
    }

    /// Cancels.
    pub async fn cancel(&self, cancel: &Request) -> Result<v1::Withdrawal, Status> {
        let envelope = cancel.signed(self.cluster).to_json();
        Ok(self.withdrawals.clone().cancel(v1::CancelWithdrawalRequest { envelope }).await?.into_inner())
    }

    /// One withdrawal.
    pub async fn get(&self, id: &str) -> Result<v1::Withdrawal, Status> {
        let request = v1::GetWithdrawalRequest { withdrawal_id: id.to_owned() };
        Ok(self.withdrawals.clone().get(request).await?.into_inner())
    }

    /// The withdrawal with this idempotency key.
    pub async fn by_key(&self, key: &str) -> Result<v1::Withdrawal, Status> {
        let request = v1::GetWithdrawalByIdempotencyKeyRequest { idempotency_key: key.to_owned() };
        Ok(self.withdrawals.clone().get_by_idempotency_key(request).await?.into_inner())
    }

    /// Every withdrawal, newest first, page by page.
    pub async fn list(&self) -> Vec<v1::Withdrawal> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListWithdrawalsRequest { page_size: 10, page_token, ..Default::default() };
            let page = self.withdrawals.clone().list(request).await.unwrap().into_inner();
            all.extend(page.withdrawals);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// Waits until a withdrawal is in a state.
    pub async fn reaches(&self, id: &str, state: v1::WithdrawalState, limit: Duration) -> v1::Withdrawal {
        let what = format!("{id} is {}", state.as_str_name());
        let settled = eventually(&what, limit, || async {
            let withdrawal = self.get(id).await.map_err(|status| format!("{status:?}"))?;
            let seen = || format!("{} {:?}", withdrawal.state().as_str_name(), withdrawal.reason);
            if withdrawal.state() == state { Ok(Box::new(withdrawal)) } else { Err(seen()) }
        });
        *settled.await
    }

    /// Waits until a withdrawal says that it waits for exactly these nodes.
    pub async fn waits_for(&self, id: &str, nodes: &[&str], limit: Duration) -> v1::Withdrawal {
        let what = format!("{id} waits for {nodes:?}");
        let settled = eventually(&what, limit, || async {
            let withdrawal = self.get(id).await.map_err(|status| format!("{status:?}"))?;
            if withdrawal.missing_nodes == nodes {
                return Ok(Box::new(withdrawal));
            }
            Err(format!("{} {:?}", withdrawal.state().as_str_name(), withdrawal.missing_nodes))
        });
        *settled.await
    }
}
