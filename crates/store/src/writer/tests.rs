//! What the writer does when a backend blocks, fails or panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::backend::{Backend, BackendError, Changes, Record};
use crate::{Batch, CommitError, Durable, StoreError, StoreHandle, Table, WriteWatch};

const TABLE: Table = Table::new("t");

/// What the next `apply` does, once the test tells it.
enum Order {
    Succeed,
    Fail,
    Panic,
}

/// Keeps records in memory; every `apply` waits for an order.
struct Scripted {
    records: Mutex<Changes>,
    orders: Mutex<Receiver<Order>>,
    begun: Arc<AtomicUsize>,
    applied: Arc<AtomicUsize>,
}

impl Backend for Scripted {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.records.lock().unwrap().get(&(table, key.to_vec())).cloned().flatten())
    }

    fn scan(&self, _: Table, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Record>, BackendError> {
        Ok(Vec::new())
    }

    fn last(&self, _: Table) -> Result<Option<Record>, BackendError> {
        Ok(None)
    }

    fn apply(&self, changes: &Changes) -> Result<(), BackendError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match self.orders.lock().unwrap().recv().unwrap() {
            Order::Succeed => {}
            Order::Fail => return Err(std::io::Error::other("no space left on device").into()),
            Order::Panic => panic!("a bug in the backend"),
        }
        self.records.lock().unwrap().extend(changes.clone());
        self.applied.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// The test's end of a [`Scripted`] backend.
struct Script {
    order: SyncSender<Order>,
    begun: Arc<AtomicUsize>,
    applied: Arc<AtomicUsize>,
}

impl Script {
    fn order(&self, order: Order) {
        self.order.send(order).unwrap();
    }

    fn applied(&self) -> usize {
        self.applied.load(Ordering::SeqCst)
    }

    /// Until the writer is inside its first `apply`, and everything sent from now on has to queue.
    async fn writer_is_busy(&self) {
        while self.begun.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn scripted() -> (StoreHandle, Script) {
    let (order, orders) = sync_channel(16);
    let (begun, applied) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let backend = Scripted {
        records: Mutex::default(),
        orders: Mutex::new(orders),
        begun: Arc::clone(&begun),
        applied: Arc::clone(&applied),
    };
    (StoreHandle::over(Box::new(backend), &[TABLE]).unwrap(), Script { order, begun, applied })
}

/// Commits in the background.
fn spawn_commit(store: &StoreHandle, key: &str) -> JoinHandle<Result<(), CommitError>> {
    let (store, batch) = (store.clone(), put(key));
    tokio::spawn(async move { store.commit(batch).await })
}

fn put(key: &str) -> Batch {
    Batch::new().put(TABLE, key, "v")
}

fn poisoned(outcome: &Result<(), CommitError>) -> bool {
    matches!(outcome, Err(CommitError::Store(StoreError::Poisoned)))
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let (store, script) = scripted();
    let mut commit = spawn_commit(&store, "k");
    let early = tokio::time::timeout(Duration::from_millis(100), &mut commit).await;
    assert!(early.is_err(), "acknowledged before apply returned");
    script.order(Order::Succeed);
    commit.await.unwrap().unwrap();
    assert_eq!(script.applied(), 1);
}

#[tokio::test]
async fn batches_that_wait_meanwhile_share_one_write() {
    let (store, script) = scripted();
    let first = spawn_commit(&store, "first");
    script.writer_is_busy().await;
    let waiting: Vec<_> = (0..20).map(|i| spawn_commit(&store, &format!("k{i}"))).collect();
    while store.free_places() > super::MAX_GROUP_BATCHES - 20 {
        tokio::task::yield_now().await;
    }
    (0..2).for_each(|_| script.order(Order::Succeed));
    for commit in [first].into_iter().chain(waiting) {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(script.applied(), 2);
}

#[tokio::test]
async fn refused_batch_of_a_group_leaves_the_others_alone() {
    let (store, script) = scripted();
    let first = spawn_commit(&store, "first");
    script.writer_is_busy().await;
    let good = store.commit(Batch::new().expect_absent(TABLE, "k").put(TABLE, "k", "good"));
    let bad =
        store.commit(Batch::new().expect_absent(TABLE, "k").put(TABLE, "k", "bad").put(TABLE, "l", "bad"));
    let more = store.commit(put("more"));
    let release = async { (0..2).for_each(|_| script.order(Order::Succeed)) };
    let (good, bad, more, ()) = tokio::join!(good, bad, more, release);
    first.await.unwrap().unwrap();
    good.unwrap();
    more.unwrap();
    assert!(matches!(bad, Err(CommitError::ExpectationFailed { .. })));
    assert_eq!(script.applied(), 2, "the three batches did not share a group");
    assert_eq!(store.read(TABLE, b"k").unwrap(), Some(b"good".to_vec()));
    assert_eq!(store.read(TABLE, b"l").unwrap(), None);
}

#[tokio::test]
async fn failed_write_is_reported_as_unknown_and_poisons_everything_after() {
    let (store, script) = scripted();
    script.order(Order::Succeed);
    store.commit(put("before")).await.unwrap();
    script.order(Order::Fail);
    let failed = store.commit(put("failing")).await;
    assert!(matches!(failed, Err(CommitError::Store(StoreError::WriteFailed { .. }))));

    assert!(poisoned(&store.commit(put("after")).await));
    assert!(matches!(store.read(TABLE, b"before"), Err(StoreError::Poisoned)));
    assert!(matches!(store.close().await, Err(StoreError::Poisoned)));
    assert!(!store.is_healthy());
}

#[tokio::test]
async fn batches_queued_behind_a_failing_write_are_not_written() {
    let (store, script) = scripted();
    let first = spawn_commit(&store, "first");
    script.writer_is_busy().await;
    let waiting: Vec<_> = (0..5).map(|i| spawn_commit(&store, &format!("k{i}"))).collect();
    tokio::task::yield_now().await;
    script.order(Order::Fail);
    script.order(Order::Succeed);
    for commit in [first].into_iter().chain(waiting) {
        commit.await.unwrap().unwrap_err();
    }
    assert_eq!(script.applied(), 0);
}

#[tokio::test]
async fn panic_in_a_backend_poisons_the_store() {
    let (store, script) = scripted();
    script.order(Order::Panic);
    assert!(poisoned(&store.commit(put("k")).await));
    assert!(poisoned(&store.commit(put("k")).await));
    assert!(matches!(store.read(TABLE, b"k"), Err(StoreError::Poisoned)));
}

#[tokio::test]
async fn full_queue_makes_commits_wait_instead_of_growing() {
    let (store, script) = scripted();
    let total = 3 * super::MAX_GROUP_BATCHES;
    let commits: Vec<_> = (0..total).map(|i| spawn_commit(&store, &format!("k{i}"))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(store.free_places(), 0, "the queue is not bounded by its capacity");
    thread::spawn(move || while script.order.send(Order::Succeed).is_ok() {});
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_what_comes_later() {
    let (store, script) = scripted();
    let first = spawn_commit(&store, "first");
    script.writer_is_busy().await;
    let queued: Vec<_> = (0..5).map(|i| spawn_commit(&store, &format!("k{i}"))).collect();
    tokio::task::yield_now().await;
    let release = async { (0..2).for_each(|_| script.order(Order::Succeed)) };
    let (closed, ()) = tokio::join!(store.close(), release);
    closed.unwrap();
    for commit in [first].into_iter().chain(queued) {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(script.applied(), 2);
    assert!(matches!(store.commit(put("late")).await, Err(CommitError::Store(StoreError::Closed))));
    assert!(matches!(store.read(TABLE, b"k0"), Err(StoreError::Closed)));
    assert!(!store.is_healthy());
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl WriteWatch for Notes {
    fn begins(&self, records: &mut dyn Iterator<Item = (Table, &[u8])>) -> Durable {
        let places: Vec<String> =
            records.map(|(table, key)| format!("{table}/{}", key.escape_ascii())).collect();
        self.0.lock().unwrap().push(format!("before {places:?}"));
        let notes = Arc::clone(&self.0);
        Box::new(move || notes.lock().unwrap().push(format!("after {places:?}")))
    }
}

#[tokio::test]
async fn a_watch_is_told_before_a_write_reaches_the_writer_and_after_it_is_durable() {
    let (store, script) = scripted();
    let notes = Notes::default();
    let seen = Arc::clone(&notes.0);
    let store = store.watched(Arc::new(notes));
    let commit = spawn_commit(&store, "k");
    script.writer_is_busy().await;
    assert_eq!(*seen.lock().unwrap(), [r#"before ["t/k"]"#]);
    script.order(Order::Succeed);
    commit.await.unwrap().unwrap();
    assert_eq!(seen.lock().unwrap()[1], r#"after ["t/k"]"#);
    // A write that is not durable has no after, and one that only deletes says what
    script.order(Order::Fail);
    store.commit(Batch::new().delete(TABLE, "k")).await.unwrap_err();
    assert_eq!(seen.lock().unwrap()[2..], [r#"before ["t/k"]"#]);
}
