//! Edits, deletions, insertions and reorderings of an export.

use holdfast_log::{Entry, export_files};

use crate::cell::{Cell, Files, START, THIEF, files};

const BUNDLE: &str = "tile/entries/000.p/";

fn bundle_name(files: &Files) -> String {
    files.keys().find(|name| name.starts_with(BUNDLE)).unwrap().clone()
}

/// Rewrites the entry bundle only, as somebody would who edits the file.
fn with_entries(files: &Files, entries: &[Vec<u8>]) -> Files {
    let mut changed = files.clone();
    let bytes = entries.iter().flat_map(|entry| {
        let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
        [length.as_slice(), entry].concat()
    });
    changed.insert(bundle_name(files), bytes.collect());
    changed
}

fn entries(cell: &Cell) -> Vec<Vec<u8>> {
    cell.log.iter().map(|entry| entry.bytes().to_vec()).collect()
}

/// Rewrites entries and tiles so that they agree, under the old checkpoint: what an editor with tools would do.
fn with_entries_and_tiles(cell: &Cell, honest: &Files, changed: &[Entry]) -> Files {
    let checkpoint = Cell::checkpoint(changed, &[]).to_bytes();
    let mut forged = files(export_files(changed, &checkpoint).unwrap().map(Result::unwrap).collect());
    forged.insert("checkpoint".to_owned(), honest["checkpoint"].clone());
    assert_eq!(changed.len(), cell.log.len());
    forged
}

#[test]
fn honest_export_is_verified_and_counted() {
    let mut cell = Cell::ready();
    cell.pay("k-1", 1250, 0);
    cell.submit(&cell.request("k-2", 10, THIEF, 1));
    let verified = cell.verify(&cell.export()).unwrap();
    let report = verified.report();
    assert_eq!(report.size, cell.log.len() as u64);
    assert_eq!(report.withdrawals["SIGNED"], 1);
    assert_eq!(report.entries["withdrawal-request"], 2);
    assert_eq!(report.entries.values().sum::<u64>(), report.size);
    assert_eq!(report.cosigners.iter().map(|c| c.node.as_str()).collect::<Vec<_>>(), ["node-1", "node-3"]);
    assert_eq!(report.missing_cosigners, ["node-2"]);
    assert_eq!(report.witnessed_s, report.cosigners[0].time_s);
    let [noop] = report.noops.as_slice() else { panic!("{:?}", report.noops) };
    assert_eq!(noop.code, "TRANSACTION_DESTINATION_MISMATCH");
    assert!(noop.evidence);
    assert_eq!((noop.index, noop.signer.as_str()), (report.size - 1, "client:pipeline"));
}

#[test]
fn one_node_with_a_clock_of_its_own_makes_no_old_export_look_fresh() {
    let cell = Cell::ready();
    let mut forged = cell.export();
    let honest = cell.verify(&forged).unwrap().report().clone();
    let fresh_s = START / 1000 + 1_000_000;
    forged.insert(
        "checkpoint".to_owned(),
        Cell::checkpoint_at(&cell.log, &[(1, fresh_s), (3, START / 1000)]).to_bytes(),
    );
    let report = cell.verify(&forged).unwrap().report().clone();
    assert_eq!(report.witnessed_s, START / 1000, "two of three cosigned: the second newest time counts");
    assert!(report.witnessed_s < honest.witnessed_s);
}

#[test]
fn edited_entry_is_found_at_its_index() {
    let cell = Cell::ready();
    let honest = cell.export();
    for index in 0..cell.log.len() {
        let mut changed = entries(&cell);
        let middle = changed[index].len() / 2;
        changed[index][middle] ^= 1;
        let finding = cell.verify(&with_entries(&honest, &changed)).unwrap_err();
        let located = finding.first_index() == Some(index as u64);
        assert!(located, "edit at {index}: {finding}");
    }
}

#[test]
fn deleted_inserted_and_swapped_entries_are_found_where_they_begin() {
    let cell = Cell::ready();
    let honest = cell.export();
    let mut deleted = entries(&cell);
    deleted.remove(5);
    let finding = cell.verify(&with_entries(&honest, &deleted)).unwrap_err();
    assert_eq!((finding.rule(), finding.first_index()), ("EXPORT_ENTRY_MISMATCH", Some(5)), "{finding}");
    let mut inserted = entries(&cell);
    inserted.insert(4, inserted[3].clone());
    let finding = cell.verify(&with_entries(&honest, &inserted)).unwrap_err();
    assert_eq!((finding.rule(), finding.first_index()), ("EXPORT_ENTRY_MISMATCH", Some(4)), "{finding}");
    let mut swapped = entries(&cell);
    swapped.swap(6, 7);
    let finding = cell.verify(&with_entries(&honest, &swapped)).unwrap_err();
    assert_eq!((finding.rule(), finding.first_index()), ("EXPORT_ENTRY_MISMATCH", Some(6)), "{finding}");
}

#[test]
fn entry_forged_together_with_its_tiles_is_located_by_its_signature() {
    let mut cell = Cell::ready();
    cell.pay("k-1", 1250, 0);
    let honest = cell.export();
    let index = cell.log.len() - 3;
    let mut envelope = cell.log[index].envelope().clone();
    let text = String::from_utf8(envelope.payload.clone()).unwrap();
    envelope.payload = text.replace("\"1250000000\"", "\"9250000000\"").into_bytes();
    let mut forged = cell.log.clone();
    forged[index] = Entry::stamp(cell.log[index].time_ms(), &envelope).unwrap();
    let finding = cell.verify(&with_entries_and_tiles(&cell, &honest, &forged)).unwrap_err();
    assert_eq!(finding.rule(), "ENVELOPE_SIGNATURE_INVALID", "{finding}");
    assert_eq!(finding.first_index(), Some(index as u64));
}

#[test]
fn swapped_entries_with_matching_tiles_are_located_by_their_times() {
    let cell = Cell::ready();
    let honest = cell.export();
    let mut forged = cell.log.clone();
    forged.swap(6, 7);
    let finding = cell.verify(&with_entries_and_tiles(&cell, &honest, &forged)).unwrap_err();
    assert_eq!((finding.rule(), finding.first_index()), ("TIME_REGRESS", Some(7)), "{finding}");
}

#[test]
fn missing_files_are_named() {
    let cell = Cell::ready();
    let honest = cell.export();
    for name in honest.keys().filter(|name| name.starts_with("tile/") || *name == "checkpoint") {
        let mut cut = honest.clone();
        cut.remove(name);
        let finding = cell.verify(&cut).unwrap_err();
        assert_eq!(finding.rule(), "EXPORT_FILE_MISSING", "{name}: {finding}");
        assert!(finding.detail().contains(name.as_str()), "{finding}");
    }
}

#[test]
fn another_genesis_is_refused_before_anything_else() {
    let cell = Cell::ready();
    let honest = cell.export();
    let finding = holdfast_audit::verify(|path| honest.get(path).cloned(), &[7; 32]).map(|_| ()).unwrap_err();
    assert_eq!((finding.rule(), finding.first_index()), ("OTHER_GENESIS", Some(0)));
}

#[test]
fn export_that_would_not_verify_is_not_written() {
    let cell = Cell::ready();
    let lonely = Cell::checkpoint(&cell.log, &[2]).to_bytes();
    let finding = holdfast_audit::export(&cell.log, &lonely, &cell.pinned()).unwrap_err();
    assert_eq!(finding.rule(), "COSIGNATURES_MISSING");
    let shorter = Cell::checkpoint(&cell.log[..3], &[1, 2]).to_bytes();
    let finding = holdfast_audit::export(&cell.log, &shorter, &cell.pinned()).unwrap_err();
    assert_eq!(finding.rule(), "EXPORT_CHECKPOINT_MISMATCH");
}
