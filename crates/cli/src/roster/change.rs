//! From the command line to one change of the roster.

use std::path::Path;

use holdfast_ledger::{MinimumCheckpoint, OfficerKey, RosterChange};
use holdfast_log::Checkpoint;

use super::{AddClientArgs, AddContactArgs, AddOfficerArgs, ReplaceCoordinatorArgs, ReplaceNodeArgs};
use crate::failure::Failure;
use crate::files;
use crate::init::enrolment;
use crate::keys::public_key;
use crate::statement::until;

pub(super) fn add_officer(args: &AddOfficerArgs) -> Result<RosterChange, Failure> {
    let key = ssh_key(&args.public_key)?;
    let roles = args.roles.iter().cloned().collect();
    Ok(RosterChange::AddOfficer { name: args.name.clone(), roles, key })
}

pub(super) fn add_agency_contact(args: &AddContactArgs) -> Result<RosterChange, Failure> {
    let key = ssh_key(&args.public_key)?;
    Ok(RosterChange::AddAgencyContact { name: args.name.clone(), agency: args.agency.clone(), key })
}

fn ssh_key(file: &Path) -> Result<OfficerKey, Failure> {
    let line = files::read_text(file)?;
    OfficerKey::parse(line.trim()).map_err(|error| Failure::usage(format!("`{}`: {error}", file.display())))
}

pub(super) fn add_client(args: &AddClientArgs) -> Result<RosterChange, Failure> {
    Ok(RosterChange::AddClient {
        name: args.name.clone(),
        key: public_key(&args.public_key)?,
        wallets: args.wallets.iter().cloned().collect(),
        expires_at: until(args.expires_in),
    })
}

/// INVARIANT (G4): the minimum is a checkpoint that t nodes cosigned, that was replayed here, and that is at least as long as the logs of
/// t other nodes, which [`super::promises`] asked themselves: so the restored node cannot come back to a time before what it
/// promised. The cosignatures alone would not show that the lost node cosigned nothing newer.
pub(super) fn replace_node_keys(
    cluster: &str,
    args: &ReplaceNodeArgs,
    checkpoint: &Checkpoint,
) -> Result<RosterChange, Failure> {
    let enrolled = enrolment(&args.enrolment, cluster)?;
    if enrolled.name != args.name {
        let message = format!("`{}` is of node `{}`", args.enrolment.display(), enrolled.name);
        return Err(Failure::usage(message));
    }
    Ok(RosterChange::ReplaceNodeKeys {
        node: args.name.clone(),
        cosigning_key: public_key(&hex::encode(enrolled.cosigning_key))?,
        message_key: public_key(&hex::encode(enrolled.message_key))?,
        minimum: MinimumCheckpoint { size: checkpoint.size, root: checkpoint.root },
    })
}

pub(super) fn replace_coordinator_keys(args: &ReplaceCoordinatorArgs) -> Result<RosterChange, Failure> {
    Ok(RosterChange::ReplaceCoordinatorKeys {
        log_key: args.log_key.as_deref().map(public_key).transpose()?,
        entry_key: args.entry_key.as_deref().map(public_key).transpose()?,
    })
}
