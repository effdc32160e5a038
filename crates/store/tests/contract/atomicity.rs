//! All of a batch or nothing of it, for writers and for readers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use holdfast_store::{BackendKind, Batch, CommitError};

use crate::{BINDINGS, ENTRIES, Fixture};

pub(crate) fn batch_is_applied_whole_across_tables(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "old", "1")).unwrap();

    let batch = Batch::new().put(ENTRIES, "new", "2").put(BINDINGS, "w", "digest").delete(ENTRIES, "old");
    handle.commit_blocking(batch).unwrap();

    assert_eq!(handle.read(ENTRIES, b"new").unwrap(), Some(b"2".to_vec()));
    assert_eq!(handle.read(BINDINGS, b"w").unwrap(), Some(b"digest".to_vec()));
    assert_eq!(handle.read(ENTRIES, b"old").unwrap(), None);
}

pub(crate) fn failed_expectation_writes_nothing(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "kept", "1")).unwrap();

    let batch = Batch::new()
        .expect_present(ENTRIES, "kept")
        .expect_absent(ENTRIES, "kept")
        .put(BINDINGS, "w", "digest")
        .delete(ENTRIES, "kept");
    let refused = handle.commit_blocking(batch);

    assert!(matches!(refused, Err(CommitError::ExpectationFailed { .. })));
    assert_eq!(handle.read(BINDINGS, b"w").unwrap(), None);
    assert_eq!(handle.read(ENTRIES, b"kept").unwrap(), Some(b"1".to_vec()));
}

pub(crate) fn concurrent_transfers_keep_their_sum(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let amount = |bytes: Option<Vec<u8>>| u64::from_be_bytes(bytes.unwrap().try_into().unwrap());
    let balances =
        |a: u64, b: u64| Batch::new().put(ENTRIES, "a", a.to_be_bytes()).put(BINDINGS, "b", b.to_be_bytes());
    handle.commit_blocking(balances(1_000, 0)).unwrap();

    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let (a, b) = (handle.read(ENTRIES, b"a").unwrap(), handle.read(BINDINGS, b"b").unwrap());
                    let moved = balances(amount(a.clone()) - 1, amount(b.clone()) + 1)
                        .expect_equals(ENTRIES, "a", a.unwrap())
                        .expect_equals(BINDINGS, "b", b.unwrap());
                    // Losing to another transfer is fine; half a transfer is not.
                    let _ = handle.commit_blocking(moved);
                }
            });
        }
    });

    let (a, b) = (amount(handle.read(ENTRIES, b"a").unwrap()), amount(handle.read(BINDINGS, b"b").unwrap()));
    assert_eq!(a + b, 1_000);
    assert!(b >= 1, "no transfer ever succeeded");
}

pub(crate) fn reader_never_sees_half_a_batch(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..100_u32 {
                let batch = (0..20_u32).fold(Batch::new(), |batch, key| {
                    batch.put(ENTRIES, key.to_be_bytes(), round.to_be_bytes())
                });
                handle.commit_blocking(batch).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let records = handle.scan(ENTRIES, b"", 100).unwrap();
            let rounds: Vec<_> = records.iter().map(|(_, round)| round).collect();
            assert!(rounds.is_empty() || rounds.len() == 20, "{} of 20 records", rounds.len());
            assert!(rounds.windows(2).all(|pair| pair[0] == pair[1]), "two rounds in one scan");
        }
    });
}
