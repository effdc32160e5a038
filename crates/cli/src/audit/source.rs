//! Where an export lies: a directory, or one tar file with the same names in it. Reads both, writes both.
//!
//! Nothing in here is trusted: sizes are bounded before anything is read, and a tar file that has a name twice is refused, for two
//! programs could read two exports from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use holdfast_log::ExportFile;

use crate::failure::{Exit, Failure};
use crate::files;

/// An entry bundle at its largest: 256 entries with their lengths. Decisions about as many are smaller.
const MAX_EXPORT_FILE_BYTES: u64 = 256 * 65_537;
/// Files of an export of a hundred million entries.
const MAX_FILES: usize = 2_000_000;

/// An export to read.
#[derive(Debug)]
pub(crate) enum Source {
    /// Files below a directory.
    Directory(PathBuf),
    /// A tar file, and where in it each name's contents lie.
    Tar { file: File, places: BTreeMap<String, (u64, u64)> },
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        if !path.is_file() {
            let message = format!("`{}` is neither a directory nor a file", path.display());
            return Err(Failure::new(Exit::NotFound, "FILE_IO", message));
        }
        let file = File::open(path).map_err(|error| files::io("open", path, &error))?;
        let places = places(&file).map_err(|problem| {
            Failure::verification("EXPORT_TAR_MALFORMED", format!("`{}`: {problem}", path.display()))
        })?;
        Ok(Self::Tar { file, places })
    }

    /// A file's contents; `None` if there is none, or it is larger than any file of an export.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(name);
                let metadata = std::fs::metadata(&path).ok()?;
                let ok = metadata.is_file() && metadata.len() <= MAX_EXPORT_FILE_BYTES;
                ok.then(|| std::fs::read(&path).ok()).flatten()
            }
            Self::Tar { file, places } => {
                let (start, size) = places.get(name)?;
                let mut bytes = vec![0; usize::try_from(*size).ok()?];
                file.read_exact_at(&mut bytes, *start).ok()?;
                Some(bytes)
            }
        }
    }
}

fn places(file: &File) -> Result<BTreeMap<String, (u64, u64)>, String> {
    let mut archive = tar::Archive::new(file);
    let mut places = BTreeMap::new();
    for entry in archive.entries_with_seek().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        if entry.header().entry_type() == tar::EntryType::Directory {
            continue;
        }
        let path = entry.path_bytes();
        let name = str::from_utf8(&path).map_err(|_| "a name is not text".to_owned())?;
        let name = name.strip_prefix("./").unwrap_or(name).to_owned();
        if entry.header().entry_type() != tar::EntryType::Regular || entry.size() > MAX_EXPORT_FILE_BYTES {
            return Err(format!("`{}` is not a file of an export", holdfast_audit::one_line(&name)));
        }
        let place = (entry.raw_file_position(), entry.size());
        if places.len() >= MAX_FILES {
            return Err("it has too many files".to_owned());
        }
        if places.insert(name.clone(), place).is_some() {
            return Err(format!("it has `{}` twice", holdfast_audit::one_line(&name)));
        }
    }
    Ok(places)
}

/// An export to write. Until [`Target::finish`] it has no checkpoint, so that one that was cut off is none.
pub(crate) enum Target {
    Directory(PathBuf),
    /// Written under a temporary name and renamed at the end.
    Tar {
        builder: Box<tar::Builder<std::io::BufWriter<File>>>,
        partial: PathBuf,
        path: PathBuf,
    },
}

impl Target {
    /// A tar file if the name ends in `.tar`, a directory otherwise. There must be nothing there yet.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        if path.extension().is_none_or(|extension| extension != "tar") {
            if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
                let message = format!("`{}` is not empty", path.display());
                return Err(
                    Failure::new(Exit::Usage, "FILE_EXISTS", message).next("choose another directory")
                );
            }
            files::create_dir(path)?;
            return Ok(Self::Directory(path.to_owned()));
        }
        files::refuse_existing(path)?;
        let partial = path.with_extension("tar.partial");
        let file = File::create(&partial).map_err(|error| files::io("create", &partial, &error))?;
        let builder = Box::new(tar::Builder::new(std::io::BufWriter::new(file)));
        Ok(Self::Tar { builder, partial, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, file: &ExportFile) -> Result<(), Failure> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(&file.path);
                if let Some(parent) = path.parent() {
                    files::create_dir(parent)?;
                }
                std::fs::write(&path, &file.bytes).map_err(|error| files::io("write", &path, &error))
            }
            Self::Tar { builder, partial, .. } => {
                let mut header = tar::Header::new_ustar();
                header.set_size(u64::try_from(file.bytes.len()).unwrap_or(u64::MAX));
                header.set_mode(0o644);
                header.set_mtime(0);
                builder
                    .append_data(&mut header, &file.path, file.bytes.as_slice())
                    .map_err(|error| files::io("write", partial, &error))
            }
        }
    }

    /// Makes it durable under its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Directory(directory) => File::open(&directory)
                .and_then(|opened| nix::unistd::syncfs(&opened).map_err(Into::into))
                .map_err(|error| files::io("sync", &directory, &error)),
            Self::Tar { builder, partial, path } => {
                let fail = |error: std::io::Error| files::io("write", &partial, &error);
                let mut writer = builder.into_inner().map_err(fail)?;
                writer.flush().map_err(fail)?;
                writer.get_ref().sync_all().map_err(fail)?;
                std::fs::rename(&partial, &path).map_err(|error| files::io("rename", &partial, &error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> ExportFile {
        ExportFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn directory_and_tar_file_hold_the_same() {
        let place = tempfile::tempdir().unwrap();
        for name in ["out", "out.tar"] {
            let path = place.path().join(name);
            let mut target = Target::create(&path).unwrap();
            target.write(&file("tile/entries/x001/000.p/7", "entries")).unwrap();
            target.write(&file("checkpoint", "note")).unwrap();
            target.finish().unwrap();
            let source = Source::open(&path).unwrap();
            assert_eq!(source.read("tile/entries/x001/000.p/7").unwrap(), b"entries");
            assert_eq!(source.read("checkpoint").unwrap(), b"note");
            assert_eq!(source.read("keys"), None);
            assert_eq!(Target::create(&path).err().unwrap().reason(), "FILE_EXISTS");
        }
    }

    #[test]
    fn same_export_gives_the_same_tar_file() {
        let place = tempfile::tempdir().unwrap();
        let bytes = ["a.tar", "b.tar"].map(|name| {
            let path = place.path().join(name);
            let mut target = Target::create(&path).unwrap();
            target.write(&file("checkpoint", "note")).unwrap();
            target.finish().unwrap();
            std::fs::read(path).unwrap()
        });
        assert_eq!(bytes[0], bytes[1]);
    }

    #[test]
    fn tar_file_that_two_programs_could_read_differently_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("twice.tar");
        let mut target = Target::create(&path).unwrap();
        target.write(&file("checkpoint", "one")).unwrap();
        target.write(&file("checkpoint", "other")).unwrap();
        target.finish().unwrap();
        assert_eq!(Source::open(&path).unwrap_err().reason(), "EXPORT_TAR_MALFORMED");
        std::fs::write(&path, b"no tar file, but long enough to hold a header if it were one".repeat(20))
            .unwrap();
        assert_eq!(Source::open(&path).unwrap_err().reason(), "EXPORT_TAR_MALFORMED");
        assert_eq!(Source::open(&place.path().join("absent")).unwrap_err().reason(), "FILE_IO");
    }
}
