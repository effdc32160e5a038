//! The cell's processes: started from the binaries beside this one, watched, and stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use holdfast_transport::Role;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::connect;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::init::DemoCell;
use crate::profile::Server;
use crate::session::Session;

const READY_WITHIN: Duration = Duration::from_secs(90);
const PROBE_EVERY: Duration = Duration::from_millis(150);
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Where the servers' programs are.
pub(super) struct Binaries {
    node: PathBuf,
    coordinator: PathBuf,
}

/// Finds the servers' programs beside this one.
pub(super) fn binaries() -> Result<Binaries, Failure> {
    let here = std::env::current_exe().map_err(|error| Failure::other("FILE_IO", error.to_string()))?;
    let find = |name: &str| {
        let path = here.with_file_name(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(Exit::Usage, "FILE_IO", format!("`{}` is missing", path.display()))
            .next("build it with `cargo build --bins`"))
    };
    Ok(Binaries { node: find("holdfast-node")?, coordinator: find("holdfast-coordinator")? })
}

struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

/// The running processes. Dropping them kills them, so that no error leaves one behind.
pub(super) struct Processes {
    running: Vec<Process>,
    kept: bool,
}

impl Processes {
    /// Starts three nodes and a coordinator.
    pub(super) fn start(binaries: &Binaries, cell: &DemoCell) -> Result<Self, Failure> {
        files::create_dir(&cell.directory.join("logs"))?;
        let mut processes = Self { running: Vec::new(), kept: false };
        for node in &cell.nodes {
            let config = cell.directory.join(&node.name).join("node.toml");
            processes.spawn(&binaries.node, &node.name, &config, cell)?;
        }
        let config = cell.directory.join("coordinator/coordinator.toml");
        processes.spawn(&binaries.coordinator, &cell.coordinator.name, &config, cell)?;
        Ok(processes)
    }

    fn spawn(&mut self, program: &Path, name: &str, config: &Path, cell: &DemoCell) -> Result<(), Failure> {
        let log = cell.directory.join("logs").join(format!("{name}.log"));
        let file = File::create(&log).map_err(|error| files::io("write", &log, &error))?;
        let copy = file.try_clone().map_err(|error| files::io("write", &log, &error))?;
        let child = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::from(copy))
            .stderr(Stdio::from(file))
            // A group of its own: Ctrl-C reaches this program, which stops the others in order.
            .process_group(0)
            .spawn()
            .map_err(|error| files::io("start", program, &error))?;
        self.running.push(Process { name: name.to_owned(), log, child });
        Ok(())
    }

    /// Who runs, by pid.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.running.iter().filter_map(|process| process.child.id()).collect()
    }

    /// One line for each process.
    pub(super) fn describe(&self, cell: &DemoCell) -> String {
        let servers = cell.nodes.iter().chain([&cell.coordinator]);
        let lines = self.running.iter().zip(servers).map(|(process, server)| {
            let pid = process.child.id().map(|pid| pid.to_string()).unwrap_or_default();
            format!("  pid {pid:<8} {:<12} {}", process.name, server.address)
        });
        format!("Four separate processes:\n{}", lines.collect::<Vec<_>>().join("\n"))
    }

    /// Waits until every server answers health checks, or one has ended.
    pub(super) async fn wait_until_ready(
        &mut self,
        session: &Session,
        cell: &DemoCell,
    ) -> Result<(), Failure> {
        let spinner = session.output.spinner("waiting for the processes".to_owned());
        let deadline = Instant::now().checked_add(READY_WITHIN);
        let nodes = cell.nodes.iter().map(|node| (Role::Node, node));
        for (role, server) in nodes.chain([(Role::Coordinator, &cell.coordinator)]) {
            loop {
                self.check_alive()?;
                let failure = match answers(session, role, server).await {
                    Ok(()) => break,
                    Err(failure) => failure,
                };
                if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                    return Err(failure.during(&format!("{} did not become ready", server.name)));
                }
                sleep(PROBE_EVERY).await;
            }
        }
        spinner.finish_and_clear();
        Ok(())
    }

    /// Fails if a process has ended.
    pub(super) fn check_alive(&mut self) -> Result<(), Failure> {
        for process in &mut self.running {
            if let Ok(Some(status)) = process.child.try_wait() {
                let message = format!("{} ended: {status}\n{}", process.name, tail(&process.log));
                return Err(Failure::other("PROCESS_ENDED", message));
            }
        }
        Ok(())
    }

    /// Leaves the processes running.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// Asks every process to stop, and kills those that do not.
    pub(super) async fn stop(&mut self) {
        for process in &self.running {
            signal(&process.child, Signal::SIGTERM);
        }
        for process in &mut self.running {
            if timeout(STOP_WITHIN, process.child.wait()).await.is_err() {
                let _ = process.child.kill().await;
            }
        }
        self.running.clear();
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if !self.kept {
            self.running.iter().for_each(|process| signal(&process.child, Signal::SIGKILL));
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    // A child that has been waited for has no pid any more, so a reused pid cannot be hit.
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

async fn answers(session: &Session, role: Role, server: &Server) -> Result<(), Failure> {
    let who = session.profile.choose(Role::Operator, None)?;
    let channel = connect::connect(&session.profile, &who, role, server).await?;
    connect::probe(&channel, Duration::from_secs(5)).await
}

fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n")
}
