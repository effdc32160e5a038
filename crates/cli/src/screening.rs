//! `holdfast screening`: the lists of addresses that nobody may pay, their versions, and how they change.
//!
//! What is proposed is made of the file that was read here and of the log that was verified here. The coordinator only passes it
//! on: officers sign the hashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use holdfast_chains::Address;
use holdfast_ledger::{
    ListRecord, ListVersion, ScreeningPart, ScreeningProposal, ScreeningUpdate, State, StatementBody,
    WaitingUpdate,
};
use holdfast_policy::{CalendarDate, ListId, MAX_LIST_BYTES, ScreeningDelta, ScreeningList};
use holdfast_proto::v1;
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use serde_json::json;
use tokio::time::timeout;

use crate::ceremony;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::officer;
use crate::output::Answer;
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::{Expiring, Lines, Signing};

/// How long an emergency waits for the log, which tells whether a rule asks the list.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Addresses that a difference shows on the screen, of each kind.
const SHOWN: usize = 20;

/// Keep the lists of addresses that may not be paid
#[derive(Subcommand, Debug)]
pub(crate) enum ScreeningCommand {
    /// List the screening lists in force, from the log
    List,
    /// Show a list's versions and what single officers added, from the log
    Show(ShowArgs),
    /// Compare a file with the list in force: what an update with it would add and remove
    Diff(DiffArgs),
    /// Upload what a file adds and removes, and propose it as the list's next version
    ///
    /// An update that only adds needs the quorum `extend-screening-list`; one that removes anything needs `reduce-screening-list`.
    Propose(ProposeArgs),
    /// Add an address at once, at the nodes themselves: one officer is enough
    ///
    /// From then on nobody pays it. It stays until the list names it itself or a quorum lifts it.
    AddNow(AddNowArgs),
    /// Propose to take off a list what single officers added
    Lift(LiftArgs),
}

/// What to show.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// The list's name
    list: ListId,
    /// Write the version in force to this file, in its one form: `sha256sum` of it is the list's hash
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
}

/// What to compare.
#[derive(Args, Clone, Debug)]
pub(crate) struct DiffArgs {
    /// The list's name
    list: ListId,
    /// One address a line, as its publisher writes them
    file: PathBuf,
}

/// A next version.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProposeArgs {
    /// The list's name; a new one makes a new list
    list: ListId,
    /// One address a line, as its publisher writes them: all of them, not only those that are new
    file: PathBuf,
    /// Who published it; as the version before if absent
    #[arg(long)]
    source: Option<String>,
    /// The day it was published, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = date)]
    as_of: CalendarDate,
    #[command(flatten)]
    signing: Expiring,
}

/// An addition.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddNowArgs {
    /// The list's name
    list: ListId,
    /// The address, with its EIP-55 checksum
    address: String,
    /// Nodes to tell: a node's name or NAME=HOST:PORT; all nodes of the profile if absent
    #[arg(long = "node", value_name = "NODE", num_args = 1..)]
    nodes: Vec<String>,
    #[command(flatten)]
    signing: Signing,
}

/// What to take off.
#[derive(Args, Clone, Debug)]
pub(crate) struct LiftArgs {
    /// The list's name
    list: ListId,
    /// The addresses, with their EIP-55 checksums
    #[arg(required = true)]
    addresses: Vec<String>,
    #[command(flatten)]
    signing: Expiring,
}

fn date(text: &str) -> Result<CalendarDate, String> {
    CalendarDate::parse(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(session: &Session, command: &ScreeningCommand) -> Result<Answer, Failure> {
    match command {
        ScreeningCommand::List => Ok(listed(&replica::download(session).await?)),
        ScreeningCommand::Show(args) => shown(&replica::download(session).await?, args),
        ScreeningCommand::Diff(args) => diff(&replica::download(session).await?, args),
        ScreeningCommand::Propose(args) => propose(session, args).await,
        ScreeningCommand::AddNow(args) => add_now(session, args).await,
        ScreeningCommand::Lift(args) => lift(session, args).await,
    }
}

fn listed(replica: &LocalReplica) -> Answer {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "list",
        "version",
        "addresses",
        "added now",
        "as of",
        "sha256",
    ]);
    let mut rows = Vec::new();
    for (list, record) in replica.state().screening_lists() {
        let version = record.versions.last().map_or(0, |version| version.version);
        table.add_row([
            list.id().to_string(),
            version.to_string(),
            list.len().to_string(),
            record.urgent.len().to_string(),
            list.as_of().to_string(),
            list.hash().to_string(),
        ]);
        rows.push(json!({"list": list.id(), "version": version, "addresses": list.len(),
            "added_now": record.urgent.len(), "as_of": list.as_of(), "source": list.source(), "sha256": list.hash()}));
    }
    let waiting: Vec<_> = replica.state().waiting_screening_updates().map(waiting).collect();
    let text =
        format!("{table}\nupdates that wait for officers: {}\n({})", waiting.len(), replica.provenance());
    Answer::new(json!({"lists": rows, "waiting": waiting}), text)
}

fn waiting(waiting: &WaitingUpdate) -> serde_json::Value {
    let update = &waiting.update;
    json!({"list": update.list, "version": update.version.saturating_add(1), "sha256": update.result,
        "added": update.added, "removed": update.removed, "parts": waiting.parts(), "complete": waiting.is_complete()})
}

fn shown(replica: &LocalReplica, args: &ShowArgs) -> Result<Answer, Failure> {
    let (list, record) = find(replica.state(), &args.list)?;
    if let Some(path) = &args.text {
        files::write(path, list.text().as_bytes())?;
    }
    let ListRecord { versions, urgent, .. } = record;
    let json = json!({"list": list.id(), "source": list.source(), "as_of": list.as_of(), "sha256": list.hash(),
        "addresses": list.len(), "versions": versions, "added_now": urgent});
    let line = |version: &ListVersion| {
        let by = version.ceremony.map_or_else(|| "genesis".to_owned(), |ceremony| ceremony.to_string());
        format!(
            "  {} {} as of {}: {} addresses, +{} -{}, from tree size {} by {by}\n",
            version.version,
            version.sha256,
            version.as_of,
            version.addresses,
            version.added,
            version.removed,
            version.in_force_from
        )
    };
    let versions: String = versions.iter().map(line).collect();
    let urgent: String = urgent
        .iter()
        .map(|(address, by)| format!("  {address} by `{}` at {}\n", by.officer, by.time))
        .collect();
    let urgent =
        if urgent.is_empty() { String::new() } else { format!("added by single officers:\n{urgent}") };
    let text =
        format!("{} ({})\nversions:\n{versions}{urgent}({})", list.id(), list.source(), replica.provenance());
    Ok(Answer::new(json, text))
}

fn diff(replica: &LocalReplica, args: &DiffArgs) -> Result<Answer, Failure> {
    let (base, _) = find(replica.state(), &args.list)?;
    let next = read(&args.list, base.source(), base.as_of().clone(), &args.file)?;
    let delta = ScreeningDelta::between(base, &next);
    let side = |sign: char, ethereum: &[Address], others: &[String]| {
        let all = ethereum.iter().map(ToString::to_string).chain(others.iter().cloned());
        let lines: String = all.take(SHOWN).map(|address| format!("{sign} {address}\n")).collect();
        let more = ethereum.len().saturating_add(others.len()).saturating_sub(SHOWN);
        if more > 0 { format!("{lines}{sign} and {more} more\n") } else { lines }
    };
    let quorum = if delta.count_removed() == 0 { "extend-screening-list" } else { "reduce-screening-list" };
    let text = format!(
        "{}{}{} added, {} removed: {} addresses, sha256 {}\nneeds the quorum `{quorum}`\n({})",
        side('+', &delta.added, &delta.other_added),
        side('-', &delta.removed, &delta.other_removed),
        delta.count_added(),
        delta.count_removed(),
        next.len(),
        next.hash(),
        replica.provenance()
    );
    let json = json!({"list": args.list, "replaces": base.hash(), "sha256": next.hash(), "addresses": next.len(),
        "added": delta.count_added(), "removed": delta.count_removed(), "quorum": quorum, "delta": delta.hash()});
    Ok(Answer::new(json, text))
}

/// What officers will sign names the hash of the very addresses that were read here.
async fn propose(session: &Session, args: &ProposeArgs) -> Result<Answer, Failure> {
    let mut replica = replica::download(session).await?;
    let (update, delta) = update_of(session, replica.state(), args)?;
    if !waits(replica.state(), &update) {
        replica = upload(session, &args.signing.signing(), &update, &delta).await?;
    }
    let ScreeningUpdate { list, version, replaces, result, delta, added, removed, .. } = update;
    let body = ScreeningProposal { list, version, replaces, result, delta, added, removed };
    ceremony::propose(session, &args.signing.signing(), &replica, StatementBody::ProposeScreening(body)).await
}

fn update_of(
    session: &Session,
    state: &State,
    args: &ProposeArgs,
) -> Result<(ScreeningUpdate, ScreeningDelta), Failure> {
    let known = state.screening_list(&args.list);
    let source = match (&args.source, known) {
        (Some(source), _) => source.clone(),
        (None, Some((list, _))) => list.source().to_owned(),
        (None, None) => return Err(Failure::usage("a new list needs `--source`: who published it")),
    };
    let next = read(&args.list, &source, args.as_of.clone(), &args.file)?;
    let nobody = ScreeningList::nobody(args.list.clone(), &source, args.as_of.clone())
        .map_err(|error| Failure::new(Exit::Usage, error.code(), error.to_string()))?;
    let delta = ScreeningDelta::between(known.map_or(&nobody, |(list, _)| list), &next);
    if delta.is_empty() {
        let message =
            format!("`{}` names exactly the addresses of the version in force", args.file.display());
        return Err(Failure::usage(message));
    }
    let cluster = session.genesis.document.cluster.clone();
    let version = known.and_then(|(_, record)| record.versions.last());
    let parts = ScreeningPart::all(&cluster, &delta).len();
    let update = ScreeningUpdate {
        cluster,
        list: args.list.clone(),
        source,
        as_of: args.as_of.to_string(),
        version: version.map_or(0, |version| version.version),
        replaces: version.map(|version| version.sha256),
        result: next.hash(),
        delta: delta.hash(),
        added: delta.count_added(),
        removed: delta.count_removed(),
        parts: u32::try_from(parts).map_err(|_| Failure::usage("the update has too many parts"))?,
    };
    Ok((update, delta))
}

/// What a run before this one uploaded is not uploaded again.
async fn upload(
    session: &Session,
    signing: &Signing,
    update: &ScreeningUpdate,
    delta: &ScreeningDelta,
) -> Result<LocalReplica, Failure> {
    let channel = session.coordinator(&signing.who(session)?).await?;
    let mut client = CeremonyServiceClient::new(channel);
    let parts = ScreeningPart::all(&update.cluster, delta);
    let bar = session.output.bar(u64::from(update.parts).saturating_add(1), "uploading");
    let mut payloads = vec![serde_json::to_vec(update)];
    payloads.extend(parts.iter().map(serde_json::to_vec));
    for payload in payloads {
        let payload = payload.map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
        client.upload_screening(v1::UploadScreeningRequest { payload }).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let missing = "the coordinator took the update, but its log does not show all of it";
    replica::download_until(session, missing, |state| waits(state, update)).await
}

fn waits(state: &State, update: &ScreeningUpdate) -> bool {
    state.waiting_screening_updates().any(|waiting| waiting.update == *update && waiting.is_complete())
}

/// Needs neither the coordinator nor the log: the statement says all by itself. Where the log can be read, a list that no rule asks
/// is refused: an officer would think that the address is stopped.
async fn add_now(session: &Session, args: &AddNowArgs) -> Result<Answer, Failure> {
    let address = address(&args.address)?;
    match timeout(READ_WITHIN, replica::download(session)).await {
        Ok(Ok(replica)) => check_named(replica.state(), &args.list)?,
        Ok(Err(_)) | Err(_) => session.output.notice(&format!(
            "WARNING: the log cannot be read, so it is not checked that a rule of the policy names `{}`\nif none does, nodes refuse the address until the log names it, and restored nodes do not: holdfast policy show",
            args.list
        )),
    }
    let body = StatementBody::AddToScreeningList { list: args.list.clone(), address };
    officer::deliver(session, &args.signing, &Lines::unread(Vec::new()), body, &args.nodes).await
}

fn check_named(state: &State, list: &ListId) -> Result<(), Failure> {
    let named = state.policy().screening_lists();
    if named.contains(list) {
        return Ok(());
    }
    let named: Vec<_> = named.into_iter().map(|list| format!("`{list}`")).collect();
    let lists = if named.is_empty() { "no list".to_owned() } else { named.join(", ") };
    let message = format!(
        "no rule of the policy in force asks the screening list `{list}`: an address on it is paid all the same"
    );
    Err(Failure::new(Exit::Refused, "LIST_NOT_NAMED", message)
        .next(format!("add it to a list that the policy names: it names {lists}; to stop a wallet: holdfast officer pause WALLET")))
}

async fn lift(session: &Session, args: &LiftArgs) -> Result<Answer, Failure> {
    let mut addresses = args.addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    let replica = replica::download(session).await?;
    find(replica.state(), &args.list)?;
    let body = StatementBody::ProposeScreeningLift { list: args.list.clone(), addresses };
    ceremony::propose(session, &args.signing.signing(), &replica, body).await
}

fn find<'a>(state: &'a State, list: &ListId) -> Result<(&'a ScreeningList, &'a ListRecord), Failure> {
    state.screening_list(list).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "UNKNOWN_SCREENING_LIST",
            format!("no screening list `{list}` is in force"),
        )
        .next("holdfast screening list")
    })
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()))
}

fn read(list: &ListId, source: &str, as_of: CalendarDate, path: &Path) -> Result<ScreeningList, Failure> {
    let length = fs::metadata(path).map_err(|error| files::io("read", path, &error))?.len();
    if usize::try_from(length).map_or(true, |length| length > MAX_LIST_BYTES) {
        return Err(Failure::usage(format!(
            "`{}` has {length} bytes, at most {MAX_LIST_BYTES}",
            path.display()
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| files::io("read", path, &error))?;
    ScreeningList::parse(list.clone(), source, as_of, &text)
        .map_err(|error| Failure::new(Exit::Usage, error.code(), format!("`{}`: {error}", path.display())))
}
