//! The modelled node: the real one, over a real store, which can be copied so that every continuation of one point is tried.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use holdfast_ledger::{AuthorizedWithdrawal, Genesis};
use holdfast_log::Envelope;
use holdfast_policy::{ClusterId, NodeId};
use holdfast_store::{Batch, StoreConfig, StoreHandle, Table};
use holdfast_threshold::{DKLS23, Engines, SessionId};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::words::Block;
use super::world::{CLUSTER, History, NOW, World};
use crate::bans::Bans;
use crate::clock::Clock;
use crate::crash::{CrashPoint, CrashPoints, NoCrashPoints};
use crate::identity::NodeName;
use crate::keygen::Keygens;
use crate::latches::StatementRecord;
use crate::node::{Node, NodeParts};
use crate::retirement::Retirement;
use crate::sealing::KdfParameters;
use crate::signing::{Sessions, SignOrder, SignRefusal, Signing};
use crate::tables;
use crate::testing::{PASSPHRASE, TestClock, ed25519};

/// Which node of the committee is modelled; the honest ones are alike.
pub(super) const SEAT: u8 = 1;

/// Everything on a disk.
pub(super) type Disk = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A place in which one node runs at a time.
pub(super) struct Bench {
    pub(super) store: StoreHandle,
    directory: TempDir,
    clock: Arc<dyn Clock>,
    /// What an empty disk begins with: the salt of the passphrase, so that all machines can read one snapshot of the replica.
    empty: OnceLock<Disk>,
}

/// Keeps a snapshot of whatever it is asked to, so that a restart reads the end of the log only.
#[derive(Debug)]
struct Often;

impl CrashPoints<CrashPoint> for Often {
    fn reached(&self, _: CrashPoint) {}

    fn snapshot_every(&self) -> u64 {
        1
    }
}

/// A node at one point of its life: memory, disk, the attempt that it takes part in.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) node: Arc<Node>,
    pub(super) disk: Arc<Disk>,
    pub(super) history: Arc<History>,
    pub(super) attempt: Option<Arc<(SignOrder, AuthorizedWithdrawal)>>,
    pub(super) attempts: u8,
}

impl Bench {
    pub(super) fn new() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.unwrap();
        let store =
            StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &tables::ALL).unwrap();
        Self { store, directory, clock: Arc::new(TestClock::new(NOW)), empty: OnceLock::new() }
    }

    /// Makes the disk what it was at some point.
    pub(super) async fn write(&self, disk: &Disk) {
        let now = self.read();
        let gone = now.keys().filter(|key| !disk.contains_key(key));
        let batch = gone.fold(Batch::new(), |batch, (table, key)| batch.delete(*table, key.clone()));
        let changed = disk.iter().filter(|(key, value)| now.get(key) != Some(value));
        let batch =
            changed.fold(batch, |batch, ((table, key), value)| batch.put(*table, key.clone(), value.clone()));
        self.store.commit(batch).await.unwrap();
    }

    pub(super) fn read(&self) -> Disk {
        let records = |table| {
            self.store.scan(table, &[], 10_000).unwrap().into_iter().map(move |(k, v)| ((table, k), v))
        };
        tables::ALL.into_iter().flat_map(records).collect()
    }

    /// Starts the real program's node on what is on the disk.
    pub(super) async fn start(&self, world: &World, incarnation: u32) -> Node {
        let suffix = if incarnation == 1 { String::new() } else { format!("-{incarnation}") };
        let genesis = world.base.entries[0].clone();
        let document = Genesis::from_entry(&genesis).unwrap();
        let name = NodeName {
            cluster: ClusterId::new(CLUSTER).unwrap(),
            node: NodeId::new(format!("node-{SEAT}")).unwrap(),
        };
        let (store, clock, path) =
            (self.store.clone(), Arc::clone(&self.clock), self.directory.path().to_owned());
        let opening = tokio::task::spawn_blocking(move || {
            Node::open(NodeParts {
                name,
                cosigning_key: ed25519(&format!("cosign-{SEAT}{suffix}")),
                message_key: ed25519(&format!("message-{SEAT}{suffix}")),
                passphrase: Zeroizing::new(PASSPHRASE.to_vec()),
                engines: Engines::only(&DKLS23),
                kdf: KdfParameters::FAST_FOR_TESTS,
                genesis: (genesis, document),
                data_dir: &path,
                store,
                history_memory: 0,
                clock,
                crash: Arc::new(Often),
            })
        });
        opening.await.unwrap().unwrap()
    }
}

impl Machine {
    /// A new node whose log is `history`.
    pub(super) async fn new(bench: &Bench, world: &World, history: Arc<History>, incarnation: u32) -> Self {
        bench.write(bench.empty.get().unwrap_or(&Disk::new())).await;
        let node = bench.start(world, incarnation).await;
        let salt = bench.read().into_iter().filter(|((_, key), _)| key == tables::SEALING_CHECK.as_bytes());
        let first = bench.empty.set(salt.collect()).is_ok();
        node.replicate(history.extension(1)).await.unwrap();
        if first {
            node.keep_snapshot().await;
        }
        Self::at(bench, node, history)
    }

    fn at(bench: &Bench, node: Node, history: Arc<History>) -> Self {
        let disk = Arc::new(bench.read());
        Self { node: Arc::new(node), disk, history, attempt: None, attempts: 0 }
    }

    /// The same node again, running on the bench.
    pub(super) async fn resumed(&self, bench: &Bench) -> Self {
        bench.write(&self.disk).await;
        let (of, store) = (&self.node, bench.store.clone());
        let replica = Arc::new(of.replica.copied(store.clone()).await);
        let latches = Arc::new(of.latches.copied(store.clone()).await);
        let crash: Arc<dyn CrashPoints<CrashPoint>> = Arc::new(NoCrashPoints);
        let (identity, vault) = (Arc::clone(&of.identity), Arc::clone(&of.signing.vault));
        let retirement = Retirement::new(store.clone(), Arc::clone(&vault), Arc::clone(&crash));
        let signing = Signing {
            identity: Arc::clone(&of.identity),
            clock: Arc::clone(&of.clock),
            crash: Arc::clone(&crash),
            replica: Arc::clone(&replica),
            latches: Arc::clone(&latches),
            vault: Arc::clone(&of.signing.vault),
            guard: of.signing.guard.copied(store.clone()),
            bans: Bans::load(store.clone()).unwrap(),
            sessions: Sessions::default(),
        };
        let node = Node {
            identity: Arc::clone(&of.identity),
            genesis_hash: of.genesis_hash,
            clock: Arc::clone(&of.clock),
            replica,
            snapshots: Arc::clone(&of.snapshots),
            latches,
            keygens: Keygens::load(store, identity, vault, Arc::clone(&of.clock), crash).unwrap(),
            signing,
            retirement,
            incidents: of.incidents.clone(),
        };
        Self { node: Arc::new(node), ..self.clone() }
    }

    /// What is on the bench's disk now is this node's.
    pub(super) fn noted(mut self, bench: &Bench) -> Self {
        self.disk = Arc::new(bench.read());
        self
    }

    /// Shows the node its log's continuation; true if it cosigned all of it.
    pub(super) async fn show(&mut self, history: Arc<History>) -> bool {
        let tip = self.node.replicate(history.extension(self.history.size())).await.unwrap();
        self.history = history;
        tip.cosignature.is_some()
    }

    /// Hands it an officer's statement; true if it gave its receipt.
    pub(super) async fn deliver(&self, envelope: &Envelope) -> bool {
        self.node.latches.deliver(&self.node.replica, &envelope.to_json()).await.is_ok()
    }

    /// Asks it for its oath; true if it swore.
    pub(super) async fn swear(&self, world: &World) -> bool {
        let nothing_new = self.history.extension(self.history.size());
        self.node.swear_off(nothing_new, world.withdrawal).await.is_ok()
    }

    /// Opens an attempt, up to the durable binding: what `Signing::prepare` does before it unseals the share.
    pub(super) async fn open(&mut self, world: &World) -> Result<(), SignRefusal> {
        let session = SessionId([self.attempts; 32]);
        let order = SignOrder {
            session,
            withdrawal: world.withdrawal,
            digest_index: 0,
            signers: (1..=world.committee.t).map(|i| format!("node-{i}").parse().unwrap()).collect(),
            cosigned_checkpoint: self.history.cosigned(),
        };
        let signing = &self.node.signing;
        let gate = signing.latches.gate().await;
        let permit = signing.permitted(&gate, &order).await?;
        let bound = signing.guard.bind(permit, session).await?;
        self.attempt = Some(Arc::new((order, bound.permit().clone())));
        Ok(())
    }

    /// Asks for the last message: what `Signing::round` asks before it makes one.
    pub(super) async fn release(&self) -> Result<(), SignRefusal> {
        let Some(attempt) = &self.attempt else { unreachable!("nothing was opened") };
        let signing = &self.node.signing;
        let gate = signing.latches.gate().await;
        let held = signing.replica.read().await;
        signing.still_permitted(&held, &gate, &attempt.0, &attempt.1)?;
        Ok(signing.guard.release(attempt.0.withdrawal)?)
    }

    /// What this point of its life has in common with every other that goes on in the same way.
    /// The guard's part makes a difference only where nodes swear: without oaths it refuses nothing in this model.
    pub(super) async fn key(&self, oaths: bool) -> String {
        let of = |wanted: Table| self.disk.iter().filter(move |((table, _), _)| *table == wanted);
        // Receipts also tell when they were given, which no later step asks for.
        let latched = of(tables::STATEMENTS).map(|(_, record)| {
            let record: StatementRecord = serde_json::from_slice(record).unwrap();
            (record.envelope, record.lifted)
        });
        let disk: Vec<_> = latched.collect();
        let bound: Vec<_> = of(tables::BINDINGS).filter(|_| oaths).collect();
        let latches = self.node.latches.memory().await;
        let guard = oaths.then(|| self.node.signing.guard.memory());
        let attempt = self.attempt.is_some();
        format!("{}|{disk:?}|{bound:?}|{latches}|{guard:?}|{attempt}", self.history.path)
    }

    pub(super) fn acted(&self, world: &World, block: Block) -> bool {
        self.history.state().statement_acted(&world.digest(block))
    }
}
