//! Pairs that never again run the multiplication of one key with each other, as long as the shares of that epoch exist.
//!
//! Owns the durable list. It must never lose a ban, and never sign while it cannot read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_store::{Batch, StoreError, StoreHandle};
use holdfast_threshold::BannedPair;
use tokio::sync::OwnedMutexGuard;

use crate::tables::{self, BANS};

/// Far beyond what a committee of 16 can have for many keys.
const MAX_BANS: usize = 9_999;

/// All bans of this node.
#[derive(Debug)]
pub(crate) struct Bans {
    store: StoreHandle,
    known: Mutex<Vec<(BannedPair, u32)>>,
    // One for each key that ever signed since the start.
    turns: Mutex<BTreeMap<[u8; 33], Arc<tokio::sync::Mutex<()>>>>,
}

/// The right to run a round of a key: while it is held, no other session of the key runs one or leads to a ban.
#[derive(Debug)]
pub(crate) struct Turn {
    _held: OwnedMutexGuard<()>,
}

/// The list of bans cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BanError {
    /// A record does not read: which pairs are banned is unknown.
    #[error("a stored ban is unreadable: this node must not sign, restore its store")]
    Unreadable,
    /// More records than there can be.
    #[error("more than {MAX_BANS} stored bans: this node must not sign, restore its store")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Bans {
    /// Loads the list. Blocks.
    pub(crate) fn load(store: StoreHandle) -> Result<Self, BanError> {
        let records = store.scan(BANS, &[], MAX_BANS.saturating_add(1))?;
        if records.len() > MAX_BANS {
            return Err(BanError::TooMany);
        }
        let known = records.iter().map(|(ban, value)| {
            let pair = BannedPair::from_bytes(ban).ok()?;
            Some((pair, epoch_of(value)?))
        });
        let known = known.collect::<Option<Vec<_>>>().ok_or(BanError::Unreadable)?;
        Ok(Self { store, known: Mutex::new(known), turns: Mutex::default() })
    }

    /// Bans a pair that worked with the key's shares of this epoch, durably.
    // INVARIANT (G3): in force at once, and on disk before anybody hears of the failure that led to it.
    pub(crate) async fn add(&self, pair: BannedPair, epoch: u32, reason: &str) -> Result<(), BanError> {
        tracing::error!(by = %pair.by, against = %pair.against, epoch, reason, "a party is banned");
        let epoch = self.note(pair, epoch);
        let batch = Batch::new().put(BANS, pair.to_bytes(), format!("{epoch} {reason}"));
        Ok(self.store.commit(batch).await.map_err(tables::unconditional)?)
    }

    /// The newest epoch for which the pair is banned.
    fn note(&self, pair: BannedPair, epoch: u32) -> u32 {
        let mut known = self.list();
        if let Some((_, banned)) = known.iter_mut().find(|(other, _)| *other == pair) {
            *banned = epoch.max(*banned);
            return *banned;
        }
        known.push((pair, epoch));
        epoch
    }

    /// Waits for this key's turn: check of bans, round and new ban are one step for all sessions of a key.
    pub(crate) async fn turn_of(&self, key: [u8; 33]) -> Turn {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(key).or_default())
        };
        Turn { _held: turn.lock_owned().await }
    }

    /// Bans of a key from before this epoch: of shares whose reusable state ends with them.
    pub(crate) fn before(&self, key: [u8; 33], epoch: u32) -> Vec<BannedPair> {
        let known = self.list();
        known
            .iter()
            .filter(|(pair, banned)| pair.key == key && *banned < epoch)
            .map(|(pair, _)| *pair)
            .collect()
    }

    /// These are deleted, durably.
    pub(crate) fn lifted(&self, pairs: &[BannedPair]) {
        self.list().retain(|(pair, _)| !pairs.contains(pair));
    }

    /// Every ban.
    pub(crate) fn all(&self) -> Vec<BannedPair> {
        self.list().iter().map(|(pair, _)| *pair).collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<(BannedPair, u32)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The batch also lifts these bans.
pub(crate) fn without(batch: Batch, pairs: &[BannedPair]) -> Batch {
    pairs.iter().fold(batch, |batch, pair| batch.delete(BANS, pair.to_bytes()))
}

/// A record is `EPOCH REASON`. The first ones had the reason only: all shares were of epoch 0.
fn epoch_of(record: &[u8]) -> Option<u32> {
    match std::str::from_utf8(record).ok()?.split_once(' ') {
        Some((epoch, _)) => epoch.parse().ok(),
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_store::StoreConfig;
    use holdfast_threshold::PartyIndex;

    use super::*;
    use crate::crash::{self, CrashPoint, CrashPoints};

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
        bans.add(ban(), 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
        assert_eq!(bans.all(), [ban()]);
        assert_eq!(Bans::load(store.clone()).unwrap().all(), [ban()]);

        store.commit(Batch::new().put(BANS, "garbage", "")).await.unwrap();
        assert!(matches!(Bans::load(store), Err(BanError::Unreadable)));
    }

    #[tokio::test]
    async fn ban_is_of_the_newest_epoch_in_which_it_was_deserved_and_older_records_are_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig::at(directory.path().join("store"));
        let store = StoreHandle::open(&config, &tables::ALL).unwrap();
        let record = Batch::new().put(BANS, ban().to_bytes(), "OT_CONSISTENCY_CHECK_FAILED");
        store.commit(record).await.unwrap();
        let bans = Bans::load(store.clone()).unwrap();
        assert_eq!((bans.before([2; 33], 0), bans.before([2; 33], 1)), (vec![], vec![ban()]));
        assert_eq!(bans.before([3; 33], 1), [], "of another key");
        for epoch in [2, 1] {
            bans.add(ban(), epoch, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
        }
        for bans in [bans, Bans::load(store.clone()).unwrap()] {
            assert_eq!((bans.before([2; 33], 2), bans.before([2; 33], 3)), (vec![], vec![ban()]));
        }
        store.commit(Batch::new().put(BANS, ban().to_bytes(), "two REASON")).await.unwrap();
        assert!(matches!(Bans::load(store), Err(BanError::Unreadable)));
    }

    #[tokio::test]
    async fn more_bans_than_can_be_read_stop_the_node() {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig::at(directory.path().join("store"));
        let store = StoreHandle::open(&config, &tables::ALL).unwrap();
        let keys: Vec<u16> = (0..=u16::try_from(MAX_BANS).unwrap()).collect();
        for part in keys.chunks(4_000) {
            let batch = part.iter().fold(Batch::new(), |batch, number| {
                let mut ban = ban();
                ban.key[..2].copy_from_slice(&number.to_be_bytes());
                batch.put(BANS, ban.to_bytes(), "")
            });
            store.commit(batch).await.unwrap();
        }
        assert!(matches!(Bans::load(store.clone()), Err(BanError::TooMany)));
        store
            .commit(Batch::new().delete(BANS, {
                let mut ban = ban();
                ban.key[..2].copy_from_slice(&[0, 7]);
                ban.to_bytes()
            }))
            .await
            .unwrap();
        assert_eq!(Bans::load(store).unwrap().all().len(), MAX_BANS);
    }

    #[tokio::test]
    async fn sessions_of_one_key_take_turns_and_those_of_another_do_not_wait() {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig::at(directory.path().join("store"));
        let bans = Bans::load(StoreHandle::open(&config, &tables::ALL).unwrap()).unwrap();
        let first = bans.turn_of([2; 33]).await;
        let second = tokio::time::timeout(std::time::Duration::from_millis(20), bans.turn_of([2; 33]));
        assert!(second.await.is_err());
        bans.turn_of([3; 33]).await;
        drop(first);
        bans.turn_of([2; 33]).await;
    }

    /// Looks at the disk at each point.
    #[derive(Debug)]
    struct Disk(StoreHandle, Mutex<Vec<(CrashPoint, usize)>>);

    impl CrashPoints<CrashPoint> for Disk {
        fn reached(&self, point: CrashPoint) {
            let bans = self.0.scan(BANS, &[], 10).unwrap().len();
            self.1.lock().unwrap().push((point, bans));
        }
    }

    #[tokio::test]
    async fn ban_is_on_disk_before_the_failure_that_led_to_it_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let store =
            StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &tables::ALL).unwrap();
        let disk = Arc::new(Disk(store.clone(), Mutex::default()));
        let points: Arc<dyn CrashPoints<CrashPoint>> = Arc::<Disk>::clone(&disk);
        let bans = Bans::load(crash::watched(store, &points)).unwrap();
        bans.add(ban(), 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
        let seen = disk.1.lock().unwrap().clone();
        assert_eq!(seen, [(CrashPoint::BeforeBan, 0), (CrashPoint::AfterBan, 1)]);
    }
}
