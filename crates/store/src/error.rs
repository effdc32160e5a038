//! Everything that can go wrong with a store, each with its stable reason code.
//!
//! Must never hide an unknown outcome behind a plain refusal: [`StoreError::WriteFailed`] says that it is unknown.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::BackendError;
use crate::config::BackendKind;
use crate::table::Table;

/// Why a batch was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// An expectation does not hold: nothing of the batch was written. This is an answer, not a failure.
    #[error("the record `{}` in `{table}` is not as expected", key.escape_ascii())]
    ExpectationFailed {
        /// The table of the expectation.
        table: Table,
        /// The key of the expectation.
        key: Vec<u8>,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ExpectationFailed { .. } => "EXPECTATION_FAILED",
            Self::Store(error) => error.reason(),
        }
    }
}

/// Why a store cannot be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another handle of this one, has the store open.
    #[error("store `{}` is open in another process: stop that process or configure another path", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// Group or others have access to the directory.
    #[error("store directory `{}` is accessible to other users (mode {mode:03o}): run `chmod 700` on it", path.display())]
    DirectoryOpenToOthers {
        /// The store's directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The directory holds records of the other backend, which must not be silently ignored.
    #[error("store `{}` was written by `{found}`: configure that backend or another path", path.display())]
    BackendMismatch {
        /// The store's directory.
        path: PathBuf,
        /// The backend whose files are there.
        found: BackendKind,
    },
    /// The format record is missing or of a version that this program does not know.
    #[error("store format `{found}` is not known to this version: use the version that wrote it")]
    UnknownFormat {
        /// What the format record says.
        found: String,
    },
    /// A declared table's name is malformed, repeated or reserved.
    #[error("table name `{table}` is malformed, declared twice or reserved")]
    InvalidTable {
        /// The table as named.
        table: Table,
    },
    /// The table was not declared when the store was opened.
    #[error("table `{table}` was not declared when the store was opened")]
    UnknownTable {
        /// The table as named.
        table: Table,
    },
    /// A key is empty or longer than [`crate::MAX_KEY_BYTES`].
    #[error("key of {bytes} bytes in `{table}`: a key has 1 to 512 bytes")]
    KeyLength {
        /// The table written to.
        table: Table,
        /// The key's length.
        bytes: usize,
    },
    /// A value is longer than [`crate::MAX_VALUE_BYTES`].
    #[error("value of {bytes} bytes in `{table}`: a value has at most 1048576 bytes")]
    ValueTooLong {
        /// The table written to.
        table: Table,
        /// The value's length.
        bytes: usize,
    },
    /// A batch has more than [`crate::MAX_BATCH_OPERATIONS`] operations.
    #[error("batch of {operations} operations: a batch has at most 4096, split it")]
    TooManyOperations {
        /// Expectations, puts and deletes together.
        operations: usize,
    },
    /// A batch has more than [`crate::MAX_BATCH_BYTES`] bytes of keys and values.
    #[error("batch of {bytes} bytes: a batch has at most 8388608, split it")]
    BatchTooLarge {
        /// Keys and values together.
        bytes: usize,
    },
    /// One batch writes the same key twice.
    #[error("batch writes `{}` in `{table}` twice", key.escape_ascii())]
    KeyRepeated {
        /// The table written to.
        table: Table,
        /// The repeated key.
        key: Vec<u8>,
    },
    /// A scan asks for more than [`crate::MAX_SCAN_RECORDS`] records.
    #[error("scan limit {limit}: ask for at most 10000 records and go on from the last key")]
    ScanLimit {
        /// The limit asked for.
        limit: usize,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: Arc<io::Error>,
    },
    /// The backend could not open or read.
    #[error("the store cannot be read")]
    ReadFailed {
        /// The backend's error.
        source: Arc<BackendError>,
    },
    /// A write failed: whether it is on disk is unknown until the store is opened again.
    #[error("the write failed and its outcome is unknown: restart and read it back")]
    WriteFailed {
        /// The backend's error.
        source: Arc<BackendError>,
    },
    /// An earlier write failed; the store refuses everything from then on.
    #[error("an earlier write failed: the store refuses all work until it is opened again")]
    Poisoned,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "STORE_LOCKED",
            Self::DirectoryOpenToOthers { .. } => "STORE_DIRECTORY_OPEN_TO_OTHERS",
            Self::BackendMismatch { .. } => "STORE_BACKEND_MISMATCH",
            Self::UnknownFormat { .. } => "STORE_FORMAT_UNKNOWN",
            Self::InvalidTable { .. } => "STORE_TABLE_INVALID",
            Self::UnknownTable { .. } => "STORE_TABLE_UNKNOWN",
            Self::KeyLength { .. } => "STORE_KEY_LENGTH",
            Self::ValueTooLong { .. } => "STORE_VALUE_TOO_LONG",
            Self::TooManyOperations { .. } => "STORE_TOO_MANY_OPERATIONS",
            Self::BatchTooLarge { .. } => "STORE_BATCH_TOO_LARGE",
            Self::KeyRepeated { .. } => "STORE_KEY_REPEATED",
            Self::ScanLimit { .. } => "STORE_SCAN_LIMIT",
            Self::Io { .. } => "STORE_IO",
            Self::ReadFailed { .. } => "STORE_READ_FAILED",
            Self::WriteFailed { .. } => "STORE_WRITE_FAILED",
            Self::Poisoned => "STORE_POISONED",
            Self::Closed => "STORE_CLOSED",
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn read(source: BackendError) -> Self {
        Self::ReadFailed { source: Arc::new(source) }
    }
}
