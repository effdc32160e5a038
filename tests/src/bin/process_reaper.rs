//! Ends the processes that a test started, once the test is gone. See the harness module `reaper`.

use std::collections::BTreeMap;
use std::io::BufRead as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() {
    let mut running: BTreeMap<i32, String> = BTreeMap::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let mut words = line.splitn(3, ' ');
        let (verb, pid) = (words.next(), words.next().and_then(|pid| pid.parse().ok()));
        match (verb, pid) {
            (Some("add"), Some(pid)) => {
                running.insert(pid, words.next().unwrap_or_default().to_owned());
            }
            (Some("del"), Some(pid)) => {
                running.remove(&pid);
            }
            (_, _) => {}
        }
    }
    for (pid, marker) in running {
        if is_still(pid, &marker) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// A pid may have been given to another process since: only one with the expected command line is ended.
fn is_still(pid: i32, marker: &str) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pid > 1 && !marker.is_empty() && String::from_utf8_lossy(&command).contains(marker)
}
