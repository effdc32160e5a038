//! A copy of the log, replayed here: what officers' tools and hostile coordinators start from.

use holdfast_ledger::{Applied, Replica, State};
use holdfast_log::{Entry, Envelope};
use holdfast_proto::v1;
use holdfast_proto::v1::log_service_client::LogServiceClient;
use holdfast_transport::Role;
use tonic::Status;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::now_ms;

/// Entries and the state they give.
#[derive(Clone, Debug)]
pub struct LogCopy {
    entries: Vec<Entry>,
    replica: Replica,
}

impl Cluster {
    /// Downloads the whole log as the auditor and replays it from the pinned genesis.
    pub async fn download(&self) -> LogCopy {
        let channel = self.to_coordinator(Role::Auditor, "auditor").await;
        self.log_from(LogServiceClient::new(channel)).await.unwrap()
    }

    /// The same over a connection that may break.
    pub(crate) async fn log_from(&self, mut service: LogServiceClient<Channel>) -> Result<LogCopy, Status> {
        let request = v1::EntriesRequest { start: 0, limit: 0 };
        let mut stream = service.entries(request).await?.into_inner();
        let mut entries = Vec::new();
        while let Some(entry) = stream.message().await? {
            assert_eq!(usize::try_from(entry.index).unwrap(), entries.len());
            entries.push(Entry::parse(&entry.entry).unwrap());
        }
        Ok(LogCopy::replay(entries, self.genesis_sha256()))
    }

    /// The log before any coordinator has added to it: the genesis entry alone.
    pub fn genesis_log(&self) -> LogCopy {
        let genesis = Entry::parse(&std::fs::read(self.path("genesis.entry.json")).unwrap()).unwrap();
        LogCopy::replay(vec![genesis], self.genesis_sha256())
    }
}

impl LogCopy {
    fn replay(entries: Vec<Entry>, genesis_sha256: &[u8; 32]) -> Self {
        let (genesis, rest) = entries.split_first().expect("a log begins with its genesis");
        let mut replica = Replica::from_genesis(genesis, genesis_sha256).unwrap();
        for entry in rest {
            replica.append(entry).unwrap();
        }
        Self { entries, replica }
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Their exact bytes.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.entries.iter().map(|entry| entry.bytes().to_vec()).collect()
    }

    /// The state after them.
    pub fn state(&self) -> &State {
        self.replica.state()
    }

    /// How many there are.
    pub fn size(&self) -> u64 {
        self.replica.size()
    }

    /// Gives an envelope the present time and appends it, as a sequencer does.
    pub fn append(&mut self, envelope: &Envelope) -> Applied {
        self.append_at(now_ms().max(self.state().last_time().0), envelope)
    }

    /// Appends with any time that is not before the last entry's.
    pub fn append_at(&mut self, time_ms: u64, envelope: &Envelope) -> Applied {
        let entry = Entry::stamp(time_ms, envelope).unwrap();
        let applied = self.replica.append(&entry).unwrap();
        self.entries.push(entry);
        applied
    }
}
