//! Directories for clusters: under the build's target directory, one for each cluster of each test process.
//!
//! They are removed when a cluster is dropped without a failure, and by a later run otherwise, so that the logs of the
//! last failure are there to read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::programs::profile_directory;

/// cargo's target directory.
pub fn target_directory() -> PathBuf {
    profile_directory().parent().unwrap().to_owned()
}

/// A new name for a cluster's directory; its parent exists.
pub(crate) fn fresh() -> PathBuf {
    static SWEEP: Once = Once::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let root = profile_directory().join("test-clusters");
    fs::create_dir_all(&root).unwrap();
    SWEEP.call_once(|| sweep(&root));
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = root.join(format!("{}-{number}.{}", program_name(), std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

/// The test's name without the hash that cargo adds.
fn program_name() -> String {
    let here = std::env::current_exe().unwrap();
    let stem = here.file_stem().unwrap().to_string_lossy().into_owned();
    stem.rsplit_once('-').map_or(stem.clone(), |(name, _)| name.to_owned())
}

/// Removes what test processes that are gone left behind.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.rsplit_once('.').map(|(_, pid)| pid.to_owned()).unwrap_or_default();
        if !Path::new("/proc").join(pid).join("stat").exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
