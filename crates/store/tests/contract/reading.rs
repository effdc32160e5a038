//! Reads, scans and the bounds on what is read and written.

use holdfast_store::{BackendKind, Batch, MAX_KEY_BYTES, MAX_SCAN_RECORDS, MAX_VALUE_BYTES, Table};

use crate::{BINDINGS, BINDINGS_OLD, ENTRIES, Fixture};

fn keys(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<&[u8]> {
    records.iter().map(|(key, _)| key.as_slice()).collect()
}

pub(crate) fn scan_is_ordered_and_starts_at_the_key_given(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let numbers = [5_u64, 300, 1, 256, 2];
    let batch = numbers.iter().fold(Batch::new(), |batch, n| batch.put(ENTRIES, n.to_be_bytes(), [1]));
    handle.commit_blocking(batch).unwrap();

    let all = handle.scan(ENTRIES, b"", 100).unwrap();
    assert_eq!(keys(&all), [1_u64, 2, 5, 256, 300].map(u64::to_be_bytes));
    let from = handle.scan(ENTRIES, &5_u64.to_be_bytes(), 2).unwrap();
    assert_eq!(keys(&from), [5_u64, 256].map(u64::to_be_bytes));
    let between = handle.scan(ENTRIES, &6_u64.to_be_bytes(), 1).unwrap();
    assert_eq!(keys(&between), [256_u64.to_be_bytes()]);
    assert!(handle.scan(ENTRIES, &301_u64.to_be_bytes(), 100).unwrap().is_empty());
    assert!(handle.scan(ENTRIES, b"", 0).unwrap().is_empty());
}

pub(crate) fn prefix_scan_stops_at_the_end_of_the_prefix(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let batch =
        ["a/1", "a/2", "a0", "b", "a"].iter().fold(Batch::new(), |batch, k| batch.put(ENTRIES, *k, "v"));
    let batch = batch.put(ENTRIES, [0xff, 0xff], "v").put(ENTRIES, [0xff, 0xff, 1], "v");
    handle.commit_blocking(batch).unwrap();

    assert_eq!(keys(&handle.scan_prefix(ENTRIES, b"a/", 100).unwrap()), [b"a/1", b"a/2"]);
    assert_eq!(keys(&handle.scan_prefix(ENTRIES, b"a/", 1).unwrap()), [b"a/1"]);
    assert_eq!(handle.scan_prefix(ENTRIES, &[0xff, 0xff], 100).unwrap().len(), 2);
    assert!(handle.scan_prefix(ENTRIES, b"c", 100).unwrap().is_empty());
}

pub(crate) fn tables_are_separate(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let batch =
        Batch::new().put(BINDINGS, "k", "new").put(BINDINGS_OLD, "k", "old").put(ENTRIES, "z", "entry");
    handle.commit_blocking(batch).unwrap();
    handle.commit_blocking(Batch::new().delete(BINDINGS_OLD, "k")).unwrap();

    assert_eq!(handle.scan(BINDINGS, b"", 10).unwrap(), [(b"k".to_vec(), b"new".to_vec())]);
    assert!(handle.scan(BINDINGS_OLD, b"", 10).unwrap().is_empty());
    assert_eq!(handle.last(BINDINGS_OLD).unwrap(), None);
    assert_eq!(handle.scan_prefix(ENTRIES, b"", 10).unwrap().len(), 1);
}

pub(crate) fn last_is_the_greatest_key(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    assert_eq!(handle.last(ENTRIES).unwrap(), None);
    for n in [7_u64, 1_000, 900] {
        handle.commit_blocking(Batch::new().put(ENTRIES, n.to_be_bytes(), n.to_string())).unwrap();
    }
    assert_eq!(handle.last(ENTRIES).unwrap(), Some((1_000_u64.to_be_bytes().to_vec(), b"1000".to_vec())));
}

pub(crate) fn values_of_every_length_up_to_the_limit_read_back(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let longest_key = vec![0xff; MAX_KEY_BYTES];
    for length in [0, 1, 4_095, 4_096, 4_097, 65_535, MAX_VALUE_BYTES - 1, MAX_VALUE_BYTES] {
        let value: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        handle.commit_blocking(Batch::new().put(ENTRIES, longest_key.clone(), value.clone())).unwrap();
        assert!(
            handle.read(ENTRIES, &longest_key).unwrap() == Some(value.clone()),
            "value of {length} bytes"
        );
        assert!(
            handle.last(ENTRIES).unwrap() == Some((longest_key.clone(), value)),
            "value of {length} bytes"
        );
    }
}

pub(crate) fn shortened_value_leaves_nothing_of_the_longer_one(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    for value in [vec![1; 20_000], vec![2; 5_000], Vec::new(), vec![3; 9_000]] {
        handle.commit_blocking(Batch::new().put(ENTRIES, "k", value.clone())).unwrap();
        assert_eq!(handle.scan(ENTRIES, b"", 10).unwrap(), [(b"k".to_vec(), value)]);
    }
    handle.commit_blocking(Batch::new().delete(ENTRIES, "k")).unwrap();
    assert!(handle.scan(ENTRIES, b"", 10).unwrap().is_empty());
}

pub(crate) fn bounds_of_keys_scans_and_tables_are_enforced(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    let reason = |outcome: Result<(), holdfast_store::CommitError>| outcome.unwrap_err().reason();
    let long_key = vec![1; MAX_KEY_BYTES + 1];
    let long_value = vec![1; MAX_VALUE_BYTES + 1];
    let stranger = Table::new("stranger");

    assert_eq!(
        reason(handle.commit_blocking(Batch::new().put(ENTRIES, long_key.clone(), "v"))),
        "STORE_KEY_LENGTH"
    );
    assert_eq!(reason(handle.commit_blocking(Batch::new().put(ENTRIES, "", "v"))), "STORE_KEY_LENGTH");
    assert_eq!(
        reason(handle.commit_blocking(Batch::new().put(ENTRIES, "k", long_value))),
        "STORE_VALUE_TOO_LONG"
    );
    assert_eq!(reason(handle.commit_blocking(Batch::new().put(stranger, "k", "v"))), "STORE_TABLE_UNKNOWN");
    assert_eq!(handle.read(ENTRIES, &long_key).unwrap_err().reason(), "STORE_KEY_LENGTH");
    assert_eq!(handle.read(stranger, b"k").unwrap_err().reason(), "STORE_TABLE_UNKNOWN");
    assert_eq!(handle.scan(ENTRIES, b"", MAX_SCAN_RECORDS + 1).unwrap_err().reason(), "STORE_SCAN_LIMIT");
    assert!(handle.scan(ENTRIES, b"", 10).unwrap().is_empty(), "a refused batch left something behind");
}
