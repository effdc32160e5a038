//! Tiles against the specification's examples, and exports under attack.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;

use super::*;
use crate::checkpoint::{Checkpoint, LogSigner, Origin};
use crate::entry::Entry;
use crate::envelope::{Envelope, PayloadType};
use crate::hash::Hash;
use crate::tree::{MAX_TREE_SIZE, MemoryTree};

type Files = BTreeMap<String, Vec<u8>>;

const TYPE: PayloadType = PayloadType::from_static("application/vnd.holdfast.example.v1+json");

fn entries(size: u64) -> Vec<Entry> {
    let key = SigningKey::from_bytes(&[1; 32]);
    let first = Envelope::sign_ed25519(TYPE, b"{}".to_vec(), "client:a", &key).unwrap();
    (0..size).map(|index| Entry::stamp(1_763_700_000_000 + index, &first).unwrap()).collect()
}

fn tree_of(entries: &[Entry]) -> MemoryTree {
    MemoryTree::from_leaf_hashes(entries.iter().map(Entry::leaf_hash)).unwrap()
}

fn checkpoint_of(entries: &[Entry]) -> Checkpoint {
    let tree = tree_of(entries);
    Checkpoint { origin: Origin::of_cluster("east").unwrap(), size: tree.size(), root: tree.root().unwrap() }
}

fn signed(checkpoint: &Checkpoint) -> Vec<u8> {
    let signer = LogSigner::new(checkpoint.origin.clone(), SigningKey::from_bytes(&[1; 32]));
    signer.sign(checkpoint).unwrap().to_bytes()
}

fn export(entries: &[Entry]) -> Files {
    let checkpoint = signed(&checkpoint_of(entries));
    let files = export_files(entries, &checkpoint).unwrap();
    files.map(|file| file.map(|file| (file.path, file.bytes))).collect::<Result<_, _>>().unwrap()
}

fn read(files: &Files, checkpoint: &Checkpoint) -> Result<Vec<Entry>, ExportError> {
    read_export(|path| files.get(path).cloned(), checkpoint)
}

/// The export of `entries` presented as the one of `original`: all files replaced but the checkpoint.
fn refused(files: &Files, original: &[Entry]) -> (&'static str, Option<u64>) {
    let error = read(files, &checkpoint_of(original)).unwrap_err();
    (error.code(), error.first_index())
}

fn bundle_of(files: &mut Files, path: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let width = path.split_once(".p/").map_or(256, |(_, width)| width.parse().unwrap());
    let mut bundle: Vec<Vec<u8>> =
        parse_entry_bundle(&files[path], width).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    change(&mut bundle);
    files.insert(path.to_owned(), encode_entry_bundle(&bundle).unwrap());
}

#[test]
fn names_are_read_in_their_one_form_only() {
    for size in [1, 255, 256, 257, 70_000, 1_234_067] {
        for path in TilePath::all_hashes(size).chain(TilePath::all_entries(size)) {
            assert_eq!(TilePath::parse(&path.to_string()), Some(path));
        }
    }
    for bad in [
        "",
        "checkpoint",
        "tile/0/1",
        "tile/0/0001",
        "tile/0/x000/001",
        "tile/0/x001/x002",
        "tile/0/001.p/256",
        "tile/0/001.p/0",
        "tile/0/001.p/01",
        "tile/00/001",
        "tile/7/000",
        "tile/0/../001",
        "tile/0//001",
        "tile/entries/001/",
        "/tile/0/001",
        "tile/0/001.p/",
        "tile/0/+01",
        "tile/entries/%2e%2e/001",
    ] {
        assert_eq!(TilePath::parse(bad), None, "{bad}");
    }
}

#[test]
fn paths_are_those_of_the_specification() {
    let path = |level, index, width| TilePath::hashes(level, index, width).unwrap().to_string();
    assert_eq!(path(0, 0, 256), "tile/0/000");
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(0, 999, 1), "tile/0/999.p/1");
    assert_eq!(path(2, 1_000, 112), "tile/2/x001/000.p/112");
    let entries = TilePath::entries(1_234_067, 17).unwrap();
    assert_eq!(entries.to_string(), "tile/entries/x001/x234/067.p/17");
    // The library names the same tile the same way, with the height that tlog-tiles leaves out.
    for (level, index, width) in [(0, 0, 256), (1, 5, 3), (1, 123_456_789, 255), (0, 1_000_000_000, 1)] {
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false).path();
        assert_eq!(path(level, index, width), theirs.replacen("tile/8/", "tile/", 1));
    }
}

#[test]
fn tree_of_70000_has_the_tiles_of_the_specification() {
    let all: Vec<String> = TilePath::all_hashes(70_000).map(|path| path.to_string()).collect();
    assert_eq!(all.len(), 273 + 1 + 1 + 1 + 1);
    let partial: Vec<&str> = all.iter().map(String::as_str).filter(|path| path.contains(".p/")).collect();
    assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    let all: Vec<String> = TilePath::all_hashes(256).map(|path| path.to_string()).collect();
    assert_eq!(all, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(TilePath::all_hashes(0).count() + TilePath::all_entries(0).count(), 0);
    // And the library publishes the same ones.
    for size in [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
        let theirs: Vec<String> = tlog_tiles::Tile::new_tiles(8, 0, size)
            .iter()
            .map(|tile| tile.path().replacen("tile/8/", "tile/", 1))
            .collect();
        assert_eq!(TilePath::all_hashes(size).map(|path| path.to_string()).collect::<Vec<_>>(), theirs);
    }
}

#[test]
fn tiles_outside_a_supported_tree_are_refused() {
    for (level, index, width) in
        [(0, 0, 0), (0, 0, 257), (7, 0, 1), (63, 0, 1), (255, 0, 1), (0, u64::MAX, 1), (6, 1, 1)]
    {
        let refused = TilePath::hashes(level, index, width).unwrap_err();
        assert_eq!(refused.code(), "TILE_OUT_OF_RANGE", "{level} {index} {width}");
    }
    assert!(TilePath::entries(0, 257).is_err());
    assert_eq!(TilePath::hashes(6, 0, 1).unwrap().end_entry(), MAX_TREE_SIZE);
    assert_eq!(TilePath::all_hashes(MAX_TREE_SIZE).take(3).count(), 3);
    assert_eq!(TilePath::all_hashes(u64::MAX).take(3).count(), 3);
}

#[test]
fn hash_tiles_have_exactly_their_width() {
    let hashes: Vec<Hash> = (0..3_u8).map(|byte| Hash::leaf(&[byte])).collect();
    let bytes = encode_hash_tile(&hashes).unwrap();
    assert_eq!(bytes.len(), 96);
    assert_eq!(parse_hash_tile(&bytes, 3).unwrap(), hashes);
    for width in [2, 4] {
        assert_eq!(parse_hash_tile(&bytes, width).unwrap_err().code(), "HASH_TILE_MALFORMED");
    }
    assert_eq!(parse_hash_tile(&bytes[1..], 3).unwrap_err().code(), "HASH_TILE_MALFORMED");
    assert_eq!(parse_hash_tile(&[], 0).unwrap_err().code(), "TILE_OUT_OF_RANGE");
    assert_eq!(encode_hash_tile(&[]).unwrap_err().code(), "TILE_OUT_OF_RANGE");
    assert_eq!(encode_hash_tile(&vec![hashes[0]; 257]).unwrap_err().code(), "TILE_OUT_OF_RANGE");
    assert_eq!(encode_hash_tile(&vec![hashes[0]; 256]).unwrap().len(), 8_192);
}

#[test]
fn entry_bundles_are_length_prefixed_in_big_endian() {
    let bytes = encode_entry_bundle(&[b"ab".as_slice(), b"", &[7; 300]]).unwrap();
    assert_eq!(&bytes[..8], &[0, 2, b'a', b'b', 0, 0, 1, 44]);
    let parsed = parse_entry_bundle(&bytes, 3).unwrap();
    assert_eq!(parsed, [b"ab".as_slice(), b"", &[7; 300]]);
    for end in 0..bytes.len() {
        assert_eq!(parse_entry_bundle(&bytes[..end], 3).unwrap_err().code(), "ENTRY_BUNDLE_MALFORMED");
    }
    assert_eq!(parse_entry_bundle(&bytes, 2).unwrap_err(), TileError::BundleTrailing);
    assert_eq!(parse_entry_bundle(&bytes, 4).unwrap_err(), TileError::BundleCutOff { position: 3 });
    assert_eq!(parse_entry_bundle(&bytes, 0).unwrap_err().code(), "TILE_OUT_OF_RANGE");
    assert_eq!(parse_entry_bundle(&bytes, 257).unwrap_err().code(), "TILE_OUT_OF_RANGE");
    assert_eq!(encode_entry_bundle(&[vec![0; 65_535]]).unwrap().len(), 65_537);
    assert_eq!(encode_entry_bundle(&[vec![0; 65_536]]).unwrap_err().code(), "ENTRY_TOO_LARGE");
    assert_eq!(encode_entry_bundle::<&[u8]>(&[]).unwrap_err().code(), "TILE_OUT_OF_RANGE");
}

#[test]
fn exports_of_all_shapes_are_read_back() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 700] {
        let entries = entries(size);
        let files = export(&entries);
        assert_eq!(read(&files, &checkpoint_of(&entries)).unwrap(), entries, "{size}");
        assert_eq!(files["checkpoint"], signed(&checkpoint_of(&entries)));
    }
}

#[test]
fn export_of_three_tile_levels_is_read_back_and_tampering_is_located() {
    let entries = entries(65_536 + 300);
    let mut files = export(&entries);
    assert!(files.contains_key("tile/2/000.p/1"));
    assert_eq!(read(&files, &checkpoint_of(&entries)).unwrap().len(), entries.len());
    bundle_of(&mut files, "tile/entries/200", |bundle| bundle.swap(3, 4));
    assert_eq!(refused(&files, &entries), ("EXPORT_ENTRY_MISMATCH", Some(200 * 256 + 3)));
}

#[test]
fn checkpoint_is_the_last_file_of_an_export() {
    let entries = entries(300);
    let checkpoint = signed(&checkpoint_of(&entries));
    let last = export_files(&entries, &checkpoint).unwrap().last().unwrap().unwrap();
    assert_eq!(last.path, CHECKPOINT_PATH);
}

#[test]
fn entries_of_another_checkpoint_are_not_exported() {
    let ten = entries(10);
    let checkpoint = signed(&checkpoint_of(&ten));
    let mut changed = ten.clone();
    changed.swap(3, 4);
    for wrong in [&ten[..9], &changed] {
        let refused = export_files(wrong, &checkpoint).map(drop).unwrap_err();
        assert_eq!(refused.code(), "EXPORT_CHECKPOINT_MISMATCH");
    }
    let refused = export_files(&ten, b"no checkpoint").map(drop).unwrap_err();
    assert_eq!(refused.code(), "CHECKPOINT_MALFORMED");
}

#[test]
fn edited_entry_is_located_wherever_it_is() {
    let original = entries(600);
    for (index, path) in [
        (0, "tile/entries/000"),
        (255, "tile/entries/000"),
        (256, "tile/entries/001"),
        (599, "tile/entries/002.p/88"),
    ] {
        let mut files = export(&original);
        bundle_of(&mut files, path, |bundle| *bundle[index % 256].last_mut().unwrap() ^= 1);
        let expected = Some(u64::try_from(index).unwrap());
        assert_eq!(refused(&files, &original), ("EXPORT_ENTRY_MISMATCH", expected));
    }
}

#[test]
fn first_of_several_edits_is_the_one_named() {
    let original = entries(600);
    let mut files = export(&original);
    bundle_of(&mut files, "tile/entries/002.p/88", |bundle| bundle[0][5] ^= 1);
    bundle_of(&mut files, "tile/entries/001", |bundle| bundle[9][5] ^= 1);
    assert_eq!(refused(&files, &original), ("EXPORT_ENTRY_MISMATCH", Some(256 + 9)));
}

#[test]
fn deleted_inserted_and_reordered_entries_are_located() {
    let original = entries(600);
    let swapped = {
        let mut files = export(&original);
        bundle_of(&mut files, "tile/entries/001", |bundle| bundle.swap(7, 200));
        files
    };
    assert_eq!(refused(&swapped, &original), ("EXPORT_ENTRY_MISMATCH", Some(256 + 7)));
    // Given bundles in which entry 20 is gone and all later entries moved up, with the last one doubled,
    let mut moved = original.clone();
    moved.remove(20);
    moved.push(original[599].clone());
    let mut files = export(&original);
    for path in TilePath::all_entries(600) {
        let first = usize::try_from(path.first_entry()).unwrap();
        let bundle = encode_entry_bundle(&moved[first..first + usize::from(path.width())]).unwrap();
        files.insert(path.to_string(), bundle);
    }
    assert_eq!(refused(&files, &original), ("EXPORT_ENTRY_MISMATCH", Some(20)));
    // A truncated bundle, and one with an entry too many.
    let mut files = export(&original);
    let bundle = files.get_mut("tile/entries/001").unwrap();
    bundle.truncate(bundle.len() - 1);
    assert_eq!(refused(&files, &original), ("EXPORT_ENTRY_MISMATCH", Some(511)));
    let mut files = export(&original);
    files.get_mut("tile/entries/001").unwrap().extend([0, 0]);
    assert_eq!(refused(&files, &original), ("EXPORT_ENTRY_MISMATCH", Some(511)));
}

#[test]
fn missing_files_are_named() {
    let original = entries(600);
    for (path, index) in
        [("tile/entries/001", 256), ("tile/0/002.p/88", 512), ("tile/1/000.p/2", 0), ("tile/0/000", 0)]
    {
        let mut files = export(&original);
        files.remove(path);
        assert_eq!(refused(&files, &original), ("EXPORT_FILE_MISSING", Some(index)));
        let message = read(&files, &checkpoint_of(&original)).unwrap_err().to_string();
        assert_eq!(message, format!("file `{path}` is missing from the export"));
    }
}

#[test]
fn changed_tile_over_right_entries_is_named_as_a_tile() {
    let original = entries(600);
    for path in ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        for change in [|tile: &mut Vec<u8>| tile[40] ^= 1, |tile: &mut Vec<u8>| tile.truncate(40)] {
            let mut files = export(&original);
            change(files.get_mut(path).unwrap());
            let error = read(&files, &checkpoint_of(&original)).unwrap_err();
            assert_eq!((error.code(), error.first_index()), ("EXPORT_TILE_MISMATCH", None), "{path}");
            assert!(error.to_string().contains(path), "{error}");
        }
    }
}

#[test]
fn entry_edited_together_with_its_leaf_tile_is_narrowed_to_the_tile() {
    // Given entry 300 rewritten and its leaf hash with it, the tile above untouched,
    let original = entries(600);
    let mut files = export(&original);
    let forged = entries(601).pop().unwrap();
    bundle_of(&mut files, "tile/entries/001", |bundle| bundle[44] = forged.bytes().to_vec());
    let tile = files.get_mut("tile/0/001").unwrap();
    tile[44 * 32..45 * 32].copy_from_slice(&forged.leaf_hash().0);
    // then the tile above still says which 256 entries are not the log's.
    let error = read(&files, &checkpoint_of(&original)).unwrap_err();
    assert!(matches!(error, ExportError::RangeMismatch { first_index: 256, end_index: 512 }), "{error}");
}

#[test]
fn wholly_rewritten_log_under_the_old_checkpoint_is_refused() {
    let original = entries(600);
    let mut rewritten = original.clone();
    rewritten[300] = entries(601).pop().unwrap();
    let error = read(&export(&rewritten), &checkpoint_of(&original)).unwrap_err();
    assert!(matches!(error, ExportError::RangeMismatch { first_index: 0, end_index: 600 }), "{error}");
}

#[test]
fn edited_entry_and_unrelated_changed_tile_still_name_the_entry() {
    let original = entries(600);
    let mut files = export(&original);
    bundle_of(&mut files, "tile/entries/000", |bundle| bundle[5][5] ^= 1);
    files.get_mut("tile/0/002.p/88").unwrap()[0] ^= 1;
    assert_eq!(refused(&files, &original), ("EXPORT_ENTRY_MISMATCH", Some(5)));
}

#[test]
fn committed_bytes_that_are_no_entry_are_located() {
    let raw: Vec<Vec<u8>> = vec![entries(1)[0].bytes().to_vec(), b"not an entry".to_vec()];
    let tree = MemoryTree::from_leaf_hashes(raw.iter().map(|bytes| Hash::leaf(bytes))).unwrap();
    let root = tree.root().unwrap();
    let checkpoint = Checkpoint { origin: Origin::of_cluster("east").unwrap(), size: 2, root };
    let note = signed(&checkpoint);
    let files: Files = export_files(&raw, &note)
        .unwrap()
        .map(|file| file.map(|file| (file.path, file.bytes)))
        .collect::<Result<_, _>>()
        .unwrap();
    let error = read(&files, &checkpoint).unwrap_err();
    assert_eq!((error.code(), error.first_index()), ("EXPORT_ENTRY_MALFORMED", Some(1)));
}

#[test]
fn checkpoint_of_a_size_that_the_files_do_not_bear_out_is_refused_at_once() {
    let original = entries(10);
    let files = export(&original);
    for size in [11, 300, 1 << 40, MAX_TREE_SIZE] {
        let claimed = Checkpoint { size, ..checkpoint_of(&original) };
        assert_eq!(read(&files, &claimed).unwrap_err().code(), "EXPORT_FILE_MISSING");
    }
    let claimed = Checkpoint { size: u64::MAX, ..checkpoint_of(&original) };
    assert_eq!(read(&files, &claimed).unwrap_err().code(), "TREE_SIZE_OUT_OF_RANGE");
    let claimed = Checkpoint { size: 0, ..checkpoint_of(&original) };
    assert!(read(&files, &claimed).is_err());
}
