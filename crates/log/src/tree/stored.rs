//! Node hashes in storage order, read from wherever the caller keeps them.
//!
//! Storage order is the dense order of Crosby and Wallach that Go's `sumdb/tlog` uses: a leaf's hash is followed
//! by the hashes of the subtrees it completes, so appending only ever writes at the end.

use std::cell::RefCell;

use tlog_tiles::HashReader;

use super::{MAX_TREE_SIZE, TreeError, check_size};
use crate::hash::Hash;

/// An error of the caller's storage.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Read access to stored node hashes. Any `Fn(u64) -> Result<Option<Hash>, BoxError>` is one.
pub trait StoredHashes {
    /// The hash at a position in storage order, or `None` if nothing is stored there.
    fn stored_hash(&self, index: u64) -> Result<Option<Hash>, BoxError>;
}

impl<F> StoredHashes for F
where
    F: Fn(u64) -> Result<Option<Hash>, BoxError>,
{
    fn stored_hash(&self, index: u64) -> Result<Option<Hash>, BoxError> {
        self(index)
    }
}

/// How many node hashes a tree of `size` leaves stores; also the position where the next append writes first.
pub fn stored_hash_count(size: u64) -> Result<u64, TreeError> {
    check_size(size)?;
    Ok(tlog_tiles::stored_hash_count(size))
}

/// The hashes to store when a leaf is appended to a tree of `size` leaves, in order, the first one at position
/// [`stored_hash_count`]`(size)`. Store all of them in the same transaction as the new size.
pub fn hashes_for_append<R>(size: u64, leaf_hash: Hash, reader: &R) -> Result<Vec<Hash>, TreeError>
where
    R: StoredHashes + ?Sized,
{
    if size >= MAX_TREE_SIZE {
        return Err(TreeError::SizeOutOfRange { size: size.saturating_add(1) });
    }
    let hashes = with_reader(reader, |hashes| {
        tlog_tiles::stored_hashes_for_record_hash(size, leaf_hash.into(), hashes)
    })?;
    Ok(hashes.into_iter().map(Hash::from).collect())
}

/// The root of the tree's first `size` leaves.
pub fn tree_root<R>(size: u64, reader: &R) -> Result<Hash, TreeError>
where
    R: StoredHashes + ?Sized,
{
    check_size(size)?;
    with_reader(reader, |hashes| tlog_tiles::tree_hash(size, hashes)).map(Hash::from)
}

/// Runs one of the library's functions over the caller's storage and gives back the storage's own error.
pub(crate) fn with_reader<R, T>(
    reader: &R,
    compute: impl FnOnce(&LibraryReader<'_, R>) -> Result<T, tlog_tiles::Error>,
) -> Result<T, TreeError>
where
    R: StoredHashes + ?Sized,
{
    let library_reader = LibraryReader { reader, failure: RefCell::new(None) };
    compute(&library_reader)
        .map_err(|source| library_reader.failure.take().unwrap_or(TreeError::Library { source }))
}

/// The library's view of the caller's storage. Keeps the first failure, for which the library has no variant.
pub(crate) struct LibraryReader<'a, R: ?Sized> {
    reader: &'a R,
    failure: RefCell<Option<TreeError>>,
}

impl<R: StoredHashes + ?Sized> LibraryReader<'_, R> {
    fn read(&self, index: u64) -> Result<tlog_tiles::Hash, TreeError> {
        match self.reader.stored_hash(index) {
            Ok(Some(hash)) => Ok(hash.into()),
            Ok(None) => Err(TreeError::HashMissing { index }),
            Err(source) => Err(TreeError::ReadFailed { index, source }),
        }
    }
}

impl<R: StoredHashes + ?Sized> HashReader for LibraryReader<'_, R> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let hashes: Result<Vec<_>, TreeError> = indexes.iter().map(|&index| self.read(index)).collect();
        hashes.map_err(|failure| {
            self.failure.replace(Some(failure));
            tlog_tiles::Error::IndexesNotInTree
        })
    }
}
