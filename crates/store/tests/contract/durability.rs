//! What was acknowledged is there after the store is closed and opened again.

use std::time::Duration;

use holdfast_store::{BackendKind, Batch, StoreHandle};

use crate::{BINDINGS, ENTRIES, Fixture, TABLES};

pub(crate) fn acknowledged_records_survive_reopening(backend: BackendKind) {
    let store = Fixture::new(backend);
    for round in 0..5_u64 {
        let handle = store.open();
        for earlier in 0..round * 20 {
            assert_eq!(
                handle.read(ENTRIES, &earlier.to_be_bytes()).unwrap(),
                Some(vec![7; 100]),
                "{earlier}"
            );
        }
        for next in round * 20..(round + 1) * 20 {
            handle.commit_blocking(Batch::new().put(ENTRIES, next.to_be_bytes(), [7; 100])).unwrap();
        }
        handle.close_blocking().unwrap();
    }
}

/// Also while the library's own threads are slow to let go of the file.
pub(crate) fn closed_store_is_free_at_once(backend: BackendKind) {
    let store = Fixture::new(backend);
    for round in 0..25_u64 {
        let handle = store.open();
        handle.commit_blocking(Batch::new().put(ENTRIES, round.to_be_bytes(), [7; 5_000])).unwrap();
        handle.close_blocking().unwrap();
    }
    assert_eq!(store.open().scan(ENTRIES, b"", 100).unwrap().len(), 25);
}

pub(crate) fn dropped_handles_release_the_store(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "k", "v")).unwrap();
    drop(handle);
    // The writer thread notices on its own time.
    let reopened = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        StoreHandle::open(&store.config(), &TABLES).ok()
    });
    assert_eq!(reopened.expect("still locked").read(ENTRIES, b"k").unwrap(), Some(b"v".to_vec()));
}

pub(crate) fn overwritten_and_deleted_records_stay_so_after_reopening(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "a", "1").put(BINDINGS, "b", "1")).unwrap();
    handle.commit_blocking(Batch::new().put(ENTRIES, "a", "2").delete(BINDINGS, "b")).unwrap();
    handle.close_blocking().unwrap();

    let handle = store.open();
    assert_eq!(handle.read(ENTRIES, b"a").unwrap(), Some(b"2".to_vec()));
    assert_eq!(handle.read(BINDINGS, b"b").unwrap(), None);
}

pub(crate) fn large_records_survive_reopening(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let long_key = |n: u32| [n.to_be_bytes().as_slice(), &[0xaa; 508]].concat();
    for group in 0..8_u32 {
        let batch = (0..100_u32).fold(Batch::new(), |batch, n| {
            batch.put(ENTRIES, long_key(group * 100 + n), vec![n as u8; 60_000])
        });
        handle.commit_blocking(batch).unwrap();
    }
    // Long keys with short values fill the inner pages of a tree.
    for group in 0..4_u32 {
        let batch = (0..1_000_u32)
            .fold(Batch::new(), |batch, n| batch.put(BINDINGS, long_key(group * 1_000 + n), [1]));
        handle.commit_blocking(batch).unwrap();
    }
    handle.close_blocking().unwrap();

    if backend == BackendKind::Sled {
        // sled never syncs its blob files, so the layout must not cause any.
        let blobs = std::fs::read_dir(store.config().path.join("sled/blobs")).unwrap().count();
        assert_eq!(blobs, 0, "sled put pages into blob files");
    }
    let handle = store.open();
    for n in 0..800_u32 {
        assert!(
            handle.read(ENTRIES, &long_key(n)).unwrap() == Some(vec![(n % 100) as u8; 60_000]),
            "record {n}"
        );
    }
    assert_eq!(handle.scan(BINDINGS, b"", 10_000).unwrap().len(), 4_000);
}
