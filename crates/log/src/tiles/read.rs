//! Reading an export: are these the entries that the checkpoint states, and if not, where does it first differ?
//!
//! Trusts nothing but the checkpoint it is given, whose signatures the caller has verified.
//!
//! Hash tiles are authenticated first, from the root downwards. If they hold, they name the first changed entry
//! exactly. If they do not, the entries are hashed by themselves: either all are right and a tile was changed, or
//! the first disagreement between entries and tiles is reported, or, where both were changed to agree with each
//! other, the smallest range that the hashes still name.

use super::export::tile_hashes;
use super::path::{TilePath, levels};
use super::{ExportError, bundle::split_entry, parse_hash_tile};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::tree::{MemoryTree, RightEdge, check_size};

/// Node hashes of a tree at every level that has tiles, from the leaves upwards; as read, not trusted.
type Levels = Vec<Vec<Hash>>;

/// The entries of an export, in order, if they are those of a verified checkpoint. `read` gives the contents of a
/// file by its name below the export's directory. Work is bounded by the files that are there, whatever size the
/// checkpoint states.
pub fn read_export(
    read: impl Fn(&str) -> Option<Vec<u8>>,
    checkpoint: &Checkpoint,
) -> Result<Vec<Entry>, ExportError> {
    let mut entries = Vec::new();
    visit_export(read, checkpoint, |entry| {
        entries.push(entry);
        Ok::<_, ExportError>(())
    })?;
    Ok(entries)
}

/// The same, one entry at a time, so that a log of any length needs 32 bytes of memory for each entry and no more. Stops at
/// the first error, be it the export's or the visitor's.
// INVARIANT: every entry that is visited hashes to a leaf under the checkpoint's root, so an edit, a deletion, an
// insertion or a reordering is found and located (G7).
pub fn visit_export<E: From<ExportError>>(
    read: impl Fn(&str) -> Option<Vec<u8>>,
    checkpoint: &Checkpoint,
    visit: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let size = checkpoint.size;
    check_size(size).map_err(ExportError::from)?;
    let tiles = read_tiles(&read, size)?;
    let leaf_hashes = tiles.first().map(Vec::as_slice).unwrap_or_default();
    match authenticate(&tiles, checkpoint) {
        Ok(()) => read_entries(&read, size, leaf_hashes, visit),
        Err(fault) => Err(diagnose(&read, checkpoint, leaf_hashes, fault).into()),
    }
}

fn read_tiles(read: &impl Fn(&str) -> Option<Vec<u8>>, size: u64) -> Result<Levels, ExportError> {
    // From the top, where tiles are few: a size that the files do not bear out is found at once.
    let mut from_the_top = Vec::new();
    for level in (0..levels(size)).rev() {
        let mut hashes = Vec::new();
        for path in TilePath::level_of(size, level) {
            let bytes = read(&path.to_string()).ok_or(ExportError::FileMissing { path })?;
            let tile =
                parse_hash_tile(&bytes, path.width()).map_err(|_| ExportError::TileMismatch { path })?;
            hashes.extend(tile);
        }
        from_the_top.push(hashes);
    }
    from_the_top.reverse();
    Ok(from_the_top)
}

/// What the tiles leave in doubt.
enum Fault {
    /// They do not hash to the root.
    Root,
    /// This tile does not hash to the tile above it, which does.
    Tile(TilePath),
}

fn authenticate(tiles: &Levels, checkpoint: &Checkpoint) -> Result<(), Fault> {
    if root_of(tiles, checkpoint.size) != Some(checkpoint.root) {
        return Err(Fault::Root);
    }
    // The root covers every partial tile, and each full tile is covered by one hash of the level above.
    for (level, (below, above)) in tiles.iter().zip(tiles.iter().skip(1)).enumerate().rev() {
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let full_tiles = TilePath::level_of(checkpoint.size, level);
        for ((path, tile), stated) in full_tiles.zip(below.chunks(256)).zip(above) {
            if perfect_root(tile) != Some(*stated) {
                return Err(Fault::Tile(path));
            }
        }
    }
    Ok(())
}

/// The root that the rightmost tiles of all levels give, as RFC 6962 composes it from complete subtrees.
fn root_of(tiles: &Levels, size: u64) -> Option<Hash> {
    let mut peaks = Vec::new();
    let mut covered: u64 = 0;
    for bit in (0..u64::BITS).rev().filter(|bit| (size >> bit) & 1 == 1) {
        let level = tiles.get(usize::try_from(bit / 8).ok()?)?;
        let first = usize::try_from(covered >> (bit / 8).checked_mul(8)?).ok()?;
        let count = 1_usize.checked_shl(bit % 8)?;
        peaks.push(perfect_root(level.get(first..first.checked_add(count)?)?)?);
        covered = covered.checked_add(1_u64.checked_shl(bit)?)?;
    }
    RightEdge::from_peaks(size, peaks).map(|edge| edge.root())
}

/// The root of a complete subtree, given a power of two of its hashes.
fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [only] => Some(*only),
        _ => {
            let (left, right) = hashes.split_at_checked(hashes.len() / 2)?;
            Some(Hash::node(perfect_root(left)?, perfect_root(right)?))
        }
    }
}

/// Reads entries against authenticated leaf hashes.
fn read_entries<E: From<ExportError>>(
    read: &impl Fn(&str) -> Option<Vec<u8>>,
    size: u64,
    leaf_hashes: &[Hash],
    mut visit: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    for_each_entry(read, size, |index, bytes| {
        let stated = usize::try_from(index).ok().and_then(|index| leaf_hashes.get(index));
        match Entry::parse(bytes) {
            Ok(entry) if stated == Some(&entry.leaf_hash()) => visit(entry),
            Err(source) if stated == Some(&Hash::leaf(bytes)) => {
                Err(ExportError::EntryMalformed { index, source }.into())
            }
            Ok(_) | Err(_) => Err(ExportError::EntryMismatch { index }.into()),
        }
    })
}

/// Calls `visit` with each entry's index and bytes, in order. Broken framing is a mismatch of the entry it hits.
fn for_each_entry<E: From<ExportError>>(
    read: &impl Fn(&str) -> Option<Vec<u8>>,
    size: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for path in TilePath::all_entries(size) {
        let bundle = read(&path.to_string()).ok_or(ExportError::FileMissing { path })?;
        let mut rest = bundle.as_slice();
        for index in path.first_entry()..path.end_entry() {
            let (entry, after) = split_entry(rest).ok_or(ExportError::EntryMismatch { index })?;
            visit(index, entry)?;
            rest = after;
        }
        if !rest.is_empty() {
            return Err(ExportError::EntryMismatch { index: path.end_entry().saturating_sub(1) }.into());
        }
    }
    Ok(())
}

/// The tiles do not lead to the root: finds out whether entries are at fault, and which.
fn diagnose(
    read: &impl Fn(&str) -> Option<Vec<u8>>,
    checkpoint: &Checkpoint,
    leaf_hashes: &[Hash],
    fault: Fault,
) -> ExportError {
    let mut tree = MemoryTree::new();
    let mut first_difference = None;
    let hashed = for_each_entry(read, checkpoint.size, |index, bytes| {
        let leaf_hash = Hash::leaf(bytes);
        let stated = usize::try_from(index).ok().and_then(|index| leaf_hashes.get(index));
        if stated != Some(&leaf_hash) {
            first_difference.get_or_insert(index);
        }
        tree.append(leaf_hash)?;
        Ok::<_, ExportError>(())
    });
    let intact = hashed.is_ok() && tree.root().is_ok_and(|root| root == checkpoint.root);
    match (intact, first_difference, hashed) {
        (true, ..) => first_wrong_tile(read, &tree),
        (false, Some(index), _) => ExportError::EntryMismatch { index },
        (false, None, Err(error)) => error,
        (false, None, Ok(())) => match fault {
            Fault::Root => ExportError::RangeMismatch { first_index: 0, end_index: checkpoint.size },
            Fault::Tile(path) => {
                ExportError::RangeMismatch { first_index: path.first_entry(), end_index: path.end_entry() }
            }
        },
    }
}

/// All entries are right: the first tile, from the leaves upwards, that is not theirs.
fn first_wrong_tile(read: &impl Fn(&str) -> Option<Vec<u8>>, tree: &MemoryTree) -> ExportError {
    for path in TilePath::all_hashes(tree.size()) {
        let tile = read(&path.to_string()).and_then(|bytes| parse_hash_tile(&bytes, path.width()).ok());
        match tile_hashes(path, tree) {
            Ok(expected) if tile.as_ref() == Some(&expected) => {}
            Ok(_) => return ExportError::TileMismatch { path },
            Err(error) => return error,
        }
    }
    ExportError::RangeMismatch { first_index: 0, end_index: tree.size() }
}
