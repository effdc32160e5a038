//! The log as static files (C2SP tlog-tiles): written under `data_dir/tiles` as it grows, and served over HTTPS to auditors.
//!
//! Files are copies of what the log holds; nothing is read back from them but to serve it. It must never publish an entry
//! that the published checkpoint does not cover, nor change a file that it has published.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_log::tiles::{encode_entry_bundle, encode_hash_tile, tile_hashes};
use holdfast_log::{ExportError, SignedCheckpoint, TileError, TilePath};
use holdfast_server::telemetry::cause;
use holdfast_store::{Batch, CommitError, StoreError};
use tokio::sync::watch;

use crate::cosigned::Cosigned;
use crate::crash::{CrashPoint, CrashPoints};
use crate::log_book::schema::{CHECKPOINTS, TILES, index_key, index_of};
use crate::log_book::{LogBook, LogFailed, ReadError};

mod files;
mod serve;

pub use files::FileError;
use files::TileFiles;
pub(crate) use serve::AuditorsTiles;

/// The shortest time between two publications.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Why a checkpoint is not published.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// A file cannot be written, or was changed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while writing.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A tile cannot be encoded.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// A tile's hashes are not there.
    #[error(transparent)]
    Hashes(#[from] ExportError),
    /// The process is ending.
    #[error("writing the tiles was interrupted")]
    Interrupted,
}

impl From<ReadError> for TilesError {
    fn from(error: ReadError) -> Self {
        Self::Read(Box::new(error))
    }
}

/// Writes the tiles.
#[derive(Debug)]
pub(crate) struct Tiles {
    book: Arc<LogBook>,
    cosigned: Arc<Cosigned>,
    files: TileFiles,
    hooks: Arc<dyn CrashPoints<CrashPoint>>,
    // All full tiles of the tree of this size are durable.
    durable: u64,
    // All tiles of the tree of this size were written by this process.
    written: u64,
    // Size of the checkpoint on disk.
    published: u64,
}

impl Tiles {
    pub(crate) async fn open(
        book: Arc<LogBook>,
        cosigned: Arc<Cosigned>,
        directory: PathBuf,
        hooks: Arc<dyn CrashPoints<CrashPoint>>,
    ) -> Result<Self, TilesError> {
        let files = TileFiles::in_directory(directory)?;
        let durable = book.store().read(CHECKPOINTS, TILES)?.and_then(|bytes| index_of(&bytes));
        // A file that claims more than there is says nothing.
        let size = book.read().await?.size();
        let published = files.published_size().filter(|published| *published <= size).unwrap_or_default();
        Ok(Self { book, cosigned, files, hooks, durable: durable.unwrap_or_default(), written: 0, published })
    }

    /// Publishes what nodes (and, where they are required, outside witnesses) have cosigned, until `stop` turns true.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut newest = self.cosigned.follow_published().await;
        loop {
            let checkpoint = newest.borrow_and_update().clone();
            if let Some(checkpoint) = checkpoint
                && let Err(error) = self.publish(&checkpoint).await
            {
                tracing::error!(error = cause(&error), "the log's tiles cannot be published");
                metrics::counter!("holdfast_tiles_failed_total").increment(1);
            }
            tokio::select! {
                () = tokio::time::sleep(PUBLISH_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Writes every tile of the checkpoint's tree that is not there yet, and the checkpoint last.
    // INVARIANT (G7): the files are those of the tree that the checkpoint states, and nothing beyond it.
    pub(crate) async fn publish(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), TilesError> {
        let size = checkpoint.claimed().size;
        if size < self.published || size < self.written {
            return Ok(());
        }
        for path in TilePath::all_entries(size).chain(TilePath::all_hashes(size)) {
            if self.is_written(&path) {
                continue;
            }
            let bytes = self.bytes_of(&path).await?;
            self.write(path, bytes).await?;
        }
        self.written = size;
        if size > self.durable {
            let batch = Batch::new().put(CHECKPOINTS, TILES, index_key(size));
            self.book.store().commit(batch).await?;
            self.durable = size;
        }
        self.hooks.reached(CrashPoint::BeforeTileCheckpoint);
        let (files, bytes) = (self.files.clone(), checkpoint.to_bytes());
        in_background(move || files.write_checkpoint(&bytes)).await?;
        self.hooks.reached(CrashPoint::AfterTileCheckpoint);
        self.published = size;
        Ok(())
    }

    fn is_written(&self, path: &TilePath) -> bool {
        path.end_entry() <= self.written || (is_full(path) && path.end_entry() <= self.durable)
    }

    async fn bytes_of(&self, path: &TilePath) -> Result<Vec<u8>, TilesError> {
        if !path.is_entries() {
            let hashes = tile_hashes(*path, self.book.read().await?.tree())?;
            return Ok(encode_hash_tile(&hashes)?);
        }
        let (mut next, end) = (path.first_entry(), path.end_entry());
        let mut entries = Vec::new();
        while next < end {
            let page = self.book.entries(next, end).await?;
            next = next.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
            entries.extend(page);
        }
        Ok(encode_entry_bundle(&entries)?)
    }

    async fn write(&self, path: TilePath, bytes: Vec<u8>) -> Result<(), TilesError> {
        let full = is_full(&path);
        if full {
            self.hooks.reached(CrashPoint::BeforeTile);
        }
        let files = self.files.clone();
        // What an earlier process wrote and did not make durable may be damaged; what this one wrote is not.
        let may_mend = self.written == 0;
        in_background(move || files.write_tile(&path, &bytes, may_mend)).await?;
        if full {
            self.hooks.reached(CrashPoint::AfterTile);
        }
        Ok(())
    }
}

fn is_full(path: &TilePath) -> bool {
    path.width() == holdfast_log::tiles::TILE_WIDTH
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, TilesError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| TilesError::Interrupted)?;
    Ok(done?)
}

#[cfg(test)]
mod tests;
