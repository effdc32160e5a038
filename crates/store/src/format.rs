//! The format record: which layout the records of a store follow.
//!
//! Must never open records of a layout that this program does not know, nor take a store that lost its record for new.

use std::collections::BTreeMap;

use crate::backend::Backend;
use crate::error::StoreError;
use crate::table::{Table, TableSet};

/// The store's own table; no caller can declare it.
pub(crate) const META: Table = Table::new("holdfast.meta");

const KEY: &[u8] = b"format";
const VERSION: &[u8] = b"1";

/// Writes the record into a new store; refuses any other version, and records without one.
pub(crate) fn check_or_begin(backend: &dyn Backend, tables: &TableSet) -> Result<(), StoreError> {
    match backend.read(META, KEY).map_err(StoreError::read)? {
        Some(version) if version == VERSION => Ok(()),
        Some(version) => Err(StoreError::UnknownFormat { found: version.escape_ascii().to_string() }),
        None => begin(backend, tables),
    }
}

fn begin(backend: &dyn Backend, tables: &TableSet) -> Result<(), StoreError> {
    for table in tables.iter() {
        if backend.last(table).map_err(StoreError::read)?.is_some() {
            return Err(StoreError::UnknownFormat { found: "none".to_owned() });
        }
    }
    let record = BTreeMap::from([((META, KEY.to_vec()), Some(VERSION.to_vec()))]);
    backend.apply(&record).map_err(|source| StoreError::WriteFailed { source: source.into() })
}
