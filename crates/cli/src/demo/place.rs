//! The demo's directory: that of an earlier demo is replaced, anything else is left alone.

use std::path::{Path, PathBuf};

use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::failure::{Exit, Failure};
use crate::files;

/// Marks a directory as a demo's; holds the pids of its processes, one a line.
pub(super) const PIDS: &str = "pids";

/// Removes the directory of an earlier demo. Refuses a directory that is no demo's, and one whose processes still run.
pub(super) fn clear(directory: &Path) -> Result<(), Failure> {
    if directory.symlink_metadata().is_err() {
        return Ok(());
    }
    let empty = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
    if empty {
        return Ok(());
    }
    let Ok(pids) = files::read_text(&directory.join(PIDS)) else {
        let message = format!("`{}` is not empty and no earlier demo's", directory.display());
        return Err(
            Failure::new(Exit::Usage, "FILE_EXISTS", message).next("choose another one with `--dir DIR`")
        );
    };
    let alive: Vec<&str> = pids.split_whitespace().filter(|pid| is_ours_and_alive(pid)).collect();
    if !alive.is_empty() {
        let message = format!("an earlier demo in `{}` still runs", directory.display());
        return Err(Failure::new(Exit::Usage, "DEMO_RUNNING", message).next(format!(
            "stop it with `kill {}`, or choose another directory with `--dir DIR`",
            alive.join(" ")
        )));
    }
    remove(directory)
}

/// Renamed first, so that a removal that is cut off leaves no half of a demo under the old name.
fn remove(directory: &Path) -> Result<(), Failure> {
    let doomed = beside(directory);
    std::fs::rename(directory, &doomed).map_err(|error| files::io("replace", directory, &error))?;
    std::fs::remove_dir_all(&doomed).map_err(|error| files::io("remove", &doomed, &error))
}

fn beside(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(format!(".old-{}", std::process::id()));
    directory.with_file_name(name)
}

/// A pid may have been given to somebody else's process since: only one that runs our programs counts.
fn is_ours_and_alive(pid: &str) -> bool {
    let Ok(number) = pid.parse::<i32>() else { return false };
    if number <= 0 || kill(Pid::from_raw(number), None).is_err() {
        return false;
    }
    match std::fs::read(format!("/proc/{number}/cmdline")) {
        Ok(command) => String::from_utf8_lossy(&command).contains("holdfast-"),
        Err(_) => true,
    }
}

/// Marks the directory and records who runs in it.
pub(super) fn mark(directory: &Path, pids: &[u32]) -> Result<(), Failure> {
    let lines: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
    files::write(&directory.join(PIDS), lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_an_earlier_demo_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("demo");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("receipt.json"), "{}").unwrap();
        mark(&directory, &[]).unwrap();
        clear(&directory).unwrap();
        assert!(!directory.exists());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left beside it");
    }

    #[test]
    fn directory_that_is_no_demo_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("thesis.tex"), "years of work").unwrap();
        let failure = clear(directory.path()).unwrap_err();
        assert_eq!(failure.reason(), "FILE_EXISTS");
        assert!(directory.path().join("thesis.tex").exists());
        let file = directory.path().join("thesis.tex");
        assert!(clear(&file).is_err());
    }

    #[test]
    fn pid_that_is_somebody_elses_by_now_does_not_block_and_a_stale_one_neither() {
        // This process is alive and is none of our servers.
        assert!(!is_ours_and_alive(&format!("{}", 1)) || std::fs::read("/proc/1/cmdline").is_err());
        for stale in ["0", "-1", "x", "", "999999999"] {
            assert!(!is_ours_and_alive(stale), "{stale}");
        }
    }
}
