//! `holdfast fact`: what providers report about customers.

use std::time::Duration;

use clap::{Args, Subcommand};
use holdfast_ledger::{PayloadKind, SessionReport};
use holdfast_policy::{CustomerRef, ProviderId};
use holdfast_proto::v1;
use holdfast_proto::v1::fact_service_client::FactServiceClient;
use holdfast_transport::Role;
use serde_json::json;
use tokio::time::sleep;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::output::Answer;
use crate::profile::Who;
use crate::replica;
use crate::session::Session;

/// How often to look for the provider's next sequence number.
const ATTEMPTS: u32 = 10;
const RETRY_EVERY: Duration = Duration::from_millis(300);

/// Report facts as a registered provider
#[derive(Subcommand, Debug)]
pub(crate) enum FactCommand {
    /// Report two signals of a customer's session
    Session(SessionFact),
}

/// The report.
#[derive(Args, Clone, Debug)]
pub(crate) struct SessionFact {
    /// The customer's pseudonym, as in the withdrawal request
    #[arg(long)]
    pub(crate) customer: CustomerRef,
    /// The session runs on a device not seen before
    #[arg(long)]
    pub(crate) new_device: bool,
    /// A second factor was reset lately
    #[arg(long)]
    pub(crate) second_factor_reset: bool,
    /// The provider that signs; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Sequence number; the next one of the provider in the log if absent
    #[arg(long, value_name = "N")]
    pub(crate) sequence: Option<u64>,
}

pub(crate) async fn run(session: &Session, command: &FactCommand) -> Result<Answer, Failure> {
    match command {
        FactCommand::Session(fact) => report(session, fact).await,
    }
}

pub(crate) async fn report(session: &Session, fact: &SessionFact) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Provider, fact.provider.as_deref())?;
    let mut attempt = 1;
    loop {
        match report_next(session, &who, fact).await {
            // The provider's newest report is logged and not cosigned yet, so the replica has not shown its sequence.
            Err(failure)
                if failure.reason() == "ALREADY_RECORDED"
                    && fact.sequence.is_none()
                    && attempt < ATTEMPTS =>
            {
                attempt = attempt.saturating_add(1);
                sleep(RETRY_EVERY).await;
            }
            result => return result,
        }
    }
}

async fn report_next(session: &Session, who: &Who, fact: &SessionFact) -> Result<Answer, Failure> {
    let provider = ProviderId::new(who.name.clone()).map_err(|error| Failure::usage(error.to_string()))?;
    let sequence = match fact.sequence {
        Some(sequence) => sequence,
        None => next_sequence(session, &provider).await?,
    };
    let report = SessionReport {
        cluster: session.genesis.document.cluster.clone(),
        provider,
        sequence,
        customer: fact.customer.clone(),
        observed_at_ms: clock::now(),
        new_device: fact.new_device,
        second_factor_reset: fact.second_factor_reset,
    };
    let payload =
        serde_json::to_vec(&report).map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    let envelope = keys::envelope(&session.profile, who, PayloadKind::SessionReport.payload_type(), payload)?;
    let mut client = FactServiceClient::new(session.coordinator(who).await?);
    let request = v1::ReportFactRequest { envelope: envelope.to_json() };
    let position = client.report(request).await?.into_inner().position.ok_or_else(|| {
        Failure::new(
            Exit::Other,
            "POSITION_MISSING",
            "the coordinator did not say where the report was logged",
        )
    })?;
    let text = format!(
        "report {sequence} of `{}` about `{}` is entry {} of the log",
        who.name, fact.customer, position.index
    );
    let json = json!({"provider": who.name, "customer": fact.customer, "sequence": sequence,
        "position": {"index": position.index, "time_ms": position.time_ms}});
    Ok(Answer::new(json, text))
}

async fn next_sequence(session: &Session, provider: &ProviderId) -> Result<u64, Failure> {
    let replica = replica::download(session)
        .await
        .map_err(|failure| failure.next("without the log, pass the sequence number with `--sequence N`"))?;
    Ok(replica.state().next_sequence(provider))
}
