//! Pages of customers' histories and of crowds, in this node's own store.
//!
//! Owns how many bytes of them stay in memory, and which pages are deleted. It must never let a snapshot name a page that is not
//! durable, nor delete one that the newest snapshot or the state in memory names. What it reads the state compares with its hash.

use std::sync::Arc;

use holdfast_ledger::State;
use holdfast_policy::{KeptPages, PageHash, PageSource, PageSourceError, Pages};
use holdfast_store::{CommitError, ContentTable, StoreHandle};

use crate::tables::PAGES;

/// The table, and how much of it may stay in memory.
#[derive(Debug)]
pub(crate) struct Histories {
    table: Arc<ContentTable>,
    memory: usize,
}

struct Stored(Arc<ContentTable>);

impl Histories {
    /// Pages in this store, of which `memory` bytes stay in memory.
    pub(crate) fn new(store: StoreHandle, memory: usize) -> Self {
        Self { table: Arc::new(ContentTable::new(store, PAGES)), memory }
    }

    /// A way to the pages that knows of no fault and remembers nothing yet.
    pub(super) fn pages(&self) -> Pages {
        Pages::kept_in(Box::new(Stored(Arc::clone(&self.table))), self.memory)
    }

    /// The state of the newest snapshot names these.
    pub(super) fn named_at_start(&self, named: Vec<PageHash>) {
        self.table.named_at_start(named.into_iter().map(|hash| *hash.as_bytes()));
    }

    /// Makes pages durable, before the snapshot that names them. Blocks.
    pub(super) fn write(&self, kept: &KeptPages) -> Result<(), CommitError> {
        self.table.write_blocking(kept.iter().map(|(hash, bytes)| (*hash.as_bytes(), bytes)))
    }

    /// The snapshot of this state is durable: deletes what no snapshot needs any more. Blocks.
    pub(super) fn retain(&self, state: &State) {
        match self.table.retain_blocking(state.named_pages().map(|hash| *hash.as_bytes())) {
            Ok(deleted) => tracing::debug!(deleted, "pages that no snapshot names were deleted"),
            Err(error) => tracing::warn!(%error, "pages that no snapshot names were not deleted"),
        }
    }
}

impl PageSource for Stored {
    fn page(&self, hash: &PageHash) -> Result<Option<Vec<u8>>, PageSourceError> {
        let read = self.0.read(hash.as_bytes());
        read.inspect_err(|error| tracing::error!(%hash, %error, "a page cannot be read")).map_err(Into::into)
    }
}
