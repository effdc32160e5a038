//! Clusters that begin with another genesis document than the demo's, signed by the same officers.

use holdfast_ledger::{GENESIS_NAMESPACE, Genesis, OfficerKey};
use holdfast_policy::OfficerId;
use serde_json::Value;
use ssh_key::PrivateKey;

use crate::COORDINATOR;
use crate::cluster::{Cluster, Options};

impl Cluster {
    /// Changes the genesis document of a cluster none of whose processes has run yet.
    pub fn amend_genesis(&mut self, change: impl FnOnce(&mut Value)) {
        let written = std::fs::read(self.path("genesis.json")).unwrap();
        let mut document: Value = serde_json::from_slice(&written).unwrap();
        change(&mut document);
        let mut bytes = serde_json::to_vec_pretty(&document).unwrap();
        bytes.push(b'\n');
        let officers = document["officers"].as_array().unwrap();
        let signatures: Vec<(OfficerId, Vec<u8>)> = officers
            .iter()
            .map(|officer| {
                let name = officer["name"].as_str().unwrap();
                let key = PrivateKey::read_openssh_file(&self.path("officers").join(name)).unwrap();
                (name.parse().unwrap(), OfficerKey::sign(&key, GENESIS_NAMESPACE, &bytes).unwrap())
            })
            .collect();
        let entry = Genesis::assemble(&bytes, &signatures).unwrap();
        std::fs::write(self.path("genesis.json"), &bytes).unwrap();
        std::fs::write(self.path("genesis.entry.json"), entry.bytes()).unwrap();
        self.pin(Genesis::hash_of(&bytes));
    }

    /// The same for the policy in it: every process is then started, and the wallet, its payee and a session are made.
    pub async fn with_policy(change: impl FnOnce(&str) -> String) -> Self {
        let mut cluster = Self::make(Options::default());
        cluster.amend_policy(change);
        cluster.start_all().await;
        cluster.make_ready().await;
        cluster
    }

    /// Changes the policy in the genesis document.
    pub fn amend_policy(&mut self, change: impl FnOnce(&str) -> String) {
        self.amend_genesis(|document| {
            let changed = change(document["policy"].as_str().unwrap());
            document["policy"] = changed.into();
        });
    }

    /// Writes the document's hash into every configuration.
    fn pin(&mut self, hash: [u8; 32]) {
        let nodes = self.nodes().into_iter().map(|node| format!("{node}/node.toml"));
        let others = [format!("{COORDINATOR}/{COORDINATOR}.toml"), "holdfast.toml".to_owned()];
        let (old, new) = (hex::encode(self.genesis_sha256), hex::encode(hash));
        for file in nodes.chain(others) {
            let path = self.path(&file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&old), "{file}");
            std::fs::write(&path, text.replace(&old, &new)).unwrap();
        }
        self.genesis_sha256 = hash;
    }
}
