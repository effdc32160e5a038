//! One operating-system process of a cluster: started, watched, killed or asked to stop, and never left behind.

use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::reaper;

const POLL: Duration = Duration::from_millis(10);
/// What `/proc` counts processor time in, on every Linux that matters here.
const TICKS_PER_SECOND: u64 = 100;

/// A running process, or one that has ended and was not yet waited for. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
}

/// Processor time of one process so far, user and system together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// In milliseconds, with the resolution of the kernel's clock tick.
    pub ms: u64,
}

impl Process {
    /// Starts a program; standard output and error are appended to `log`.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        config: &Path,
        environment: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let output = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let errors = output.try_clone().unwrap();
        let child = Command::new(program)
            .args(["run", "--config"])
            .arg(config)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` does not start: {error}", program.display()));
        reaper::register(child.id(), &config.display().to_string());
        Self { name: name.to_owned(), log: log.to_owned(), child, ended: None }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The program that the kernel says it runs.
    pub fn executable(&self) -> PathBuf {
        std::fs::read_link(format!("/proc/{}/exe", self.pid())).unwrap()
    }

    /// Processor time so far.
    pub fn cpu_time(&self) -> CpuTime {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The second field is the program's name in parentheses and may contain anything.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let field = |index: usize| fields.split(' ').nth(index).unwrap().parse::<u64>().unwrap();
        CpuTime { ms: (field(11) + field(12)) * 1_000 / TICKS_PER_SECOND }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() && self.is_zombie() {
            reaper::forget(self.pid());
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Kills it as a power cut would and waits for its end.
    pub fn kill_9(&mut self) {
        self.signal(Signal::SIGKILL);
        let status = self.wait(Duration::from_secs(10));
        assert_eq!(status.signal(), Some(9), "{} had ended by itself: {status}", self.name);
    }

    /// SIGHUP: it reads its certificate again.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Asks it to stop (SIGTERM) and returns how it ended. Does not block: the test's own connections have to answer the
    /// server's farewell meanwhile.
    ///
    /// # Panics
    /// When it takes longer than `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                started.elapsed() < limit,
                "{} did not stop within {limit:?}\n{}",
                self.name,
                self.last_lines()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for its end, blocking.
    fn wait(&mut self, limit: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                started.elapsed() < limit,
                "{} did not end within {limit:?}\n{}",
                self.name,
                self.last_lines()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Fails unless it runs.
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended: {status}\n{}", self.name, self.last_lines());
        }
    }

    /// The end of its log, for messages.
    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal);
        }
    }

    /// Ended and not waited for: until it is waited for, nobody else can get its pid.
    fn is_zombie(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with('Z'))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            reaper::forget(self.pid());
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
