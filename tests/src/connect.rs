//! Connections: as whom, to whom, over mutual TLS.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_transport::client::{self, ConnectError, Endpoint, ProbeError, Timeouts};
use holdfast_transport::{PeerIdentity, Role, TlsIdentity};
use tonic::transport::Channel;

use crate::COORDINATOR;
use crate::cluster::Cluster;

/// A server of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name in its certificate.
    pub name: String,
    /// `127.0.0.1:port`.
    pub address: String,
}

/// Longer than any call that a server may keep waiting.
const CALL: Duration = Duration::from_secs(50);

impl Cluster {
    /// The TLS identity of a party, from the files that `holdfast init --demo` wrote.
    pub fn identity(&self, role: Role, name: &str) -> TlsIdentity {
        let (certificate, key) = self.identity_files(role, name);
        TlsIdentity::load(&certificate, &key, &self.path("ca.pem")).unwrap()
    }

    /// Certificate and key files of a party.
    pub fn identity_files(&self, role: Role, name: &str) -> (PathBuf, PathBuf) {
        let stem = match role {
            Role::Officer => format!("officers/{name}.tls"),
            Role::Node => format!("{name}/tls"),
            Role::Coordinator | Role::Client | Role::Auditor | Role::Provider | Role::Operator => {
                format!("{role}/tls")
            }
        };
        (self.path(&format!("{stem}.pem")), self.path(&format!("{stem}.key")))
    }

    /// Where a server is and whom to expect there.
    pub fn endpoint(&self, server: &str) -> Endpoint {
        let role = if server == COORDINATOR { Role::Coordinator } else { Role::Node };
        Endpoint {
            address: self.server(server).address.clone(),
            expected: PeerIdentity::new(self.name(), role, server).unwrap(),
        }
    }

    /// A connection to a server as some party.
    ///
    /// # Errors
    /// What the transport says.
    pub async fn connect(&self, role: Role, name: &str, server: &str) -> Result<Channel, ConnectError> {
        let timeouts = Timeouts { request: CALL, ..Timeouts::default() };
        client::connect(&self.endpoint(server), &self.identity(role, name), &timeouts).await
    }

    /// A connection that has to be there.
    pub async fn channel(&self, role: Role, name: &str, server: &str) -> Channel {
        self.connect(role, name, server).await.unwrap_or_else(|error| panic!("{server}: {error:?}"))
    }

    /// A connection that is made on its first call, and again whenever it breaks.
    pub fn lazy_channel(&self, role: Role, name: &str, server: &str) -> Channel {
        let timeouts = Timeouts { request: CALL, ..Timeouts::default() };
        client::connect_lazy(&self.endpoint(server), &self.identity(role, name), &timeouts).unwrap()
    }

    /// A connection to the coordinator.
    pub async fn to_coordinator(&self, role: Role, name: &str) -> Channel {
        self.channel(role, name, COORDINATOR).await
    }

    /// Whether a server answers health checks and says that it serves.
    ///
    /// # Errors
    /// The reason code of what it did instead.
    pub async fn answers(&self, server: &str) -> Result<(), String> {
        let channel = self.connect(Role::Operator, "operator", server).await;
        let channel = channel.map_err(|error| error.reason().to_owned())?;
        let probed: Result<(), ProbeError> = client::probe(&channel, "", Duration::from_secs(2)).await;
        probed.map_err(|error| error.reason().to_owned())
    }
}
