//! `holdfast roster`: who may speak, and the ceremonies that change it.

mod change;
mod page;
pub(crate) mod promises;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use holdfast_ledger::{RosterChange, RosterProposal, StatementBody, StatementDigest};
use holdfast_policy::{AgencyId, ClientId, ContactId, NodeId, OfficerId, RoleName, WalletId};

use crate::ceremony;
use crate::clock::parse_duration;
use crate::failure::Failure;
use crate::output::Answer;
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::{Expiring, Signing};

/// Show who may speak, and propose changes: one change, one ceremony
#[derive(Subcommand, Debug)]
pub(crate) enum RosterCommand {
    /// Show the roster in force, from the log
    Show,
    /// Propose a new officer
    AddOfficer(AddOfficerArgs),
    /// Propose that an officer leaves: approvals given so far count no more
    RemoveOfficer {
        /// The officer's name
        name: OfficerId,
        #[command(flatten)]
        signing: Expiring,
    },
    /// Propose a new client, or a revoked one under a new key
    AddClient(AddClientArgs),
    /// Propose that a client leaves; to stop one at once, use `holdfast officer revoke-client`
    RemoveClient {
        /// The client's name
        name: ClientId,
        #[command(flatten)]
        signing: Expiring,
    },
    /// Propose a contact of an agency: make sure by another way that the key is the agency's
    AddAgencyContact(AddContactArgs),
    /// Propose that a contact leaves: what it confirmed of orders that are open counts no more
    RemoveAgencyContact {
        /// The contact's name
        name: ContactId,
        #[command(flatten)]
        signing: Signing,
    },
    /// Propose new keys for a node that was restored or replaced
    ReplaceNodeKeys(ReplaceNodeArgs),
    /// Propose new keys for the coordinator
    ReplaceCoordinatorKeys(ReplaceCoordinatorArgs),
}

/// A new officer.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddOfficerArgs {
    /// The officer's name
    name: OfficerId,
    /// The officer's OpenSSH public key file (`.pub`)
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    /// A role the officer may act in
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<RoleName>,
    #[command(flatten)]
    signing: Expiring,
}

/// A contact of an agency.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddContactArgs {
    /// The contact's name
    name: ContactId,
    /// The agency
    #[arg(long)]
    agency: AgencyId,
    /// The contact's OpenSSH public key file (`.pub`)
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    #[command(flatten)]
    signing: Signing,
}

/// A new client.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddClientArgs {
    /// The client's name, also in its TLS certificate
    name: ClientId,
    /// Its Ed25519 public key, 64 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    public_key: String,
    /// A wallet it may ask to pay from
    #[arg(long = "wallet", value_name = "WALLET", required = true)]
    wallets: Vec<WalletId>,
    /// How long the key is valid
    #[arg(long, default_value = "365d", value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Duration,
    #[command(flatten)]
    signing: Expiring,
}

/// A node's new incarnation. It serves only when its log holds the newest checkpoint that this machine verified, which is at least as
/// long as the other nodes' logs: they are asked themselves.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReplaceNodeArgs {
    /// The node's name
    name: NodeId,
    /// What `holdfast-node enroll` wrote on the new machine
    #[arg(long, value_name = "FILE")]
    enrolment: PathBuf,
    /// A statement that another node has taken and that may be forgotten, although it is not in the log: its SHA-256
    #[arg(long, value_name = "SHA256")]
    pass_over: Vec<StatementDigest>,
    #[command(flatten)]
    signing: Expiring,
}

/// The coordinator's new keys.
#[derive(Args, Clone, Debug)]
#[group(id = "keys", required = true, multiple = true)]
pub(crate) struct ReplaceCoordinatorArgs {
    /// The new key for checkpoints, hex
    #[arg(long, value_name = "HEX", group = "keys")]
    log_key: Option<String>,
    /// The new key for the coordinator's own entries, hex
    #[arg(long, value_name = "HEX", group = "keys")]
    entry_key: Option<String>,
    #[command(flatten)]
    signing: Expiring,
}

pub(crate) async fn run(session: &Session, command: &RosterCommand) -> Result<Answer, Failure> {
    let replica = match command {
        RosterCommand::ReplaceNodeKeys(args) => {
            promises::newest(session, &args.signing.signing().who(session)?, &args.name, &args.pass_over)
                .await?
        }
        RosterCommand::Show
        | RosterCommand::AddOfficer(_)
        | RosterCommand::RemoveOfficer { .. }
        | RosterCommand::AddClient(_)
        | RosterCommand::RemoveClient { .. }
        | RosterCommand::AddAgencyContact(_)
        | RosterCommand::RemoveAgencyContact { .. }
        | RosterCommand::ReplaceCoordinatorKeys(_) => replica::download(session).await?,
    };
    match command {
        RosterCommand::Show => Ok(page::answer(&replica)),
        RosterCommand::AddOfficer(args) => {
            propose(session, &replica, &args.signing.signing(), change::add_officer(args)?).await
        }
        RosterCommand::RemoveOfficer { name, signing } => {
            propose(session, &replica, &signing.signing(), RosterChange::RemoveOfficer { name: name.clone() })
                .await
        }
        RosterCommand::AddClient(args) => {
            propose(session, &replica, &args.signing.signing(), change::add_client(args)?).await
        }
        RosterCommand::RemoveClient { name, signing } => {
            propose(session, &replica, &signing.signing(), RosterChange::RemoveClient { name: name.clone() })
                .await
        }
        RosterCommand::AddAgencyContact(args) => {
            propose(session, &replica, &args.signing, change::add_agency_contact(args)?).await
        }
        RosterCommand::RemoveAgencyContact { name, signing } => {
            let change = RosterChange::RemoveAgencyContact { name: name.clone() };
            propose(session, &replica, signing, change).await
        }
        RosterCommand::ReplaceNodeKeys(args) => {
            let change = change::replace_node_keys(session.cluster(), args, &replica.checkpoint)?;
            propose(session, &replica, &args.signing.signing(), change).await
        }
        RosterCommand::ReplaceCoordinatorKeys(args) => {
            propose(session, &replica, &args.signing.signing(), change::replace_coordinator_keys(args)?).await
        }
    }
}

/// For the roster in force in the log that was replayed here.
async fn propose(
    session: &Session,
    replica: &LocalReplica,
    signing: &Signing,
    change: RosterChange,
) -> Result<Answer, Failure> {
    let roster = replica.state().roster();
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    let body = StatementBody::ProposeRosterChange(Box::new(proposal));
    ceremony::propose(session, signing, replica, body).await
}
