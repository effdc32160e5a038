//! The reference witness as a process.

use std::process::{Child, Command, Stdio};

use ed25519_dalek::SigningKey;

use crate::cluster::Cluster;
use crate::programs::program;

/// A witness outside the cluster. Dropping it kills it.
#[derive(Debug)]
pub struct Witness {
    name: String,
    seed: [u8; 32],
    child: Child,
}

impl Witness {
    /// Its public key, for the genesis document, hex.
    pub fn public_key(seed: [u8; 32]) -> String {
        hex::encode(SigningKey::from_bytes(&seed).verifying_key().as_bytes())
    }

    /// Starts it; it knows the cluster's log by the key in the genesis document.
    pub fn start(cluster: &Cluster, address: &str, name: &str, seed: [u8; 32]) -> Self {
        let genesis: serde_json::Value =
            serde_json::from_slice(&std::fs::read(cluster.path("genesis.json")).unwrap()).unwrap();
        let log_key = genesis["coordinator"]["log_key"].as_str().unwrap().to_owned();
        let state = cluster.path(&format!("witness-{}", name.replace('/', "-")));
        let child = Command::new(program("witness").unwrap_or_else(|error| panic!("{error}")))
            .args([address, name, &hex::encode(seed)])
            .arg(state)
            .arg(format!("holdfast/{}={log_key}", cluster.name()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { name: name.to_owned(), seed, child }
    }

    /// Its key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its secret key.
    pub fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on at the moment.
pub fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
