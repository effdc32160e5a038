//! `holdfast officer`: the officers' direct path to the nodes, and the way back.
//!
//! A pause goes straight to the nodes and needs neither coordinator nor quorum. Each node's receipt is verified here
//! with the key in the newest roster proven here; a node without a valid receipt is counted as one that does not refuse.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use holdfast_chains::Address;
use holdfast_ledger::{
    MAX_LIFTS, PauseReceipt, Roster, State, StatementBody, StatementDigest, Wallet, fingerprint,
};
use holdfast_log::Envelope;
use holdfast_policy::{ClientId, NodeId, WalletId};
use holdfast_proto::v1;
use holdfast_proto::v1::officer_service_client::OfficerServiceClient;
use serde_json::{Value, json};

use crate::binding::{self, BindingArgs, Level, Order, Subject, scope, verify_receipt};
use crate::ceremony;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::known;
use crate::output::Answer;
use crate::profile::{Server, Who};
use crate::replica;
use crate::session::Session;
use crate::statement::{Describes, Expiring, Lines, Prepared, Signing, indent};
use crate::wallet;
use crate::withdraw::hold;

mod holds;

/// Pause and resume wallets, revoke clients
#[derive(Subcommand, Debug)]
pub(crate) enum OfficerCommand {
    /// Pause a wallet at the nodes themselves, without the coordinator
    Pause(PauseArgs),
    /// Revoke a client at the nodes themselves: nothing it asked for is signed any more
    RevokeClient(RevokeClientArgs),
    /// Propose to lift the pauses of a wallet that are in force now
    Resume(ResumeArgs),
    /// List what is held: for whom it waits, which approvals are missing, until when, and who is called then
    Holds(holds::HoldsArgs),
    /// Take back your approval of a withdrawal that is not authorized yet
    ///
    /// From the log entry on that contains it the approval counts for nothing, and a withdrawal that was allowed by it is held again.
    /// Nodes learn of it through the log only. Once the withdrawal is authorized it is too late: pause the wallet.
    WithdrawApproval(hold::RejectArgs),
    /// Show how far an action binds: which nodes promised to obey it, by signatures verified here
    ///
    /// A node is held to an action by its cosignature of a log that contains it, or by a receipt that it gave an officer directly.
    /// With n - t + 1 of n nodes no coordinator can get round it; with all n, no t - 1 hostile nodes can either. Asks again
    /// until that is so or the time is up; exit code 0 says yes, 4 not yet, 1 that officers have lifted it since.
    Binding(BindingArgs),
    /// List the statements that were delivered to a node
    Statements {
        /// A node's name or NAME=HOST:PORT
        #[arg(long, value_name = "NODE")]
        node: String,
        /// Whose certificate to use; the profile's default if absent
        #[arg(long, env = "HOLDFAST_OFFICER", value_name = "NAME")]
        officer: Option<String>,
    },
}

/// A pause.
#[derive(Args, Clone, Debug)]
pub(crate) struct PauseArgs {
    /// Id of the wallet
    pub(crate) wallet: WalletId,
    /// Nodes to tell: a node's name or NAME=HOST:PORT; all nodes of the profile if absent
    #[arg(long = "node", value_name = "NODE", num_args = 1..)]
    pub(crate) nodes: Vec<String>,
    /// The wallet's address, if this machine has never seen the wallet and the log cannot be read
    #[arg(long)]
    pub(crate) address: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A revocation of a client.
#[derive(Args, Clone, Debug)]
pub(crate) struct RevokeClientArgs {
    /// The client's name
    client: ClientId,
    /// Nodes to tell: a node's name or NAME=HOST:PORT; all nodes of the profile if absent
    #[arg(long = "node", value_name = "NODE", num_args = 1..)]
    nodes: Vec<String>,
    #[command(flatten)]
    signing: Signing,
}

/// A resume ceremony.
#[derive(Args, Clone, Debug)]
pub(crate) struct ResumeArgs {
    /// Id of the wallet
    wallet: WalletId,
    /// A pause that only nodes have, by its statement's hash as `holdfast officer statements` shows it: one whose officer left
    /// before it reached the log; may be repeated
    #[arg(long, value_name = "HASH")]
    lift: Vec<StatementDigest>,
    #[command(flatten)]
    signing: Expiring,
}

pub(crate) async fn run(session: &Session, command: &OfficerCommand) -> Result<Answer, Failure> {
    match command {
        OfficerCommand::Pause(args) => pause(session, args).await,
        OfficerCommand::RevokeClient(args) => revoke_client(session, args).await,
        OfficerCommand::Resume(args) => resume(session, args).await,
        OfficerCommand::Holds(args) => holds::list(session, args).await,
        OfficerCommand::WithdrawApproval(args) => hold::withdraw_approval(session, args).await,
        OfficerCommand::Binding(args) => binding::run(session, args).await,
        OfficerCommand::Statements { node, officer } => statements(session, node, officer.as_deref()).await,
    }
}

pub(crate) async fn pause(session: &Session, args: &PauseArgs) -> Result<Answer, Failure> {
    let address = address(session, args).await?;
    let lines = Lines::unread(vec![("address".to_owned(), address.to_string())]);
    let body = StatementBody::PauseWallet(args.wallet.clone());
    deliver(session, &args.signing, &lines, body, &args.nodes).await
}

/// From the roster that this machine knows, or from the log if it does not know the client: revoking must not need a coordinator.
async fn revoke_client(session: &Session, args: &RevokeClientArgs) -> Result<Answer, Failure> {
    let body = StatementBody::RevokeClient(args.client.clone());
    let rosters = session.rosters()?;
    if let Ok(replica) = replica::download(session).await {
        return deliver(session, &args.signing, &replica, body, &args.nodes).await;
    }
    let lines = rosters.newest(&session.genesis).client_lines(&args.client).ok_or_else(|| {
        let message = format!("the roster that this machine knows has no client `{}`", args.client);
        Failure::new(Exit::NotFound, "UNKNOWN_PARTY", message).next("holdfast roster show")
    })?;
    deliver(session, &args.signing, &Lines::unread(lines), body, &args.nodes).await
}

/// From the command, from what this machine knows, or from the log, in this order: pausing must not need a coordinator.
async fn address(session: &Session, args: &PauseArgs) -> Result<Address, Failure> {
    if let Some(text) = &args.address {
        return Address::parse(text)
            .map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()));
    }
    if let Some(known) = known::wallet(&session.profile, args.wallet.as_str())? {
        return Ok(known.address);
    }
    let known = replica::look_up(session, |state| state.wallet(&args.wallet).is_some()).await;
    let replica = known.map_err(|failure| {
        failure.next(
            "without the log, pass the wallet's address with `--address`: pausing then needs only the nodes",
        )
    })?;
    Ok(wallet::find(replica.state(), &args.wallet)?.address)
}

/// Signs a protective statement and hands it to nodes.
pub(crate) async fn deliver(
    session: &Session,
    signing: &Signing,
    describes: &impl Describes,
    body: StatementBody,
    nodes: &[String],
) -> Result<Answer, Failure> {
    let servers = servers(session, nodes)?;
    let scope = scope(&body).ok_or_else(|| Failure::usage("nodes take pauses and revocations only"))?;
    let signed = match signing.prepare(session, describes, body)? {
        Prepared::Written(answer) => return Ok(answer),
        Prepared::Signed(signed) => signed,
    };
    let who = signing.who(session)?;
    let order = Order { digest: signed.digest, scope, not_before: signed.newly_made.then(clock::now) };
    let rosters = session.rosters()?;
    let roster = rosters.newest(&session.genesis);
    let mut delivered = Vec::new();
    for server in servers {
        let result = deliver_to(session, &who, &server, signed.bytes()).await;
        let receipt = result.and_then(|envelope| {
            verify_receipt(session, roster, &server.name, &envelope, &order)
                .map(|receipt| (receipt, envelope))
        });
        delivered.push((server.name, receipt.map_err(say_how_to_go_on)));
    }
    Ok(conclude(roster, &delivered, &signed.digest))
}

fn servers(session: &Session, nodes: &[String]) -> Result<Vec<Server>, Failure> {
    let named: Vec<Server> = match nodes {
        [] => session.profile.file.nodes.clone(),
        nodes => nodes.iter().map(|node| session.profile.node(node)).collect::<Result<_, _>>()?,
    };
    let mut servers = Vec::new();
    for server in named {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    Ok(servers)
}

async fn deliver_to(
    session: &Session,
    who: &Who,
    node: &Server,
    envelope: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    let mut client = OfficerServiceClient::new(session.node(who, node).await?);
    Ok(client.deliver(v1::DeliverRequest { envelope }).await?.into_inner().receipt_envelope)
}

/// What a node answers to a statement that a resume has lifted.
const ALREADY_USED: &str = "STATEMENT_ALREADY_USED";

type Delivered = (String, Result<(PauseReceipt, Vec<u8>), Failure>);

fn conclude(roster: &Roster, delivered: &[Delivered], digest: &StatementDigest) -> Answer {
    // INVARIANT (G4): nodes are counted, not answers. One that was told twice, or at two addresses, refuses once.
    let receipts = delivered.iter().filter_map(|(_, receipt)| receipt.as_ref().ok());
    let refusing: BTreeSet<&NodeId> = receipts.map(|(receipt, _)| &receipt.node).collect();
    let refusing = refusing.len();
    let level = Level::of(roster, refusing);
    let lines: String = delivered.iter().map(line).collect();
    let json: Vec<Value> = delivered.iter().map(to_json).collect();
    let json =
        json!({"statement": digest.to_string(), "nodes": json, "refusing": refusing, "level": level.json()});
    let more = if level.binds_nodes() {
        String::new()
    } else {
        format!("\nnext: {}", binding::next(&Subject::Statement(*digest)))
    };
    let text = format!("{lines}{}{more}", level.text("refuse from now on, restarts included"));
    Answer::new(json, text).with_exit(if level.binds_coordinator() {
        Exit::Success
    } else {
        Exit::Unavailable
    })
}

fn line((node, receipt): &Delivered) -> String {
    match receipt {
        Ok((receipt, _)) => format!(
            "  {node}: refuses since {} (log of {} entries, receipt verified)\n",
            receipt.received_at_ms, receipt.tip_size
        ),
        Err(failure) => {
            let next = failure.next_step().map(|next| format!("\n    next: {next}")).unwrap_or_default();
            let (message, reason) = (failure.message(), failure.reason());
            // Without a receipt a node may have got it or not; with this answer it is certain that it does not refuse.
            let standing = if reason == ALREADY_USED { "does not refuse" } else { "NO RECEIPT" };
            format!("  {node}: {standing}: {message} [{reason}]{next}\n")
        }
    }
}

fn to_json((node, receipt): &Delivered) -> Value {
    match receipt {
        Ok((receipt, envelope)) => {
            json!({"node": node, "refuses": true, "receipt": receipt, "receipt_envelope": String::from_utf8_lossy(envelope)})
        }
        Err(failure) => {
            let mut json = failure.to_json();
            if let Some(object) = json.as_object_mut() {
                object.insert("node".to_owned(), json!(node));
                object.insert("refuses".to_owned(), json!(false));
            }
            json
        }
    }
}

/// A resume lifts a statement for good: delivered again, it pauses nothing.
fn say_how_to_go_on(failure: Failure) -> Failure {
    if failure.reason() == ALREADY_USED {
        return failure.next("make a new pause statement: run this command without `--signature`");
    }
    failure
}

async fn resume(session: &Session, args: &ResumeArgs) -> Result<Answer, Failure> {
    let paused = |state: &State| state.wallet(&args.wallet).is_some_and(Wallet::is_paused);
    let replica = replica::look_up(session, paused).await?;
    let known = wallet::find(replica.state(), &args.wallet)?;
    let lifts = lifts(known, &args.lift);
    if lifts.is_empty() {
        let message = format!("no pause of `{}` is in the log", args.wallet);
        return Err(Failure::new(Exit::Other, "WALLET_PAUSE_STATE", message).next(
            "a pause that only the nodes know appears in the log within seconds; if its officer left, name it with `--lift`",
        ));
    }
    let body = StatementBody::ProposeResume { wallet: args.wallet.clone(), lifts };
    ceremony::propose(session, &args.signing.signing(), &replica, body).await
}

/// The oldest pauses of the log, as many as leave room for those that only nodes have.
fn lifts(wallet: &Wallet, only_delivered: &[StatementDigest]) -> Vec<StatementDigest> {
    let logged: Vec<_> = wallet.pauses.iter().map(|pause| pause.statement).collect();
    let others: BTreeSet<_> = only_delivered.iter().filter(|lift| !logged.contains(lift)).copied().collect();
    let room = MAX_LIFTS.saturating_sub(others.len());
    logged.into_iter().take(room).chain(others).collect()
}

async fn statements(session: &Session, node: &str, officer: Option<&str>) -> Result<Answer, Failure> {
    let who = session.profile.choose(holdfast_transport::Role::Officer, officer)?;
    let server = session.profile.node(node)?;
    let mut client = OfficerServiceClient::new(session.node(&who, &server).await?);
    let (mut shown, mut json) = (String::new(), Vec::new());
    let mut page_token = String::new();
    loop {
        let page = client.statements(v1::StatementsRequest { page_size: 0, page_token }).await?.into_inner();
        for delivered in &page.statements {
            let text = Envelope::parse(&delivered.envelope)
                .map(|envelope| String::from_utf8_lossy(&envelope.payload).into_owned())
                .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
            let standing = if delivered.lifted { "left to its log" } else { "in force as a latch" };
            let hash = StatementDigest::of(text.as_bytes());
            shown.push_str(&format!(
                "{}\n  four words: {}, {standing}\n  hash: {hash}\n\n",
                indent(&text),
                fingerprint(text.as_bytes())
            ));
            json.push(
                json!({"statement": text, "statement_hash": hash.to_string(), "lifted": delivered.lifted,
                "receipt_envelope": String::from_utf8_lossy(&delivered.receipt_envelope)}),
            );
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if shown.is_empty() {
        shown = format!("no statement was delivered to {}", server.name);
    }
    Ok(Answer::new(json!({"node": server.name, "statements": json}), shown))
}

#[cfg(test)]
mod tests;
