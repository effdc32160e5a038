//! What a backend must do: ordered reads of durable records, and one atomic, durable `apply`.
//!
//! Must never hold any rule of the contract that could differ between backends: expectations, grouping and limits are
//! decided before `apply` is called.

mod redb;
mod sled;

use std::collections::BTreeMap;
use std::io;

use crate::config::BackendKind;
use crate::directory::StoreDirectory;
use crate::error::StoreError;
use crate::table::Table;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The net effect of a group: for each key its new value, or `None` for a deletion.
pub(crate) type Changes = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Ordered durable records. Called by any number of readers, and by exactly one writer.
pub(crate) trait Backend: Send + Sync {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError>;

    /// At most `limit` records in key order, from `from` (included) up to `before` (excluded).
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Record>, BackendError>;

    fn last(&self, table: Table) -> Result<Option<Record>, BackendError>;

    // INVARIANT: returns `Ok` only when all changes would survive a power cut; after a crash all of them are there or
    // none, and no reader sees any of them before (G8).
    fn apply(&self, changes: &Changes) -> Result<(), BackendError>;
}

/// Opens the configured backend in a directory that this process holds.
pub(crate) fn open(directory: &StoreDirectory, kind: BackendKind) -> Result<Box<dyn Backend>, StoreError> {
    let path = directory.data_path(kind)?;
    let refused = |error| match error {
        BackendError::Held => StoreError::Locked { path: directory.path().to_owned() },
        other @ (BackendError::Redb(_)
        | BackendError::Sled(_)
        | BackendError::Io(_)
        | BackendError::Damaged(_)
        | BackendError::Unfinished) => StoreError::read(other),
    };
    let backend: Box<dyn Backend> = match kind {
        BackendKind::Redb => Box::new(redb::RedbBackend::open(&path).map_err(refused)?),
        BackendKind::Sled => Box::new(sled::SledBackend::open(&path).map_err(refused)?),
    };
    directory.sync()?;
    Ok(backend)
}

/// What the libraries underneath report.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// redb failed.
    #[error("redb failed")]
    Redb(#[from] ::redb::Error),
    /// sled failed.
    #[error("sled failed")]
    Sled(#[from] ::sled::Error),
    /// A program that does not know the directory's own lock has the data file open.
    #[error("the data file is held by another program")]
    Held,
    /// A file operation beside the library failed.
    #[error("file operation failed")]
    Io(#[from] io::Error),
    /// A stored record contradicts itself.
    #[error("a stored record is damaged: {0}")]
    Damaged(&'static str),
    /// An earlier write did not finish, so what is visible may not be durable.
    #[error("an earlier write did not finish")]
    Unfinished,
}
