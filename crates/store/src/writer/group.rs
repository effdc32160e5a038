//! A group of batches under construction: what they change together, on top of what is stored.
//!
//! Must never let a refused batch leave a trace: a batch is judged in full before its first change is taken.

use std::collections::BTreeMap;

use crate::backend::{Backend, BackendError, Changes};
use crate::batch::{CheckedBatch, Expectation};
use crate::error::CommitError;

pub(super) struct Group<'a> {
    backend: &'a dyn Backend,
    changes: Changes,
}

impl<'a> Group<'a> {
    pub(super) fn over(backend: &'a dyn Backend) -> Self {
        Self { backend, changes: BTreeMap::new() }
    }

    // INVARIANT: batches are admitted one after the other by the only writer, so of any number of batches that expect the
    // same key to be absent exactly one is admitted (G5).
    /// Judges one batch against everything stored and everything admitted before it; takes its changes if all holds.
    pub(super) fn admit(&mut self, batch: CheckedBatch) -> Result<Result<(), CommitError>, BackendError> {
        for expectation in batch.expectations() {
            if !self.holds(expectation)? {
                let (table, key) = expectation.place();
                return Ok(Err(CommitError::ExpectationFailed { table, key: key.to_vec() }));
            }
        }
        let (puts, deletes) = batch.into_writes();
        self.changes.extend(puts.into_iter().map(|put| ((put.table, put.key), Some(put.value))));
        self.changes.extend(deletes.into_iter().map(|delete| ((delete.table, delete.key), None)));
        Ok(Ok(()))
    }

    /// Makes all admitted changes durable, atomically.
    pub(super) fn write(self) -> Result<(), BackendError> {
        if self.changes.is_empty() { Ok(()) } else { self.backend.apply(&self.changes) }
    }

    fn holds(&self, expectation: &Expectation) -> Result<bool, BackendError> {
        let (table, key) = expectation.place();
        match self.changes.get(&(table, key.to_vec())) {
            Some(changed) => Ok(expectation.holds(changed.as_deref())),
            None => Ok(expectation.holds(self.backend.read(table, key)?.as_deref())),
        }
    }
}
