//! Data directories with the whole log in them, made by the programs themselves.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use holdfast_log::{Checkpoint, Hash, LogSigner, Origin, RightEdge, TilePath};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_transport::Role;
use holdfast_transport::client::{Endpoint, Timeouts, connect};
use tonic::transport::Channel;

use crate::cell::{CLUSTER, COORDINATOR, Cell, NODE, bundle, key};

/// Entries in one message: well within its bounds.
const TOGETHER: usize = 1_024;

/// Gives a node the log, so that its snapshot is `behind` the end; `None` if it has it already.
pub(crate) async fn node(cell: &Cell, log: &Path, behind: u64) -> Option<Duration> {
    let marker = cell.path(NODE).join("complete");
    if marker.exists() {
        return None;
    }
    let _ = fs::remove_dir_all(cell.data_of(NODE));
    let (running, _) = cell.start(NODE).await;
    let mut giving = Giving::to(cell).await;
    let began = Instant::now();
    let snapshot_at = cell.size() - behind;
    giving.up_to(cell, log, snapshot_at).await;
    let took = began.elapsed();
    wait_for_snapshot(&cell.data_of(NODE).join("replica.snapshot")).await;
    giving.up_to(cell, log, cell.size()).await;
    drop(running);
    fs::write(marker, b"").unwrap();
    Some(took)
}

/// Lets a coordinator without a log take it over from the node; `None` if it has it already.
pub(crate) async fn coordinator(cell: &Cell) -> Option<Duration> {
    let marker = cell.path(COORDINATOR).join("complete");
    if marker.exists() {
        return None;
    }
    let _ = fs::remove_dir_all(cell.data_of(COORDINATOR));
    let nodes = cell.nodes_running().await;
    let (running, start) = cell.start(COORDINATOR).await;
    drop(nodes);
    wait_for_snapshot(&cell.data_of(COORDINATOR).join("log.snapshot")).await;
    drop(running);
    fs::write(marker, b"").unwrap();
    Some(Duration::from_secs_f64(start.serving_s))
}

/// Waits until a file was written and then left alone for longer than programs wait between looking.
async fn wait_for_snapshot(path: &Path) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let written = fs::metadata(path).and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
        let waited = began.elapsed();
        if waited > Duration::from_secs(12) && age.is_some_and(|age| age > Duration::from_secs(6)) {
            return;
        }
        assert!(waited < Duration::from_secs(120), "no snapshot in {}", path.display());
    }
}

/// A log on its way to a node, with a checkpoint at the end of each message.
struct Giving {
    node: NodeServiceClient<Channel>,
    signer: LogSigner,
    origin: Origin,
    edge: RightEdge,
}

impl Giving {
    async fn to(cell: &Cell) -> Self {
        let endpoint =
            Endpoint { address: cell.address(NODE).to_string(), expected: cell.identity(Role::Node, NODE) };
        let channel = connect(&endpoint, &cell.tls(COORDINATOR), &Timeouts::default()).await.unwrap();
        let origin = Origin::of_cluster(CLUSTER).unwrap();
        let signer = LogSigner::new(origin.clone(), key("log"));
        let node = NodeServiceClient::new(channel).max_encoding_message_size(4 << 20);
        Self { node, signer, origin, edge: RightEdge::new() }
    }

    /// Goes on up to this size.
    async fn up_to(&mut self, cell: &Cell, log: &Path, size: u64) {
        let mut waiting: Vec<Vec<u8>> = Vec::new();
        let given = self.edge.size();
        for path in TilePath::all_entries(cell.size()).skip_while(|path| path.end_entry() <= given) {
            let entries = (path.first_entry()..).zip(bundle(log, &path));
            let wanted = entries.filter(|(index, _)| (given..size).contains(index));
            waiting.extend(wanted.map(|(_, entry)| entry));
            if waiting.len() >= TOGETHER {
                self.give(std::mem::take(&mut waiting)).await;
            }
            if path.end_entry() >= size {
                break;
            }
        }
        self.give(waiting).await;
        assert_eq!(self.edge.size(), size);
    }

    async fn give(&mut self, entries: Vec<Vec<u8>>) {
        let from_index = self.edge.size();
        entries.iter().for_each(|entry| self.edge.append(Hash::leaf(entry)).unwrap());
        let (size, root) = (self.edge.size(), self.edge.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let checkpoint = self.signer.sign(&checkpoint).unwrap().to_bytes();
        let replication = v1::Replication { from_index, entries, checkpoint, evidence: Vec::new() };
        let tip = self.node.replicate(replication).await.unwrap().into_inner();
        assert_eq!(tip.tip_size, size);
    }
}
