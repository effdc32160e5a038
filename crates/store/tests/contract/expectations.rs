//! Expectations decide, and exactly one of several contenders wins.

use std::sync::Barrier;
use std::thread;

use holdfast_store::{BackendKind, Batch, CommitError, StoreHandle};

use crate::{BINDINGS, ENTRIES, Fixture};

fn holds(handle: &StoreHandle, batch: Batch) -> bool {
    match handle.commit_blocking(batch) {
        Ok(()) => true,
        Err(CommitError::ExpectationFailed { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn absent_equals_and_present_hold_exactly_when_they_should(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "k", "v").put(ENTRIES, "empty", "")).unwrap();

    assert!(holds(&handle, Batch::new().expect_present(ENTRIES, "k")));
    assert!(holds(&handle, Batch::new().expect_equals(ENTRIES, "k", "v")));
    assert!(holds(&handle, Batch::new().expect_absent(ENTRIES, "other")));
    assert!(holds(&handle, Batch::new().expect_present(ENTRIES, "empty")));
    assert!(!holds(&handle, Batch::new().expect_absent(ENTRIES, "k")));
    assert!(!holds(&handle, Batch::new().expect_absent(ENTRIES, "empty")));
    assert!(!holds(&handle, Batch::new().expect_present(ENTRIES, "other")));
    assert!(!holds(&handle, Batch::new().expect_equals(ENTRIES, "k", "w")));
    assert!(!holds(&handle, Batch::new().expect_equals(ENTRIES, "k", "")));
    assert!(!holds(&handle, Batch::new().expect_equals(ENTRIES, "other", "")));
    assert!(holds(&handle, Batch::new().expect_absent(BINDINGS, "k")));
}

pub(crate) fn failed_expectation_names_table_and_key(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let refused = handle.commit_blocking(Batch::new().expect_present(BINDINGS, "w-1")).unwrap_err();
    assert_eq!(refused.reason(), "EXPECTATION_FAILED");
    let CommitError::ExpectationFailed { table, key } = refused else { panic!("{refused}") };
    assert_eq!((table, key), (BINDINGS, b"w-1".to_vec()));
}

pub(crate) fn expectations_see_the_state_before_their_own_batch(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    assert!(!holds(&handle, Batch::new().put(ENTRIES, "k", "v").expect_present(ENTRIES, "k")));
    assert!(holds(&handle, Batch::new().put(ENTRIES, "k", "v").expect_absent(ENTRIES, "k")));
}

pub(crate) fn exactly_one_of_ten_racing_contenders_wins(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    for round in 0..10_u8 {
        let start = Barrier::new(10);
        let wins: Vec<u8> = thread::scope(|scope| {
            let contender = |name: u8| {
                let (start, handle) = (&start, &handle);
                scope.spawn(move || {
                    start.wait();
                    let batch = Batch::new().expect_absent(BINDINGS, [round]).put(BINDINGS, [round], [name]);
                    holds(handle, batch).then_some(name)
                })
            };
            let contenders: Vec<_> = (0..10).map(contender).collect();
            contenders.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(wins.len(), 1, "round {round}: winners {wins:?}");
        assert_eq!(handle.read(BINDINGS, &[round]).unwrap(), Some(wins));
    }
}

pub(crate) fn compare_and_swap_counter_loses_no_increment(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "n", [0])).unwrap();
    let increment = || loop {
        let old = handle.read(ENTRIES, b"n").unwrap().unwrap();
        let batch = Batch::new().put(ENTRIES, "n", [old[0] + 1]).expect_equals(ENTRIES, "n", old);
        if holds(&handle, batch) {
            return;
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| increment()));
        }
    });
    assert_eq!(handle.read(ENTRIES, b"n").unwrap(), Some(vec![40]));
}
