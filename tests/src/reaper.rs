//! A process that outlives the test only to end what the test started.
//!
//! Statics are never dropped and a killed test drops nothing at all, so the processes of a cluster are registered with a
//! helper that reads from a pipe: when the pipe closes, for whatever reason, it kills those that are left.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::programs::program;

/// Registers a running process by its pid and a part of its command line.
pub(crate) fn register(pid: u32, marker: &str) {
    tell(&format!("add {pid} {marker}\n"));
}

/// Forgets a process. Call it before the process is waited for: afterwards the pid may be somebody else's.
pub(crate) fn forget(pid: u32) {
    tell(&format!("del {pid}\n"));
}

fn tell(line: &str) {
    static REAPER: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let reaper = REAPER.get_or_init(|| Mutex::new(start()));
    let mut pipe = reaper.lock().unwrap_or_else(PoisonError::into_inner);
    pipe.write_all(line.as_bytes()).expect("the process reaper lives");
}

#[expect(clippy::zombie_processes, reason = "it ends after this process, which therefore cannot wait for it")]
fn start() -> ChildStdin {
    let program = program("process_reaper").unwrap_or_else(|error| panic!("{error}"));
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C ends the test, not the one that cleans up after it.
        .process_group(0)
        .spawn()
        .expect("the process reaper starts");
    child.stdin.take().expect("a pipe")
}
