//! Shares that other deployments made, as files that an operator puts here: `imports/<wallet>.json` in the data directory.
//!
//! Owns where they lie, who else may see them, what they must say before one is used, and their end. It must never erase a file that
//! is not the share of an active wallet's key: it may be the only one of its kind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_chains::PublicKey;
use holdfast_policy::WalletId;
use holdfast_threshold::{ForeignError, ForeignShare, MAX_FOREIGN_FILE_LEN};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde_json::json;
use zeroize::Zeroizing;

const DIRECTORY: &str = "imports";
const ACCESS_OF_OTHERS: u32 = 0o077;

/// Why a share of another deployment is not used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// No such file.
    #[error(
        "there is no file with the old share: put it into this node's data directory as `imports/<wallet>.json`, mode 0600"
    )]
    Missing,
    /// A link, a directory, a pipe.
    #[error("the file with the old share is not a plain file")]
    NotPlain,
    /// Somebody else can read or change it.
    #[error(
        "the file with the old share is another user's or accessible to others (mode {mode:03o}): `chmod 600`, owned by who runs this program"
    )]
    NotPrivate {
        /// Its permission bits.
        mode: u32,
    },
    /// The file system refused.
    #[error("the file with the old share cannot be read or erased")]
    Io(#[source] Arc<io::Error>),
    /// The file, or the key in it, is not what it must be.
    #[error(transparent)]
    Share(#[from] ForeignError),
}

impl ImportError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "IMPORT_FILE_MISSING",
            Self::NotPlain => "IMPORT_FILE_NOT_PLAIN",
            Self::NotPrivate { .. } => "IMPORT_FILE_NOT_PRIVATE",
            Self::Io(_) => "FILE_IO",
            Self::Share(error) => error.code(),
        }
    }
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        let is = |errno: Errno| error.raw_os_error() == io::Error::from(errno).raw_os_error();
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Missing;
        }
        // What opening a link says when links are not followed; a directory or a pipe that nobody reads, for writing.
        if is(Errno::ELOOP) || is(Errno::EISDIR) || is(Errno::ENXIO) {
            return Self::NotPlain;
        }
        Self::Io(Arc::new(error))
    }
}

/// The directory.
#[derive(Debug)]
pub(crate) struct Imports(PathBuf);

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There is none.
    None,
    /// It is to be erased, and has the name for it.
    SetAside,
    /// It is a share of another key: it stays.
    Kept,
}

impl Imports {
    pub(crate) fn in_directory(data_dir: &Path) -> Self {
        Self(data_dir.join(DIRECTORY))
    }

    /// The share that is to become this wallet's. Blocks for files.
    pub(crate) fn read(&self, wallet: &WalletId) -> Result<ForeignShare, ImportError> {
        read_private(&self.path(wallet))
    }

    /// Whether anything lies under the wallet's name, or is left of it.
    pub(crate) fn has(&self, wallet: &WalletId) -> bool {
        // What cannot be looked at is not nothing.
        let is_none = |path: PathBuf| matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
        !(is_none(self.path(wallet)) && is_none(self.aside(wallet)))
    }

    /// Gives the file of a wallet whose key is here in new shares the name under which it is erased, if it is one of this key. Blocks
    /// for files.
    ///
    /// # Errors
    /// An [`ImportError`], also for what cannot be read as a share: nobody can say that none is in it.
    // INVARIANT (G8): a file of another key is kept, under whatever name it lies.
    pub(crate) fn set_aside(&self, wallet: &WalletId, key: &PublicKey) -> Result<Ended, ImportError> {
        // What is left of an earlier file is not lost behind this one.
        self.erase_set_aside(wallet)?;
        let path = self.path(wallet);
        let mut reader = match open(&path, false) {
            Ok(reader) => reader,
            Err(ImportError::Missing) => return Ok(Ended::None),
            Err(error) => return Err(error),
        };
        let bytes = read_bounded(&mut reader)?;
        if ForeignShare::from_local_key(&bytes)?.key().public_key() != *key.as_bytes() {
            return Ok(Ended::Kept);
        }
        // It may be there to be read only.
        reader.set_permissions(fs::Permissions::from_mode(0o600))?;
        fs::rename(&path, self.aside(wallet))?;
        File::open(&self.0)?.sync_all()?;
        Ok(Ended::SetAside)
    }

    /// Overwrites and removes what was set aside, also if this was begun before and not ended. Blocks for files.
    ///
    /// # Errors
    /// An [`ImportError`].
    pub(crate) fn erase_set_aside(&self, wallet: &WalletId) -> Result<(), ImportError> {
        let path = self.aside(wallet);
        let mut file = match open(&path, true) {
            Ok(file) => file,
            Err(ImportError::Missing) => return Ok(()),
            Err(error) => return Err(error),
        };
        io::copy(&mut io::repeat(0).take(file.metadata()?.len()), &mut file)?;
        file.sync_all()?;
        fs::remove_file(&path)?;
        File::open(&self.0)?.sync_all()?;
        Ok(())
    }

    /// Only a file that this program found to be of an active wallet's key has this name.
    fn aside(&self, wallet: &WalletId) -> PathBuf {
        self.0.join(format!("{wallet}.erasing"))
    }

    fn path(&self, wallet: &WalletId) -> PathBuf {
        self.0.join(format!("{wallet}.json"))
    }
}

/// The public half of the key that a file holds a share of, as JSON: what an officer proposes the import with.
///
/// # Errors
/// An [`ImportError`]; it shows nothing of the file.
pub fn inspect_share(path: &Path) -> Result<String, ImportError> {
    let share = read_private(path)?;
    let key = share.key();
    let address = PublicKey::from_sec1(&key.public_key()).map(|key| key.address());
    let address = address.map_err(|_| ForeignError::KeyInvalid { field: "public key" })?;
    let shares: Vec<String> = key.verifying_shares().iter().map(hex::encode).collect();
    let public = json!({
        "party": share.party().get(),
        "threshold": format!("{} of {}", key.t(), key.n()),
        "address": address,
        "public_key": hex::encode(key.public_key()),
        "verifying_shares": shares,
    });
    Ok(format!("{public:#}"))
}

// INVARIANT (G3): a share that others may have seen is not taken for a secret.
fn read_private(path: &Path) -> Result<ForeignShare, ImportError> {
    let mut file = open(path, false)?;
    // The open file is checked, not the name: the name may point elsewhere by now.
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o777;
    if mode & ACCESS_OF_OTHERS != 0 || metadata.uid() != geteuid().as_raw() {
        return Err(ImportError::NotPrivate { mode });
    }
    Ok(ForeignShare::from_local_key(&read_bounded(&mut file)?)?)
}

/// A plain file: no link is followed, and a pipe does not keep this program waiting.
fn open(path: &Path, write: bool) -> Result<File, ImportError> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
    let file = OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(ImportError::NotPlain),
    }
}

/// In one buffer that was sized first and is wiped on drop. Of what is too long, enough is read for [`ForeignShare::from_local_key`] to
/// refuse it.
fn read_bounded(file: &mut File) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let limit = MAX_FOREIGN_FILE_LEN.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
