//! `holdfast whitelist`: propose, revoke and list destinations.

use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_ledger::{State, StatementBody, WhitelistProposal};
use holdfast_policy::{CustomerRef, EntryOwner, TimestampMs, WhitelistEntry, WhitelistEntryId};
use holdfast_proto::v1;
use holdfast_proto::v1::whitelist_service_client::WhitelistServiceClient;
use serde_json::{Value, json};

use crate::ceremony;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::officer;
use crate::output::Answer;
use crate::replica;
use crate::session::Session;
use crate::statement::{Expiring, Lines, Signing, until};

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
    },
}

/// A proposal.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddArgs {
    /// Destination, with its EIP-55 checksum
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

pub(crate) async fn run(session: &Session, command: &WhitelistCommand) -> Result<Answer, Failure> {
    match command {
        WhitelistCommand::Add(args) => add(session, args).await,
        WhitelistCommand::Revoke(args) => revoke(session, args).await,
        WhitelistCommand::List { address } => list(session, address.as_deref()).await,
    }
}

/// Proposes an entry.
pub(crate) async fn add(session: &Session, args: &AddArgs) -> Result<Answer, Failure> {
    let address = address(&args.address)?;
    let proposal = WhitelistProposal {
        chain_id: ChainId(args.chain_id),
        address,
        assets: assets(session, args)?,
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

fn assets(session: &Session, args: &AddArgs) -> Result<Vec<AssetSymbol>, Failure> {
    let registered = || session.assets().iter().filter(|asset| asset.chain_id.0 == args.chain_id);
    let mut symbols = Vec::new();
    for text in &args.assets {
        let symbol = AssetSymbol::parse(text).map_err(|error| Failure::usage(error.to_string()))?;
        if !registered().any(|asset| asset.symbol == symbol) {
            let message = format!("`{symbol}` is not registered on chain {}", args.chain_id);
            return Err(Failure::new(Exit::Usage, "UNKNOWN_ASSET", message));
        }
        symbols.push(symbol);
    }
    if symbols.is_empty() {
        symbols.extend(registered().map(|asset| asset.symbol.clone()));
    }
    if symbols.is_empty() {
        let message = format!("no asset is registered on chain {}", args.chain_id);
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
            ("address".to_owned(), address(text)?.to_string()),
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

fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()))
}

async fn list(session: &Session, wanted: Option<&str>) -> Result<Answer, Failure> {
    let wanted = wanted.map(address).transpose()?;
    let replica = replica::download(session).await?;
    let now = clock::now();
    let is_wanted = |entry: &&WhitelistEntry| wanted.is_none_or(|address| entry.address == address);
    let entries: Vec<_> = replica.state().whitelist().filter(is_wanted).collect();
    let json: Vec<_> = entries.iter().map(|entry| entry_json(entry, now)).collect();
    let text = format!("{}\n({})", table(&entries, now), replica.provenance());
    Ok(Answer::new(json!({"entries": json, "log_size": replica.state().size()}), text))
}

fn find<'a>(state: &'a State, id: &WhitelistEntryId) -> Result<&'a WhitelistEntry, Failure> {
    state.whitelist().find(|entry| entry.id == *id).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "UNKNOWN_WHITELIST_ENTRY",
            format!("the log has no whitelist entry `{id}`"),
        )
        .next("holdfast whitelist list")
    })
}

fn entry_json(entry: &WhitelistEntry, now: TimestampMs) -> Value {
    let mut json = json!(entry);
    if let Some(object) = json.as_object_mut() {
        object.insert("status".to_owned(), json!(entry.status_at(now)));
    }
    json
}

fn table(entries: &[&WhitelistEntry], now: TimestampMs) -> String {
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
            format!("{:?}", entry.status_at(now)).to_lowercase(),
            entry.chain_id.to_string(),
            entry.address.to_string(),
            assets.join(" "),
            owner,
            entry.expires_at.to_string(),
        ]);
    }
    table.to_string()
}
