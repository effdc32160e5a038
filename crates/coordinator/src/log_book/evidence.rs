//! Evidence of when the log was how long: cosigned checkpoints, at most one a minute, and when there is no more room, of the
//! oldest ones only one an hour.
//!
//! Nodes that were away learn from them how old an entry is; auditors see when the log stood where. They are copies of what
//! nodes signed: nothing rests on their being complete.

use std::collections::BTreeMap;

use holdfast_log::SignedCheckpoint;
use holdfast_policy::TimestampMs;
use holdfast_store::{Batch, CommitError, Record, StoreError, StoreHandle};

use super::schema::{EVIDENCE, index_key, index_of};

/// Checkpoints that are kept at most.
pub(crate) const MAX_KEPT: usize = 10_000;
/// No more than one in this time.
pub(crate) const EVERY_MS: u64 = 60_000;
/// Of the oldest ones, no more than one in this time is kept when there is no more room.
const THINNED_TO_MS: u64 = 3_600_000;
/// Most checkpoints that go with one run of entries.
pub(super) const MAX_SENT: usize = 64;
/// Records that are read at a time.
const PAGE: usize = 256;

/// A checkpoint that was kept.
#[derive(Clone, Debug)]
pub(crate) struct KeptCheckpoint {
    /// When it was kept, by the coordinator's clock.
    pub(crate) kept_at: TimestampMs,
    /// The checkpoint with its cosignatures.
    pub(crate) checkpoint: SignedCheckpoint,
}

/// What is kept, and the rule of what to keep next.
#[derive(Debug)]
pub(crate) struct Evidence {
    store: StoreHandle,
    kept: BTreeMap<u64, TimestampMs>,
    last_kept: Option<(u64, TimestampMs)>,
}

impl Evidence {
    /// What was kept before.
    pub(crate) fn load(store: &StoreHandle) -> Result<Self, StoreError> {
        let mut evidence = Self { store: store.clone(), kept: BTreeMap::new(), last_kept: None };
        let mut from = 0;
        loop {
            let page = store.scan(EVIDENCE, &index_key(from), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(evidence) };
            from = index_of(last).unwrap_or(u64::MAX).saturating_add(1);
            for (size, kept) in page.iter().filter_map(read) {
                evidence.kept.insert(size, kept.kept_at);
                evidence.last_kept = Some((size, kept.kept_at));
            }
        }
    }

    /// Keeps a cosigned checkpoint if it is time to and the log has grown; forgets the oldest where there is no room.
    pub(crate) async fn offer(
        &mut self,
        checkpoint: &SignedCheckpoint,
        now: TimestampMs,
    ) -> Result<bool, CommitError> {
        let size = checkpoint.claimed().size;
        let is_due =
            self.last_kept.is_none_or(|(last, at)| size > last && now.0 >= at.0.saturating_add(EVERY_MS));
        if !is_due {
            return Ok(false);
        }
        let record = [now.0.to_be_bytes().as_slice(), &checkpoint.to_bytes()].concat();
        let mut batch = Batch::new().put(EVIDENCE, index_key(size), record);
        let dropped = (self.kept.len() >= MAX_KEPT).then(|| self.least_missed()).flatten();
        if let Some(dropped) = dropped {
            batch = batch.delete(EVIDENCE, index_key(dropped));
        }
        self.store.commit(batch).await?;
        if let Some(dropped) = dropped {
            self.kept.remove(&dropped);
        }
        self.kept.insert(size, now);
        self.last_kept = Some((size, now));
        Ok(true)
    }
}

impl Evidence {
    /// The oldest one whose neighbours are less than an hour apart; the oldest of all if there is none.
    fn least_missed(&self) -> Option<u64> {
        let after = self.kept.iter().skip(1).zip(self.kept.iter().skip(2));
        let close = self
            .kept
            .values()
            .zip(after)
            .find(|(before, (_, (_, after)))| after.0.saturating_sub(before.0) < THINNED_TO_MS);
        close.map(|(_, ((size, _), _))| *size).or_else(|| self.kept.keys().next().copied())
    }
}

/// Kept checkpoints of trees larger than `after`, at most a page, oldest first, with the size of each.
pub(crate) fn page(store: &StoreHandle, after: u64) -> Result<Vec<(u64, KeptCheckpoint)>, StoreError> {
    let records = store.scan(EVIDENCE, &index_key(after.saturating_add(1)), PAGE)?;
    Ok(records.iter().filter_map(read).collect())
}

/// Kept checkpoints of trees larger than `from` and not larger than `to`, oldest first, as many as one message may carry.
pub(super) fn within(store: &StoreHandle, from: u64, to: u64) -> Result<Vec<SignedCheckpoint>, StoreError> {
    let records = store.scan(EVIDENCE, &index_key(from.saturating_add(1)), MAX_SENT)?;
    let kept = records.iter().filter_map(read).take_while(|(size, _)| *size <= to);
    Ok(kept.map(|(_, kept)| kept.checkpoint).collect())
}

/// A damaged record is as good as none.
fn read((key, value): &Record) -> Option<(u64, KeptCheckpoint)> {
    let (kept_at, note) = value.split_first_chunk::<8>()?;
    let checkpoint = SignedCheckpoint::parse(note).ok()?;
    let size = index_of(key).filter(|size| *size == checkpoint.claimed().size)?;
    Some((size, KeptCheckpoint { kept_at: TimestampMs(u64::from_be_bytes(*kept_at)), checkpoint }))
}
