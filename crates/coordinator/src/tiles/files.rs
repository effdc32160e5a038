//! The directory with the tiles. It must never replace a file by another content without saying so, nor leave a half-written
//! one under its name.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_log::tiles::{CHECKPOINT_PATH, TILE_WIDTH};
use holdfast_log::{SignedCheckpoint, TilePath};

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refuses.
    #[error("cannot write `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A published file has another content than the log.
    #[error(
        "ALARM: `{path}` was published with another content than the log's: it was changed on disk, move it away and find out by whom"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// Tiles in a directory. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct TileFiles(Arc<PathBuf>);

impl TileFiles {
    /// The directory, made if it is not there.
    pub(super) fn in_directory(directory: PathBuf) -> Result<Self, FileError> {
        make_directories(&directory)?;
        Ok(Self(Arc::new(directory)))
    }

    /// Size of the published checkpoint, if there is one that reads.
    pub(super) fn published_size(&self) -> Option<u64> {
        let signed = SignedCheckpoint::parse(&self.checkpoint()?).ok()?;
        Some(signed.claimed().size)
    }

    /// The published checkpoint.
    pub(super) fn checkpoint(&self) -> Option<Vec<u8>> {
        fs::read(self.0.join(CHECKPOINT_PATH)).ok()
    }

    /// A published tile.
    pub(super) fn tile(&self, path: &TilePath) -> Option<Vec<u8>> {
        fs::read(self.0.join(path.to_string())).ok()
    }

    /// Writes a tile unless it is there. A full one is durable when this returns, and the partial ones before it are gone.
    pub(super) fn write_tile(&self, path: &TilePath, bytes: &[u8], may_mend: bool) -> Result<(), FileError> {
        let file = self.0.join(path.to_string());
        match fs::read(&file) {
            Ok(found) if found == bytes => {}
            Ok(_) if !may_mend => return Err(FileError::Changed { path: file }),
            Ok(_) => {
                tracing::warn!(file = %file.display(), "a tile that was not complete is written anew");
                write(&file, bytes)?;
            }
            Err(_) => write(&file, bytes)?,
        }
        if path.width() == TILE_WIDTH {
            let mut partials = file.into_os_string();
            partials.push(".p");
            // They may be gone already, and nobody needs them any more.
            let _ = fs::remove_dir_all(partials);
        }
        Ok(())
    }

    /// Writes the checkpoint, durably.
    pub(super) fn write_checkpoint(&self, bytes: &[u8]) -> Result<(), FileError> {
        write(&self.0.join(CHECKPOINT_PATH), bytes)
    }
}

/// Whole and durable, or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let Some(directory) = path.parent() else { return Err(fail(io::ErrorKind::InvalidInput.into())) };
    make_directories(directory)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(directory)?.sync_all()
    })();
    written.map_err(fail)
}

/// Makes directories durably: each new name is synchronised in the directory above it.
fn make_directories(directory: &Path) -> Result<(), FileError> {
    let fail = |source| FileError::Io { path: directory.to_owned(), source };
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(above) = directory.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_directories(above)?;
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
        return File::open(above).and_then(|above| above.sync_all()).map_err(fail);
    }
    fs::create_dir_all(directory).map_err(fail)
}
