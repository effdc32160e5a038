//! Files that commands read and write, with what to do when that fails.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use holdfast_transport::files;

use crate::failure::{Exit, Failure};

/// Reads a file that is no secret.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(files::read_public(path)?)
}

/// Reads a text file that is no secret.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?)
        .map_err(|_| Failure::usage(format!("file `{}` is not text", path.display())))
}

/// Writes a file that anybody may read.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(files::write_public(path, bytes)?)
}

/// Writes a file that anybody may read, where there is none yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    refuse_existing(path)?;
    write(path, bytes)
}

/// Makes a directory and those above it.
pub(crate) fn create_dir(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| io("create directory", path, &error))
}

/// Makes a directory that nobody else can enter, and those above it.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| io("create directory", path, &error))
}

/// Fails if something is there already.
pub(crate) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "FILE_EXISTS", format!("`{}` exists already", path.display()))
        .next("choose another name, or move it away if it is no longer needed"))
}

/// A failure of the file system.
pub(crate) fn io(action: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, "FILE_IO", format!("cannot {action} `{}`: {error}", path.display()))
}

/// `path` as seen from `base`, unless it is absolute.
pub(crate) fn beside(base: &Path, path: &Path) -> PathBuf {
    base.join(path)
}
