//! What a store's owner may be told about every one of its writes, so that tests can end the process around each.
//!
//! Must never change what is written, or be told of less than everything that [`StoreHandle::commit`] and
//! [`StoreHandle::commit_blocking`] take.
//!
//! [`StoreHandle::commit`]: crate::StoreHandle::commit
//! [`StoreHandle::commit_blocking`]: crate::StoreHandle::commit_blocking

use std::fmt;

use crate::table::Table;

/// Called once a batch is durable and nobody has heard of it yet.
pub type Durable = Box<dyn FnOnce() + Send>;

/// Told about every batch of a store.
pub trait WriteWatch: fmt::Debug + Send + Sync {
    /// A batch is about to be handed to the writer: nothing of it is durable. `records` are the places that it writes, or
    /// those that it deletes if it writes none.
    fn begins(&self, records: &mut dyn Iterator<Item = (Table, &[u8])>) -> Durable;
}
