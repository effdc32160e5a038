//! When a process kills itself, or its disk fails it: what the programs `crash_node` and `crash_coordinator` share, and who revives
//! them.
//!
//! For tests only: no shipped program knows of it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use holdfast_server::crash::CrashPoints;
use holdfast_server::snapshot::SNAPSHOT_EVERY;
use holdfast_store::Table;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, Options, Store};
use crate::flows::Flow;
use crate::steadfast::{Checked, Steadfast};
use crate::{COORDINATOR, eventually, power};

/// The environment variable that says when to die: `POINT`, `POINT:N` (at its Nth time), `any:N` (at the Nth point
/// whatever it is) or `never`.
pub const CRASH_AT: &str = "HOLDFAST_CRASH_AT";
/// The environment variable that says what happens there in the place of a kill: `full DIRECTORY` or `lost DIRECTORY`, where a file
/// system is mounted that has no room from then on, or fails at everything. The process goes on.
pub const CRASH_BY: &str = "HOLDFAST_CRASH_BY";
/// What a dying process says last in its log, before the point's name.
pub const DYING: &str = "crash point: ";
/// How long a process may take to reach its point: longer than any flow.
const DEATH: Duration = Duration::from_secs(180);

/// Dies at one point, as if its power was cut, or loses its disk there. Implements the crash points of both programs.
#[derive(Debug)]
pub struct DieAt {
    // `None`: at whatever point.
    point: Option<String>,
    left: AtomicU64,
    // `None`: it dies.
    trouble: Option<(DiskTrouble, PathBuf)>,
}

/// What may become of a disk at a crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskTrouble {
    /// There is no room left.
    Full,
    /// Every access fails, and what was not synced is gone.
    Lost,
}

impl DiskTrouble {
    /// The value of [`CRASH_BY`] for the file system mounted there.
    pub(crate) fn at(self, mounted: &Path) -> String {
        let name = match self {
            Self::Full => "full",
            Self::Lost => "lost",
        };
        format!("{name} {}", mounted.display())
    }

    fn parse(text: &str) -> anyhow::Result<(Self, PathBuf)> {
        let (name, mounted) = text.split_once(' ').unwrap_or((text, ""));
        let trouble = match name {
            "full" => Self::Full,
            "lost" => Self::Lost,
            _ => anyhow::bail!("{CRASH_BY} is not `full DIRECTORY` or `lost DIRECTORY`"),
        };
        Ok((trouble, mounted.into()))
    }

    fn strikes(self, mounted: &Path) {
        match self {
            Self::Full => power::fill(mounted),
            Self::Lost => power::cut(mounted),
        }
    }
}

impl DieAt {
    /// Reads [`CRASH_AT`] and [`CRASH_BY`]; `is_point` knows the program's points.
    ///
    /// # Errors
    /// When the first is absent or names no point, or the second means nothing.
    pub fn from_environment(is_point: impl Fn(&str) -> bool) -> anyhow::Result<Self> {
        let text = std::env::var(CRASH_AT).with_context(|| format!("{CRASH_AT} is not set"))?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        let left = AtomicU64::new(if name == "never" { u64::MAX } else { count.parse()? });
        anyhow::ensure!(matches!(name, "any" | "never") || is_point(name), "`{name}` is no crash point");
        let point = Some(name.to_owned()).filter(|name| !matches!(name.as_str(), "any" | "never"));
        let trouble = std::env::var(CRASH_BY).ok().map(|text| DiskTrouble::parse(&text)).transpose()?;
        Ok(Self { point, left, trouble })
    }
}

fn die(signal: Signal) {
    // The signal may take a moment to arrive; nothing may happen after the point.
    while kill(Pid::this(), signal).is_ok() {
        std::thread::park();
    }
}

impl<P: Display> CrashPoints<P> for DieAt {
    fn reached(&self, point: P) {
        let name = point.to_string();
        if self.point.as_ref().is_some_and(|point| *point != name) {
            return;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            eprintln!("{DYING}{name}");
            match &self.trouble {
                None => die(Signal::SIGKILL),
                Some((trouble, mounted)) => trouble.strikes(mounted),
            }
        }
    }

    /// Whoever shall die around a snapshot writes one as soon as there is anything to keep.
    fn snapshot_every(&self) -> u64 {
        let is_near = |point: &String| point.ends_with("-snapshot") || point.ends_with("-pages");
        if self.point.as_ref().is_some_and(is_near) { 2 } else { SNAPSHOT_EVERY }
    }

    fn unnamed_write(&self, table: Table) {
        eprintln!("a write to table `{}` has no crash point: name it in crash.rs", table.name());
        // Not SIGKILL: whoever waits for this process sees that it did not die as planned.
        die(Signal::SIGABRT);
    }
}

/// The configuration file in `run --config FILE`.
///
/// # Errors
/// For any other command line.
pub fn config_argument() -> anyhow::Result<PathBuf> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, command, flag, path] if command == "run" && flag == "--config" => Ok(path.into()),
        _ => anyhow::bail!("usage: {CRASH_AT}=POINT PROGRAM run --config FILE"),
    }
}

/// Ends `main`: prints what went wrong.
pub fn exit(name: &str, result: anyhow::Result<()>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Runs `flow` while `server` dies again and again: life after life as `lives` says, then as the real program. Returns what
/// the flow gives and the points at which the server died; the server is up and healthy afterwards.
///
/// # Panics
/// When the server ends in any other way than planned.
pub async fn dying<T>(
    cluster: &Cluster,
    server: &str,
    lives: impl IntoIterator<Item = String>,
    flow: impl Future<Output = T>,
) -> (T, Vec<String>) {
    let mut flow = std::pin::pin!(flow);
    let (mut died_at, mut done) = (Vec::new(), None);
    cluster.kill_9(server);
    for life in lives {
        cluster.start_crashing(server, &life);
        let what = format!("{server} dies at {life}");
        let death = eventually(&what, DEATH, || async { cluster.reap(server).ok_or("it lives") });
        tokio::select! {
            result = &mut flow => {
                cluster.kill_9(server);
                done = Some(result);
                break;
            }
            status = death => {
                let last = last_point(cluster, server);
                assert_eq!(status.signal(), Some(9), "{server} ended by itself with {status}, last at {last:?}");
                died_at.extend(last);
            }
        }
    }
    cluster.start(server);
    let result = match done {
        Some(result) => result,
        None => flow.await,
    };
    cluster.wait_healthy(server).await;
    (result, died_at)
}

/// Kills a server at the first point of each flow, then at the second, and so on until the flow ends before. Tells
/// what was done.
///
/// # Panics
/// When anything that was acknowledged is lost.
pub async fn every_point_of_every_flow(server: &str, store: Store) -> String {
    let cluster = Cluster::ready_to_step_up(Options { store }).await;
    let parties = Steadfast::of(&cluster);
    let (mut points, mut deaths, mut checked) = (BTreeSet::new(), 0_usize, Checked::default());
    for flow in Flow::ALL {
        // Two nodes sign: without the third, one of them is the one that dies.
        let needed = server != COORDINATOR && flow.signs();
        if needed {
            cluster.kill_9("node-3");
        }
        for n in 1.. {
            let run = Box::pin(flow.run(&cluster, &parties));
            let ((), died_at) = dying(&cluster, server, [format!("any:{n}")], run).await;
            if died_at.is_empty() {
                break;
            }
            deaths += 1;
            points.extend(died_at);
        }
        if needed {
            cluster.bring_up("node-3").await;
        }
        checked = parties.check().await;
    }
    format!("{server} on {store:?}: {deaths} deaths at {} points: {points:?}; {checked:?}", points.len())
}

fn last_point(cluster: &Cluster, server: &str) -> Option<String> {
    let log = cluster.log_text(server);
    log.lines().rev().find_map(|line| line.strip_prefix(DYING)).map(str::to_owned)
}
