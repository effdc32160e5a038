//! Data directories with the whole log in them, made by the programs themselves.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_ledger::PayloadKind;
use holdfast_log::{Checkpoint, Entry, Envelope, Hash, LogSigner, Origin, RightEdge, TilePath};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_transport::Role;
use holdfast_transport::client::{Endpoint, Timeouts, connect};
use serde_json::json;
use tonic::transport::Channel;

use crate::cell::{CLUSTER, COORDINATOR, Cell, NODE, bundle, key};

/// Entries in one message: well within its bounds.
const TOGETHER: usize = 1_024;
/// What a program says when it has written a snapshot.
const WRITTEN: &str = "\"message\":\"snapshot written\"";
/// Longer than it takes to look for what is due and to write it, also on a busy machine.
const SNAPSHOT: Duration = Duration::from_secs(180);

/// Gives a node the log, so that its snapshot is `behind` the end; `None` if it has it already.
pub(crate) async fn node(cell: &Cell, log: &Path, behind: u64) -> Option<Duration> {
    let marker = cell.path(NODE).join("complete");
    if marker.exists() {
        return None;
    }
    cell.clear(NODE);
    let (running, _) = cell.start(NODE).await;
    let mut giving = Giving::to(cell).await;
    let began = Instant::now();
    giving.up_to(cell, log, cell.size()).await;
    let took = began.elapsed();
    let kept = last_snapshot(cell, cell.size() - behind).await;
    giving.pad_to(kept + behind).await;
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
    cell.clear(COORDINATOR);
    let nodes = cell.nodes_running().await;
    let (running, start) = cell.start(COORDINATOR).await;
    drop(nodes);
    let began = Instant::now();
    while !cell.log_of(COORDINATOR).contains(WRITTEN) {
        assert!(began.elapsed() < SNAPSHOT, "the coordinator wrote no snapshot");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(running);
    fs::write(marker, b"").unwrap();
    Some(Duration::from_secs_f64(start.serving_s))
}

/// The size of the node's newest snapshot, once it is at least this one: the next one is far away then.
async fn last_snapshot(cell: &Cell, at_least: u64) -> u64 {
    let began = Instant::now();
    loop {
        let said = cell.log_of(NODE);
        let newest = said
            .lines()
            .rev()
            .find_map(|line| line.split_once(WRITTEN)?.1.strip_prefix(",\"size\":"))
            .and_then(|size| size.split(|c: char| !c.is_ascii_digit()).next());
        let newest = newest.map_or(0, |size| size.parse().unwrap());
        if newest >= at_least {
            return newest;
        }
        assert!(began.elapsed() < SNAPSHOT, "the node wrote no snapshot");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A log on its way to a node, with a checkpoint at the end of each message.
struct Giving {
    node: NodeServiceClient<Channel>,
    signer: LogSigner,
    origin: Origin,
    edge: RightEdge,
    last_ms: u64,
}

impl Giving {
    async fn to(cell: &Cell) -> Self {
        let endpoint =
            Endpoint { address: cell.address(NODE).to_string(), expected: cell.identity(Role::Node, NODE) };
        let channel = connect(&endpoint, &cell.tls(COORDINATOR), &Timeouts::default()).await.unwrap();
        let origin = Origin::of_cluster(CLUSTER).unwrap();
        let signer = LogSigner::new(origin.clone(), key("log"));
        let node = NodeServiceClient::new(channel).max_encoding_message_size(4 << 20);
        Self { node, signer, origin, edge: RightEdge::new(), last_ms: 0 }
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

    /// Goes on up to this size with reports that repeat their sequence number: authentic entries that change nothing.
    async fn pad_to(&mut self, size: u64) {
        let report = json!({"cluster": CLUSTER, "provider": "sessions", "sequence": 1, "customer": "c-1",
            "observed_at_ms": self.last_ms, "new_device": false, "second_factor_reset": false});
        let (kind, report) =
            (PayloadKind::SessionReport.payload_type(), serde_json::to_vec(&report).unwrap());
        let envelope = Envelope::sign_ed25519(kind, report, "provider:sessions", &key("sessions")).unwrap();
        while self.edge.size() < size {
            let count = (size - self.edge.size()).min(TOGETHER as u64);
            let entries =
                (0..count).map(|number| Entry::stamp(self.last_ms + number, &envelope).unwrap().into_bytes());
            self.give(entries.collect()).await;
        }
    }

    async fn give(&mut self, entries: Vec<Vec<u8>>) {
        let from_index = self.edge.size();
        self.last_ms = entries.last().map_or(self.last_ms, |last| Entry::parse(last).unwrap().time_ms());
        entries.iter().for_each(|entry| self.edge.append(Hash::leaf(entry)).unwrap());
        let (size, root) = (self.edge.size(), self.edge.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let checkpoint = self.signer.sign(&checkpoint).unwrap().to_bytes();
        let replication = v1::Replication { from_index, entries, checkpoint, evidence: Vec::new() };
        let tip = self.node.replicate(replication).await.unwrap().into_inner();
        assert_eq!(tip.tip_size, size);
    }
}
