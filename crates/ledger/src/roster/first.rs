//! The first roster, from the genesis document.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_policy::RoleName;

use super::keys::KeySet;
use super::{Client, Coordinator, Node, Officer, Provider, Roster, RosterVersion, Witness};
use crate::genesis::GenesisDocument;
use crate::officer_key::OfficerKey;

impl Roster {
    /// Parses all keys; refuses repeated names and any key that appears twice, in whatever role.
    pub(crate) fn from_genesis(document: &GenesisDocument) -> Result<Self, String> {
        let mut keys = KeySet::default();
        let officers = unique(document.officers.iter().map(|entry| {
            let key = OfficerKey::parse(&entry.ssh_public_key)
                .map_err(|e| format!("officer `{}`: {e}", entry.name))?;
            let point =
                key.ed25519().ok_or_else(|| format!("officer `{}`: not an Ed25519 key", entry.name))?;
            keys.add(&point, entry.name.as_str())?;
            let roles: BTreeSet<RoleName> = entry.roles.iter().cloned().collect();
            Ok((entry.name.clone(), Officer { roles, key, since: 0 }))
        }))?;
        let clients = unique(document.clients.iter().map(|entry| {
            let client = Client {
                key: keys.add(&entry.public_key, entry.name.as_str())?,
                wallets: entry.wallets.iter().cloned().collect(),
                expires_at: entry.expires_at_ms,
                since: 0,
            };
            Ok((entry.name.clone(), client))
        }))?;
        let providers = unique(document.providers.iter().map(|entry| {
            Ok((entry.name.clone(), Provider { key: keys.add(&entry.public_key, entry.name.as_str())? }))
        }))?;
        let nodes = nodes(document, &mut keys)?;
        let coordinator = Coordinator {
            log_key: keys.add(&document.coordinator.log_key, "coordinator")?,
            entry_key: keys.add(&document.coordinator.entry_key, "coordinator")?,
        };
        let witnesses = document.witnesses.iter().map(|entry| {
            Ok(Witness { name: entry.name.clone(), key: keys.add(&entry.public_key, &entry.name)? })
        });
        Ok(Self {
            cluster: document.cluster.clone(),
            version: RosterVersion(1),
            previous: None,
            ceremony: None,
            in_force_from: 1,
            threshold: document.threshold,
            officers,
            clients,
            providers,
            nodes,
            coordinator,
            witnesses: witnesses.collect::<Result<_, String>>()?,
            contacts: BTreeMap::new(),
        })
    }
}

fn nodes(document: &GenesisDocument, keys: &mut KeySet) -> Result<Vec<Node>, String> {
    let nodes = document.nodes.iter().map(|entry| {
        Ok::<_, String>(Node {
            id: entry.name.clone(),
            cosigning_key: keys.add(&entry.cosigning_key, entry.name.as_str())?,
            message_key: keys.add(&entry.message_key, entry.name.as_str())?,
            incarnation: 1,
            minimum: None,
            since: 0,
        })
    });
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    if nodes.iter().map(|node| &node.id).collect::<BTreeSet<_>>().len() != nodes.len() {
        return Err("a node is listed twice".to_owned());
    }
    Ok(nodes)
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
