//! A cluster of three of five: the demo's cluster with two nodes more, enrolled as in production.

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use holdfast_transport::issue::{CertificateAuthority, Validity};
use holdfast_transport::{PeerIdentity, Role};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Options};
use crate::connect::Server;
use crate::programs::program;
use crate::{COORDINATOR, now_ms};

/// A month from now.
fn validity() -> Validity {
    let now = UNIX_EPOCH + Duration::from_millis(now_ms());
    Validity::new(now, Duration::from_secs(30 * 24 * 60 * 60)).unwrap()
}

impl Cluster {
    /// Makes a cluster of three of five, none of whose processes runs.
    pub fn three_of_five(options: Options) -> Self {
        let mut cluster = Self::make(options);
        let added = ["node-4", "node-5"].map(|name| cluster.enrolled(name));
        for (name, port) in ["node-4", "node-5"].into_iter().zip(cluster.ports.spare()) {
            let server = Server { name: name.to_owned(), address: format!("127.0.0.1:{port}") };
            cluster.configure_node(&server);
            cluster.servers.insert(name.to_owned(), server);
        }
        cluster.amend_genesis(|document| {
            document["threshold"]["t"] = json!(3);
            document["threshold"]["n"] = json!(5);
            document["nodes"].as_array_mut().unwrap().extend(added);
        });
        cluster
    }

    /// A node's keys by the real program, its certificate by the demo's authority; its part of the genesis document.
    fn enrolled(&self, name: &str) -> Value {
        let enrolled = Command::new(program("holdfast-node").unwrap_or_else(|error| panic!("{error}")))
            .args([
                "enroll",
                "--cluster",
                self.name(),
                "--name",
                name,
                "--provider",
                &format!("provider-of-{name}"),
            ])
            .args([
                "--operator",
                &format!("operator-of-{name}"),
                "--region",
                &format!("region-of-{name}"),
                "--dir",
            ])
            .arg(self.path(name))
            .output()
            .unwrap();
        assert!(enrolled.status.success(), "{enrolled:?}");
        let read = |file: &str| std::fs::read_to_string(self.path(file)).unwrap();
        let request: Value = serde_json::from_str(&read(&format!("{name}/enrolment.json"))).unwrap();
        let authority = CertificateAuthority::from_pem(&read("ca.pem"), &read("ca.key")).unwrap();
        let identity = PeerIdentity::new(self.name(), Role::Node, name).unwrap();
        let csr = request["tls_csr"].as_str().unwrap();
        let certificate = authority.issue_for_csr(csr, &identity, &[], &validity()).unwrap();
        std::fs::write(self.path(&format!("{name}/tls.pem")), certificate).unwrap();
        let member = |member: &str| request[member].clone();
        json!({"name": name, "operator": member("operator"), "provider": member("provider"), "region": member("region"),
            "cosigning_key": member("cosigning_key"), "message_key": member("message_key")})
    }

    /// Its configuration, like the first node's, and where the others find it.
    fn configure_node(&self, server: &Server) {
        let like = std::fs::read_to_string(self.path("node-1/node.toml")).unwrap();
        let lines = like.lines().filter(|line| !line.starts_with("metrics_listen")).map(|line| {
            match line.split(" = ").next() {
                Some("name") => format!("name = \"{}\"\n", server.name),
                Some("listen") => format!("listen = \"{}\"\n", server.address),
                Some(_) | None => format!("{line}\n"),
            }
        });
        std::fs::write(self.path(&server.name).join("node.toml"), lines.collect::<String>()).unwrap();
        let listed = format!("\n[[nodes]]\nname = \"{}\"\naddress = \"{}\"\n", server.name, server.address);
        for file in [format!("{COORDINATOR}/{COORDINATOR}.toml"), "holdfast.toml".to_owned()] {
            let path = self.path(&file);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("{text}{listed}")).unwrap();
        }
    }
}
