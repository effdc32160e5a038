//! The durable key-value contract: atomic batches with expectations, acknowledged only once they are on disk.
//!
//! Owns the contract, its two backends (redb by default, sled) and the one writer thread that groups commits.
//! Must never acknowledge what a power cut could still take back, show a reader what is not yet durable, or go on
//! after a failed write.
//!
//! ```no_run
//! use holdfast_store::{Batch, StoreConfig, StoreHandle, Table};
//!
//! const BINDINGS: Table = Table::new("bindings");
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = StoreHandle::open(&StoreConfig::at("/var/lib/holdfast/store"), &[BINDINGS])?;
//! store.commit(Batch::new().expect_absent(BINDINGS, "w-1").put(BINDINGS, "w-1", "digest")).await?;
//! assert_eq!(store.read(BINDINGS, b"w-1")?, Some(b"digest".to_vec()));
//! store.close().await?;
//! # Ok(())
//! # }
//! ```

mod backend;
mod batch;
mod config;
mod content;
mod directory;
mod error;
mod format;
mod handle;
mod range;
mod table;
mod watch;
mod writer;

pub use backend::{BackendError, Record};
pub use batch::{Batch, Expectation, MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, MAX_KEY_BYTES, MAX_VALUE_BYTES};
pub use config::{BackendKind, StoreConfig};
pub use content::{ContentHash, ContentTable};
pub use error::{CommitError, StoreError};
pub use handle::{MAX_SCAN_RECORDS, StoreHandle};
pub use table::Table;
pub use watch::{Durable, WriteWatch};
