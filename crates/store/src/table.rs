//! Tables: named, separate key spaces, all of them declared when the store is opened.
//!
//! Must never let a name through that a caller made up at run time: a table outside the declared set is an error.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::StoreError;

const MAX_NAME_BYTES: usize = 64;

/// A table's name: 1 to 64 characters of `a-z`, `0-9`, `_`, `-` and `.`, written once as a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(&'static str);

impl Table {
    /// Names a table. The name is checked when the store is opened with it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    fn is_well_formed(self) -> bool {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.');
        !self.0.is_empty() && self.0.len() <= MAX_NAME_BYTES && self.0.bytes().all(allowed)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The tables that one open store knows.
#[derive(Debug, Clone)]
pub(crate) struct TableSet(BTreeSet<Table>);

impl TableSet {
    /// Accepts well-formed, distinct names other than the store's own `reserved` table.
    pub(crate) fn declare(tables: &[Table], reserved: Table) -> Result<Self, StoreError> {
        let mut known = BTreeSet::new();
        for table in tables {
            if !table.is_well_formed() || *table == reserved || !known.insert(*table) {
                return Err(StoreError::InvalidTable { table: *table });
            }
        }
        Ok(Self(known))
    }

    pub(crate) fn require(&self, table: Table) -> Result<(), StoreError> {
        if self.0.contains(&table) { Ok(()) } else { Err(StoreError::UnknownTable { table }) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Table> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Table = Table::new("meta");

    #[test]
    fn malformed_repeated_and_reserved_table_names_are_refused() {
        let long: &'static str = "a234567890123456789012345678901234567890123456789012345678901234x";
        for names in [vec![""], vec!["Upper"], vec!["with space"], vec![long], vec!["a", "a"], vec!["meta"]] {
            let tables: Vec<Table> = names.iter().copied().map(Table::new).collect();
            let refused = TableSet::declare(&tables, META);
            assert!(matches!(refused, Err(StoreError::InvalidTable { .. })), "`{names:?}` was accepted");
        }
    }

    #[test]
    fn only_declared_tables_are_known() {
        let known = TableSet::declare(&[Table::new("entries")], META).unwrap();
        assert!(known.require(Table::new("entries")).is_ok());
        assert!(matches!(known.require(Table::new("entrees")), Err(StoreError::UnknownTable { .. })));
    }
}
