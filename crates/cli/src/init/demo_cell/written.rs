//! What a demonstration cell consists of beside its keys and its genesis: configuration files, certificates, the profile.

use std::path::PathBuf;

use holdfast_transport::Role;
use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::super::layout::{
    CoordinatorKeysToml, CoordinatorToml, NodeAddressToml, NodeKeysToml, NodeToml, SealingToml, TlsToml,
    render,
};
use super::{COORDINATOR, Maker, NODES, OFFICERS};
use crate::failure::Failure;
use crate::files;
use crate::profile::{Defaults, Person, PinnedGenesis, ProfileFile};

impl Maker {
    pub(super) fn node_files(&self, genesis_sha256: &str) -> Result<(), Failure> {
        for (i, (name, ..)) in NODES.iter().enumerate() {
            self.certify(Role::Node, name, &format!("{name}/tls.pem"), &format!("{name}/tls.key"))?;
            self.passphrase(name)?;
            let config = NodeToml {
                cluster: self.cluster.clone(),
                name: (*name).to_owned(),
                listen: self.address(i),
                metrics_listen: self.metrics_address(i),
                data_dir: "data".into(),
                store: self.store.clone(),
                genesis: "../genesis.entry.json".into(),
                genesis_sha256: genesis_sha256.to_owned(),
                tls: TlsToml::beside(),
                keys: NodeKeysToml { cosigning: "cosigning.key".into(), message: "message.key".into() },
                sealing: SealingToml { passphrase_file: "passphrase".into() },
            };
            files::write(&self.path(&format!("{name}/node.toml")), &render("signer node", &config)?)?;
            files::create_private_dir(&self.path(&format!("{name}/data")))?;
        }
        Ok(())
    }

    fn passphrase(&self, node: &str) -> Result<(), Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(bytes.as_mut_slice());
        let mut text = Zeroizing::new(hex::encode(bytes.as_slice()));
        text.push('\n');
        let path = self.path(&format!("{node}/passphrase"));
        Ok(holdfast_transport::files::create_secret(&path, text.as_bytes())?)
    }

    pub(super) fn coordinator_files(&self, genesis_sha256: &str) -> Result<(), Failure> {
        self.certify(Role::Coordinator, COORDINATOR, "coordinator/tls.pem", "coordinator/tls.key")?;
        let nodes = self.node_servers().into_iter();
        let config = CoordinatorToml {
            cluster: self.cluster.clone(),
            name: COORDINATOR.to_owned(),
            listen: self.address(NODES.len()),
            metrics_listen: self.metrics_address(NODES.len()),
            data_dir: "data".into(),
            store: self.store.clone(),
            genesis: "../genesis.entry.json".into(),
            genesis_sha256: genesis_sha256.to_owned(),
            tls: TlsToml::beside(),
            keys: CoordinatorKeysToml { log: "log.key".into(), entry: "entry.key".into() },
            nodes: nodes.map(|node| NodeAddressToml { name: node.name, address: node.address }).collect(),
        };
        files::write(&self.path("coordinator/coordinator.toml"), &render("coordinator", &config)?)?;
        files::create_private_dir(&self.path("coordinator/data"))
    }

    pub(super) fn people(&self) -> Result<(), Failure> {
        for (name, _) in OFFICERS {
            self.certify(
                Role::Officer,
                name,
                &format!("officers/{name}.tls.pem"),
                &format!("officers/{name}.tls.key"),
            )?;
        }
        for (role, name) in [
            (Role::Client, "pipeline"),
            (Role::Provider, "sessions"),
            (Role::Auditor, "auditor"),
            (Role::Operator, "operator"),
        ] {
            let directory = role.as_str();
            self.certify(role, name, &format!("{directory}/tls.pem"), &format!("{directory}/tls.key"))?;
        }
        Ok(())
    }

    pub(super) fn profile(&self, genesis_sha256: &str) -> Result<(), Failure> {
        let person = |directory: &str, key: Option<&str>| Person {
            certificate: format!("{directory}/tls.pem").into(),
            tls_key: format!("{directory}/tls.key").into(),
            key: key.map(PathBuf::from),
        };
        let officer = |name: &str| Person {
            certificate: format!("officers/{name}.tls.pem").into(),
            tls_key: format!("officers/{name}.tls.key").into(),
            key: Some(format!("officers/{name}").into()),
        };
        let named = |name: &str, person: Person| [(name.to_owned(), person)].into();
        let profile = ProfileFile {
            cluster: self.cluster.clone(),
            ca: "ca.pem".into(),
            genesis: PinnedGenesis { entry: "genesis.entry.json".into(), sha256: genesis_sha256.to_owned() },
            coordinator: self.coordinator_server(),
            nodes: self.node_servers(),
            defaults: Defaults {
                // No officer by default: whoever signs says so.
                officer: None,
                client: Some("pipeline".to_owned()),
                provider: Some("sessions".to_owned()),
                reader: Some("auditor/auditor".to_owned()),
                operator: Some("operator".to_owned()),
            },
            officers: OFFICERS.iter().map(|(name, _)| ((*name).to_owned(), officer(name))).collect(),
            clients: named("pipeline", person("client", Some("client/pipeline.key"))),
            providers: named("sessions", person("provider", Some("provider/sessions.key"))),
            auditors: named("auditor", person("auditor", None)),
            operators: named("operator", person("operator", None)),
        };
        files::write(&self.path("holdfast.toml"), &render("profile of the command line tool", &profile)?)
    }
}
