//! Appending: entries are applied in memory and made durable together, and nobody sees them in between.

use std::fmt;

use holdfast_ledger::{Applied, Event, State};
use holdfast_log::{Entry, Envelope, SignedCheckpoint};
use holdfast_server::telemetry::cause;
use holdfast_store::Batch;
use tokio::sync::RwLockWriteGuard;

use super::schema::{CHECKPOINTS, ENTRIES, LOG_CHECKPOINT, PAYLOADS, index_key, payload_key};
use super::{Inner, LogBook, LogBookError, LogFailed, events};

/// Exclusive access to the log until [`Writer::commit`].
///
/// INVARIANT (G8): whoever appends and does not commit, for whatever reason, fails the log for good, because memory is
/// then ahead of the disk.
pub(crate) struct Writer<'a> {
    pub(super) book: &'a LogBook,
    pub(super) inner: RwLockWriteGuard<'a, Inner>,
    batch: Batch,
    payloads: Vec<[u8; 32]>,
    unsaved: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(book: &'a LogBook, inner: RwLockWriteGuard<'a, Inner>) -> Self {
        Self { book, inner, batch: Batch::new(), payloads: Vec::new(), unsaved: false }
    }

    /// The state with everything that was appended so far.
    pub(crate) fn state(&self) -> &State {
        self.inner.replica.state()
    }

    /// The first durable entry with this payload.
    pub(crate) fn position_of(&self, envelope: &Envelope) -> Result<Option<u64>, LogFailed> {
        self.book.position_of(envelope).map_err(|error| {
            tracing::error!(error = cause(&error), "the log cannot be read");
            LogFailed
        })
    }

    /// Applies an entry.
    ///
    /// # Errors
    /// [`LogBookError`]; the log has failed then.
    pub(crate) fn append(&mut self, entry: Entry) -> Result<Applied, LogBookError> {
        self.unsaved = true;
        let payload = payload_key(entry.envelope());
        let applied = self.inner.append(&entry)?;
        announce_trips(&Event::new(&entry, &applied, self.inner.replica.state()));
        let mut batch = std::mem::take(&mut self.batch);
        for (table, key, event) in events::of(&self.inner, &entry, &applied) {
            batch = batch.put(table, key, event);
        }
        // The first entry with a payload is the one that acted, if any did.
        if !self.payloads.contains(&payload) && self.book.store.read(PAYLOADS, &payload)?.is_none() {
            batch = batch.put(PAYLOADS, payload, index_key(applied.index));
            self.payloads.push(payload);
        }
        let key = index_key(applied.index);
        self.batch = batch.expect_absent(ENTRIES, key).put(ENTRIES, key, entry.into_bytes());
        Ok(applied)
    }

    /// Makes everything durable together with its checkpoint. Only then does anybody else see it.
    ///
    /// # Errors
    /// [`LogFailed`], for good.
    pub(crate) async fn commit(mut self) -> Result<(), LogFailed> {
        if !self.unsaved {
            return Ok(());
        }
        let checkpoint = self.inner.checkpoint(self.book.origin());
        let signed = self.book.keys.sign(&checkpoint, &self.inner.keys).map_err(|error| {
            tracing::error!(error = cause(&error), "the log's checkpoint cannot be signed");
            LogFailed
        })?;
        let mut batch = self.take_batch();
        if let Some(signed) = &signed {
            batch = batch.put(CHECKPOINTS, LOG_CHECKPOINT, signed.to_bytes());
        }
        self.save(batch).await?;
        self.publish(signed);
        Ok(())
    }

    /// What is to be written so far.
    pub(super) fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    pub(super) async fn save(&mut self, batch: Batch) -> Result<(), LogFailed> {
        self.book.store.commit(batch).await.map_err(|error| {
            tracing::error!(error = cause(&error), reason = error.reason(), "the log cannot be written");
            LogFailed
        })?;
        self.unsaved = false;
        metrics::counter!("holdfast_log_entries").absolute(self.inner.replica.size());
        Ok(())
    }

    /// Lets everybody see what is durable. Without the key in force nothing new is announced: nodes take no entry without
    /// a checkpoint that it signed.
    pub(super) fn publish(&mut self, signed: Option<SignedCheckpoint>) {
        let Some(signed) = signed else { return };
        let size = signed.claimed().size;
        self.inner.checkpoint = Some(signed);
        self.book.tip.send_replace(size);
    }

    /// Whether the log's checkpoints can be signed as it is now.
    pub(crate) fn can_sign(&self) -> bool {
        let key = self.inner.replica.state().roster().coordinator().log_key;
        self.book.keys.holds(&key)
    }

    /// Whether the log's checkpoints could still be signed after this entry. Nothing is changed.
    pub(crate) fn could_sign_after(&self, entry: &Entry) -> bool {
        let mut staged = self.inner.replica.clone();
        // What does not apply changes no key.
        let _ = staged.append(entry);
        self.book.keys.holds(&staged.state().roster().coordinator().log_key)
    }
}

/// Somebody has to look why: until then the wallet pays nobody.
fn announce_trips(event: &Event<'_>) {
    for (wallet, trip) in event.trips() {
        let (wallet, rule) = (wallet.id.to_string(), trip.rule.to_string());
        tracing::error!(%wallet, %rule, withdrawal = %trip.withdrawal, cause = %trip.cause, "a circuit breaker paused a wallet");
        metrics::counter!("holdfast_breaker_trips_total", "wallet" => wallet, "rule" => rule).increment(1);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if self.unsaved {
            self.book.fail_without_pages(&self.inner);
            self.book.fail();
        }
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("unsaved", &self.unsaved).finish_non_exhaustive()
    }
}
