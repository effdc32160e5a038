//! Records under the hash of their bytes, which files beside the store name.
//!
//! Owns what is deleted and when: never what one of the last two files names, so that neither a file that was replaced a moment ago
//! nor a copy in memory names something that is gone. It must never delete before the newer file is durable. It compares no hash: who
//! reads does.
//!
//! Several processes keep pages of a state in such tables: what they do to them is here, what a page is they know.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::batch::{Batch, MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS};
use crate::error::{CommitError, StoreError};
use crate::handle::StoreHandle;
use crate::table::Table;

/// SHA-256 of a record's bytes: its key.
pub type ContentHash = [u8; 32];

/// Records read at a time while sweeping.
const PAGE: usize = 256;

/// A table of content-addressed records.
#[derive(Debug)]
pub struct ContentTable {
    store: StoreHandle,
    table: Table,
    retained: Mutex<Retained>,
}

/// What is not deleted.
#[derive(Debug, Default)]
struct Retained {
    /// Whether what an earlier process or an attempt without a file left was deleted.
    swept: bool,
    /// Whether something was written for a file that is not durable yet.
    waits: bool,
    /// What the newest file names.
    named: BTreeSet<ContentHash>,
    /// What the file before it named and it does not.
    former: BTreeSet<ContentHash>,
}

impl ContentTable {
    /// The table, of which nothing is named yet.
    pub fn new(store: StoreHandle, table: Table) -> Self {
        Self { store, table, retained: Mutex::default() }
    }

    /// The record under this hash, if there is one. Whether it has that hash is for the caller to find out.
    ///
    /// # Errors
    /// As [`StoreHandle::read`].
    pub fn read(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let failed = |error: &StoreError| {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, table = self.table.name(), "a record cannot be read");
        };
        self.store.read(self.table, hash).inspect_err(failed)
    }

    /// A file that names these was found: they are needed.
    pub fn named_at_start(&self, named: impl IntoIterator<Item: Into<ContentHash>>) {
        self.retained().named = named.into_iter().map(Into::into).collect();
    }

    /// Makes records durable, before any file names them.
    ///
    /// # Errors
    /// As [`StoreHandle::commit`]. What was written by then is deleted later.
    ///
    /// # Panics
    /// As [`StoreHandle::commit_blocking`].
    pub fn write_blocking<'a, H: Into<ContentHash>>(
        &self,
        records: impl IntoIterator<Item = (H, &'a [u8])>,
    ) -> Result<(), CommitError> {
        self.retained().begin();
        let (mut batch, mut operations, mut bytes) = (Batch::new(), 0_usize, 0_usize);
        for (hash, record) in records {
            let hash: ContentHash = hash.into();
            let size = hash.len().saturating_add(record.len());
            if operations >= MAX_BATCH_OPERATIONS || bytes.saturating_add(size) > MAX_BATCH_BYTES {
                self.store.commit_blocking(std::mem::take(&mut batch))?;
                (operations, bytes) = (0, 0);
            }
            batch = batch.put(self.table, hash, record);
            (operations, bytes) = (operations.saturating_add(1), bytes.saturating_add(size));
        }
        if operations > 0 {
            self.store.commit_blocking(batch)?;
        }
        Ok(())
    }

    /// A new file is durable and names these. Deletes what neither it nor the one before names, and once after a start everything
    /// that nobody names. Returns how many records that were.
    ///
    /// # Errors
    /// As [`StoreHandle::commit`]; nothing that is named is deleted.
    ///
    /// # Panics
    /// As [`StoreHandle::commit_blocking`].
    pub fn retain_blocking(
        &self,
        named: impl IntoIterator<Item: Into<ContentHash>>,
    ) -> Result<usize, CommitError> {
        let named: BTreeSet<ContentHash> = named.into_iter().map(Into::into).collect();
        let (swept, doomed) = {
            let mut retained = self.retained();
            let before = std::mem::replace(&mut retained.named, named);
            let former = before.difference(&retained.named).copied().collect();
            let doomed = std::mem::replace(&mut retained.former, former);
            retained.waits = false;
            let swept = std::mem::replace(&mut retained.swept, true);
            (swept, if swept { self.unnamed(&retained, doomed) } else { Vec::new() })
        };
        let doomed = if swept { doomed } else { self.strays()? };
        self.delete(&doomed)?;
        Ok(doomed.len())
    }

    /// The same for those who go on whatever comes of it: what was not deleted takes room and harms nobody.
    ///
    /// # Panics
    /// As [`StoreHandle::commit_blocking`].
    pub fn tidy_blocking(&self, named: impl IntoIterator<Item: Into<ContentHash>>) {
        match self.retain_blocking(named) {
            Ok(deleted) => tracing::debug!(deleted, "records that no file names were deleted"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "records that no file names were not deleted");
            }
        }
    }

    fn unnamed(&self, retained: &Retained, hashes: BTreeSet<ContentHash>) -> Vec<ContentHash> {
        hashes.into_iter().filter(|hash| !retained.names(hash)).collect()
    }

    /// Every record that neither of the two files names.
    fn strays(&self) -> Result<Vec<ContentHash>, StoreError> {
        let (mut strays, mut from) = (Vec::new(), Vec::new());
        loop {
            let page = self.store.scan(self.table, &from, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(strays) };
            // The next key is this one with a byte more.
            from = [last.as_slice(), &[0]].concat();
            let retained = self.retained();
            let hashes = page.iter().filter_map(|(key, _)| ContentHash::try_from(key.as_slice()).ok());
            strays.extend(hashes.filter(|hash| !retained.names(hash)));
        }
    }

    fn delete(&self, hashes: &[ContentHash]) -> Result<(), CommitError> {
        for hashes in hashes.chunks(MAX_BATCH_OPERATIONS) {
            let batch = hashes.iter().fold(Batch::new(), |batch, hash| batch.delete(self.table, *hash));
            self.store.commit_blocking(batch)?;
        }
        Ok(())
    }

    // Each change of it is one assignment: a panic elsewhere leaves it whole.
    fn retained(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Retained {
    /// What was written before for a file that never came is garbage now, and nobody knows its names.
    fn begin(&mut self) {
        self.swept &= !std::mem::replace(&mut self.waits, true);
    }

    fn names(&self, hash: &ContentHash) -> bool {
        self.named.contains(hash) || self.former.contains(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BackendKind, StoreConfig};

    const CONTENT: Table = Table::new("content");

    fn hash(byte: u8) -> ContentHash {
        [byte; 32]
    }

    struct Shelf(ContentTable, StoreHandle);

    impl Shelf {
        fn over(store: &StoreHandle) -> Self {
            Self(ContentTable::new(store.clone(), CONTENT), store.clone())
        }

        fn write(&self, bytes: &[u8]) {
            let records: Vec<_> = bytes.iter().map(|byte| (hash(*byte), vec![*byte; 9])).collect();
            self.0.write_blocking(records.iter().map(|(hash, bytes)| (*hash, bytes.as_slice()))).unwrap();
        }

        fn retain(&self, bytes: &[u8]) -> usize {
            self.0.retain_blocking(bytes.iter().map(|byte| hash(*byte))).unwrap()
        }

        fn holds(&self) -> Vec<u8> {
            self.1.scan(CONTENT, &[], 1_000).unwrap().into_iter().map(|(key, _)| key[0]).collect()
        }
    }

    fn on_each_backend(test: fn(&StoreHandle)) {
        for kind in [BackendKind::Redb, BackendKind::Sled] {
            let directory = tempfile::tempdir().unwrap();
            let config = StoreConfig::at(directory.path().join("store")).with_backend(kind);
            let store = StoreHandle::open(&config, &[CONTENT]).unwrap();
            test(&store);
            store.close_blocking().unwrap();
        }
    }

    #[test]
    fn what_neither_of_the_last_two_files_names_is_deleted() {
        on_each_backend(|store| {
            let shelf = Shelf::over(store);
            shelf.write(&[1, 2, 3]);
            shelf.retain(&[1, 2, 3]);
            shelf.write(&[4]);
            assert_eq!(shelf.retain(&[2, 3, 4]), 0, "the file before names it");
            assert_eq!(shelf.holds(), [1, 2, 3, 4]);
            assert_eq!(shelf.retain(&[3, 4]), 1);
            assert_eq!(shelf.holds(), [2, 3, 4]);
            // One that comes back is kept.
            assert_eq!(shelf.retain(&[2, 4]), 0);
            assert_eq!(shelf.retain(&[2, 4]), 1);
            assert_eq!(shelf.holds(), [2, 4]);
            assert_eq!(shelf.0.read(&hash(4)).unwrap(), Some(vec![4; 9]));
            assert_eq!(shelf.0.read(&hash(3)).unwrap(), None);
        });
    }

    #[test]
    fn what_a_process_wrote_that_ended_before_its_file_was_durable_is_swept_after_the_next_start() {
        on_each_backend(|store| {
            let before = Shelf::over(store);
            before.write(&[1, 2]);
            before.retain(&[1, 2]);
            before.write(&[3, 4]);
            // It ends here. The next one finds the file that names the first two.
            let after = Shelf::over(store);
            after.0.named_at_start([hash(1), hash(2)]);
            after.write(&[5]);
            assert_eq!(after.holds(), [1, 2, 3, 4, 5], "nothing is deleted before a file is durable");
            assert_eq!(after.retain(&[2, 5]), 2);
            assert_eq!(after.holds(), [1, 2, 5], "the first file may still be read");
        });
    }

    #[test]
    fn what_was_written_for_a_file_that_never_came_is_swept_with_the_next_one() {
        on_each_backend(|store| {
            let shelf = Shelf::over(store);
            shelf.write(&[1]);
            shelf.retain(&[1]);
            shelf.write(&[2]);
            shelf.write(&[3]);
            assert_eq!(shelf.retain(&[1, 3]), 1);
            assert_eq!(shelf.holds(), [1, 3]);
        });
    }

    #[test]
    fn more_than_fits_into_one_batch_is_written_and_swept() {
        on_each_backend(|store| {
            let table = ContentTable::new(store.clone(), CONTENT);
            let large = vec![7; 900_000];
            let hash = |n: u16| {
                let mut hash = [0; 32];
                hash[..2].copy_from_slice(&n.to_be_bytes());
                hash
            };
            table.write_blocking((0..10).map(|n| (hash(n), large.as_slice()))).unwrap();
            table.write_blocking((100..4_300).map(|n| (hash(n), [1].as_slice()))).unwrap();
            assert_eq!(table.read(&hash(9)).unwrap().map(|bytes| bytes.len()), Some(900_000));
            assert_eq!(table.retain_blocking([hash(9)]).unwrap(), 4_209);
            assert_eq!(store.scan(CONTENT, &[], 10).unwrap().len(), 1);
            table.write_blocking::<ContentHash>([]).unwrap();
        });
    }
}
