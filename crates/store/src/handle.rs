//! The handle that everyone holds: commits go to the writer's bounded queue, reads go straight to the backend.
//!
//! Must never sync a file itself, and never answer after a failed write: a poisoned store refuses reads too.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, RwLockReadGuard};

use tokio::sync::{mpsc, oneshot};

use crate::backend::{self, Backend, BackendError, Record};
use crate::batch::{Batch, check_key};
use crate::config::StoreConfig;
use crate::directory::StoreDirectory;
use crate::error::{CommitError, StoreError};
use crate::format;
use crate::range::after_prefix;
use crate::table::{Table, TableSet};
use crate::watch::{Durable, WriteWatch};
use crate::writer::{self, Command};

/// The most records that one scan returns.
pub const MAX_SCAN_RECORDS: usize = 10_000;

/// How many batches may wait for the writer; further commits wait for room.
const QUEUE_BATCHES: usize = 256;

/// One open store. Clones are cheap and share it.
#[derive(Clone)]
pub struct StoreHandle {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Command>,
    watch: Option<Arc<dyn WriteWatch>>,
}

impl StoreHandle {
    /// Opens or creates a store with the tables its owner will use, and starts its writer thread.
    ///
    /// Does blocking file work: call it at start-up or on a blocking thread.
    ///
    /// # Errors
    /// `STORE_LOCKED` while another process has it open, and every other way in which a store cannot be trusted.
    pub fn open(config: &StoreConfig, tables: &[Table]) -> Result<Self, StoreError> {
        let tables = TableSet::declare(tables, format::META)?;
        let directory = StoreDirectory::claim(&config.path)?;
        let backend = backend::open(&directory, config.backend)?;
        format::check_or_begin(backend.as_ref(), &tables)?;
        tracing::debug!(path = %directory.path().display(), backend = %config.backend, "store opened");
        Self::start(Open { backend, _directory: Some(directory) }, tables)
    }

    fn start(open: Open, tables: TableSet) -> Result<Self, StoreError> {
        let (queue, commands) = mpsc::channel(QUEUE_BATCHES);
        let shared =
            Arc::new(Shared { tables, open: RwLock::new(Some(open)), poisoned: AtomicBool::new(false) });
        writer::spawn(Arc::clone(&shared), commands)?;
        Ok(Self { shared, queue, watch: None })
    }

    /// The same store; `watch` is told about everything that is written through this handle and its clones.
    #[must_use]
    pub fn watched(self, watch: Arc<dyn WriteWatch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// A store over any backend, for tests of what happens when one fails.
    #[cfg(test)]
    pub(crate) fn over(backend: Box<dyn Backend>, tables: &[Table]) -> Result<Self, StoreError> {
        let tables = TableSet::declare(tables, format::META)?;
        Self::start(Open { backend, _directory: None }, tables)
    }

    #[cfg(test)]
    pub(crate) fn free_places(&self) -> usize {
        self.queue.capacity()
    }

    /// Applies a batch atomically. Returns once all of it would survive a power cut.
    ///
    /// Waits while the queue is full. Dropping the future does not take a queued batch back.
    ///
    /// # Errors
    /// [`CommitError::ExpectationFailed`] when nothing was written because an expectation does not hold;
    /// `STORE_WRITE_FAILED` when the outcome is unknown; `STORE_POISONED` for ever after that.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let (command, verdict, durable) = self.prepare(batch)?;
        self.queue.send(command).await.map_err(|_| self.shared.gone())?;
        verdict.await.map_err(|_| StoreError::Poisoned)??;
        durable.into_iter().for_each(|tell| tell());
        Ok(())
    }

    /// [`Self::commit`] for threads outside an asynchronous runtime.
    ///
    /// # Errors
    /// As [`Self::commit`].
    ///
    /// # Panics
    /// When called from an asynchronous task, which must not block: use [`Self::commit`] there.
    pub fn commit_blocking(&self, batch: Batch) -> Result<(), CommitError> {
        let (command, verdict, durable) = self.prepare(batch)?;
        self.queue.blocking_send(command).map_err(|_| self.shared.gone())?;
        verdict.blocking_recv().map_err(|_| StoreError::Poisoned)??;
        durable.into_iter().for_each(|tell| tell());
        Ok(())
    }

    fn prepare(&self, batch: Batch) -> Result<(Command, Verdict, Option<Durable>), StoreError> {
        let batch = batch.check(&self.shared.tables)?;
        self.shared.require_sound()?;
        let durable = self.watch.as_ref().map(|watch| watch.begins(&mut batch.places()));
        let (reply, verdict) = oneshot::channel();
        Ok((Command::Commit { batch, reply }, verdict, durable))
    }

    /// The value of the record with this key, if there is one.
    ///
    /// # Errors
    /// `STORE_TABLE_UNKNOWN`, `STORE_KEY_LENGTH`, `STORE_READ_FAILED`, `STORE_POISONED`, `STORE_CLOSED`.
    pub fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(table, key)?;
        self.shared.consult(table, |backend| backend.read(table, key))
    }

    /// At most `limit` records in key order, starting at `from_key` (included). An empty `from_key` is the start.
    ///
    /// One scan sees one state: never half a batch.
    ///
    /// # Errors
    /// As [`Self::read`], and `STORE_SCAN_LIMIT` above [`MAX_SCAN_RECORDS`].
    pub fn scan(&self, table: Table, from_key: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        self.scan_range(table, from_key, None, limit)
    }

    /// At most `limit` records whose keys start with `prefix`, in key order.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn scan_prefix(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        self.scan_range(table, prefix, after_prefix(prefix).as_deref(), limit)
    }

    fn scan_range(
        &self,
        table: Table,
        from: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        if limit > MAX_SCAN_RECORDS {
            return Err(StoreError::ScanLimit { limit });
        }
        if !from.is_empty() {
            check_key(table, from)?;
        }
        self.shared.consult(table, |backend| backend.scan(table, from, before, limit))
    }

    /// The record with the greatest key.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn last(&self, table: Table) -> Result<Option<Record>, StoreError> {
        self.shared.consult(table, |backend| backend.last(table))
    }

    /// Whether every acknowledged commit can still be relied on and further ones be made.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shared.require_sound().is_ok() && !self.queue.is_closed()
    }

    /// Commits what is queued, closes the backend and releases the lock. Other handles get `STORE_CLOSED` afterwards.
    ///
    /// # Errors
    /// `STORE_POISONED` when a write failed before or while closing.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        self.queue.send(Command::Close { reply }).await.map_err(|_| self.shared.gone())?;
        closed.await.map_err(|_| StoreError::Poisoned)?;
        self.shared.require_sound()
    }

    /// [`Self::close`] for threads outside an asynchronous runtime.
    ///
    /// # Errors
    /// As [`Self::close`].
    ///
    /// # Panics
    /// When called from an asynchronous task: use [`Self::close`] there.
    pub fn close_blocking(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        self.queue.blocking_send(Command::Close { reply }).map_err(|_| self.shared.gone())?;
        closed.blocking_recv().map_err(|_| StoreError::Poisoned)?;
        self.shared.require_sound()
    }
}

impl fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHandle").field("healthy", &self.is_healthy()).finish_non_exhaustive()
    }
}

type Verdict = oneshot::Receiver<Result<(), CommitError>>;

/// The backend and, after it in drop order, the lock on its directory.
struct Open {
    backend: Box<dyn Backend>,
    _directory: Option<StoreDirectory>,
}

/// What all handles and the writer share.
pub(crate) struct Shared {
    tables: TableSet,
    open: RwLock<Option<Open>>,
    // INVARIANT: set before anybody hears of a failed write, and never cleared: after it nothing is read or written (G9).
    poisoned: AtomicBool,
}

impl Shared {
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    pub(crate) fn require_sound(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Runs `work` on the open backend, which stays open meanwhile.
    pub(crate) fn with_backend<T>(
        &self,
        work: impl FnOnce(&dyn Backend) -> Result<T, BackendError>,
    ) -> Result<Result<T, BackendError>, StoreError> {
        let guard = self.open_state()?;
        let open = guard.as_ref().ok_or(StoreError::Closed)?;
        Ok(work(open.backend.as_ref()))
    }

    /// Closes the backend once no reader uses it, then releases the directory.
    pub(crate) fn close(&self) {
        if let Ok(mut open) = self.open.write() {
            drop(open.take());
        }
    }

    fn consult<T>(
        &self,
        table: Table,
        work: impl FnOnce(&dyn Backend) -> Result<T, BackendError>,
    ) -> Result<T, StoreError> {
        self.tables.require(table)?;
        self.require_sound()?;
        let answer = self.with_backend(work)?.map_err(StoreError::read)?;
        // A write may have failed while we read.
        self.require_sound()?;
        Ok(answer)
    }

    fn open_state(&self) -> Result<RwLockReadGuard<'_, Option<Open>>, StoreError> {
        self.open.read().map_err(|_| StoreError::Poisoned)
    }

    /// Why the writer no longer takes commands.
    fn gone(&self) -> StoreError {
        self.require_sound().err().unwrap_or(StoreError::Closed)
    }
}
