//! What the writer does when a backend blocks, fails or panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::backend::{Backend, BackendError, Changes, Record};
use crate::{Batch, CommitError, StoreError, StoreHandle, Table};

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

fn scripted() -> (StoreHandle, SyncSender<Order>, Arc<AtomicUsize>) {
    let (order, orders) = sync_channel(16);
    let applied = Arc::new(AtomicUsize::new(0));
    let backend =
        Scripted { records: Mutex::default(), orders: Mutex::new(orders), applied: Arc::clone(&applied) };
    (StoreHandle::over(Box::new(backend), &[TABLE]).unwrap(), order, applied)
}

fn put(key: &str) -> Batch {
    Batch::new().put(TABLE, key, "v")
}

fn poisoned(outcome: &Result<(), CommitError>) -> bool {
    matches!(outcome, Err(CommitError::Store(StoreError::Poisoned)))
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let (store, order, applied) = scripted();
    let mut commit = tokio::spawn({
        let store = store.clone();
        async move { store.commit(put("k")).await }
    });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut commit).await;
    assert!(early.is_err(), "acknowledged before apply returned");
    order.send(Order::Succeed).unwrap();
    commit.await.unwrap().unwrap();
    assert_eq!(applied.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn batches_that_wait_meanwhile_share_one_write() {
    let (store, order, applied) = scripted();
    let commits: Vec<_> = (0..20)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(put(&format!("k{i}"))).await })
        })
        .collect();
    // The first write is held back until all the others are queued.
    tokio::time::sleep(Duration::from_millis(100)).await;
    (0..3).for_each(|_| order.send(Order::Succeed).unwrap());
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    assert!(applied.load(Ordering::SeqCst) <= 3, "{applied:?} writes for 20 batches");
}

#[tokio::test]
async fn refused_batch_of_a_group_leaves_the_others_alone() {
    let (store, order, applied) = scripted();
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.commit(put("first")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let good = store.commit(Batch::new().expect_absent(TABLE, "k").put(TABLE, "k", "good"));
    let bad =
        store.commit(Batch::new().expect_absent(TABLE, "k").put(TABLE, "k", "bad").put(TABLE, "l", "bad"));
    let release = async { (0..2).for_each(|_| order.send(Order::Succeed).unwrap()) };
    let (good, bad, ()) = tokio::join!(good, bad, release);
    first.await.unwrap().unwrap();
    good.unwrap();
    assert!(matches!(bad, Err(CommitError::ExpectationFailed { .. })));
    assert_eq!(applied.load(Ordering::SeqCst), 2, "the two batches did not share a group");
    assert_eq!(store.read(TABLE, b"k").unwrap(), Some(b"good".to_vec()));
    assert_eq!(store.read(TABLE, b"l").unwrap(), None);
}

#[tokio::test]
async fn failed_write_is_reported_as_unknown_and_poisons_everything_after() {
    let (store, order, _) = scripted();
    order.send(Order::Succeed).unwrap();
    store.commit(put("before")).await.unwrap();
    order.send(Order::Fail).unwrap();
    let failed = store.commit(put("failing")).await;
    assert!(matches!(failed, Err(CommitError::Store(StoreError::WriteFailed { .. }))));

    assert!(poisoned(&store.commit(put("after")).await));
    assert!(matches!(store.read(TABLE, b"before"), Err(StoreError::Poisoned)));
    assert!(matches!(store.close().await, Err(StoreError::Poisoned)));
    assert!(!store.is_healthy());
}

#[tokio::test]
async fn batches_queued_behind_a_failing_write_are_not_written() {
    let (store, order, applied) = scripted();
    let commits: Vec<_> = (0..5)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(put(&format!("k{i}"))).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    order.send(Order::Fail).unwrap();
    order.send(Order::Succeed).unwrap();
    for commit in commits {
        commit.await.unwrap().unwrap_err();
    }
    assert_eq!(applied.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn panic_in_a_backend_poisons_the_store() {
    let (store, order, _) = scripted();
    order.send(Order::Panic).unwrap();
    assert!(poisoned(&store.commit(put("k")).await));
    assert!(poisoned(&store.commit(put("k")).await));
    assert!(matches!(store.read(TABLE, b"k"), Err(StoreError::Poisoned)));
}

#[tokio::test]
async fn full_queue_makes_commits_wait_instead_of_growing() {
    let (store, order, _) = scripted();
    let total = 3 * super::MAX_GROUP_BATCHES;
    let commits: Vec<_> = (0..total)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(put(&format!("k{i}"))).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(store.free_places(), 0, "the queue is not bounded by its capacity");
    thread::spawn(move || while order.send(Order::Succeed).is_ok() {});
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
}

#[test]
fn closing_writes_what_is_queued_and_refuses_what_comes_later() {
    let (store, order, applied) = scripted();
    let queued: Vec<_> = (0..5)
        .map(|i| {
            let store = store.clone();
            thread::spawn(move || store.commit_blocking(put(&format!("k{i}"))))
        })
        .collect();
    thread::sleep(Duration::from_millis(100));
    let closing = thread::spawn({
        let store = store.clone();
        move || store.close_blocking()
    });
    thread::sleep(Duration::from_millis(50));
    (0..5).for_each(|_| order.send(Order::Succeed).unwrap());
    queued.into_iter().for_each(|commit| commit.join().unwrap().unwrap());
    closing.join().unwrap().unwrap();
    assert!(applied.load(Ordering::SeqCst) >= 1);
    assert!(matches!(store.commit_blocking(put("late")), Err(CommitError::Store(StoreError::Closed))));
    assert!(matches!(store.read(TABLE, b"k0"), Err(StoreError::Closed)));
}
