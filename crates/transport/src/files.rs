//! Files of secrets and files for everyone: written whole or not at all, and durable when the call returns.
//!
//! Must never create a secret with wider permissions than 0600, even for a moment, nor read one that others can access.
//! These calls block: keep them off asynchronous tasks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

/// The largest file that is read here.
pub const MAX_FILE_BYTES: usize = 1 << 20;

const SECRET_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
const ACCESS_OF_OTHERS: u32 = 0o077;
/// How the names of files that are not complete end.
const TEMPORARY: &str = ".tmp";

/// Writes a secret with mode 0600, replacing any file of that name in one step.
///
/// # Errors
/// `FILE_IO`; the previous file is untouched then.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_secret_parts(path, &[bytes])
}

/// The same with content in parts, for files that should not be in memory twice.
///
/// # Errors
/// `FILE_IO`; the previous file is untouched then.
pub fn write_secret_parts(path: &Path, parts: &[&[u8]]) -> Result<(), FileError> {
    write_atomically(path, parts, SECRET_MODE, |temporary| fs::rename(temporary, path))
}

/// Removes what writes of this file that were cut off by the end of their process have left beside it. Nobody may be writing it
/// meanwhile.
///
/// # Errors
/// `FILE_IO`.
pub fn remove_unfinished(path: &Path) -> Result<(), FileError> {
    let failed = |error| FileError::io("remove what is unfinished of", path, error);
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let prefix = [name.as_encoded_bytes(), b"."].concat();
    let entries = match fs::read_dir(parent_of(path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let found = entry.file_name();
        let found = found.as_encoded_bytes();
        if found.starts_with(&prefix) && found.ends_with(TEMPORARY.as_bytes()) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Writes a secret with mode 0600, refusing to replace an existing file: for keys, whose loss cannot be undone.
///
/// # Errors
/// `FILE_EXISTS`, `FILE_IO`.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomically(path, &[bytes], SECRET_MODE, |temporary| {
        // A link fails when the name is taken; a rename would silently replace it.
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    })
}

/// Writes a file that anybody may read (mode 0644), replacing any file of that name in one step.
///
/// # Errors
/// `FILE_IO`; the previous file is untouched then.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomically(path, &[bytes], PUBLIC_MODE, |temporary| fs::rename(temporary, path))
}

/// Reads a secret, if nobody but its owner has any access to the file.
///
/// # Errors
/// `SECRET_FILE_READABLE_BY_OTHERS`, `FILE_TOO_LARGE`, `FILE_IO`.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = open(path)?;
    // The open file is checked, not the name: the name may point elsewhere by now.
    let mode = file.metadata().map_err(|error| FileError::io("inspect", path, error))?.permissions().mode();
    if mode & ACCESS_OF_OTHERS != 0 {
        return Err(FileError::ReadableByOthers { path: path.to_owned(), mode: mode & 0o777 });
    }
    read_bounded(file, path)
}

/// Reads a file that is no secret.
///
/// # Errors
/// `FILE_TOO_LARGE`, `FILE_IO`.
pub fn read_public(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = read_bounded(open(path)?, path)?;
    Ok(std::mem::take(&mut *bytes))
}

fn open(path: &Path) -> Result<File, FileError> {
    let file = File::open(path).map_err(|error| FileError::io("open", path, error))?;
    let metadata = file.metadata().map_err(|error| FileError::io("inspect", path, error))?;
    if !metadata.is_file() {
        return Err(FileError::io("read", path, io::ErrorKind::InvalidInput.into()));
    }
    Ok(file)
}

fn read_bounded(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let limit = MAX_FILE_BYTES.saturating_add(1);
    let size = file.metadata().map_err(|error| FileError::io("inspect", path, error))?.len();
    // Room for everything at once: a growing vector would leave copies of a secret behind.
    let room = usize::try_from(size).unwrap_or(limit).saturating_add(1).min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::io("read", path, error))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Writes and syncs a temporary file beside `path`, lets `publish` give it its name, and syncs the directory.
fn write_atomically(
    path: &Path,
    parts: &[&[u8]],
    mode: u32,
    publish: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), FileError> {
    let temporary = temporary_beside(path)?;
    let written = write_synced(&temporary, parts, mode).and_then(|()| publish(&temporary));
    if let Err(error) = written {
        // What is left of it is private and never read; the first error is the one that matters.
        let _ = fs::remove_file(&temporary);
        return Err(if error.kind() == io::ErrorKind::AlreadyExists {
            FileError::Exists { path: path.to_owned() }
        } else {
            FileError::io("write", path, error)
        });
    }
    sync_parent(path)
}

fn write_synced(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(SECRET_MODE).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    // The umask may have narrowed the mode of a public file; it can never have widened that of a secret.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// A name in the same directory that no other write of this process uses.
fn temporary_beside(path: &Path) -> Result<PathBuf, FileError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name =
        path.file_name().ok_or_else(|| FileError::io("write", path, io::ErrorKind::InvalidInput.into()))?;
    let unique = format!(".{}-{}{TEMPORARY}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut temporary = name.to_owned();
    temporary.push(unique);
    Ok(path.with_file_name(temporary))
}

fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = parent_of(path);
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| FileError::io("sync", parent, error))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why a file was not read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FileError {
    /// Group or others have some access to a secret.
    #[error("secret file `{}` is accessible to other users (mode {mode:03o}): run `chmod 600` on it", path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("file `{}` is larger than 1048576 bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file exists and must not be replaced.
    #[error("file `{}` exists already: move it away first if it is no longer needed", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
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
}

impl FileError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ReadableByOthers { .. } => "SECRET_FILE_READABLE_BY_OTHERS",
            Self::TooLarge { .. } => "FILE_TOO_LARGE",
            Self::Exists { .. } => "FILE_EXISTS",
            Self::Io { .. } => "FILE_IO",
        }
    }

    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn secret_is_written_private_and_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        write_secret(&path, b"old").unwrap();
        write_secret(&path, b"new").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left behind");
    }

    #[test]
    fn secret_that_others_can_access_in_any_way_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        write_secret(&path, b"secret").unwrap();
        for wide in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777] {
            set_mode(&path, wide);
            assert_eq!(
                read_secret(&path).unwrap_err().reason(),
                "SECRET_FILE_READABLE_BY_OTHERS",
                "mode {wide:o}"
            );
        }
        set_mode(&path, 0o400);
        read_secret(&path).unwrap();
    }

    #[test]
    fn symbolic_link_does_not_hide_the_mode_of_the_file_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("key.pem"), directory.path().join("link.pem"));
        write_public(&path, b"secret").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_secret(&link).unwrap_err().reason(), "SECRET_FILE_READABLE_BY_OTHERS");
    }

    #[test]
    fn rewriting_a_secret_narrows_a_mode_that_was_too_wide() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        write_public(&path, b"old").unwrap();
        write_secret(&path, b"new").unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn created_secret_never_replaces_an_existing_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        create_secret(&path, b"first").unwrap();
        assert_eq!(create_secret(&path, b"second").unwrap_err().reason(), "FILE_EXISTS");
        assert_eq!((mode(&path), read_secret(&path).unwrap().as_slice()), (0o600, b"first".as_slice()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left behind");
    }

    #[test]
    fn leftovers_of_writes_that_were_cut_off_are_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("replica.snapshot");
        write_secret_parts(&path, &[b"one", b"", b" two"]).unwrap();
        for name in [
            "replica.snapshot.17-0.tmp",
            "replica.snapshot.18-3.tmp",
            "replica.snapshots.tmp",
            "key.17-0.tmp",
        ] {
            fs::write(directory.path().join(name), b"half").unwrap();
        }
        remove_unfinished(&path).unwrap();
        let left = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["key.17-0.tmp", "replica.snapshot", "replica.snapshots.tmp"]);
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"one two");
        remove_unfinished(&directory.path().join("none/replica.snapshot")).unwrap();
    }

    #[test]
    fn public_file_is_readable_by_everyone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        write_public(&path, b"certificate").unwrap();
        assert_eq!((mode(&path), read_public(&path).unwrap()), (0o644, b"certificate".to_vec()));
    }

    #[test]
    fn oversized_missing_and_irregular_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        write_secret(&path, &vec![0; MAX_FILE_BYTES]).unwrap();
        read_secret(&path).unwrap();
        write_secret(&path, &vec![0; MAX_FILE_BYTES + 1]).unwrap();
        assert_eq!(read_secret(&path).unwrap_err().reason(), "FILE_TOO_LARGE");
        assert_eq!(read_secret(&directory.path().join("none")).unwrap_err().reason(), "FILE_IO");
        assert_eq!(read_public(directory.path()).unwrap_err().reason(), "FILE_IO");
    }
}
