//! redb: every `apply` is one write transaction with immediate durability.
//!
//! Must never begin a write transaction anywhere but in `apply`, which only the writer thread calls.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::{
    Builder, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable,
    TableDefinition, TableError,
};

use super::{Backend, BackendError, Changes, Record};
use crate::table::Table;

type Bytes = &'static [u8];
type Snapshot = ReadOnlyTable<Bytes, Bytes>;

/// Small beside redb's default of 1 GiB: several nodes may share one machine.
const CACHE_BYTES: usize = 64 << 20;

pub(crate) struct RedbBackend {
    database: Database,
}

impl RedbBackend {
    pub(crate) fn open(path: &Path) -> Result<Self, BackendError> {
        if !path.exists() {
            create(path)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Self::over(file)
    }

    fn over(file: File) -> Result<Self, BackendError> {
        match Builder::new().set_cache_size(CACHE_BYTES).create_file(file) {
            Ok(database) => Ok(Self { database }),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(BackendError::Held),
            Err(error) => Err(redb::Error::from(error).into()),
        }
    }

    /// A snapshot of the table; `None` while nothing was ever written to it.
    fn snapshot(&self, table: Table) -> Result<Option<Snapshot>, redb::Error> {
        match self.database.begin_read()?.open_table(definition(table)) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn commit(&self, changes: &Changes) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Without two phases redb trusts a non-cryptographic checksum to tell a torn commit from a whole one, and part of
        // what we store is chosen by strangers. The same option makes reopening after a crash independent of the size.
        transaction.set_quick_repair(true);
        for ((table, key), value) in changes {
            let mut open = transaction.open_table(definition(*table))?;
            match value {
                Some(value) => drop(open.insert(key.as_slice(), value.as_slice())?),
                None => drop(open.remove(key.as_slice())?),
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Makes an empty database beside the path and moves it there whole.
// INVARIANT (G8): redb writes its magic number last and refuses a file without it for good, so a process that is killed in its
// first start must not leave one under the name that the next start opens.
fn create(path: &Path) -> Result<(), BackendError> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let synced = file.try_clone()?;
    drop(RedbBackend::over(file)?);
    synced.sync_all()?;
    Ok(fs::rename(&unfinished, path)?)
}

impl Backend for RedbBackend {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        let Some(snapshot) = self.snapshot(table)? else { return Ok(None) };
        Ok(value_in(&snapshot, key)?)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Record>, BackendError> {
        let Some(snapshot) = self.snapshot(table)? else { return Ok(Vec::new()) };
        Ok(records_in(&snapshot, from, before, limit)?)
    }

    fn last(&self, table: Table) -> Result<Option<Record>, BackendError> {
        let Some(snapshot) = self.snapshot(table)? else { return Ok(None) };
        Ok(last_in(&snapshot)?)
    }

    fn apply(&self, changes: &Changes) -> Result<(), BackendError> {
        Ok(self.commit(changes)?)
    }
}

fn value_in(snapshot: &Snapshot, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
    Ok(snapshot.get(key)?.map(|value| value.value().to_vec()))
}

fn records_in(
    snapshot: &Snapshot,
    from: &[u8],
    before: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Record>, redb::Error> {
    let range = match before {
        Some(before) if before <= from => return Ok(Vec::new()),
        Some(before) => snapshot.range(from..before)?,
        None => snapshot.range(from..)?,
    };
    let mut records = Vec::new();
    for record in range.take(limit) {
        let (key, value) = record?;
        records.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(records)
}

fn last_in(snapshot: &Snapshot) -> Result<Option<Record>, redb::Error> {
    Ok(snapshot.last()?.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
}

fn definition(table: Table) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(table.name())
}
