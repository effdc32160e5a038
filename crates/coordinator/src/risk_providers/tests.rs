//! Providers that answer, fail and come back, and what becomes of payments meanwhile.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use holdfast_ledger::{WithdrawalId, WithdrawalState};
use holdfast_policy::ReasonCode;
use holdfast_proto::v1::risk_provider_server::{RiskProvider, RiskProviderServer};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response};

use super::*;
use crate::testing::{Cell, TestClock, client_request, sign};
use crate::withdrawals::Withdrawals;

const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
/// Instead of a score.
const FAILS: u8 = u8::MAX;

/// Answers with a score, or fails.
#[derive(Clone)]
struct Chainwatch {
    clock: TestClock,
    says: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
    signed: Arc<AtomicUsize>,
    lost: Arc<Mutex<Vec<Vec<u8>>>>,
}

#[tonic::async_trait]
impl RiskProvider for Chainwatch {
    async fn assess_destination(
        &self,
        request: Request<v1::AssessDestinationRequest>,
    ) -> Result<Response<v1::AssessDestinationResponse>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let score = self.says.load(Ordering::SeqCst);
        if score == FAILS {
            return Err(Status::unavailable("out of order"));
        }
        let envelope = self.report(&request.into_inner().destination, score);
        Ok(Response::new(v1::AssessDestinationResponse { envelope }))
    }

    async fn repeat_reports(
        &self,
        _: Request<v1::RepeatReportsRequest>,
    ) -> Result<Response<v1::RepeatReportsResponse>, Status> {
        let envelopes = self.lost.lock().unwrap().clone();
        Ok(Response::new(v1::RepeatReportsResponse { envelopes }))
    }
}

impl Chainwatch {
    fn report(&self, destination: &str, score: u8) -> Vec<u8> {
        let sequence = self.signed.fetch_add(1, Ordering::SeqCst) + 1;
        let report = json!({"cluster": "demo-1", "provider": "chainwatch", "sequence": sequence, "chain_id": 1,
            "destination": destination, "score": score, "category": "none",
            "observed_at_ms": self.clock.now()});
        sign(PayloadKind::ExposureReport, &report, "provider", "chainwatch").to_json()
    }

    /// Signs a report that does not reach the log before it is asked for again.
    fn loses(&self, score: u8) {
        let report = self.report(PAYEE, score);
        self.lost.lock().unwrap().push(report);
    }

    fn serve(self) -> Channel {
        let (connections, accepted) = mpsc::channel(8);
        let service = RiskProviderServer::new(self);
        tokio::spawn(
            Server::builder().add_service(service).serve_with_incoming(ReceiverStream::new(accepted)),
        );
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let connections = connections.clone();
            async move {
                let (near, far) = tokio::io::duplex(1 << 16);
                connections.send(Ok::<_, std::io::Error>(far)).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        Endpoint::from_static("http://chainwatch").connect_with_connector_lazy(connector)
    }

    fn says(&self, score: u8) {
        self.says.store(score, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A cell whose provider fails at first.
async fn watched() -> (Cell, Chainwatch) {
    let mut cell = Cell::watched().await;
    let provider = Chainwatch {
        clock: cell.clock.clone(),
        says: Arc::new(AtomicU8::new(FAILS)),
        asked: Arc::default(),
        signed: Arc::default(),
        lost: Arc::default(),
    };
    let channel = provider.clone().serve();
    cell.parts.risk_providers = Arc::new(RiskProviders::new([("chainwatch".parse().unwrap(), channel)]));
    (cell, provider)
}

async fn ask(cell: &Cell) {
    cell.parts.ask_about(ChainId(1), Address::parse(PAYEE).unwrap()).await;
}

async fn decided(cell: &Cell, key: &str) -> (WithdrawalId, WithdrawalState, Option<ReasonCode>) {
    let id = cell.submit(key, 0).await;
    let reader = cell.parts.book.read().await.unwrap();
    let found = reader.state().withdrawal(&id).unwrap();
    (id, found.logged_state(), found.decision.main_reason())
}

fn rest(cell: &Cell) {
    let link = cell.parts.risk_providers.0.values().next().unwrap();
    link.lock().has_rested();
}

#[tokio::test]
async fn provider_that_fails_is_left_alone_and_payments_are_held_until_a_probe_is_answered() {
    let (cell, provider) = watched().await;
    // When it fails again and again, it is asked three times and no more
    for asks in 1..=5 {
        ask(&cell).await;
        assert_eq!(provider.asked(), asks.min(3));
        let key = format!("down-{asks}");
        let (_, state, reason) = decided(&cell, &key).await;
        assert_eq!((state, reason), (WithdrawalState::Held, Some(ReasonCode::ExposureAbsent)));
    }
    // While it rests nobody knows that it would answer, and nothing is allowed
    provider.says(0);
    ask(&cell).await;
    assert_eq!(provider.asked(), 3);
    assert_eq!(decided(&cell, "resting").await.1, WithdrawalState::Held);
    // A probe that fails lets it rest again
    provider.says(FAILS);
    rest(&cell);
    ask(&cell).await;
    provider.says(0);
    ask(&cell).await;
    assert_eq!(provider.asked(), 4);
    assert_eq!(decided(&cell, "probed").await.1, WithdrawalState::Held);
    // One that is answered ends it
    rest(&cell);
    ask(&cell).await;
    assert_eq!(provider.asked(), 5);
    assert_eq!(decided(&cell, "back").await.1, WithdrawalState::Bound);
}

#[tokio::test]
async fn while_the_breaker_is_half_open_one_request_asks_and_the_others_wait_for_what_it_finds() {
    let (cell, provider) = watched().await;
    for _ in 0..3 {
        ask(&cell).await;
    }
    rest(&cell);
    futures::future::join_all((0..20).map(|_| ask(&cell))).await;
    assert_eq!(provider.asked(), 4, "one probe");
    rest(&cell);
    provider.says(0);
    futures::future::join_all((0..20).map(|_| ask(&cell))).await;
    assert_eq!(provider.asked(), 5, "its report serves them all");
}

/// Starts what drives withdrawals, and waits until this one is in a state.
async fn reaches(cell: &Cell, id: &WithdrawalId, state: WithdrawalState) -> Option<ReasonCode> {
    for _ in 0..1_500 {
        {
            let reader = cell.parts.book.read().await.unwrap();
            let found = reader.state().withdrawal(id).unwrap();
            if found.logged_state() == state
                && found.decision.main_reason() != Some(ReasonCode::ExposureAbsent)
            {
                return found.decision.main_reason();
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {state:?}: {:?}", cell.parts.progress.withdrawal(id));
}

#[tokio::test]
async fn payment_that_a_silent_provider_held_goes_on_by_itself_when_it_answers() {
    let (cell, provider) = watched().await;
    // Given payments that were held while nobody answered, one of them above the automatic limit, too
    let (id, state, reason) = decided(&cell, "k-1").await;
    assert_eq!((state, reason), (WithdrawalState::Held, Some(ReasonCode::ExposureAbsent)));
    let large = client_request(cell.clock.now(), "k-2", 6_000, 1);
    let large = sign(PayloadKind::WithdrawalRequest, &large, "client", "pipeline");
    let large = cell.accept(large).await.withdrawal.unwrap();
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
    // When it answers
    provider.says(0);
    // Then what waited for it alone is signed; the other one still waits for people
    reaches(&cell, &id, WithdrawalState::Signed).await;
    let reader = cell.parts.book.read().await.unwrap();
    assert_eq!(reader.state().withdrawal(&large).unwrap().logged_state(), WithdrawalState::Held);
    assert!(provider.asked() <= 4, "asked {} times about one destination", provider.asked());
}

#[tokio::test]
async fn payment_that_a_silent_provider_held_is_denied_when_the_answer_is_bad() {
    let (cell, provider) = watched().await;
    let (id, ..) = decided(&cell, "k-1").await;
    cell.replicate();
    tokio::spawn(Withdrawals::new(cell.parts.clone()).run(cell.stop.subscribe()));
    provider.says(90);
    assert_eq!(reaches(&cell, &id, WithdrawalState::Denied).await, Some(ReasonCode::ExposureDeny));
}

/// What no log ever takes keeps nobody from hearing the provider again, neither at once nor among what was lost.
#[tokio::test]
async fn provider_is_heard_again_after_reports_that_were_refused_for_good() {
    let (cell, provider) = watched().await;
    let sequence =
        async || cell.parts.book.read().await.unwrap().state().next_sequence(&"chainwatch".parse().unwrap());
    provider.says(101);
    ask(&cell).await;
    assert_eq!(sequence().await, 2, "it is in the log, and its number is used up");
    provider.loses(101);
    provider.loses(5);
    provider.says(0);
    ask(&cell).await;
    assert_eq!(sequence().await, 5);
    let (_, state, reason) = decided(&cell, "k-1").await;
    assert_eq!((state, reason), (WithdrawalState::Bound, None));
}
