//! Durable commits a second: one by one, and from many tasks at once through the group-commit writer.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first failure")]

use divan::Bencher;
use divan::counter::ItemsCount;
use holdfast_store::{BackendKind, Batch, StoreConfig, StoreHandle, Table};

const RECORDS: Table = Table::new("records");
const VALUE: [u8; 256] = [7; 256];
const TASKS: u64 = 64;
const COMMITS_OF_A_TASK: u64 = 16;

fn main() {
    divan::main();
}

fn open(backend: BackendKind) -> (tempfile::TempDir, StoreHandle) {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::at(directory.path().join("store")).with_backend(backend);
    let store = StoreHandle::open(&config, &[RECORDS]).unwrap();
    (directory, store)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[divan::bench(args = [BackendKind::Redb, BackendKind::Sled], sample_count = 50, sample_size = 10)]
fn single_commits(bencher: Bencher<'_, '_>, backend: BackendKind) {
    let (_directory, store) = open(backend);
    let mut next = 0_u64;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        next = next.wrapping_add(1);
        store.commit_blocking(Batch::new().put(RECORDS, next.to_be_bytes(), VALUE)).unwrap();
    });
}

#[divan::bench(args = [BackendKind::Redb, BackendKind::Sled], sample_count = 20, sample_size = 1)]
fn group_commits(bencher: Bencher<'_, '_>, backend: BackendKind) {
    let (_directory, store) = open(backend);
    let runtime = runtime();
    let mut round = 0_u64;
    bencher.counter(ItemsCount::new(TASKS.wrapping_mul(COMMITS_OF_A_TASK))).bench_local(|| {
        round = round.wrapping_add(1);
        runtime.block_on(commit_from_many_tasks(&store, round));
    });
}

async fn commit_from_many_tasks(store: &StoreHandle, round: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for index in 0..COMMITS_OF_A_TASK {
                let key = [round, task, index].map(u64::to_be_bytes).concat();
                store.commit(Batch::new().put(RECORDS, key, VALUE)).await.unwrap();
            }
        });
    }
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
}
