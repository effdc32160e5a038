//! Logs of several tiles: what is written entry by entry is what the whole gives, and an attack in the middle is located.

use holdfast_audit::{Exporter, Finding};
use holdfast_log::export_files;

use crate::cell::{Cell, Files, files};

/// Exports entry by entry.
fn streamed(cell: &Cell) -> Files {
    let (first, rest) = cell.log.split_first().unwrap();
    let mut exporter = Exporter::begin(first, &cell.pinned(), &[]).unwrap();
    let mut written = Vec::new();
    for entry in rest {
        written.extend(exporter.append(entry).unwrap());
    }
    written.extend(exporter.finish(&Cell::checkpoint(&cell.log, &[1, 3]).to_bytes()).unwrap().0);
    assert_eq!(written.last().unwrap().path, "checkpoint", "an export that was cut off has none");
    files(written)
}

fn grown_to(cell: &mut Cell, size: usize) {
    while cell.log.len() < size {
        cell.session();
    }
}

fn finding(cell: &Cell, files: &Files) -> Finding {
    cell.verify(files).map(|_| ()).unwrap_err()
}

#[test]
fn tiles_written_entry_by_entry_are_those_of_the_whole_log_at_every_border() {
    let mut cell = Cell::ready();
    for size in [255, 256, 257, 511, 512, 600] {
        grown_to(&mut cell, size);
        let exported = streamed(&cell);
        let checkpoint = exported["checkpoint"].clone();
        let whole = files(export_files(&cell.log, &checkpoint).unwrap().map(Result::unwrap).collect());
        for (path, bytes) in &whole {
            assert_eq!(exported.get(path), Some(bytes), "{path} of {size}");
        }
        let extra: Vec<_> = exported.keys().filter(|path| !whole.contains_key(*path)).collect();
        assert!(extra.iter().all(|path| !path.starts_with("tile/")), "{extra:?}");
        assert_eq!(cell.verify(&exported).unwrap().report().size, size as u64);
    }
}

#[test]
fn attacks_on_a_log_of_several_tiles_are_located() {
    let mut cell = Cell::ready();
    grown_to(&mut cell, 600);
    let honest = streamed(&cell);
    // A byte of entry 300, in the second bundle
    let mut edited = honest.clone();
    let bundle = edited.get_mut("tile/entries/001").unwrap();
    let position = bundle.len() * 44 / 256;
    bundle[position] ^= 1;
    let found = finding(&cell, &edited);
    assert_eq!(found.rule(), "EXPORT_ENTRY_MISMATCH", "{found}");
    let at = found.first_index().unwrap();
    assert!((298..=302).contains(&at), "{found}");
    // The same with its tile recomputed: entry and tile agree, and the tile above does not
    let mut forged = cell.log.clone();
    let mut envelope = forged[300].envelope().clone();
    envelope.payload = String::from_utf8(envelope.payload).unwrap().replace("false", "true ").into_bytes();
    forged[300] = holdfast_log::Entry::stamp(forged[300].time_ms(), &envelope).unwrap();
    let rewritten = Cell::checkpoint(&forged, &[]).to_bytes();
    let rewritten = files(export_files(&forged, &rewritten).unwrap().map(Result::unwrap).collect());
    let mut changed = honest.clone();
    for path in ["tile/entries/001", "tile/0/001"] {
        changed.insert(path.to_owned(), rewritten[path].clone());
    }
    let found = finding(&cell, &changed);
    assert_eq!((found.rule(), found.first_index()), ("ENVELOPE_SIGNATURE_INVALID", Some(300)), "{found}");
    // Two entries changed places across a border of tiles
    let mut swapped = cell.log.clone();
    swapped.swap(255, 256);
    let rewritten = Cell::checkpoint(&swapped, &[]).to_bytes();
    let rewritten = files(export_files(&swapped, &rewritten).unwrap().map(Result::unwrap).collect());
    let mut changed = honest.clone();
    for path in rewritten.keys().filter(|path| path.starts_with("tile/")) {
        changed.insert(path.clone(), rewritten[path].clone());
    }
    let found = finding(&cell, &changed);
    assert_eq!((found.rule(), found.first_index()), ("TIME_REGRESS", Some(256)), "{found}");
    // A hash tile alone: all entries are right
    let mut changed = honest.clone();
    changed.get_mut("tile/1/000.p/2").unwrap()[5] ^= 1;
    let found = finding(&cell, &changed);
    assert_eq!((found.rule(), found.first_index()), ("EXPORT_TILE_MISMATCH", None), "{found}");
    // A tail that is cut off under the same checkpoint
    let mut cut = honest;
    cut.retain(|path, _| !path.starts_with("tile/entries/002"));
    let found = finding(&cell, &cut);
    assert_eq!((found.rule(), found.first_index()), ("EXPORT_FILE_MISSING", Some(512)), "{found}");
}
