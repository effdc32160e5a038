//! Real nodes with stores on disk, without a network; they can be restarted.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use holdfast_policy::NodeId;
use holdfast_store::{StoreConfig, StoreHandle, Table};
use zeroize::Zeroizing;

use super::{Cell, TestClock, ed25519};
use crate::clock::Clock;
use crate::crash::{CrashPoint, CrashPoints};
use crate::engines;
use crate::identity::NodeName;
use crate::node::{Node, NodeParts, OpenError};
use crate::replica::Extension;
use crate::sealing::KdfParameters;
use crate::service::{NodeApi, OfficerApi};
use crate::tables;

pub(crate) const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// What lies on disk whenever the node reaches a crash point: records in the tables that matter.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    store: OnceLock<StoreHandle>,
    seen: Mutex<Vec<(CrashPoint, OnDisk)>>,
    stop: Mutex<Option<Stop>>,
}

/// Where the node waits, whom it tells, and who lets it go.
type Stop = (CrashPoint, mpsc::SyncSender<()>, mpsc::Receiver<()>);

/// Numbers of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnDisk {
    pub(crate) entries: usize,
    pub(crate) bindings: usize,
    pub(crate) statements: usize,
    pub(crate) shares: usize,
    pub(crate) keygen_states: usize,
}

impl Probe {
    /// What was on disk at each of these points, in the order in which they were reached.
    pub(crate) fn at(&self, points: &[CrashPoint]) -> Vec<(CrashPoint, OnDisk)> {
        self.seen.lock().unwrap().iter().filter(|(point, _)| points.contains(point)).copied().collect()
    }

    /// Makes the node wait when it next reaches this point: the first end tells that it is there, the second lets it go.
    pub(crate) fn stop_at(&self, point: CrashPoint) -> (mpsc::Receiver<()>, mpsc::SyncSender<()>) {
        let (reached, is_reached) = mpsc::sync_channel(1);
        let (go_on, may_go_on) = mpsc::sync_channel(1);
        *self.stop.lock().unwrap() = Some((point, reached, may_go_on));
        (is_reached, go_on)
    }
}

impl CrashPoints<CrashPoint> for Probe {
    fn reached(&self, point: CrashPoint) {
        let store = self.store.get().unwrap();
        let count = |table| store.scan(table, &[], 10_000).unwrap().len();
        let on_disk = OnDisk {
            entries: count(tables::ENTRIES),
            bindings: count(tables::BINDINGS),
            statements: count(tables::STATEMENTS),
            shares: count(tables::SHARES),
            keygen_states: count(tables::KEYGEN_STATES),
        };
        self.seen.lock().unwrap().push((point, on_disk));
        let stop = self.stop.lock().unwrap().take_if(|(at, ..)| *at == point);
        if let Some((_, reached, may_go_on)) = stop {
            reached.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
    }

    fn unnamed_write(&self, table: Table) {
        panic!("a write to `{table}` has no crash points: name it in crash.rs");
    }
}

/// A node and what a test needs of it.
pub(crate) struct TestNode {
    pub(crate) probe: Arc<Probe>,
    pub(crate) node: Arc<Node>,
    pub(crate) store: StoreHandle,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) directory: Arc<tempfile::TempDir>,
    pub(crate) number: u8,
}

impl TestNode {
    /// A new node of the cell; its clock is the cell's.
    pub(crate) async fn open(cell: &Cell, number: u8) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(TestClock::new(cell.now));
        Self::open_in(cell, number, directory, clock, PASSPHRASE).await.unwrap()
    }

    pub(crate) async fn three(cell: &Cell) -> Vec<Self> {
        vec![Self::open(cell, 1).await, Self::open(cell, 2).await, Self::open(cell, 3).await]
    }

    /// A new node under an old name, with keys of its own.
    pub(crate) async fn open_with_keys(cell: &Cell, number: u8, cosigning: &str, message: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(TestClock::new(cell.now));
        let keys = [cosigning.to_owned(), message.to_owned()];
        Self::open_as(cell, number, keys, directory, clock, PASSPHRASE).await.unwrap()
    }

    pub(crate) async fn open_in(
        cell: &Cell,
        number: u8,
        directory: Arc<tempfile::TempDir>,
        clock: Arc<TestClock>,
        passphrase: &'static [u8],
    ) -> Result<Self, OpenError> {
        let keys = [format!("cosign-{number}"), format!("message-{number}")];
        Self::open_as(cell, number, keys, directory, clock, passphrase).await
    }

    async fn open_as(
        cell: &Cell,
        number: u8,
        [cosigning, message]: [String; 2],
        directory: Arc<tempfile::TempDir>,
        clock: Arc<TestClock>,
        passphrase: &'static [u8],
    ) -> Result<Self, OpenError> {
        let store = open_store(directory.path());
        let genesis = cell.genesis();
        let name = NodeName {
            cluster: cell.state().cluster().clone(),
            node: NodeId::new(format!("node-{number}")).unwrap(),
        };
        let (path, for_node) = (directory.path().to_owned(), store.clone());
        let shared: Arc<dyn Clock> = Arc::<TestClock>::clone(&clock);
        let probe = Arc::new(Probe { store: OnceLock::from(store.clone()), ..Probe::default() });
        let hooks: Arc<dyn CrashPoints<CrashPoint>> = Arc::<Probe>::clone(&probe);
        let opening = tokio::task::spawn_blocking(move || {
            Node::open(NodeParts {
                name,
                cosigning_key: ed25519(&cosigning),
                message_key: ed25519(&message),
                passphrase: Zeroizing::new(passphrase.to_vec()),
                engines: engines::engines(true).unwrap(),
                kdf: KdfParameters::FAST_FOR_TESTS,
                genesis,
                data_dir: &path,
                store: for_node,
                // No page stays in memory.
                history_memory: 0,
                clock: shared,
                crash: hooks,
            })
        });
        match opening.await.unwrap() {
            Ok(node) => Ok(Self { probe, node: Arc::new(node), store, clock, directory, number }),
            Err(error) => {
                store.close().await.unwrap();
                Err(error)
            }
        }
    }

    /// Stops the node and starts it again on what is on disk.
    pub(crate) async fn restart(self, cell: &Cell) -> Self {
        self.try_restart(cell, PASSPHRASE).await.unwrap()
    }

    pub(crate) async fn try_restart(self, cell: &Cell, passphrase: &'static [u8]) -> Result<Self, OpenError> {
        let Self { probe, node, store, clock, directory, number } = self;
        store.close().await.unwrap();
        drop((probe, node, store));
        Self::open_in(cell, number, directory, clock, passphrase).await
    }

    pub(crate) fn api(&self) -> NodeApi {
        NodeApi::new(Arc::clone(&self.node))
    }

    pub(crate) fn officer_api(&self) -> OfficerApi {
        OfficerApi::new(Arc::clone(&self.node))
    }

    pub(crate) fn name(&self) -> String {
        format!("node-{}", self.number)
    }

    pub(crate) async fn tip(&self) -> u64 {
        self.node.replica.read().await.tip().size
    }

    /// Everything that is new in the cell.
    pub(crate) async fn catch_up(&self, cell: &Cell) {
        self.hear(cell, &[]).await;
    }

    /// Everything that is new in the cell, and that these nodes cosigned it.
    pub(crate) async fn hear(&self, cell: &Cell, cosigners: &[u8]) {
        self.clock.set(cell.now);
        let evidence = if cosigners.is_empty() { Vec::new() } else { vec![cell.cosigned(cosigners)] };
        let extension = Extension { evidence, ..cell.extension(self.tip().await) };
        self.node.replicate(extension).await.unwrap();
    }
}

pub(crate) fn open_store(directory: &Path) -> StoreHandle {
    StoreHandle::open(&StoreConfig::at(directory.join("store")), &tables::ALL).unwrap()
}
