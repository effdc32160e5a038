//! The next version of the roster: exactly one change to the one in force.
//!
//! Computes and checks; never decides that a change may happen. That takes the quorum `change-roster`.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;
use holdfast_policy::{AgencyId, ClientId, ContactId, NodeId, OfficerId, RoleName, TimestampMs, WalletId};
use serde::{Deserialize, Serialize};

use super::keys::{KeySet, as_hex, as_optional_hex};
use super::{AgencyContact, Client, MinimumCheckpoint, Officer, Roster, RosterVersion};
use crate::genesis::Quorum;
use crate::ids::{CeremonyId, RosterDigest};
use crate::officer_key::OfficerKey;
use crate::rejection::{Rejection, RejectionCode};

const MAX_OFFICERS: usize = 64;
const MAX_CLIENTS: usize = 256;
const MAX_CONTACTS: usize = 256;

/// A change of the roster, and the version it was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterProposal {
    /// The version that it replaces; under any other version it is void.
    pub version: RosterVersion,
    /// That version's digest: the same number in another history does not do.
    pub digest: RosterDigest,
    /// The one thing that changes.
    pub change: RosterChange,
}

/// One change of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RosterChange {
    /// A person joins.
    AddOfficer {
        /// The officer's name, free at that time.
        name: OfficerId,
        /// Roles the officer may act in.
        roles: BTreeSet<RoleName>,
        /// The officer's SSH key, never used before.
        key: OfficerKey,
    },
    /// A person leaves; approvals given so far count no more.
    RemoveOfficer {
        /// The officer.
        name: OfficerId,
    },
    /// A client joins, or comes back after a revocation under a new key.
    AddClient {
        /// The client's name.
        name: ClientId,
        /// Its Ed25519 key, never used before.
        #[serde(with = "as_hex")]
        key: VerifyingKey,
        /// Wallets it may ask to pay from.
        wallets: BTreeSet<WalletId>,
        /// From this time on the key is void.
        expires_at: TimestampMs,
    },
    /// A client leaves.
    RemoveClient {
        /// The client.
        name: ClientId,
    },
    /// A contact of an agency is registered: somebody made sure by another way that the key is the agency's.
    AddAgencyContact {
        /// The contact's name, free at that time.
        name: ContactId,
        /// The agency.
        agency: AgencyId,
        /// The contact's SSH key, never used before.
        key: OfficerKey,
    },
    /// A contact of an agency is registered no more: what it confirmed of orders that are open counts no more.
    RemoveAgencyContact {
        /// The contact.
        name: ContactId,
    },
    /// A node was restored or replaced: its old incarnation's keys are void.
    ReplaceNodeKeys {
        /// The node.
        node: NodeId,
        /// Its new key for checkpoints.
        #[serde(with = "as_hex")]
        cosigning_key: VerifyingKey,
        /// Its new key for messages.
        #[serde(with = "as_hex")]
        message_key: VerifyingKey,
        /// What it must hold before it serves.
        minimum: MinimumCheckpoint,
    },
    /// The coordinator's keys are rotated, or were lost.
    ReplaceCoordinatorKeys {
        /// The new key for checkpoints, if it changes.
        #[serde(with = "as_optional_hex")]
        log_key: Option<VerifyingKey>,
        /// The new key for the coordinator's entries, if it changes.
        #[serde(with = "as_optional_hex")]
        entry_key: Option<VerifyingKey>,
    },
}

/// Where in the log a new version arises, and what it has to respect.
#[derive(Debug)]
pub(crate) struct Succession<'a> {
    /// The versions before the one in force.
    pub(crate) earlier: &'a [std::sync::Arc<Roster>],
    /// Quorums that the new version's officers must be able to meet.
    pub(crate) quorums: &'a BTreeMap<String, Quorum>,
    /// Clients that one officer revoked: their names are free.
    pub(crate) revoked: &'a BTreeSet<ClientId>,
    /// The ceremony that brings the change.
    pub(crate) ceremony: Option<CeremonyId>,
    /// Log index of the entry that does.
    pub(crate) index: u64,
    /// That entry's time.
    pub(crate) time: TimestampMs,
}

impl RosterChange {
    /// The `change:` line of its statement.
    pub fn name(&self) -> &'static str {
        match self {
            RosterChange::AddOfficer { .. } => "add an officer",
            RosterChange::RemoveOfficer { .. } => "remove an officer",
            RosterChange::AddClient { .. } => "add a client",
            RosterChange::RemoveClient { .. } => "remove a client",
            RosterChange::AddAgencyContact { .. } => "add an agency contact",
            RosterChange::RemoveAgencyContact { .. } => "remove an agency contact",
            RosterChange::ReplaceNodeKeys { .. } => "replace a node's keys",
            RosterChange::ReplaceCoordinatorKeys { .. } => "replace the coordinator's keys",
        }
    }
}

impl Roster {
    /// INVARIANT (G4): a proposal names the very version it replaces; one made for an earlier version can never act again, so a
    /// roster cannot be rolled back by replaying what officers once signed.
    pub(crate) fn check_version(&self, proposal: &RosterProposal) -> Result<(), Rejection> {
        if (proposal.version, proposal.digest) == (self.version, self.digest()) {
            return Ok(());
        }
        let detail =
            format!("made for roster version {}, version {} is in force", proposal.version, self.version);
        Err(Rejection::new(RejectionCode::VersionSuperseded, detail).with_field("roster version"))
    }

    /// The version after this one.
    pub(crate) fn succeed(
        &self,
        proposal: &RosterProposal,
        succession: &Succession<'_>,
    ) -> Result<Roster, Rejection> {
        self.check_version(proposal)?;
        let mut next = Roster {
            version: RosterVersion(self.version.0.saturating_add(1)),
            previous: Some(proposal.digest),
            ceremony: succession.ceremony,
            in_force_from: succession.index.saturating_add(1),
            ..self.clone()
        };
        next.change(&proposal.change, succession)?;
        if let Some(kind) = next.unfillable(succession.quorums) {
            let detail =
                format!("without this officer the quorum `{kind}` can never be met: add another first");
            return Err(Rejection::new(RejectionCode::QuorumUnfillable, detail).with_field("name"));
        }
        Ok(next)
    }

    fn change(&mut self, change: &RosterChange, succession: &Succession<'_>) -> Result<(), Rejection> {
        // INVARIANT (G1): a key is used by one party, once, ever: one that left the roster never comes back.
        let mut keys = KeySet::of(succession.earlier.iter().map(AsRef::as_ref).chain([&*self]));
        let since = succession.index;
        match change {
            RosterChange::AddOfficer { name, roles, key } => {
                free(self.officers.contains_key(name), "officer", name.as_str())?;
                room(self.officers.len(), MAX_OFFICERS)?;
                keys.add_new("key", &key.ed25519().unwrap_or_default())?;
                let officer = Officer { roles: roles.clone(), key: key.clone(), since };
                self.officers.insert(name.clone(), officer);
            }
            RosterChange::RemoveOfficer { name } => {
                self.officers.remove(name).ok_or_else(|| unknown("officer", name.as_str()))?;
            }
            RosterChange::AddClient { name, key, wallets, expires_at } => {
                let taken = self.clients.contains_key(name) && !succession.revoked.contains(name);
                free(taken, "client", name.as_str())?;
                room(self.clients.len(), MAX_CLIENTS)?;
                if *expires_at <= succession.time {
                    let detail = "the key would have expired already";
                    return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("valid until"));
                }
                let key = keys.add_new("key", key.as_bytes())?;
                let client = Client { key, wallets: wallets.clone(), expires_at: *expires_at, since };
                self.clients.insert(name.clone(), client);
            }
            RosterChange::RemoveClient { name } => {
                self.clients.remove(name).ok_or_else(|| unknown("client", name.as_str()))?;
            }
            RosterChange::AddAgencyContact { name, agency, key } => {
                free(self.contacts.contains_key(name), "contact", name.as_str())?;
                room(self.contacts.len(), MAX_CONTACTS)?;
                keys.add_new("key", &key.ed25519().unwrap_or_default())?;
                let contact = AgencyContact { agency: agency.clone(), key: key.clone(), since };
                self.contacts.insert(name.clone(), contact);
            }
            RosterChange::RemoveAgencyContact { name } => {
                self.contacts.remove(name).ok_or_else(|| unknown("contact", name.as_str()))?;
            }
            RosterChange::ReplaceNodeKeys { node, cosigning_key, message_key, minimum } => {
                let cosigning_key = keys.add_new("cosigning key", cosigning_key.as_bytes())?;
                let message_key = keys.add_new("message key", message_key.as_bytes())?;
                if minimum.size == 0 || minimum.size > succession.index {
                    let detail = format!("this log has {} entries before this one", succession.index);
                    return Err(
                        Rejection::new(RejectionCode::FieldInvalid, detail).with_field("minimum size")
                    );
                }
                let known = self.nodes.iter_mut().find(|known| known.id == *node);
                let known = known.ok_or_else(|| unknown("node", node.as_str()))?;
                known.cosigning_key = cosigning_key;
                known.message_key = message_key;
                known.incarnation = known.incarnation.saturating_add(1);
                known.minimum = Some(*minimum);
                known.since = since;
            }
            RosterChange::ReplaceCoordinatorKeys { log_key, entry_key } => {
                if let Some(key) = log_key {
                    self.coordinator.log_key = keys.add_new("log key", key.as_bytes())?;
                }
                if let Some(key) = entry_key {
                    self.coordinator.entry_key = keys.add_new("entry key", key.as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

fn free(taken: bool, party: &str, name: &str) -> Result<(), Rejection> {
    if taken {
        let detail = format!("{party} `{name}` exists: remove it first, or choose another name");
        return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("name"));
    }
    Ok(())
}

fn room(present: usize, most: usize) -> Result<(), Rejection> {
    if present >= most {
        return Err(Rejection::new(RejectionCode::FieldInvalid, format!("at most {most}")).with_field("name"));
    }
    Ok(())
}

fn unknown(party: &str, name: &str) -> Rejection {
    Rejection::new(RejectionCode::UnknownParty, format!("the roster has no {party} `{name}`"))
        .with_field("name")
}

#[cfg(test)]
mod tests;
