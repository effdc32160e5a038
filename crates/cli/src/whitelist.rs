//! `holdfast whitelist`: propose, revoke and list destinations.

use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_ledger::{
    PayloadKind, RequestedEntry, State, StatementBody, WhitelistProposal, WhitelistRequest,
    WhitelistRevocation,
};
use holdfast_policy::{
    ClientId, CustomerRef, EntryOwner, EntryStatus, TimestampMs, WhitelistEntry, WhitelistEntryId,
    WhitelistTerms,
};
use holdfast_proto::v1;
use holdfast_proto::v1::whitelist_service_client::WhitelistServiceClient;
use holdfast_transport::Role;
use serde_json::{Value, json};

use crate::ceremony;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::officer;
use crate::output::Answer;
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::{Expiring, Lines, Signing, until};

const DAY_MS: u64 = 86_400_000;

/// Keep the list of destinations that may be paid
#[derive(Subcommand, Debug)]
pub(crate) enum WhitelistCommand {
    /// Propose an entry: it is added when its quorum has approved the ceremony
    Add(AddArgs),
    /// Revoke an entry at the nodes themselves, without the coordinator: one officer is enough
    Revoke(RevokeArgs),
    /// List entries, from the log
    List {
        /// Only entries of this address
        #[arg(long)]
        address: Option<String>,
        /// Only entries that stop to count within so many days, to renew them in time
        #[arg(long, value_name = "DAYS")]
        expiring_within: Option<u32>,
        /// Requests that wait for their customers instead of entries
        #[arg(long, conflicts_with = "expiring_within")]
        requested: bool,
    },
    /// Ask for an entry of a customer, as a client: it is added when the customer confirms it
    Request(RequestArgs),
    /// Take back everything that this client asked for at an entry's destination and customer, at once
    TakeBack(TakeBackArgs),
}

/// A proposal.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddArgs {
    /// Destination: in lower case, in upper case, or with the right EIP-55 checksum
    pub(crate) address: String,
    /// EIP-155 chain id
    #[arg(long, default_value_t = 1)]
    pub(crate) chain_id: u64,
    /// Assets that may be sent to it; every registered asset of the chain if absent
    #[arg(long = "asset", value_name = "SYMBOL")]
    pub(crate) assets: Vec<String>,
    /// The customer whose address it is; a house entry, for every withdrawal, if absent
    #[arg(long)]
    pub(crate) customer: Option<CustomerRef>,
    /// How long the entry is valid, for example 30d
    #[arg(long, value_name = "DURATION", value_parser = clock::parse_duration)]
    pub(crate) expires_in: Duration,
    /// Not valid before this much time has passed (the policy's cooling-off applies in any case)
    #[arg(long, value_name = "DURATION", value_parser = clock::parse_duration)]
    pub(crate) valid_in: Option<Duration>,
    #[command(flatten)]
    pub(crate) signing: Expiring,
}

/// A revocation.
#[derive(Args, Clone, Debug)]
pub(crate) struct RevokeArgs {
    /// Id of the entry (`e-...`)
    id: WhitelistEntryId,
    /// Nodes to tell: a node's name or NAME=HOST:PORT; all nodes of the profile if absent
    #[arg(long = "node", value_name = "NODE", num_args = 1..)]
    nodes: Vec<String>,
    /// The entry's address, if the log cannot be read
    #[arg(long)]
    address: Option<String>,
    /// The entry's EIP-155 chain id, beside `--address`
    #[arg(long, default_value_t = 1, requires = "address")]
    chain_id: u64,
    #[command(flatten)]
    signing: Signing,
}

/// A client's request.
#[derive(Args, Clone, Debug)]
pub(crate) struct RequestArgs {
    /// Destination: in lower case, in upper case, or with the right EIP-55 checksum
    address: String,
    /// EIP-155 chain id
    #[arg(long, default_value_t = 1)]
    chain_id: u64,
    /// Assets that may be sent to it; every registered asset of the chain if absent
    #[arg(long = "asset", value_name = "SYMBOL")]
    assets: Vec<String>,
    /// The customer whose address it is
    #[arg(long)]
    customer: CustomerRef,
    /// How long the entry is valid, for example 30d
    #[arg(long, value_name = "DURATION", value_parser = clock::parse_duration)]
    expires_in: Duration,
    /// How long the customer may take to confirm
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = clock::parse_duration)]
    confirm_in: Duration,
    /// The client that asks; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
}

/// A client's revocation.
#[derive(Args, Clone, Debug)]
pub(crate) struct TakeBackArgs {
    /// Id of the entry (`e-...`)
    id: WhitelistEntryId,
    /// The client that asked for it; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
}

pub(crate) async fn run(session: &Session, command: &WhitelistCommand) -> Result<Answer, Failure> {
    match command {
        WhitelistCommand::Add(args) => add(session, args).await,
        WhitelistCommand::Revoke(args) => revoke(session, args).await,
        WhitelistCommand::List { address, expiring_within, requested } => {
            list(session, address.as_deref(), *expiring_within, *requested).await
        }
        WhitelistCommand::Request(args) => request(session, args).await,
        WhitelistCommand::TakeBack(args) => take_back(session, args).await,
    }
}

/// Proposes an entry.
pub(crate) async fn add(session: &Session, args: &AddArgs) -> Result<Answer, Failure> {
    let address = destination(&args.address)?;
    let proposal = WhitelistProposal {
        chain_id: ChainId(args.chain_id),
        address,
        assets: assets(session, args.chain_id, &args.assets)?,
        customer: args.customer.clone(),
        not_before: args.valid_in.map(until),
        expires_at: until(args.expires_in),
    };
    let replica = replica::download(session).await?;
    let body = StatementBody::ProposeWhitelistEntry(proposal);
    let signing = args.signing.signing();
    let sent = ceremony::act(session, &signing, &replica, body, async |channel, envelope| {
        WhitelistServiceClient::new(channel).add(v1::AddWhitelistEntryRequest { envelope }).await.map(drop)
    });
    ceremony::proposed(sent.await?)
}

/// In any case; a checksum that is there must be right.
fn destination(text: &str) -> Result<Address, Failure> {
    Address::parse_any_case(text)
        .map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()))
}

async fn request(session: &Session, args: &RequestArgs) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Client, args.client.as_deref())?;
    let now = clock::now();
    let request = WhitelistRequest {
        cluster: session.genesis.document.cluster.clone(),
        client: ClientId::new(&who.name).map_err(|error| Failure::usage(error.to_string()))?,
        customer: args.customer.clone(),
        chain_id: ChainId(args.chain_id),
        address: destination(&args.address)?,
        assets: assets(session, args.chain_id, &args.assets)?.into_iter().collect(),
        not_before_ms: None,
        expires_at_ms: until(args.expires_in),
        created_at_ms: now,
        confirm_by_ms: until(args.confirm_in),
    };
    let kind = PayloadKind::WhitelistRequest.payload_type();
    let envelope = keys::envelope(&session.profile, &who, kind, request.to_json())?.to_json();
    let mut client = WhitelistServiceClient::new(session.coordinator(&who).await?);
    let entry = client.request(v1::RequestWhitelistEntryRequest { envelope }).await?.into_inner();
    let intent = hex::encode(&entry.intent_digest);
    let text = format!(
        "{} for {} waits for customer `{}` to confirm intent {intent} until {}",
        entry.id, entry.address, entry.customer, request.confirm_by_ms
    );
    let json = json!({"id": entry.id, "address": entry.address, "customer": entry.customer,
        "intent_digest": intent, "confirm_by_ms": request.confirm_by_ms, "state": "requested"});
    Ok(Answer::new(json, text))
}

async fn take_back(session: &Session, args: &TakeBackArgs) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Client, args.client.as_deref())?;
    let revocation = WhitelistRevocation {
        cluster: session.genesis.document.cluster.clone(),
        client: ClientId::new(&who.name).map_err(|error| Failure::usage(error.to_string()))?,
        entry: args.id.clone(),
    };
    let payload = serde_json::to_vec(&revocation);
    let payload = payload.map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    let kind = PayloadKind::WhitelistRevocation.payload_type();
    let envelope = keys::envelope(&session.profile, &who, kind, payload)?.to_json();
    let mut client = WhitelistServiceClient::new(session.coordinator(&who).await?);
    let entry = client.revoke(v1::RevokeWhitelistEntryRequest { envelope }).await?.into_inner();
    let text =
        format!("took back what `{}` asked for at {} for `{}`", who.name, entry.address, entry.customer);
    Ok(Answer::new(json!({"id": entry.id, "address": entry.address, "customer": entry.customer}), text))
}

fn assets(session: &Session, chain_id: u64, named: &[String]) -> Result<Vec<AssetSymbol>, Failure> {
    let registered = || session.assets().iter().filter(|asset| asset.chain_id.0 == chain_id);
    let mut symbols = Vec::new();
    for text in named {
        let symbol = AssetSymbol::parse(text).map_err(|error| Failure::usage(error.to_string()))?;
        if !registered().any(|asset| asset.symbol == symbol) {
            let message = format!("`{symbol}` is not registered on chain {}", chain_id);
            return Err(Failure::new(Exit::Usage, "UNKNOWN_ASSET", message));
        }
        symbols.push(symbol);
    }
    if symbols.is_empty() {
        symbols.extend(registered().map(|asset| asset.symbol.clone()));
    }
    if symbols.is_empty() {
        let message = format!("no asset is registered on chain {}", chain_id);
        return Err(Failure::new(Exit::Usage, "UNKNOWN_CHAIN", message));
    }
    symbols.sort();
    symbols.dedup();
    Ok(symbols)
}

/// Straight to the nodes, as a pause goes: revoking must not need a coordinator. It logs what the nodes have.
async fn revoke(session: &Session, args: &RevokeArgs) -> Result<Answer, Failure> {
    let body = StatementBody::RevokeWhitelistEntry(args.id.clone());
    if let Some(text) = &args.address {
        let lines = Lines::unread(vec![
            ("chain id".to_owned(), args.chain_id.to_string()),
            ("address".to_owned(), destination(text)?.to_string()),
        ]);
        return officer::deliver(session, &args.signing, &lines, body, &args.nodes).await;
    }
    let read = replica::look_up(session, |state| find(state, &args.id).is_ok()).await;
    let replica = read.map_err(|failure| {
        failure.next(
            "without the log, pass the entry's address with `--address`: revoking then needs only the nodes",
        )
    })?;
    find(replica.state(), &args.id)?;
    officer::deliver(session, &args.signing, &replica, body, &args.nodes).await
}

async fn list(
    session: &Session,
    address: Option<&str>,
    expiring_within: Option<u32>,
    requested: bool,
) -> Result<Answer, Failure> {
    let address = address.map(destination).transpose()?;
    let replica = replica::download(session).await?;
    let (now, state) = (clock::now(), replica.state());
    if requested {
        return Ok(list_requests(&replica, address, now));
    }
    let terms = state.policy().whitelist();
    let end = expiring_within.map(|days| now.0.saturating_add(u64::from(days).saturating_mul(DAY_MS)));
    let ends_soon = |entry: &&WhitelistEntry| {
        let living = matches!(entry.status_under(terms, now), EntryStatus::Pending | EntryStatus::Active);
        end.is_none_or(|end| living && entry.ends_at(terms).0 <= end)
    };
    let wanted = |entry: &&WhitelistEntry| address.is_none_or(|address| entry.address == address);
    let mut entries: Vec<_> = state.whitelist().filter(wanted).filter(ends_soon).collect();
    if expiring_within.is_some() {
        entries.sort_by_key(|entry| entry.ends_at(terms));
    }
    let json: Vec<_> = entries.iter().map(|entry| entry_json(entry, terms, now)).collect();
    let text = format!("{}\n({})", table(&entries, terms, now), replica.provenance());
    Ok(Answer::new(json!({"entries": json, "log_size": state.size()}), text))
}

fn list_requests(replica: &LocalReplica, address: Option<Address>, now: TimestampMs) -> Answer {
    let wanted = |record: &&RequestedEntry| {
        record.is_open_at(now) && address.is_none_or(|address| record.request.address == address)
    };
    let records: Vec<_> = replica.state().requested_entries().filter(wanted).collect();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["entry", "client", "customer", "chain", "address", "confirm by"]);
    for RequestedEntry { id, request, .. } in &records {
        table.add_row([
            id.to_string(),
            request.client.to_string(),
            request.customer.to_string(),
            request.chain_id.to_string(),
            request.address.to_string(),
            request.confirm_by_ms.to_string(),
        ]);
    }
    let json = records.iter().map(|record| {
        let request = &record.request;
        json!({"id": record.id, "client": request.client, "customer": request.customer,
            "chain_id": request.chain_id, "address": request.address, "assets": request.assets,
            "expires_at_ms": request.expires_at_ms, "confirm_by_ms": request.confirm_by_ms,
            "intent_digest": record.intent})
    });
    let json: Vec<_> = json.collect();
    let shown = if records.is_empty() { "no requests".to_owned() } else { table.to_string() };
    let text = format!("{shown}\n({})", replica.provenance());
    Answer::new(json!({"requests": json, "log_size": replica.state().size()}), text)
}

/// An entry, or a request for one that its customer has not confirmed.
fn find(state: &State, id: &WhitelistEntryId) -> Result<(), Failure> {
    state.entry_place(id).map(|_| ()).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "UNKNOWN_WHITELIST_ENTRY",
            format!("the log has no whitelist entry `{id}`"),
        )
        .next("holdfast whitelist list")
    })
}

fn entry_json(entry: &WhitelistEntry, terms: &WhitelistTerms, now: TimestampMs) -> Value {
    let mut json = json!(entry);
    if let Some(object) = json.as_object_mut() {
        object.insert("status".to_owned(), json!(entry.status_under(terms, now)));
        object.insert("ends_at_ms".to_owned(), json!(entry.ends_at(terms)));
    }
    json
}

fn table(entries: &[&WhitelistEntry], terms: &WhitelistTerms, now: TimestampMs) -> String {
    if entries.is_empty() {
        return "no entries".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["entry", "status", "chain", "address", "assets", "owner", "until"]);
    for entry in entries {
        let assets: Vec<_> = entry.assets.iter().map(ToString::to_string).collect();
        let owner = match &entry.owner {
            EntryOwner::House => "house".to_owned(),
            EntryOwner::Customer(customer) => customer.to_string(),
        };
        table.add_row([
            entry.id.to_string(),
            format!("{:?}", entry.status_under(terms, now)).to_lowercase(),
            entry.chain_id.to_string(),
            entry.address.to_string(),
            assets.join(" "),
            owner,
            entry.ends_at(terms).to_string(),
        ]);
    }
    table.to_string()
}
