//! Who may speak, and with which key: a chain of versions, each approved by the quorum of the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ed25519_dalek::VerifyingKey;
use holdfast_log::Hash;
use holdfast_policy::{
    AgencyId, ClientId, ClusterId, ContactId, NodeId, OfficerId, ProviderId, RoleName, TimestampMs, WalletId,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::genesis::{Quorum, ThresholdEntry};
use crate::ids::{CeremonyId, RosterDigest};
use crate::officer_key::OfficerKey;

mod change;
mod first;
mod keys;

pub(crate) use change::Succession;
pub use change::{RosterChange, RosterProposal};

/// Counts the rosters of a cell; the genesis roster is version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RosterVersion(pub u64);

impl fmt::Display for RosterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An officer with a key that parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Officer {
    /// Roles the officer may act in.
    pub roles: BTreeSet<RoleName>,
    /// The officer's SSH key.
    pub key: OfficerKey,
    /// Log index of the entry that admitted this officer, 0 for genesis. What was said under this name before it was said
    /// by somebody else.
    pub since: u64,
}

/// A client with its scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Key that signs requests.
    #[serde(with = "keys::as_hex")]
    pub key: VerifyingKey,
    /// Wallets the client may ask to pay from.
    pub wallets: BTreeSet<WalletId>,
    /// From this time on the key is void.
    pub expires_at: TimestampMs,
    /// Log index of the entry that admitted this client, 0 for genesis: requests before it were another key's.
    pub since: u64,
}

/// A provider of facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Key that signs reports.
    #[serde(with = "keys::as_hex")]
    pub key: VerifyingKey,
}

/// A person or desk of an agency that confirms its legal orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgencyContact {
    /// The agency.
    pub agency: AgencyId,
    /// The contact's SSH key.
    pub key: OfficerKey,
    /// Log index of the entry that admitted this contact.
    pub since: u64,
}

/// A signer node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node's name.
    pub id: NodeId,
    /// Key that cosigns checkpoints.
    #[serde(with = "keys::as_hex")]
    pub cosigning_key: VerifyingKey,
    /// Key that signs confirmations, receipts and session offers.
    #[serde(with = "keys::as_hex")]
    pub message_key: VerifyingKey,
    /// 1 for the keys of genesis, then one more with each re-enrolment.
    pub incarnation: u32,
    /// What this incarnation must hold before it serves; `None` for the keys of genesis.
    pub minimum: Option<MinimumCheckpoint>,
    /// Log index of the entry that gave the node these keys, 0 for genesis.
    pub since: u64,
}

/// The log that a re-enrolled node must hold at least: what it promised before its restore is in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinimumCheckpoint {
    /// Entries.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
}

/// The coordinator's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinator {
    /// Key that signs checkpoints.
    #[serde(with = "keys::as_hex")]
    pub log_key: VerifyingKey,
    /// Key that signs the coordinator's own entries.
    #[serde(with = "keys::as_hex")]
    pub entry_key: VerifyingKey,
}

/// An outside witness of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The name of its key in signed notes.
    pub name: String,
    /// Its cosigning key.
    #[serde(with = "keys::as_hex")]
    pub key: VerifyingKey,
}

/// One version of who may speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    cluster: ClusterId,
    version: RosterVersion,
    previous: Option<RosterDigest>,
    ceremony: Option<CeremonyId>,
    in_force_from: u64,
    threshold: ThresholdEntry,
    officers: BTreeMap<OfficerId, Officer>,
    clients: BTreeMap<ClientId, Client>,
    providers: BTreeMap<ProviderId, Provider>,
    nodes: Vec<Node>,
    coordinator: Coordinator,
    witnesses: Vec<Witness>,
    // Left out where there are none: rosters from before there were contacts keep their digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contacts: BTreeMap<ContactId, AgencyContact>,
}

impl Roster {
    /// The cell's id.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// Which roster this is.
    pub fn version(&self) -> RosterVersion {
        self.version
    }

    /// SHA-256 over this version, which includes the digest of the one before.
    pub fn digest(&self) -> RosterDigest {
        let mut hasher = Sha256::new();
        hasher.update(b"holdfast/roster/v1\n");
        // INVARIANT (G10): fixed member order, sorted maps. A map with string keys and no fallible member always encodes.
        hasher.update(serde_json::to_vec(self).unwrap_or_default());
        RosterDigest::from_bytes(hasher.finalize().into())
    }

    /// Whether this is the version right after `other`.
    pub fn follows(&self, other: &Roster) -> bool {
        self.previous == Some(other.digest())
            && self.version.0 == other.version.0.saturating_add(1)
            && self.in_force_from > other.in_force_from
    }

    /// The ceremony that brought it; `None` for the genesis roster.
    pub fn ceremony(&self) -> Option<CeremonyId> {
        self.ceremony
    }

    /// The smallest tree size at which this version is in force: 1 for genesis.
    pub fn in_force_from(&self) -> u64 {
        self.in_force_from
    }

    /// Shares needed to sign.
    pub fn threshold(&self) -> u8 {
        self.threshold.t
    }

    /// How many nodes may be hostile together with the coordinator (f of genesis).
    pub fn hostile_nodes(&self) -> u8 {
        self.threshold.f
    }

    /// The officer of this name.
    pub fn officer(&self, id: &OfficerId) -> Option<&Officer> {
        self.officers.get(id)
    }

    /// All officers, by name.
    pub fn officers(&self) -> &BTreeMap<OfficerId, Officer> {
        &self.officers
    }

    /// The client of this name.
    pub fn client(&self, id: &ClientId) -> Option<&Client> {
        self.clients.get(id)
    }

    /// All clients, by name.
    pub fn clients(&self) -> &BTreeMap<ClientId, Client> {
        &self.clients
    }

    /// The provider of this name.
    pub fn provider(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.get(id)
    }

    /// All providers, by name.
    pub fn providers(&self) -> &BTreeMap<ProviderId, Provider> {
        &self.providers
    }

    /// The agencies' contact of this name.
    pub fn contact(&self, id: &ContactId) -> Option<&AgencyContact> {
        self.contacts.get(id)
    }

    /// All contacts of agencies, by name.
    pub fn contacts(&self) -> &BTreeMap<ContactId, AgencyContact> {
        &self.contacts
    }

    /// The node of this name.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| &node.id == id)
    }

    /// All nodes in committee order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The coordinator's keys.
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// Outside witnesses, in genesis' order.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The first of these quorums that this roster's officers can never meet.
    pub(crate) fn unfillable<'a>(&self, quorums: &'a BTreeMap<String, Quorum>) -> Option<&'a str> {
        let officers = self.officers.iter();
        let everyone: Vec<_> = officers.map(|(id, officer)| (id.clone(), officer.roles.clone())).collect();
        let mut quorums = quorums.iter();
        quorums
            .find(|(_, quorum)| !crate::ceremony::quorum_met(quorum, &everyone))
            .map(|(name, _)| name.as_str())
    }

    pub(crate) fn officer_keys(&self) -> impl Iterator<Item = (&OfficerId, &OfficerKey)> {
        self.officers.iter().map(|(id, officer)| (id, &officer.key))
    }
}
