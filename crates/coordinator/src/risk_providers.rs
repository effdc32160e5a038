//! Outside risk providers: asked about a destination before the policy decides about a payment to it.
//!
//! It passes on what providers signed and decides nothing. A provider that is slow, down or wrong never keeps a request from its
//! decision: without its report the policy holds (G9). It must never log a report that its provider did not sign about what was
//! asked, nor ask one provider twice at a time: its numbers have no gaps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_chains::{Address, ChainId};
use holdfast_ledger::{ExposureReport, PayloadKind};
use holdfast_log::{Envelope, EnvelopeError};
use holdfast_policy::ProviderId;
use holdfast_proto::convert::bounded_envelope;
use holdfast_proto::v1;
use holdfast_proto::v1::risk_provider_client::RiskProviderClient;
use holdfast_server::telemetry::cause;
use tokio::sync::{Mutex as Turn, Semaphore};
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

use crate::coordinator::Coordinator;
use crate::log_book::LogFailed;
use crate::sequencer::ProposeError;

mod breaker;

use breaker::Breaker;

/// How long one provider may take, lost reports included.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a request waits for all providers, and for its turn.
const WITHIN: Duration = Duration::from_secs(4);
/// Requests that may wait for one provider.
const WAITING: usize = 64;
/// Lost reports that one answer may bring back.
const LOST: usize = 1_000;

/// The providers that are configured.
#[derive(Debug, Default)]
pub(crate) struct RiskProviders(BTreeMap<ProviderId, Link>);

struct Link {
    client: RiskProviderClient<Channel>,
    // One at a time: the log takes its reports in order.
    turn: Turn<()>,
    places: Semaphore,
    breaker: Mutex<Breaker>,
}

/// Why a provider's report is not in the log.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("the provider failed: {0}")]
    Status(#[from] Box<Status>),
    #[error("the provider did not answer in time")]
    Late,
    #[error("the answer is no `exposure-report`")]
    NoReport,
    #[error("the answer is not an envelope")]
    Envelope(#[from] EnvelopeError),
    #[error("the report is about another destination or of another provider")]
    AnotherReport,
    #[error("the provider does not give back the reports from {from} on that the log lacks")]
    Lost { from: u64 },
    #[error("the log has a report of this number already, and none that is young enough")]
    Repeated,
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error(transparent)]
    Failed(#[from] LogFailed),
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
struct About {
    chain_id: ChainId,
    destination: Address,
}

impl RiskProviders {
    pub(crate) fn new(channels: impl IntoIterator<Item = (ProviderId, Channel)>) -> Self {
        let link = |(provider, channel)| {
            let link = Link {
                client: RiskProviderClient::new(channel),
                turn: Turn::new(()),
                places: Semaphore::new(WAITING),
                breaker: Mutex::default(),
            };
            (provider, link)
        };
        Self(channels.into_iter().map(link).collect())
    }
}

impl Coordinator {
    /// Asks every provider that the policy names, is configured, and has not said anything lately about this destination. Returns
    /// when all answered, failed, or took too long.
    pub(crate) async fn ask_about(&self, chain_id: ChainId, destination: Address) {
        let about = About { chain_id, destination };
        let due = self.due(about).await.unwrap_or_default();
        let asks = due.iter().filter_map(|provider| {
            let link = self.risk_providers.0.get(provider)?;
            Some(self.ask_in_turn(provider, link, about))
        });
        if timeout(WITHIN, futures::future::join_all(asks)).await.is_err() {
            tracing::warn!(%destination, "some risk providers did not answer in time");
        }
    }

    /// Providers whose newest report about it is half as old as counts, or older: a decision that comes later should find it
    /// young.
    async fn due(&self, about: About) -> Result<Vec<ProviderId>, LogFailed> {
        let now = self.clock.now();
        let reader = self.book.read().await?;
        let state = reader.state();
        let Some(terms) = state.policy().exposure() else { return Ok(Vec::new()) };
        let half = terms.max_age.0 / 2;
        let young = |provider: &&ProviderId| {
            let known = state.exposure_report(provider, about.chain_id, &about.destination);
            known.is_some_and(|report| now.0.saturating_sub(report.observed_at_ms.0) < half)
        };
        Ok(terms.providers.iter().filter(|provider| !young(provider)).cloned().collect())
    }

    async fn ask_in_turn(&self, provider: &ProviderId, link: &Link, about: About) {
        let Ok(_place) = link.places.try_acquire() else { return count(provider, "busy") };
        if link.rests() {
            return count(provider, "resting");
        }
        let _turn = link.turn.lock().await;
        // Whoever was before may have asked the same, or found out that nobody answers.
        let due = self.due(about).await.unwrap_or_default();
        if !due.contains(provider) || link.rests() {
            return;
        }
        let asked = timeout(ANSWER_WITHIN, self.ask(provider, link, about)).await;
        match asked.unwrap_or(Err(AskError::Late)) {
            Ok(()) => {
                link.lock().answered();
                count(provider, "reported");
            }
            Err(error) => {
                tracing::warn!(%provider, error = cause(&error), "a risk provider did not report");
                link.lock().failed(Instant::now());
                count(provider, "failed");
            }
        }
    }

    async fn ask(&self, provider: &ProviderId, link: &Link, about: About) -> Result<(), AskError> {
        let request = v1::AssessDestinationRequest {
            cluster: self.book.read().await?.state().cluster().to_string(),
            chain_id: about.chain_id.0,
            destination: about.destination.to_string(),
        };
        let answer = link.client.clone().assess_destination(request).await.map_err(Box::new)?;
        let (envelope, report) = report_in(&answer.into_inner().envelope)?;
        if (&report.provider, report.chain_id, report.destination)
            != (provider, about.chain_id, about.destination)
        {
            return Err(AskError::AnotherReport);
        }
        self.catch_up(provider, link, report.sequence).await?;
        self.sequencer.propose(envelope).await?;
        // A replayed report is in the log already and says nothing new.
        if self.due(about).await?.contains(provider) { Err(AskError::Repeated) } else { Ok(()) }
    }

    /// Reports that were signed and never logged, for example because this process was killed in between.
    async fn catch_up(&self, provider: &ProviderId, link: &Link, until: u64) -> Result<(), AskError> {
        let mut left = LOST;
        loop {
            let next = self.book.read().await?.state().next_sequence(provider);
            if next >= until {
                return Ok(());
            }
            let request = v1::RepeatReportsRequest { from_sequence: next };
            let answer = link.client.clone().repeat_reports(request).await.map_err(Box::new)?;
            let lost = answer.into_inner().envelopes;
            left = left.checked_sub(lost.len().max(1)).ok_or(AskError::Lost { from: next })?;
            for bytes in lost {
                let (envelope, _) = report_in(&bytes)?;
                match self.sequencer.propose(envelope).await {
                    // Refused for good, and its number with it: the ones after it follow.
                    Ok(_) | Err(ProposeError::Rejected { logged: Some(_), .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if self.book.read().await?.state().next_sequence(provider) == next {
                return Err(AskError::Lost { from: next });
            }
        }
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the breaker is open. When it rested long enough, one request may try: the turn lets no other one in before it knows.
    fn rests(&self) -> bool {
        self.lock().is_open(Instant::now())
    }
}

fn report_in(bytes: &[u8]) -> Result<(Envelope, ExposureReport), AskError> {
    let bytes = bounded_envelope(bytes).map_err(|_| AskError::NoReport)?;
    let envelope = Envelope::parse(bytes)?;
    if envelope.payload_type != PayloadKind::ExposureReport.payload_type() {
        return Err(AskError::NoReport);
    }
    let report = serde_json::from_slice(&envelope.payload).map_err(|_| AskError::NoReport)?;
    Ok((envelope, report))
}

fn count(provider: &ProviderId, result: &'static str) {
    let provider = provider.to_string();
    metrics::counter!("holdfast_risk_provider_asks_total", "provider" => provider, "result" => result)
        .increment(1);
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
