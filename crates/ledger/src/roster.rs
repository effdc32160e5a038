//! Who may speak, and with which key.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;
use holdfast_policy::{ClientId, ClusterId, NodeId, OfficerId, ProviderId, RoleName, TimestampMs, WalletId};

use crate::genesis::GenesisDocument;
use crate::officer_key::OfficerKey;

/// An officer with a key that parsed.
#[derive(Clone, Debug)]
pub struct Officer {
    /// Roles the officer may act in.
    pub roles: BTreeSet<RoleName>,
    /// The officer's SSH key.
    pub key: OfficerKey,
}

/// A client with its scope.
#[derive(Clone, Debug)]
pub struct Client {
    /// Key that signs requests.
    pub key: VerifyingKey,
    /// Wallets the client may ask to pay from.
    pub wallets: BTreeSet<WalletId>,
    /// From this time on the key is void.
    pub expires_at: TimestampMs,
}

/// A provider of facts.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Key that signs reports.
    pub key: VerifyingKey,
}

/// A signer node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name.
    pub id: NodeId,
    /// Key that cosigns checkpoints.
    pub cosigning_key: VerifyingKey,
    /// Key that signs confirmations, receipts and session offers.
    pub message_key: VerifyingKey,
}

/// The coordinator's keys.
#[derive(Clone, Debug)]
pub struct Coordinator {
    /// Key that signs checkpoints.
    pub log_key: VerifyingKey,
    /// Key that signs the coordinator's own entries.
    pub entry_key: VerifyingKey,
}

/// The current version of who may speak.
#[derive(Clone, Debug)]
pub struct Roster {
    cluster: ClusterId,
    threshold: u8,
    officers: BTreeMap<OfficerId, Officer>,
    clients: BTreeMap<ClientId, Client>,
    providers: BTreeMap<ProviderId, Provider>,
    nodes: Vec<Node>,
    coordinator: Coordinator,
}

impl Roster {
    /// Parses all keys; refuses repeated names and any key that appears twice, in whatever role.
    pub(crate) fn from_genesis(document: &GenesisDocument) -> Result<Self, String> {
        let mut keys = KeySet::default();
        let officers = unique(document.officers.iter().map(|entry| {
            let key = OfficerKey::parse(&entry.ssh_public_key)
                .map_err(|e| format!("officer `{}`: {e}", entry.name))?;
            let point =
                key.ed25519().ok_or_else(|| format!("officer `{}`: not an Ed25519 key", entry.name))?;
            keys.ed25519(&point, entry.name.as_str())?;
            let roles: BTreeSet<RoleName> = entry.roles.iter().cloned().collect();
            Ok((entry.name.clone(), Officer { roles, key }))
        }))?;
        let clients = unique(document.clients.iter().map(|entry| {
            let client = Client {
                key: keys.ed25519(&entry.public_key, entry.name.as_str())?,
                wallets: entry.wallets.iter().cloned().collect(),
                expires_at: entry.expires_at_ms,
            };
            Ok((entry.name.clone(), client))
        }))?;
        let providers = unique(document.providers.iter().map(|entry| {
            Ok((entry.name.clone(), Provider { key: keys.ed25519(&entry.public_key, entry.name.as_str())? }))
        }))?;
        let nodes = document.nodes.iter().map(|entry| {
            let node = Node {
                id: entry.name.clone(),
                cosigning_key: keys.ed25519(&entry.cosigning_key, entry.name.as_str())?,
                message_key: keys.ed25519(&entry.message_key, entry.name.as_str())?,
            };
            Ok::<_, String>(node)
        });
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        if nodes.iter().map(|node| &node.id).collect::<BTreeSet<_>>().len() != nodes.len() {
            return Err("a node is listed twice".to_owned());
        }
        let coordinator = Coordinator {
            log_key: keys.ed25519(&document.coordinator.log_key, "coordinator")?,
            entry_key: keys.ed25519(&document.coordinator.entry_key, "coordinator")?,
        };
        let (cluster, threshold) = (document.cluster.clone(), document.threshold.t);
        Ok(Self { cluster, threshold, officers, clients, providers, nodes, coordinator })
    }

    /// The cell's id.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// Shares needed to sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
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

    pub(crate) fn officer_keys(&self) -> impl Iterator<Item = (&OfficerId, &OfficerKey)> {
        self.officers.iter().map(|(id, officer)| (id, &officer.key))
    }
}

/// INVARIANT (G1): one key speaks for one party. A provider's facts never come from the requester's key.
#[derive(Default)]
struct KeySet(BTreeMap<String, String>);

impl KeySet {
    fn add(&mut self, key: String, owner: &str) -> Result<(), String> {
        match self.0.insert(key, owner.to_owned()) {
            Some(other) => Err(format!("`{owner}` and `{other}` share a key")),
            None => Ok(()),
        }
    }

    fn ed25519(&mut self, bytes: &[u8; 32], owner: &str) -> Result<VerifyingKey, String> {
        let key =
            VerifyingKey::from_bytes(bytes).map_err(|_| format!("`{owner}`: not an Ed25519 public key"))?;
        if key.is_weak() {
            return Err(format!("`{owner}`: weak Ed25519 public key"));
        }
        self.add(hex::encode(bytes), owner)?;
        Ok(key)
    }
}

fn unique<K: Ord + std::fmt::Display + Clone, V>(
    pairs: impl Iterator<Item = Result<(K, V), String>>,
) -> Result<BTreeMap<K, V>, String> {
    let mut map = BTreeMap::new();
    for pair in pairs {
        let (key, value) = pair?;
        if map.insert(key.clone(), value).is_some() {
            return Err(format!("`{key}` is listed twice"));
        }
    }
    Ok(map)
}
