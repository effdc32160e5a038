//! Waits until sled has let go of its file, which is later than when its database was dropped.
//!
//! sled takes a `flock` on its log file and drops it with the last reference to that file. Its thread pool has such
//! references: the task that writes a buffer first tells waiters that the buffer is written, then stabilizes segments
//! (which may truncate the file) and only then drops its own. `Db`'s drop waits for the buffers, not for the tasks.
//! Must never take the lock for longer than the question needs, nor wait without a bound.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A task has microseconds of work left after it woke the waiters, and at most one truncation with its sync.
const ATTEMPTS: usize = 10_000;
const PAUSE: Duration = Duration::from_millis(1);

/// Dropping it blocks until nobody holds sled's lock. Drop it after the database.
pub(super) struct Release {
    log_path: PathBuf,
}

impl Release {
    pub(super) fn of(log_path: &Path) -> Self {
        Self { log_path: log_path.to_owned() }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        for _ in 0..ATTEMPTS {
            if !is_held(&self.log_path) {
                return;
            }
            thread::sleep(PAUSE);
        }
        tracing::warn!(path = %self.log_path.display(), "sled still holds its file after 10 seconds");
    }
}

/// Whether anybody, this process included, holds sled's lock.
pub(super) fn is_held(log_path: &Path) -> bool {
    // `flock` belongs to an open file, so a second one of the same process is told the truth; closing it lets go.
    let Ok(file) = File::open(log_path) else { return false };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}
