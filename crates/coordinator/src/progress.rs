//! What the coordinator is doing right now and what it waits for: shown to those who ask, and forgotten with the process.
//!
//! Nothing is decided from it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_ledger::{CeremonyId, WithdrawalId};
use holdfast_proto::convert::{CeremonyLive, Waiting};
use tokio::sync::watch;

/// The board. Shared.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    withdrawals: Mutex<BTreeMap<WithdrawalId, Waiting>>,
    ceremonies: Mutex<BTreeMap<CeremonyId, CeremonyLive>>,
    version: watch::Sender<u64>,
}

impl Progress {
    /// What a withdrawal waits for.
    pub(crate) fn withdrawal(&self, id: &WithdrawalId) -> Option<Waiting> {
        lock(&self.withdrawals).get(id).cloned()
    }

    /// How a ceremony stands, if it runs.
    pub(crate) fn ceremony(&self, id: &CeremonyId) -> Option<CeremonyLive> {
        lock(&self.ceremonies).get(id).cloned()
    }

    /// Everything that withdrawals wait for.
    pub(crate) fn withdrawals(&self) -> BTreeMap<WithdrawalId, Waiting> {
        lock(&self.withdrawals).clone()
    }

    /// How all running ceremonies stand.
    pub(crate) fn ceremonies(&self) -> BTreeMap<CeremonyId, CeremonyLive> {
        lock(&self.ceremonies).clone()
    }

    pub(crate) fn set_withdrawal(&self, id: WithdrawalId, waiting: Option<Waiting>) {
        self.set(&self.withdrawals, id, waiting);
    }

    pub(crate) fn set_ceremony(&self, id: CeremonyId, live: Option<CeremonyLive>) {
        self.set(&self.ceremonies, id, live);
    }

    /// Forgets withdrawals that are none of the open ones any more.
    pub(crate) fn keep_only(&self, is_open: impl Fn(&WithdrawalId) -> bool) {
        let is_over = |id: &WithdrawalId| !is_open(id);
        let over: Vec<WithdrawalId> = self.withdrawals().into_keys().filter(is_over).collect();
        over.into_iter().for_each(|id| self.set_withdrawal(id, None));
    }

    /// Counts the changes.
    pub(crate) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn set<K: Ord, V: PartialEq>(&self, board: &Mutex<BTreeMap<K, V>>, key: K, value: Option<V>) {
        let mut entries = lock(board);
        if entries.get(&key) == value.as_ref() {
            return;
        }
        match value {
            Some(value) => entries.insert(key, value),
            None => entries.remove(&key),
        };
        drop(entries);
        self.version.send_modify(|version| *version = version.wrapping_add(1));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
