//! `holdfast fact`: what providers report about customers, their sessions and prices.

use std::time::Duration;

use clap::{Args, Subcommand};
use holdfast_chains::{Address, Amount, AssetSymbol, ChainId};
use holdfast_ledger::{
    CustomerReport, DocumentDigest, ExposureReport, IdentityReport, IdentitySubject, PayloadKind,
    PriceReport, SessionReport, State, TravelRuleReport, WithdrawalId,
};
use holdfast_policy::{
    ClusterId, CustomerRef, DeviceRef, ExposureCategory, IdentityMethod, IntentDigest, MicroUsd, Moment,
    Network, ProviderId, SessionDetails, SessionRef, TimestampMs, TravelState,
};
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
    /// Report signals of a customer's session; what is left out is unknown, not absent
    Session(Box<SessionFact>),
    /// Report since when a customer has an account
    Customer(CustomerFact),
    /// Report what one whole unit of an asset is worth
    Price(PriceFact),
    /// Report how far a destination is exposed to crime
    Exposure(ExposureFact),
    /// Attest that a customer asked for exactly one withdrawal or whitelist entry
    Identity(IdentityFact),
    /// Report how far the Travel Rule exchange about a withdrawal has come
    Travel(TravelFact),
}

/// Who reports.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Reporter {
    /// The provider that signs; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Sequence number; the next one of the provider in the log if absent
    #[arg(long, value_name = "N")]
    pub(crate) sequence: Option<u64>,
}

/// A report about a session.
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
    #[command(flatten)]
    pub(crate) details: SessionDetailFacts,
    #[command(flatten)]
    pub(crate) reporter: Reporter,
}

/// Signals of a session that a provider may know.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SessionDetailFacts {
    /// The device's pseudonym
    #[arg(long, value_name = "ID")]
    device: Option<DeviceRef>,
    /// The kind of connection
    #[arg(long, value_name = "KIND", value_parser = ["ordinary", "hosting", "vpn", "tor"])]
    network: Option<String>,
    /// Whether the session came from another country than the one before
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    country_changed: Option<bool>,
    /// How long ago the second factor was reset, or `never` if not within the provider's memory
    #[arg(long, value_name = "AGO", value_parser = ago)]
    second_factor_reset_ago: Option<Ago>,
    /// How long ago the password was reset, or `never`
    #[arg(long, value_name = "AGO", value_parser = ago)]
    password_reset_ago: Option<Ago>,
    /// How long ago the e-mail address was changed, or `never`
    #[arg(long, value_name = "AGO", value_parser = ago)]
    email_changed_ago: Option<Ago>,
    /// How long ago the session's API key was made, or `never` if it has none
    #[arg(long, value_name = "AGO", value_parser = ago)]
    api_key_made_ago: Option<Ago>,
}

impl SessionDetailFacts {
    fn at(&self, now: TimestampMs) -> SessionDetails {
        let moment = |ago: Option<Ago>| ago.map(|ago| ago.before(now));
        SessionDetails {
            device: self.device.clone(),
            network: self.network.as_deref().and_then(network),
            country_changed: self.country_changed,
            second_factor_reset_at: moment(self.second_factor_reset_ago),
            password_reset_at: moment(self.password_reset_ago),
            email_changed_at: moment(self.email_changed_ago),
            api_key_made_at: moment(self.api_key_made_ago),
        }
    }
}

fn network(name: &str) -> Option<Network> {
    match name {
        "ordinary" => Some(Network::Ordinary),
        "hosting" => Some(Network::Hosting),
        "vpn" => Some(Network::Vpn),
        "tor" => Some(Network::Tor),
        _ => None,
    }
}

/// How long ago something happened; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ago(Option<Duration>);

impl Ago {
    fn before(self, now: TimestampMs) -> Moment {
        self.0.map_or(Moment::NotLately, |span| Moment::At(clock::before(now, span)))
    }
}

fn ago(text: &str) -> Result<Ago, String> {
    match text {
        "never" => Ok(Ago(None)),
        _ => clock::parse_duration(text).map(|span| Ago(Some(span))),
    }
}

/// A report about an account.
#[derive(Args, Clone, Debug)]
pub(crate) struct CustomerFact {
    /// The customer's pseudonym, as in withdrawal requests
    #[arg(long)]
    customer: CustomerRef,
    /// How long ago the account was opened
    #[arg(long, value_name = "AGO", value_parser = clock::parse_duration)]
    opened_ago: Duration,
    /// How long ago the last sign of life was, for an account that is older than this log
    #[arg(long, value_name = "AGO", value_parser = clock::parse_duration)]
    last_active_ago: Option<Duration>,
    #[command(flatten)]
    reporter: Reporter,
}

/// A report about a price.
#[derive(Args, Clone, Debug)]
pub(crate) struct PriceFact {
    /// The asset's symbol, as in the registry
    #[arg(long)]
    pub(crate) asset: AssetSymbol,
    /// US dollars for one whole unit, with at most six decimals
    #[arg(long, value_name = "USD", value_parser = micro_usd)]
    pub(crate) usd: MicroUsd,
    #[command(flatten)]
    pub(crate) reporter: Reporter,
}

/// An attestation.
#[derive(Args, Clone, Debug)]
pub(crate) struct IdentityFact {
    /// What the customer confirmed: id of a withdrawal (`w-...`) or of a whitelist entry (`e-...`)
    #[arg(long, value_name = "ID")]
    pub(crate) subject: IdentitySubject,
    /// SHA-256 of the request that the customer was shown; that of the subject in the log if absent
    #[arg(long, value_name = "HEX")]
    pub(crate) intent: Option<IntentDigest>,
    /// The customer's pseudonym; that of the subject in the log if absent
    #[arg(long)]
    pub(crate) customer: Option<CustomerRef>,
    /// How the customer was identified, by a name that the policy lists
    #[arg(long)]
    pub(crate) method: IdentityMethod,
    /// How sure the provider is
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) score: u8,
    /// Pseudonym of the session in which it happened
    #[arg(long)]
    pub(crate) session: SessionRef,
    #[command(flatten)]
    pub(crate) reporter: Reporter,
}

/// A report about a destination.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExposureFact {
    /// The destination, with its EIP-55 checksum
    #[arg(long)]
    pub(crate) address: String,
    /// EIP-155 chain id
    #[arg(long, default_value_t = 1)]
    pub(crate) chain_id: u64,
    /// 0, nothing known against it, to 100
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) score: u8,
    /// What it is exposed to, for example `mixer`
    #[arg(long)]
    pub(crate) category: ExposureCategory,
    /// How many transfers lie between it and the crime
    #[arg(long)]
    pub(crate) hops: Option<u8>,
    #[command(flatten)]
    pub(crate) reporter: Reporter,
}

/// A report about a Travel Rule exchange. The message itself stays with the provider: only its salted hash is reported.
#[derive(Args, Clone, Debug)]
pub(crate) struct TravelFact {
    /// Id of the withdrawal (`w-...`)
    #[arg(long)]
    pub(crate) withdrawal: WithdrawalId,
    /// `not-required`, `accepted`, `sent`, `required` or `rejected`
    #[arg(long, value_parser = travel_state)]
    pub(crate) state: TravelState,
    /// SHA-256 of the salted message or proof, 64 hexadecimal digits
    #[arg(long, value_name = "SHA256")]
    pub(crate) message: DocumentDigest,
    #[command(flatten)]
    pub(crate) reporter: Reporter,
}

fn travel_state(text: &str) -> Result<TravelState, String> {
    let state = TravelState::ALL.into_iter().find(|state| state.name() == text);
    state.ok_or_else(|| "use `not-required`, `accepted`, `sent`, `required` or `rejected`".to_owned())
}

fn micro_usd(text: &str) -> Result<MicroUsd, String> {
    let amount = Amount::parse_units(text, 6).map_err(|error| error.to_string())?;
    match amount.to_u64() {
        Some(price) if price > 0 => Ok(MicroUsd(price)),
        Some(_) | None => Err("a price is above 0 and below 18,446,744,073,709 US dollars".to_owned()),
    }
}

/// Whatever is reported.
#[derive(Clone, Copy, Debug)]
enum Fact<'a> {
    Session(&'a SessionFact),
    Customer(&'a CustomerFact),
    Price(&'a PriceFact),
    Exposure(&'a ExposureFact, Address),
    Identity(&'a IdentityFact, &'a Intended),
    /// With the digest of the withdrawal's intent, from the log.
    Travel(&'a TravelFact, [u8; 32]),
}

/// What an attestation is bound to.
#[derive(Clone, Debug)]
struct Intended {
    customer: CustomerRef,
    intent: IntentDigest,
    subject: String,
}

impl Fact<'_> {
    fn reporter(&self) -> &Reporter {
        match self {
            Self::Session(fact) => &fact.reporter,
            Self::Customer(fact) => &fact.reporter,
            Self::Price(fact) => &fact.reporter,
            Self::Exposure(fact, _) => &fact.reporter,
            Self::Identity(fact, _) => &fact.reporter,
            Self::Travel(fact, _) => &fact.reporter,
        }
    }

    fn about(&self) -> String {
        match self {
            Self::Session(fact) => fact.customer.to_string(),
            Self::Customer(fact) => fact.customer.to_string(),
            Self::Price(fact) => fact.asset.to_string(),
            Self::Exposure(fact, _) => fact.address.clone(),
            Self::Identity(_, intended) => intended.subject.clone(),
            Self::Travel(fact, _) => fact.withdrawal.to_string(),
        }
    }

    fn payload(
        &self,
        cluster: ClusterId,
        provider: ProviderId,
        sequence: u64,
    ) -> (PayloadKind, serde_json::Result<Vec<u8>>) {
        let observed_at_ms = clock::now();
        match self {
            Self::Session(fact) => {
                let report = SessionReport {
                    cluster,
                    provider,
                    sequence,
                    customer: fact.customer.clone(),
                    observed_at_ms,
                    new_device: fact.new_device,
                    second_factor_reset: fact.second_factor_reset,
                    details: fact.details.at(observed_at_ms),
                };
                (PayloadKind::SessionReport, serde_json::to_vec(&report))
            }
            Self::Customer(fact) => {
                let report = CustomerReport {
                    cluster,
                    provider,
                    sequence,
                    customer: fact.customer.clone(),
                    opened_at_ms: clock::before(observed_at_ms, fact.opened_ago),
                    last_active_at_ms: fact.last_active_ago.map(|ago| clock::before(observed_at_ms, ago)),
                    observed_at_ms,
                };
                (PayloadKind::CustomerReport, serde_json::to_vec(&report))
            }
            Self::Price(fact) => {
                let (asset, price_micro_usd) = (fact.asset.clone(), fact.usd);
                let report =
                    PriceReport { cluster, provider, sequence, asset, price_micro_usd, observed_at_ms };
                (PayloadKind::PriceReport, serde_json::to_vec(&report))
            }
            Self::Exposure(fact, destination) => {
                let report = ExposureReport {
                    cluster,
                    provider,
                    sequence,
                    chain_id: ChainId(fact.chain_id),
                    destination: *destination,
                    score: fact.score,
                    category: fact.category.clone(),
                    hops: fact.hops,
                    observed_at_ms,
                };
                (PayloadKind::ExposureReport, serde_json::to_vec(&report))
            }
            Self::Identity(fact, intended) => {
                let report = intended.attested(fact, cluster, provider, sequence, observed_at_ms);
                (PayloadKind::IdentityAttestation, serde_json::to_vec(&report))
            }
            Self::Travel(fact, intent) => {
                let report = TravelRuleReport {
                    cluster,
                    provider,
                    sequence,
                    withdrawal: fact.withdrawal,
                    intent: *intent,
                    state: fact.state,
                    message: fact.message,
                    observed_at_ms,
                };
                (PayloadKind::TravelRuleReport, serde_json::to_vec(&report))
            }
        }
    }
}

impl Intended {
    fn attested(
        &self,
        fact: &IdentityFact,
        cluster: ClusterId,
        provider: ProviderId,
        sequence: u64,
        observed_at_ms: TimestampMs,
    ) -> IdentityReport {
        IdentityReport {
            cluster,
            provider,
            sequence,
            customer: self.customer.clone(),
            subject: fact.subject.clone(),
            intent: self.intent,
            method: fact.method.clone(),
            score: fact.score,
            session: fact.session.clone(),
            observed_at_ms,
        }
    }
}

pub(crate) async fn run(session: &Session, command: &FactCommand) -> Result<Answer, Failure> {
    match command {
        FactCommand::Session(fact) => report(session, fact).await,
        FactCommand::Customer(fact) => logged(session, Fact::Customer(fact)).await,
        FactCommand::Price(fact) => logged(session, Fact::Price(fact)).await,
        FactCommand::Exposure(fact) => {
            let destination = Address::parse(&fact.address)
                .map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()))?;
            logged(session, Fact::Exposure(fact, destination)).await
        }
        FactCommand::Identity(fact) => {
            let intended = intended(session, fact).await?;
            logged(session, Fact::Identity(fact, &intended)).await
        }
        FactCommand::Travel(fact) => travel(session, fact).await,
    }
}

/// The intent is the log's, so that a report cannot be about another one by mistake.
async fn travel(session: &Session, fact: &TravelFact) -> Result<Answer, Failure> {
    let known = |state: &State| state.withdrawal(&fact.withdrawal).is_some();
    let replica = replica::look_up(session, known).await?;
    let withdrawal = replica.state().withdrawal(&fact.withdrawal).ok_or_else(|| {
        let message = format!("the log has no withdrawal `{}`", fact.withdrawal);
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", message)
    })?;
    logged(session, Fact::Travel(fact, withdrawal.request_digest)).await
}

pub(crate) async fn report(session: &Session, fact: &SessionFact) -> Result<Answer, Failure> {
    logged(session, Fact::Session(fact)).await
}

/// What the log says about the subject, where the provider does not say it itself. A real provider takes both from what it
/// showed the customer.
async fn intended(session: &Session, fact: &IdentityFact) -> Result<Intended, Failure> {
    let subject = fact.subject.to_string();
    if let (Some(customer), Some(intent)) = (&fact.customer, fact.intent) {
        return Ok(Intended { customer: customer.clone(), intent, subject });
    }
    let replica = replica::look_up(session, |state| known_intent(state, &fact.subject).is_some()).await?;
    let (customer, intent) = known_intent(replica.state(), &fact.subject).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_SUBJECT", format!("the log has no request `{subject}`"))
    })?;
    let customer = fact.customer.clone().unwrap_or(customer);
    Ok(Intended { customer, intent: fact.intent.unwrap_or(intent), subject })
}

fn known_intent(state: &State, subject: &IdentitySubject) -> Option<(CustomerRef, IntentDigest)> {
    match subject {
        IdentitySubject::Withdrawal(id) => {
            let known = state.withdrawal(id)?;
            Some((known.request.customer.clone(), IntentDigest::from_bytes(known.request_digest)))
        }
        IdentitySubject::WhitelistEntry(id) => {
            let known = state.requested_entry(id)?;
            Some((known.request.customer.clone(), known.intent))
        }
    }
}

async fn logged(session: &Session, fact: Fact<'_>) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Provider, fact.reporter().provider.as_deref())?;
    let mut attempt = 1;
    loop {
        match report_next(session, &who, fact).await {
            // The provider's newest report is logged and not cosigned yet, so the replica has not shown its sequence: whether it was taken
            // or refused, the number is used up, and this one was not logged.
            Err(failure)
                if (failure.reason() == "ALREADY_RECORDED" || failure.is_about("sequence"))
                    && fact.reporter().sequence.is_none()
                    && attempt < ATTEMPTS =>
            {
                attempt = attempt.saturating_add(1);
                sleep(RETRY_EVERY).await;
            }
            result => return result,
        }
    }
}

async fn report_next(session: &Session, who: &Who, fact: Fact<'_>) -> Result<Answer, Failure> {
    let provider = ProviderId::new(who.name.clone()).map_err(|error| Failure::usage(error.to_string()))?;
    let sequence = match fact.reporter().sequence {
        Some(sequence) => sequence,
        None => next_sequence(session, &provider).await?,
    };
    let cluster = session.genesis.document.cluster.clone();
    let (kind, payload) = fact.payload(cluster, provider, sequence);
    let payload = payload.map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    let envelope = keys::envelope(&session.profile, who, kind.payload_type(), payload)?;
    let mut client = FactServiceClient::new(session.coordinator(who).await?);
    let request = v1::ReportFactRequest { envelope: envelope.to_json() };
    let position = client.report(request).await?.into_inner().position.ok_or_else(|| {
        Failure::new(
            Exit::Other,
            "POSITION_MISSING",
            "the coordinator did not say where the report was logged",
        )
    })?;
    let about = fact.about();
    let text =
        format!("report {sequence} of `{}` about `{about}` is entry {} of the log", who.name, position.index);
    let json = json!({"provider": who.name, "about": about, "sequence": sequence,
        "position": {"index": position.index, "time_ms": position.time_ms}});
    Ok(Answer::new(json, text))
}

async fn next_sequence(session: &Session, provider: &ProviderId) -> Result<u64, Failure> {
    let replica = replica::download(session)
        .await
        .map_err(|failure| failure.next("without the log, pass the sequence number with `--sequence N`"))?;
    Ok(replica.state().next_sequence(provider))
}
