//! sled 0.34, hardened: what sled calls flushed is made durable here.
//!
//! Two things sled leaves out on Linux: its `flush` never calls `fsync` on the log file, and items over a quarter of a
//! segment go to separate blob files that nobody ever syncs. So `apply` syncs the log file itself, and long values are
//! cut into chunks so small that no page of the tree can become a blob.
//! A third: the last reference to sled's locked file may be in one of its own threads, so the lock outlives the database
//! by a moment. Whoever closes the backend waits for that moment ([`release`]).
//! Must never show a reader what is not yet synced, nor write from anywhere but `apply`.

mod layout;
mod release;

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::{RwLock, RwLockReadGuard};

use sled::{Db, IVec};

use super::{Backend, BackendError, Changes, Record};
use crate::range::after_prefix;
use crate::table::Table;
use layout::{Head, chunk_key, chunks, head_key, table_prefix};
use release::Release;

const CACHE_BYTES: u64 = 64 << 20;

/// A quarter of this is sled's limit for an item inside the log. The largest pages (a leaf of about 20 chunks, an index
/// of 257 keys of the longest kind) stay under 200 KiB, so nothing becomes a blob.
const SEGMENT_BYTES: usize = 1 << 20;

pub(crate) struct SledBackend {
    database: Db,
    /// After the database in drop order.
    _release: Release,
    log_file: File,
    // INVARIANT: `true` exactly while everything in the tree is on disk; `apply` holds it exclusively from the first
    // change to the sync, so a reader never acts on a record that a power cut could take back (G8).
    synced: RwLock<bool>,
}

impl SledBackend {
    pub(crate) fn open(directory: &Path) -> Result<Self, BackendError> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let log_path = directory.join("db");
        // Before the database, so that an early return drops it afterwards.
        let release = Release::of(&log_path);
        let database = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None)
            .open()
            .map_err(|error| if release::is_held(&log_path) { BackendError::Held } else { error.into() })?;
        let log_file = File::open(&log_path)?;
        log_file.set_permissions(Permissions::from_mode(0o600))?;
        // Recovery may have shown us records that were written but never synced before the crash.
        database.flush()?;
        log_file.sync_all()?;
        File::open(directory)?.sync_all()?;
        Ok(Self { database, _release: release, log_file, synced: RwLock::new(true) })
    }

    fn durable(&self) -> Result<RwLockReadGuard<'_, bool>, BackendError> {
        match self.synced.read() {
            Ok(synced) if *synced => Ok(synced),
            Ok(_) | Err(_) => Err(BackendError::Unfinished),
        }
    }

    fn head(&self, table: Table, key: &[u8]) -> Result<Option<IVec>, BackendError> {
        Ok(self.database.get(head_key(table, key)?)?)
    }

    /// Joins a value from its head and chunks.
    fn join(&self, table: Table, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, BackendError> {
        let head = Head::parse(stored)?;
        let mut value = head.first.to_vec();
        for index in 1..head.chunk_count() {
            let chunk = self.database.get(chunk_key(table, key, index)?)?;
            value.extend_from_slice(&chunk.ok_or(BackendError::Damaged("a chunk is missing"))?);
        }
        if value.len() != head.length {
            return Err(BackendError::Damaged("a value has the wrong length"));
        }
        Ok(value)
    }

    fn stage(
        &self,
        batch: &mut sled::Batch,
        table: Table,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), BackendError> {
        let old_chunks = match self.head(table, key)? {
            Some(stored) => Head::parse(&stored)?.chunk_count(),
            None => 0,
        };
        let mut new_chunks = 0;
        if let Some(value) = value {
            batch.insert(head_key(table, key)?, layout::head(value)?);
            new_chunks = Head::chunk_count_of(value.len());
            for (index, chunk) in chunks(value) {
                batch.insert(chunk_key(table, key, index)?, chunk);
            }
        } else {
            batch.remove(head_key(table, key)?);
        }
        for index in new_chunks.max(1)..old_chunks {
            batch.remove(chunk_key(table, key, index)?);
        }
        Ok(())
    }
}

impl Backend for SledBackend {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        let _durable = self.durable()?;
        let stored = self.head(table, key)?;
        stored.map(|stored| self.join(table, key, &stored)).transpose()
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Record>, BackendError> {
        let _durable = self.durable()?;
        let prefix = table_prefix(table)?;
        let start = head_key(table, from)?;
        let end = match before {
            Some(before) => head_key(table, before)?,
            None => after_prefix(&prefix).ok_or(BackendError::Damaged("a table has no end"))?,
        };
        if end <= start {
            return Ok(Vec::new());
        }
        let mut records = Vec::new();
        for record in self.database.range(start..end).take(limit) {
            let (head_key, stored) = record?;
            let key = layout::key_of(&head_key, &prefix)?;
            records.push((key.to_vec(), self.join(table, key, &stored)?));
        }
        Ok(records)
    }

    fn last(&self, table: Table) -> Result<Option<Record>, BackendError> {
        let _durable = self.durable()?;
        let prefix = table_prefix(table)?;
        let Some(record) = self.database.scan_prefix(&prefix).next_back() else { return Ok(None) };
        let (head_key, stored) = record?;
        let key = layout::key_of(&head_key, &prefix)?;
        Ok(Some((key.to_vec(), self.join(table, key, &stored)?)))
    }

    fn apply(&self, changes: &Changes) -> Result<(), BackendError> {
        let mut synced = self.synced.write().map_err(|_| BackendError::Unfinished)?;
        if !*synced {
            return Err(BackendError::Unfinished);
        }
        let mut batch = sled::Batch::default();
        for ((table, key), value) in changes {
            self.stage(&mut batch, *table, key, value.as_deref())?;
        }
        *synced = false;
        self.database.apply_batch(batch)?;
        self.database.flush()?;
        self.log_file.sync_all()?;
        *synced = true;
        Ok(())
    }
}
