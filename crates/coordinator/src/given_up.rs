//! Withdrawals that their client or an officer gave up: no further attempt to sign them is begun.
//!
//! Nothing but the oaths in the log ends a withdrawal; this only keeps the coordinator from working against whoever gave it up,
//! also after a restart. It must never be derived from oaths: then one hostile node's oath would stop any withdrawal.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_ledger::WithdrawalId;
use holdfast_store::{Batch, CommitError, StoreError, StoreHandle};

use crate::log_book::schema::GIVEN_UP;

/// Records that are read at a time.
const PAGE: usize = 256;

/// Those that are still open. Shared.
#[derive(Debug)]
pub(crate) struct GivenUp {
    store: StoreHandle,
    ids: Mutex<BTreeSet<WithdrawalId>>,
}

impl GivenUp {
    /// What was given up before.
    pub(crate) fn load(store: &StoreHandle) -> Result<Self, StoreError> {
        let mut ids = BTreeSet::new();
        let mut from = Vec::new();
        loop {
            let page = store.scan(GIVEN_UP, &from, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            // The next key there can be.
            from = [last.as_slice(), &[0]].concat();
            for (key, _) in &page {
                ids.extend(std::str::from_utf8(key).ok().and_then(|key| key.parse::<WithdrawalId>().ok()));
            }
        }
        Ok(Self { store: store.clone(), ids: Mutex::new(ids) })
    }

    /// Begins no further attempt to sign this withdrawal, also after a restart. Durable when it returns.
    pub(crate) async fn add(&self, id: WithdrawalId) -> Result<(), CommitError> {
        if self.contains(&id) {
            return Ok(());
        }
        self.store.commit(Batch::new().put(GIVEN_UP, id.to_string(), Vec::new())).await?;
        self.lock().insert(id);
        Ok(())
    }

    /// Whether it was given up.
    pub(crate) fn contains(&self, id: &WithdrawalId) -> bool {
        self.lock().contains(id)
    }

    /// Those that are none of the open ones any more.
    pub(crate) fn over(&self, is_open: impl Fn(&WithdrawalId) -> bool) -> BTreeSet<WithdrawalId> {
        self.lock().iter().filter(|id| !is_open(id)).copied().collect()
    }

    /// Forgets them.
    pub(crate) async fn forget(&self, over: BTreeSet<WithdrawalId>) -> Result<(), CommitError> {
        if over.is_empty() {
            return Ok(());
        }
        let batch = over.iter().fold(Batch::new(), |batch, id| batch.delete(GIVEN_UP, id.to_string()));
        self.store.commit(batch).await?;
        self.lock().retain(|id| !over.contains(id));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<WithdrawalId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
