//! Pairs that never again run the multiplication of one key with each other.
//!
//! Owns the durable list. It must never lose a ban, and never sign while it cannot read them.

use std::sync::{Mutex, PoisonError};

use holdfast_store::{Batch, StoreError, StoreHandle};
use holdfast_threshold::BannedPair;

use crate::tables::{self, BANS};

/// Far beyond what a committee of 16 can have for many keys.
const MAX_BANS: usize = 10_000;

/// All bans of this node.
#[derive(Debug)]
pub(crate) struct Bans {
    store: StoreHandle,
    known: Mutex<Vec<BannedPair>>,
}

/// The list of bans cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BanError {
    /// A record does not read: which pairs are banned is unknown.
    #[error("a stored ban is unreadable: this node must not sign, restore its store")]
    Unreadable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Bans {
    /// Loads the list. Blocks.
    pub(crate) fn load(store: StoreHandle) -> Result<Self, BanError> {
        let records = store.scan(BANS, &[], MAX_BANS)?;
        let known: Result<Vec<_>, _> = records
            .iter()
            .map(|(ban, _)| BannedPair::from_bytes(ban).map_err(|_| BanError::Unreadable))
            .collect();
        Ok(Self { store, known: Mutex::new(known?) })
    }

    /// Bans a pair, durably.
    // INVARIANT (G3): in force at once, and on disk before anybody hears of the failure that led to it.
    pub(crate) async fn add(&self, pair: BannedPair, reason: &str) -> Result<(), BanError> {
        tracing::error!(by = %pair.by, against = %pair.against, reason, "a party is banned");
        self.list().push(pair);
        let batch = Batch::new().put(BANS, pair.to_bytes(), reason);
        Ok(self.store.commit(batch).await.map_err(tables::unconditional)?)
    }

    /// Every ban.
    pub(crate) fn all(&self) -> Vec<BannedPair> {
        self.list().clone()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<BannedPair>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_store::StoreConfig;
    use holdfast_threshold::PartyIndex;

    use super::*;

    fn ban() -> BannedPair {
        let party = |index| PartyIndex::new(index).unwrap();
        BannedPair { key: [2; 33], by: party(1), against: party(3) }
    }

    #[tokio::test]
    async fn ban_survives_a_restart_and_an_unreadable_one_stops_the_node() {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig::at(directory.path().join("store"));
        let store = StoreHandle::open(&config, &tables::ALL).unwrap();
        let bans = Bans::load(store.clone()).unwrap();
        assert_eq!(bans.all(), []);
        bans.add(ban(), "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
        assert_eq!(bans.all(), [ban()]);
        assert_eq!(Bans::load(store.clone()).unwrap().all(), [ban()]);

        store.commit(Batch::new().put(BANS, "garbage", "")).await.unwrap();
        assert!(matches!(Bans::load(store), Err(BanError::Unreadable)));
    }
}
