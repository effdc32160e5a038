//! A batch: what must hold, what is written and what is deleted, all of it or nothing.
//!
//! Must never reach the writer unchecked: [`CheckedBatch`] is the only thing that the queue takes.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::StoreError;
use crate::table::{Table, TableSet};

/// The longest key, in bytes. Keys are never empty.
pub const MAX_KEY_BYTES: usize = 512;
/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// The most expectations, puts and deletes that one batch may hold together.
pub const MAX_BATCH_OPERATIONS: usize = 4_096;
/// The most bytes of keys and values that one batch may hold.
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// A condition on the state that a batch is applied to.
#[derive(Clone, PartialEq, Eq)]
pub enum Expectation {
    /// No record has this key.
    Absent {
        /// The table looked at.
        table: Table,
        /// The key looked up.
        key: Vec<u8>,
    },
    /// A record has this key and exactly this value.
    Equals {
        /// The table looked at.
        table: Table,
        /// The key looked up.
        key: Vec<u8>,
        /// The value it must have.
        value: Vec<u8>,
    },
    /// A record has this key, whatever its value.
    Present {
        /// The table looked at.
        table: Table,
        /// The key looked up.
        key: Vec<u8>,
    },
}

impl Expectation {
    /// Where to look.
    pub(crate) fn place(&self) -> (Table, &[u8]) {
        match self {
            Self::Absent { table, key } | Self::Present { table, key } | Self::Equals { table, key, .. } => {
                (*table, key)
            }
        }
    }

    /// Whether what was found there is what was expected.
    pub(crate) fn holds(&self, found: Option<&[u8]>) -> bool {
        match self {
            Self::Absent { .. } => found.is_none(),
            Self::Present { .. } => found.is_some(),
            Self::Equals { value, .. } => found == Some(value),
        }
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Absent { .. } => "Absent",
            Self::Equals { .. } => "Equals",
            Self::Present { .. } => "Present",
        };
        let (table, key) = self.place();
        write!(f, "{name}({table}/{})", key.escape_ascii())
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) table: Table,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Delete {
    pub(crate) table: Table,
    pub(crate) key: Vec<u8>,
}

/// Expectations, puts and deletes that are applied together or not at all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    expectations: Vec<Expectation>,
    puts: Vec<Put>,
    deletes: Vec<Delete>,
}

impl Batch {
    /// An empty batch: committing it is a durability barrier for everything committed before.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that no record has this key.
    #[must_use]
    pub fn expect_absent(self, table: Table, key: impl Into<Vec<u8>>) -> Self {
        self.expect(Expectation::Absent { table, key: key.into() })
    }

    /// Requires that the record with this key has exactly this value.
    #[must_use]
    pub fn expect_equals(self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.expect(Expectation::Equals { table, key: key.into(), value: value.into() })
    }

    /// Requires that some record has this key.
    #[must_use]
    pub fn expect_present(self, table: Table, key: impl Into<Vec<u8>>) -> Self {
        self.expect(Expectation::Present { table, key: key.into() })
    }

    /// Adds an expectation. All are evaluated against the state before this batch.
    #[must_use]
    pub fn expect(mut self, expectation: Expectation) -> Self {
        self.expectations.push(expectation);
        self
    }

    /// Writes a record, replacing any with the same key.
    #[must_use]
    pub fn put(mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.puts.push(Put { table, key: key.into(), value: value.into() });
        self
    }

    /// Deletes the record with this key, if there is one.
    #[must_use]
    pub fn delete(mut self, table: Table, key: impl Into<Vec<u8>>) -> Self {
        self.deletes.push(Delete { table, key: key.into() });
        self
    }

    /// Checks every bound, so that the writer never meets a batch it has to refuse for its shape.
    pub(crate) fn check(self, tables: &TableSet) -> Result<CheckedBatch, StoreError> {
        let operations =
            [self.expectations.len(), self.puts.len(), self.deletes.len()].iter().fold(0, saturating_sum);
        if operations > MAX_BATCH_OPERATIONS {
            return Err(StoreError::TooManyOperations { operations });
        }
        let bytes = self.check_places(tables)?;
        if bytes > MAX_BATCH_BYTES {
            return Err(StoreError::BatchTooLarge { bytes });
        }
        self.check_written_once()?;
        Ok(CheckedBatch { batch: self, bytes })
    }

    /// Checks tables, keys and values one by one; returns their total size.
    fn check_places(&self, tables: &TableSet) -> Result<usize, StoreError> {
        let mut bytes: usize = 0;
        let mut check = |table: Table, key: &[u8], value: &[u8]| {
            tables.require(table)?;
            check_key(table, key)?;
            if value.len() > MAX_VALUE_BYTES {
                return Err(StoreError::ValueTooLong { table, bytes: value.len() });
            }
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            Ok(())
        };
        for expectation in &self.expectations {
            let (table, key) = expectation.place();
            let value =
                if let Expectation::Equals { value, .. } = expectation { value.as_slice() } else { &[] };
            check(table, key, value)?;
        }
        self.puts.iter().try_for_each(|put| check(put.table, &put.key, &put.value))?;
        self.deletes.iter().try_for_each(|delete| check(delete.table, &delete.key, &[]))?;
        Ok(bytes)
    }

    /// Two writes to one key in one batch would make the result depend on an order nobody stated.
    fn check_written_once(&self) -> Result<(), StoreError> {
        let puts = self.puts.iter().map(|put| (put.table, put.key.as_slice()));
        let deletes = self.deletes.iter().map(|delete| (delete.table, delete.key.as_slice()));
        let mut written = BTreeSet::new();
        for (table, key) in puts.chain(deletes) {
            if !written.insert((table, key)) {
                return Err(StoreError::KeyRepeated { table, key: key.to_vec() });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("expectations", &self.expectations)
            .field("puts", &self.puts.len())
            .field("deletes", &self.deletes.len())
            .field("values", &"<redacted>")
            .finish()
    }
}

/// A batch within every bound.
pub(crate) struct CheckedBatch {
    batch: Batch,
    bytes: usize,
}

impl CheckedBatch {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn expectations(&self) -> &[Expectation] {
        &self.batch.expectations
    }

    /// Where it writes, or where it deletes if it writes nowhere.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Table, &[u8])> {
        let puts = self.batch.puts.iter().map(|put| (put.table, put.key.as_slice()));
        let deletes = self.batch.deletes.iter().filter(|_| self.batch.puts.is_empty());
        puts.chain(deletes.map(|delete| (delete.table, delete.key.as_slice())))
    }

    pub(crate) fn into_writes(self) -> (Vec<Put>, Vec<Delete>) {
        (self.batch.puts, self.batch.deletes)
    }
}

/// A key is 1 to [`MAX_KEY_BYTES`] bytes long.
pub(crate) fn check_key(table: Table, key: &[u8]) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(StoreError::KeyLength { table, bytes: key.len() });
    }
    Ok(())
}

fn saturating_sum(sum: usize, next: &usize) -> usize {
    sum.saturating_add(*next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Table = Table::new("known");

    fn check(batch: Batch) -> Result<(), StoreError> {
        let tables = TableSet::declare(&[KNOWN], Table::new("meta"))?;
        batch.check(&tables).map(|_| ())
    }

    #[test]
    fn key_and_value_lengths_are_bounded() {
        assert!(check(Batch::new().put(KNOWN, [1; MAX_KEY_BYTES], vec![1; MAX_VALUE_BYTES])).is_ok());
        let long_key = check(Batch::new().delete(KNOWN, [1; MAX_KEY_BYTES + 1]));
        assert!(matches!(long_key, Err(StoreError::KeyLength { bytes: 513, .. })));
        let empty_key = check(Batch::new().expect_present(KNOWN, ""));
        assert!(matches!(empty_key, Err(StoreError::KeyLength { bytes: 0, .. })));
        let long_value = check(Batch::new().put(KNOWN, "k", vec![1; MAX_VALUE_BYTES + 1]));
        assert!(matches!(long_value, Err(StoreError::ValueTooLong { .. })));
        let long_expected = check(Batch::new().expect_equals(KNOWN, "k", vec![1; MAX_VALUE_BYTES + 1]));
        assert!(matches!(long_expected, Err(StoreError::ValueTooLong { .. })));
    }

    #[test]
    fn operations_and_bytes_of_a_batch_are_bounded() {
        let many = (0..=4_096_u32).fold(Batch::new(), |batch, i| batch.delete(KNOWN, i.to_be_bytes()));
        assert!(matches!(check(many), Err(StoreError::TooManyOperations { operations: 4_097 })));
        let large =
            (0..9_u32).fold(Batch::new(), |batch, i| batch.put(KNOWN, i.to_be_bytes(), vec![0; 1 << 20]));
        assert!(matches!(check(large), Err(StoreError::BatchTooLarge { .. })));
    }

    #[test]
    fn key_written_twice_in_one_batch_is_refused() {
        let twice = check(Batch::new().put(KNOWN, "k", "1").delete(KNOWN, "k"));
        assert!(matches!(twice, Err(StoreError::KeyRepeated { .. })));
    }

    #[test]
    fn table_that_was_not_declared_is_refused() {
        let stranger = check(Batch::new().put(Table::new("stranger"), "k", "v"));
        assert!(matches!(stranger, Err(StoreError::UnknownTable { .. })));
    }

    #[test]
    fn debug_output_shows_no_values() {
        let batch = Batch::new().expect_equals(KNOWN, "k", "hunter2").put(KNOWN, "k", "hunter3");
        let shown = format!("{batch:?}");
        assert!(shown.contains("<redacted>") && !shown.contains("hunter"), "{shown}");
    }
}
