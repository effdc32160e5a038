//! The store's directory: private, and held by one process at a time.
//!
//! Must never widen the permissions of what exists, nor open a backend before the lock is held.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::BackendKind;
use crate::error::StoreError;

const LOCK_FILE: &str = "LOCK";
const REDB_FILE: &str = "store.redb";
const SLED_DIRECTORY: &str = "sled";

/// A directory that this process holds: dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct StoreDirectory {
    path: PathBuf,
    lock: File,
}

impl StoreDirectory {
    /// Creates the directory if needed (mode 0700, durably), refuses one that others can access, and locks it.
    pub(crate) fn claim(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        require_private(path)?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where this backend keeps its data; refused when the other one's data is there.
    pub(crate) fn data_path(&self, backend: BackendKind) -> Result<PathBuf, StoreError> {
        let (own, other, found) = match backend {
            BackendKind::Redb => (REDB_FILE, SLED_DIRECTORY, BackendKind::Sled),
            BackendKind::Sled => (SLED_DIRECTORY, REDB_FILE, BackendKind::Redb),
        };
        if self.path.join(other).exists() {
            return Err(StoreError::BackendMismatch { path: self.path.clone(), found });
        }
        Ok(self.path.join(own))
    }

    /// Makes the names of newly created files durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.path)
    }
}

impl Drop for StoreDirectory {
    fn drop(&mut self) {
        // Closing would do, were it not for a child that another thread forks: it has a copy until it executes its
        // program. An error leaves just that, and the system lets go of the lock with the last copy.
        let _ = self.lock.unlock();
    }
}

/// Creates missing directories from the top, syncing each new name into its parent.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut missing: Vec<&Path> =
        path.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).collect();
    while let Some(directory) = missing.pop() {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StoreError::io("create directory", directory, error));
            }
            Ok(()) | Err(_) => {}
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

fn require_private(path: &Path) -> Result<(), StoreError> {
    let metadata = path.metadata().map_err(|error| StoreError::io("inspect", path, error))?;
    if !metadata.is_dir() {
        return Err(StoreError::io("use as directory", path, io::ErrorKind::NotADirectory.into()));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::DirectoryOpenToOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file_path = path.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&file_path)
        .map_err(|error| StoreError::io("open", &file_path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &file_path, error)),
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| StoreError::io("sync", path, error))
}
