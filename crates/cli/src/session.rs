//! What every command works with: the profile, the pinned genesis, and connections made when they are needed.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_chains::Asset;
use holdfast_ledger::Genesis;
use holdfast_log::Entry;
use holdfast_transport::Role;
use tokio::sync::Mutex;
use tonic::transport::Channel;

use crate::connect;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::known::Rosters;
use crate::output::Output;
use crate::profile::{Profile, Server, Who};

/// One run of the program, or one demo.
pub(crate) struct Session {
    pub(crate) profile: Profile,
    pub(crate) output: Output,
    pub(crate) genesis: Genesis,
    channels: Mutex<BTreeMap<(Who, Role, String, String), Channel>>,
}

impl Session {
    /// Loads the profile and the genesis that it pins.
    pub(crate) fn open(profile: &Path, output: Output) -> Result<Self, Failure> {
        let profile = Profile::load(profile)?;
        let genesis = load_genesis(&profile)?;
        Ok(Self { profile, output, genesis, channels: Mutex::default() })
    }

    /// The cell's id.
    pub(crate) fn cluster(&self) -> &str {
        self.genesis.document.cluster.as_str()
    }

    /// The rosters that this machine has seen proven.
    pub(crate) fn rosters(&self) -> Result<Rosters, Failure> {
        Rosters::load(&self.profile, &self.genesis)
    }

    /// The asset registry.
    pub(crate) fn assets(&self) -> &[Asset] {
        &self.genesis.document.assets
    }

    /// A connection to the coordinator as `who`.
    pub(crate) async fn coordinator(&self, who: &Who) -> Result<Channel, Failure> {
        self.channel(who, Role::Coordinator, &self.profile.file.coordinator).await
    }

    /// A connection to a node as `who`.
    pub(crate) async fn node(&self, who: &Who, node: &Server) -> Result<Channel, Failure> {
        self.channel(who, Role::Node, node).await
    }

    async fn channel(&self, who: &Who, role: Role, server: &Server) -> Result<Channel, Failure> {
        let key = (who.clone(), role, server.name.clone(), server.address.clone());
        let mut channels = self.channels.lock().await;
        if let Some(channel) = channels.get(&key) {
            return Ok(channel.clone());
        }
        let channel = connect::connect(&self.profile, who, role, server).await?;
        channels.insert(key, channel.clone());
        Ok(channel)
    }
}

/// INVARIANT (G2): keys and names come from the genesis that was pinned at installation, or from a log that follows from it and was
/// verified here; never from a server.
fn load_genesis(profile: &Profile) -> Result<Genesis, Failure> {
    let path = profile.path(&profile.file.genesis.entry);
    let refuse = |message: String| {
        Failure::new(Exit::Verification, "GENESIS_INVALID", format!("`{}`: {message}", path.display()))
            .next("get the genesis entry and its SHA-256 again from your officers")
    };
    let entry = Entry::parse(&files::read(&path)?).map_err(|error| refuse(error.to_string()))?;
    let genesis = Genesis::from_entry(&entry).map_err(|error| refuse(error.to_string()))?;
    if genesis.hash != profile.genesis_sha256 {
        let found = hex::encode(genesis.hash);
        return Err(refuse(format!(
            "its SHA-256 is {found}, the profile pins {}",
            profile.file.genesis.sha256
        )));
    }
    if genesis.document.cluster.as_str() != profile.file.cluster {
        return Err(refuse(format!("it is of cluster `{}`", genesis.document.cluster)));
    }
    Ok(genesis)
}
